/**
 * kill -9 at a random moment under load loses nothing that was acknowledged and leaves nothing half done. Each
 * round: sixteen clients, a kill, a start, every version read and compared, then the rows and files themselves.
 */
import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buckets } from '../support/crash/actions.ts'
import { Ledger } from '../support/crash/ledger.ts'
import { createBuckets, endUploads, runLoad } from '../support/crash/load.ts'
import { killSupervisor, until, untilReady, workerPids } from '../support/crash/processes.ts'
import { seededRandom } from '../support/crash/random.ts'
import { verifyServed } from '../support/crash/verify-served.ts'
import { isTidied, verifyVolume } from '../support/crash/volume-state.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

/** To play a failed run again, put the seed that it printed here. */
const seedToRepeat: number | null = null
const seed = seedToRepeat ?? randomInt(1_000_000)
const roundCount = 6
const clientCount = 16
const kinds = ['one worker', 'the whole group', 'the supervisor'] as const

/** Owners of one account, so that each has its own allowance of single records for refusals. */
const keys = Array.from({ length: clientCount }, (_, index) => ({
  accessKeyId: `LOADCLIENT${index}`,
  secretAccessKey: `secret-of-load-client-${index}`,
  accountId: '111111111111',
  displayName: `load client ${index}`,
}))

type Kind = (typeof kinds)[number]

/** Resolves when those that were to die are dead. */
async function kill(server: TestServer, kind: Kind, victim: number): Promise<void> {
  switch (kind) {
    case 'one worker': {
      const workers = workerPids(server)
      const pid = workers[victim % workers.length] ?? 0
      process.kill(pid, 'SIGKILL')
      await until('the worker is gone', () => !workerPids(server).includes(pid))
      return
    }
    case 'the whole group':
      return server.kill9()
    case 'the supervisor':
      return killSupervisor(server)
  }
}

describe(`kill -9 under load, seed ${seed}`, () => {
  const ledger = new Ledger()
  let server: TestServer

  beforeAll(async () => {
    server = await startTestServer({ accessKeys: keys })
    await createBuckets(server, keys[0] as (typeof keys)[number])
  })
  afterAll(async () => {
    await server.stop()
  })

  const rounds = Array.from(
    { length: roundCount },
    (_, round) => [round, kinds[round % kinds.length] as Kind] as const,
  )

  it.each(rounds)('round %i: %s is killed, nothing acknowledged is lost', async (round, kind) => {
    const random = seededRandom(seed + round)
    const requestsBefore = 200 + random.below(300)
    const afterMs = random.below(6)
    const victim = random.below(2)
    let killed: Promise<void> = Promise.resolve()
    await runLoad({
      ...{ server, ledger, keys, seed, round, requestsBefore },
      requestsAfter: kind === 'one worker' ? 100 : 0,
      onMoment: () => {
        killed = delay(afterMs).then(() => kill(server, kind, victim))
      },
    })
    await killed
    if (kind !== 'one worker') await server.start()
    await untilReady(server)
    expect(ledger.surprises).toEqual([])
    expect(await verifyServed(server.client, ledger, Object.values(buckets))).toEqual([])
    await endUploads(server)
    // A stop in good order, also after a worker died, and the start that collects what is left over.
    expect(await server.terminate()).toBe(0)
    expect(server.logs()).not.toContain('"level":"error"')
    await server.start()
    await until('garbage is collected', () => isTidied(server.dataDirectory))
    expect(await verifyVolume(server.dataDirectory, ledger)).toEqual([])
  })

  it('the load: made every kind of state, and requests without an answer', () => {
    const entries = [...ledger.entries.values()]
    const objects = entries.filter((entry) => entry.kind === 'object')
    expect(entries.length - objects.length).toBeGreaterThan(10)
    expect(objects.length).toBeGreaterThan(200)
    for (const mode of ['COMPLIANCE', 'GOVERNANCE'])
      expect(objects.some(({ lock }) => lock !== 'rule' && lock.mode === mode)).toBe(true)
    expect(objects.some(({ planned }) => planned.sizeBytes > 65_536)).toBe(true)
    expect(ledger.answered.filter(({ verdict }) => verdict === 'deny').length).toBeGreaterThan(10)
  })
})
