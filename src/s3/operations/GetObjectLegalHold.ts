import { xmlAnswer } from '../answers.ts'
import { demandLegalHolds } from '../lock-words.ts'
import { legalHoldXml } from '../lock-xml.ts'
import { defineOperation } from '../operation.ts'
import { readLock } from '../read-version.ts'
import { noObjectLock } from '../store-results.ts'
import { versionIdOf } from '../version-id.ts'

/** ON or OFF once it was set. Errors: E25, E20, E19, E4, E3. */
export const GetObjectLegalHold = defineOperation<string | null>({
  name: 'GetObjectLegalHold',
  match: { method: 'GET', level: 'object', query: ['legal-hold'] },
  permission: 's3:GetObjectLegalHold',
  body: { kind: 'none' },
  parse: ({ request, profile }) => {
    demandLegalHolds(profile.words)
    return versionIdOf(request.query)
  },
  handle: async (context, versionId) => {
    const { legalHold } = await readLock(context, versionId)
    if (legalHold === null) throw noObjectLock()
    return xmlAnswer(legalHoldXml(legalHold))
  },
})
