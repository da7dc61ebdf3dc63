import { expect, test } from 'vitest'
import { ServerUnreachableError } from '../../../src/client/lock-server.ts'
import { believedLocks } from '../../../src/operator/history/believed-locks.ts'
import type { HistoryState } from '../../../src/operator/history/volume-history.ts'

const doubted: HistoryState = { kind: 'doubted', reason: 'RollbackDetected', message: 'An older copy.' }

test('locks: the volume is set back while the server is asked: that it finds nothing is not believed', async () => {
  let state: HistoryState = { kind: 'continuous' }
  const lockServer = {
    findLocked: async () => {
      state = doubted
      return null
    },
  }
  const believed = believedLocks(lockServer, { readNow: async () => state })
  await expect(believed.findLocked()).rejects.toThrow(ServerUnreachableError)
})

test('locks: nothing is locked on the volume that it was, or something on any: said as it is', async () => {
  const locked = 'ledger'
  for (const [found, state] of [
    [null, { kind: 'continuous' }],
    [locked, { kind: 'continuous' }],
    [locked, doubted],
  ] as const) {
    const believed = believedLocks({ findLocked: async () => found }, { readNow: async () => state })
    expect(await believed.findLocked()).toEqual(found)
  }
})
