import { unreachable } from '../../lib/assert.ts'
import { limits } from '../../lib/limits.ts'
import { addressedBucket } from '../addressed.ts'
import { emptyAnswer } from '../answers.ts'
import { defineOperation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { noSuchBucket } from '../store-results.ts'
import { allowOnly, childText, parseXml } from '../xml.ts'

type Status = 'Enabled' | 'Suspended'

/** Versioning leaves Enabled never where Object Lock is on (E7, I19). A checksum is not demanded. */
export const PutBucketVersioning = defineOperation<Status>({
  name: 'PutBucketVersioning',
  match: { method: 'PUT', level: 'bucket', query: ['versioning'] },
  permission: 's3:PutBucketVersioning',
  body: { kind: 'document', bytesMax: limits.smallDocumentBytesMax },
  parse: ({ document }) => parseStatus(document),
  handle: async (context, status) => {
    const bucket = addressedBucket(context)
    const result = await context.store.buckets.putVersioning(context.actor, bucket.name, status)
    switch (result.kind) {
      case 'changed':
        return emptyAnswer(200)
      case 'noSuchBucket':
        throw noSuchBucket(bucket.name)
      case 'objectLockPresent':
        throw new S3Error('InvalidBucketState', {
          message:
            'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.',
        })
      default:
        return unreachable(result, 'every result of PutBucketVersioning has its answer')
    }
  },
})

/** Strict: vendors' elements that exclude prefixes from versioning are E8 and never skipped. */
function parseStatus(document: string): Status {
  const root = parseXml(document, ['VersioningConfiguration'])
  allowOnly(root, ['Status', 'MfaDelete'])
  const mfaDelete = childText(root, 'MfaDelete')
  if (mfaDelete === 'Enabled') {
    throw new S3Error('NotImplemented', { message: 'MfaDelete is not implemented by this server.' })
  }
  if (mfaDelete !== null && mfaDelete !== 'Disabled') throw new S3Error('MalformedXML')
  const status = childText(root, 'Status')
  if (status === null) throw new S3Error('IllegalVersioningConfigurationException')
  if (status !== 'Enabled' && status !== 'Suspended') throw new S3Error('MalformedXML')
  return status
}
