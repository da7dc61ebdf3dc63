import { addressedBucket, addressedKey } from '../addressed.ts'
import { emptyAnswer } from '../answers.ts'
import { deleteCondition } from '../conditional.ts'
import { asksForce } from '../force.ts'
import { asksBypassGovernance } from '../lock-headers.ts'
import { headerNotImplemented } from '../object-description.ts'
import { defineOperation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { denied, noSuchBucket, noSuchKey, preconditionFailed } from '../store-results.ts'
import { versionIdOf } from '../version-id.ts'

/** Conditions that S3 has for other buckets or operations: a delete never goes on without them. */
const foreignConditions = [
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'x-amz-if-match-last-modified-time',
  'x-amz-if-match-size',
]

type Input = {
  readonly versionId: string | null
  /** If-Match; null: none. */
  readonly ifMatch: string | null
}

/**
 * Without version id: a delete marker on top, whatever the locks. With one: that version goes, if nothing locks it; an
 * unknown id is a success. Errors: E1, E21; with If-Match also NoSuchKey and PreconditionFailed.
 */
export const DeleteObject = defineOperation<Input>({
  name: 'DeleteObject',
  match: { method: 'DELETE', level: 'object' },
  permission: 's3:DeleteObject',
  versionPermission: 's3:DeleteObjectVersion',
  body: { kind: 'none' },
  parse: ({ request, bucket }) => {
    const condition = foreignConditions.find((name) => request.headers[name] !== undefined)
    if (condition !== undefined) throw headerNotImplemented(condition)
    if (bucket !== null && bucket.objectLock !== null && asksForce(request)) {
      throw new S3Error('InvalidRequest', {
        message: 'Nothing is deleted by force in a bucket with Object Lock.',
      })
    }
    const versionId = versionIdOf(request.query)
    return { versionId, ifMatch: deleteCondition(request.headers, versionId) }
  },
  // Who may compare an ETag learns it.
  morePermissions: ({ ifMatch }) => (ifMatch === null || ifMatch === '*' ? [] : ['s3:GetObject']),
  handle: async (context, { versionId, ifMatch }) => {
    const bucket = addressedBucket(context)
    const key = addressedKey(context.request)
    const bypassGovernance =
      asksBypassGovernance(context.request.headers) && context.may('s3:BypassGovernanceRetention', key)
    const condition = ifMatch === null ? {} : { ifMatch }
    const input = { bucket: bucket.name, key, versionId, bypassGovernance, ...condition }
    const result = await context.store.versions.delete(context.actor, input)
    if (result.kind === 'noSuchKey') throw noSuchKey(key)
    if (result.kind === 'preconditionFailed') throw preconditionFailed('If-Match')
    if (result.kind === 'denied') throw denied(result, bucket)
    if (result.kind === 'noSuchBucket') throw noSuchBucket(bucket.name)
    const shown = versionId ?? result.versionId
    return emptyAnswer(204, {
      ...(shown === null ? {} : { 'x-amz-version-id': shown }),
      ...(result.isDeleteMarker ? { 'x-amz-delete-marker': 'true' } : {}),
    })
  },
})
