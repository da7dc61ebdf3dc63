import { limits } from '../../lib/limits.ts'
import { addressedBucket, addressedKey } from '../addressed.ts'
import { emptyAnswer } from '../answers.ts'
import { asksBypassGovernance, dateNotInFuture, demandDocumentChecksum } from '../lock-headers.ts'
import { parseRetention, type RetentionDocument } from '../lock-xml.ts'
import { defineOperation } from '../operation.ts'
import { lockFacts } from '../policy/facts.ts'
import { objectionOf } from '../profile-objection.ts'
import { changeLockError } from '../store-results.ts'
import { versionIdHeader, versionIdOf } from '../version-id.ts'

type Input = RetentionDocument & { readonly versionId: string | null }

/**
 * Sets, extends or (empty document) removes a version's retention, as far as the decision table allows. The bypass is the
 * header and the permission together; whether the transition needs it is the verdict's business. Errors: E17, E8, E11, E25,
 * E20, E4, E19, E1.
 */
export const PutObjectRetention = defineOperation<Input>({
  name: 'PutObjectRetention',
  match: { method: 'PUT', level: 'object', query: ['retention'] },
  permission: 's3:PutObjectRetention',
  body: { kind: 'document', bytesMax: limits.lockDocumentBytesMax },
  parse: (input) => {
    const versionId = versionIdOf(input.request.query)
    demandDocumentChecksum(input, 'other')
    return { ...parseRetention(input.document, input.profile), versionId }
  },
  lockFacts: ({ retention }) => lockFacts({ retention, legalHold: null }),
  handle: async (context, { retention, retainUntilText, versionId }) => {
    const bucket = addressedBucket(context)
    const key = addressedKey(context.request)
    // Before the lock is looked at: a past date on a locked version is 400 and not 403.
    if (retention !== null && retention.retainUntilMs <= (await context.now()).requestMs) {
      throw dateNotInFuture('RetainUntilDate', retainUntilText)
    }
    const bypassGovernance =
      asksBypassGovernance(context.request.headers) && context.may('s3:BypassGovernanceRetention', key)
    const wanted = { kind: 'retention', next: retention, bypassGovernance } as const
    const objection = objectionOf(context.profile, wanted)
    const change = { bucket: bucket.name, key, versionId, next: retention, bypassGovernance, objection }
    const result = await context.store.versions.putRetention(context.actor, change)
    if (result.kind !== 'changed') throw changeLockError(result, { bucket, key, versionId }, 'PUT')
    return emptyAnswer(200, versionIdHeader(bucket, result.version))
  },
})
