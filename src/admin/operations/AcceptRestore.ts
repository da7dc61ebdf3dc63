import { acceptRestoreDocument, parseDocument } from '../../api/admin.ts'
import { AdminError, type AdminOperation } from '../operation.ts'

/** A person says that a restored volume is the one from now on. Root only, audited. */
export const AcceptRestore: AdminOperation = {
  name: 'AcceptRestore',
  method: 'POST',
  path: '/v1/restore/accept',
  principals: ['root'],
  handle: async ({ store, actor }, body) => {
    const parsed = parseDocument(acceptRestoreDocument, body)
    if (parsed.kind === 'bad') throw new AdminError(400, 'InvalidDocument', parsed.message)
    const result = await store.restore.accept(actor, parsed.value.reason)
    switch (result.kind) {
      case 'accepted':
        return { status: 200, document: {} }
      case 'notRestored': {
        const subject = { bucket: '', key: null, versionId: null }
        await store.audit.denied(actor, { ...subject, rule: 'AcceptRestore', reason: result.kind })
        throw new AdminError(409, 'NotRestored', 'the volume was not restored, or that is accepted already')
      }
    }
  },
}
