import { defineOperation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'

/** Always 404: bodies lie on the volume as they came, and nobody is told that they are encrypted. */
export const GetBucketEncryption = defineOperation({
  name: 'GetBucketEncryption',
  match: { method: 'GET', level: 'bucket', query: ['encryption'] },
  permission: 's3:GetEncryptionConfiguration',
  body: { kind: 'none' },
  parse: () => null,
  handle: async ({ request }) => {
    throw new S3Error('ServerSideEncryptionConfigurationNotFoundError', {
      extra: { BucketName: request.bucket ?? '' },
    })
  },
})
