import { assert } from '../../lib/assert.ts'
import { limits } from '../../lib/limits.ts'
import { isSystemBucket } from '../../lib/system-buckets.ts'
import { emptyAnswer } from '../answers.ts'
import { headerNotImplemented, refuseAccessControl } from '../object-description.ts'
import { type Action, defineOperation, type OperationContext } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { allowOnly, child, childText, parseXml } from '../xml.ts'

type Input = { readonly objectLock: 'enabled' | 'none'; readonly locationConstraint: string | null }

/**
 * Creates a bucket; with `x-amz-bucket-object-lock-enabled: true` Object Lock and versioning are on in the same step. An
 * existing bucket is never touched, whoever owns it: 409, and no header of the request takes effect.
 */
export const CreateBucket = defineOperation<Input>({
  name: 'CreateBucket',
  match: { method: 'PUT', level: 'bucket' },
  permission: 's3:CreateBucket',
  body: { kind: 'document', bytesMax: limits.smallDocumentBytesMax },
  parse: ({ request, document }) => {
    refuseAccessControl(request.headers)
    const ownership = request.headers['x-amz-object-ownership']
    if (ownership !== undefined && ownership !== 'BucketOwnerEnforced') {
      throw headerNotImplemented('x-amz-object-ownership')
    }
    return {
      objectLock: lockHeader(request.headers['x-amz-bucket-object-lock-enabled']),
      locationConstraint: locationConstraint(document),
    }
  },
  morePermissions: ({ objectLock }) => (objectLock === 'enabled' ? lockPermissions : []),
  handle: async (context, { objectLock, locationConstraint: location }) => {
    const name = context.request.bucket
    assert(name !== null, 'CreateBucket has a bucket name')
    checkLocation(context, location)
    // The system's own buckets are the operator's: nobody else takes their names.
    if (isSystemBucket(name) && context.principal.kind !== 'operator') {
      throw new S3Error('InvalidBucketName', { extra: { BucketName: name } })
    }
    const { accountId } = context.principal
    const { profile } = context
    const dialect = { profile: profile.name, requireChecksum: profile.checksums.requireChecksum }
    const input = { name, accountId, region: context.server.region, objectLock, dialect }
    const result = await context.store.buckets.create(context.actor, input)
    if (result.kind === 'exists') {
      const code = result.bucket.accountId === accountId ? 'BucketAlreadyOwnedByYou' : 'BucketAlreadyExists'
      throw new S3Error(code, { extra: { BucketName: name } })
    }
    return emptyAnswer(200, { location: `/${name}` })
  },
})

const lockPermissions: readonly Action[] = ['s3:PutBucketObjectLockConfiguration', 's3:PutBucketVersioning']

function lockHeader(value: string | undefined): Input['objectLock'] {
  if (value === undefined) return 'none'
  switch (value.toLowerCase()) {
    case 'true':
      return 'enabled'
    case 'false':
      return 'none'
    default:
      throw new S3Error('InvalidRequest', {
        message: 'x-amz-bucket-object-lock-enabled must be true or false',
      })
  }
}

function locationConstraint(document: string): string | null {
  if (document.trim() === '') return null
  const root = parseXml(document, ['CreateBucketConfiguration'])
  // Directory buckets and tags at creation are not done here; an empty list of tags asks for nothing.
  if (
    child(root, 'Location') !== null ||
    child(root, 'Bucket') !== null ||
    (child(root, 'Tags')?.children.length ?? 0) > 0
  ) {
    throw new S3Error('NotImplemented', {
      message: 'Location, Bucket and Tags in CreateBucketConfiguration are not implemented by this server.',
    })
  }
  allowOnly(root, ['LocationConstraint', 'Tags'])
  const location = childText(root, 'LocationConstraint')
  return location === '' ? null : location
}

function checkLocation(context: OperationContext, location: string | null): void {
  if (location === null || location === context.server.region) return
  throw new S3Error('InvalidLocationConstraint', { extra: { LocationConstraint: location } })
}
