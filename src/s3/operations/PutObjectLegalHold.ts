import { limits } from '../../lib/limits.ts'
import type { LegalHoldStatus } from '../../lock/types.ts'
import { addressedBucket, addressedKey } from '../addressed.ts'
import { emptyAnswer } from '../answers.ts'
import { demandDocumentChecksum } from '../lock-headers.ts'
import { parseLegalHold } from '../lock-xml.ts'
import { defineOperation } from '../operation.ts'
import { lockFacts } from '../policy/facts.ts'
import { objectionOf } from '../profile-objection.ts'
import { changeLockError } from '../store-results.ts'
import { versionIdHeader, versionIdOf } from '../version-id.ts'

type Input = { readonly status: LegalHoldStatus; readonly versionId: string | null }

/** Independent of retention; no bypass exists. Errors: E17, E8 (before the bucket's lock is looked at), E25, E20, E4, E19. */
export const PutObjectLegalHold = defineOperation<Input>({
  name: 'PutObjectLegalHold',
  match: { method: 'PUT', level: 'object', query: ['legal-hold'] },
  permission: 's3:PutObjectLegalHold',
  body: { kind: 'document', bytesMax: limits.lockDocumentBytesMax },
  parse: (input) => {
    const versionId = versionIdOf(input.request.query)
    demandDocumentChecksum(input, 'other')
    return { status: parseLegalHold(input.document, input.profile.words), versionId }
  },
  lockFacts: ({ status }) => lockFacts({ retention: null, legalHold: status }),
  handle: async (context, { status, versionId }) => {
    const bucket = addressedBucket(context)
    const key = addressedKey(context.request)
    const objection = objectionOf(context.profile, { kind: 'legalHold', next: status })
    const change = { bucket: bucket.name, key, versionId, next: status, objection }
    const result = await context.store.versions.putLegalHold(context.actor, change)
    if (result.kind !== 'changed') throw changeLockError(result, { bucket, key, versionId }, 'PUT')
    return emptyAnswer(200, versionIdHeader(bucket, result.version))
  },
})
