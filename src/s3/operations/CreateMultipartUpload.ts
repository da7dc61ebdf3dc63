import { unreachable } from '../../lib/assert.ts'
import { addressedBucket, addressedKey } from '../addressed.ts'
import { xmlAnswer } from '../answers.ts'
import { parseChecksumAlgorithm } from '../checksum-xml.ts'
import { getsLocked, judgeLockHeaders, type LockHeaders, parseLockHeaders } from '../lock-headers.ts'
import { type ChecksumPlan, checksumPlan } from '../multipart.ts'
import { type DescriptionHeaders, descriptionHeaders, newObjectPermissions } from '../new-object.ts'
import { refuseUnkeptPromises } from '../object-description.ts'
import { defineOperation } from '../operation.ts'
import { lockFacts } from '../policy/facts.ts'
import { refuseTimeToLiveOfNew } from '../profiles/strictness.ts'
import { writeError } from '../store-results.ts'
import { element, xmlDocument } from '../xml.ts'

type Input = {
  readonly lock: LockHeaders
  readonly description: DescriptionHeaders
  readonly plan: ChecksumPlan
}

/**
 * Begins an upload; the lock asked for here is applied to the assembled version. A checksum is not demanded here but of every
 * part. Errors: E9 to E13, E5, InvalidRequest for an impossible checksum type.
 */
export const CreateMultipartUpload = defineOperation<Input>({
  name: 'CreateMultipartUpload',
  match: { method: 'POST', level: 'object', query: ['uploads'] },
  permission: 's3:PutObject',
  body: { kind: 'none' },
  parse: ({ request: { headers }, profile }) => {
    refuseUnkeptPromises(headers)
    const algorithm = parseChecksumAlgorithm(headers['x-amz-checksum-algorithm'])
    return {
      lock: parseLockHeaders(headers, profile),
      description: descriptionHeaders(headers),
      plan: checksumPlan(algorithm, headers['x-amz-checksum-type']),
    }
  },
  lockFacts: ({ lock }) => lockFacts(lock),
  morePermissions: ({ lock, description }) => newObjectPermissions(lock, description.tags),
  handle: async (context, { lock: sent, description, plan }) => {
    const bucket = addressedBucket(context)
    const key = addressedKey(context.request)
    const lock = judgeLockHeaders(sent, bucket, (await context.now()).requestMs)
    refuseTimeToLiveOfNew(context.profile, {
      headers: context.request.headers,
      userMetadata: description.userMetadata,
      lock: getsLocked(lock, bucket),
    })
    const result = await context.store.uploads.create(context.actor, {
      bucket: bucket.name,
      key,
      ...description,
      lock,
      checksumAlgorithm: plan.algorithm,
      checksumType: plan.type,
    })
    switch (result.kind) {
      case 'created': {
        const document = xmlDocument('InitiateMultipartUploadResult', [
          element('Bucket', bucket.name),
          element('Key', key),
          element('UploadId', result.upload.uploadId),
        ])
        return xmlAnswer(document, planHeaders(plan))
      }
      case 'noSuchBucket':
      case 'bucketLockMissing':
      case 'denied':
      case 'clockSuspect':
        throw writeError(result, bucket, '')
      default:
        return unreachable(result, 'every result of CreateMultipartUpload has its answer')
    }
  },
})

function planHeaders(plan: ChecksumPlan): Readonly<Record<string, string>> {
  if (plan.algorithm === null || plan.type === null) return {}
  return { 'x-amz-checksum-algorithm': plan.algorithm, 'x-amz-checksum-type': plan.type }
}
