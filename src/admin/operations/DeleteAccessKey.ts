import { deleteAccessKeyDocument, parseDocument } from '../../api/admin.ts'
import { AdminError, type AdminOperation } from '../operation.ts'

/** Revokes an access key: the next request that is signed with it is refused. Also answers 200 where there is none. */
export const DeleteAccessKey: AdminOperation = {
  name: 'DeleteAccessKey',
  method: 'DELETE',
  path: '/v1/access-keys/{name}',
  principals: ['operator'],
  handle: async ({ store, actor, pathName, epoch }, body) => {
    if (epoch === null) throw new AdminError(400, 'MissingEpoch', 'the header x-holdfast-epoch is required')
    const parsed = parseDocument(deleteAccessKeyDocument, body)
    if (parsed.kind === 'bad') throw new AdminError(400, 'InvalidDocument', parsed.message)
    const { owner } = parsed.value
    const result = await store.accessKeys.delete(actor, { epoch, accessKeyId: pathName, owner })
    return { status: result.kind === 'deleted' ? 200 : 409, document: result }
  },
}
