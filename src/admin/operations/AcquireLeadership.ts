import { leadershipDocument, parseDocument } from '../../api/admin.ts'
import { AdminError, type AdminOperation } from '../operation.ts'

/** Issues the next epoch: every later call with an older one is refused, so a frozen leader can do no harm. */
export const AcquireLeadership: AdminOperation = {
  name: 'AcquireLeadership',
  method: 'POST',
  path: '/v1/leadership',
  principals: ['operator'],
  handle: async ({ store, actor }, body) => {
    const parsed = parseDocument(leadershipDocument, body)
    if (parsed.kind === 'bad') throw new AdminError(400, 'InvalidDocument', parsed.message)
    const { epoch } = await store.leadership.next(actor, parsed.value.holder)
    return { status: 200, document: { epoch } }
  },
}
