import { acceptClockDocument, parseDocument } from '../../api/admin.ts'
import { epochMs } from '../../lib/units.ts'
import { AdminError, type AdminOperation } from '../operation.ts'
import { clockDocument } from './GetServer.ts'

/** A person vouches for a forward step of the wall clock. Root only, audited. */
export const AcceptClock: AdminOperation = {
  name: 'AcceptClock',
  method: 'POST',
  path: '/v1/clock/accept',
  principals: ['root'],
  handle: async ({ store, actor }, body) => {
    const parsed = parseDocument(acceptClockDocument, body)
    if (parsed.kind === 'bad') throw new AdminError(400, 'InvalidDocument', parsed.message)
    const until = epochMs(Date.parse(parsed.value.until))
    const result = await store.clock.accept(actor, { until, reason: parsed.value.reason })
    if (result.kind !== 'accepted') {
      const subject = { bucket: '', key: null, versionId: null }
      await store.audit.denied(actor, { ...subject, rule: 'ClockAccept', reason: result.kind })
    }
    switch (result.kind) {
      case 'accepted':
        return { status: 200, document: clockDocument(result.report) }
      case 'notSuspect':
        throw new AdminError(409, 'ClockNotSuspect', 'the clock is not suspect: there is nothing to accept')
      case 'beyondWall':
        throw new AdminError(409, 'BeyondWallClock', 'until is later than the wall clock of the server')
      case 'behindTrusted':
        throw new AdminError(
          409,
          'BehindTrustedTime',
          'until is earlier than trusted time, which never goes back',
        )
    }
  },
}
