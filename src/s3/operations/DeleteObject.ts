import { addressedBucket, addressedKey } from '../addressed.ts'
import { emptyAnswer } from '../answers.ts'
import { asksForce } from '../force.ts'
import { asksBypassGovernance } from '../lock-headers.ts'
import { headerNotImplemented } from '../object-description.ts'
import { defineOperation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { denied, noSuchBucket } from '../store-results.ts'
import { versionIdOf } from '../version-id.ts'

/** S3's conditions of a delete: not done here, and a delete never goes on without them. */
const conditions = [
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'x-amz-if-match-last-modified-time',
  'x-amz-if-match-size',
]

/**
 * Without version id: a delete marker on top, whatever the locks. With one: that version goes, if nothing locks it; an
 * unknown id is a success. Errors: E1, E21.
 */
export const DeleteObject = defineOperation<string | null>({
  name: 'DeleteObject',
  match: { method: 'DELETE', level: 'object' },
  permission: 's3:DeleteObject',
  versionPermission: 's3:DeleteObjectVersion',
  body: { kind: 'none' },
  parse: ({ request, bucket }) => {
    const condition = conditions.find((name) => request.headers[name] !== undefined)
    if (condition !== undefined) throw headerNotImplemented(condition)
    if (bucket !== null && bucket.objectLock !== null && asksForce(request)) {
      throw new S3Error('InvalidRequest', {
        message: 'Nothing is deleted by force in a bucket with Object Lock.',
      })
    }
    return versionIdOf(request.query)
  },
  handle: async (context, versionId) => {
    const bucket = addressedBucket(context)
    const key = addressedKey(context.request)
    const bypassGovernance =
      asksBypassGovernance(context.request.headers) && context.may('s3:BypassGovernanceRetention', key)
    const input = { bucket: bucket.name, key, versionId, bypassGovernance }
    const result = await context.store.versions.delete(context.actor, input)
    if (result.kind === 'denied') throw denied(result, bucket)
    if (result.kind === 'noSuchBucket') throw noSuchBucket(bucket.name)
    const shown = versionId ?? result.versionId
    return emptyAnswer(204, {
      ...(shown === null ? {} : { 'x-amz-version-id': shown }),
      ...(result.isDeleteMarker ? { 'x-amz-delete-marker': 'true' } : {}),
    })
  },
})
