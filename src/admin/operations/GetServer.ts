import { formatIso } from '../../lib/units.ts'
import type { ClockReport } from '../../store/store.ts'
import type { AdminOperation } from '../operation.ts'

/** Identity of the volume, the leadership epoch, the clock, and the end of the audit chain. */
export const GetServer: AdminOperation = {
  name: 'GetServer',
  method: 'GET',
  path: '/v1/server',
  principals: ['root', 'operator'],
  handle: async ({ store, facts }) => {
    const [leader, clock, auditHead] = await Promise.all([
      store.leadership.current(),
      store.clock.report(),
      store.audit.head(),
    ])
    return {
      status: 200,
      document: {
        volumeId: store.volume.volumeId,
        version: facts.version,
        region: facts.region,
        s3Endpoint: facts.s3Endpoint,
        epoch: leader?.epoch ?? null,
        clock: clockDocument(clock),
        auditHead,
      },
    }
  },
}

export function clockDocument(clock: ClockReport): object {
  return {
    trusted: formatIso(clock.trustedMs),
    wall: formatIso(clock.wallMs),
    suspect: clock.suspect,
    behindMs: clock.behindMs,
    budgetMs: clock.budgetMs,
  }
}
