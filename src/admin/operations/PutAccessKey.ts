import { parseDocument, putAccessKeyDocument } from '../../api/admin.ts'
import { accessKeyIdPattern } from '../../lib/identity.ts'
import { formatIso } from '../../lib/units.ts'
import { AdminError, type AdminOperation } from '../operation.ts'

/** Makes an access key of a namespace's account valid, or gives it other statements or another secret. */
export const PutAccessKey: AdminOperation = {
  name: 'PutAccessKey',
  method: 'PUT',
  path: '/v1/access-keys/{name}',
  principals: ['operator'],
  handle: async ({ store, actor, pathName, epoch, isReserved }, body) => {
    if (epoch === null) throw new AdminError(400, 'MissingEpoch', 'the header x-holdfast-epoch is required')
    if (!accessKeyIdPattern.test(pathName))
      throw new AdminError(400, 'InvalidAccessKeyId', 'an id has 3 to 128 letters, digits, dots, _ or -')
    const parsed = parseDocument(putAccessKeyDocument, body)
    if (parsed.kind === 'bad') throw new AdminError(400, 'InvalidDocument', parsed.message)
    if (isReserved(pathName)) {
      const subject = { bucket: '', key: null, versionId: null }
      await store.audit.denied(actor, { ...subject, rule: 'AccessKeyTaken', reason: pathName })
      return { status: 409, document: { kind: 'taken' } }
    }
    const result = await store.accessKeys.put(actor, { epoch, accessKeyId: pathName, ...parsed.value })
    if (result.kind !== 'put') return { status: 409, document: result }
    const { createdMs, ...answer } = result
    return { status: 200, document: { ...answer, created: formatIso(createdMs) } }
  },
}
