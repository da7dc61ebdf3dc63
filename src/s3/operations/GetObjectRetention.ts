import { xmlAnswer } from '../answers.ts'
import { retentionXml } from '../lock-xml.ts'
import { defineOperation } from '../operation.ts'
import { readLock } from '../read-version.ts'
import { noObjectLock } from '../store-results.ts'
import { versionIdOf } from '../version-id.ts'

/** The retention as stored, also after it has expired. Errors: E25, E20, E19, E4, E3. */
export const GetObjectRetention = defineOperation<string | null>({
  name: 'GetObjectRetention',
  match: { method: 'GET', level: 'object', query: ['retention'] },
  permission: 's3:GetObjectRetention',
  body: { kind: 'none' },
  parse: ({ request }) => versionIdOf(request.query),
  handle: async (context, versionId) => {
    const { retention } = await readLock(context, versionId)
    if (retention === null) throw noObjectLock()
    return xmlAnswer(retentionXml(retention))
  },
})
