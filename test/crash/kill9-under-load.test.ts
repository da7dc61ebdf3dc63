/**
 * kill -9 at a random moment under load loses nothing that was acknowledged and leaves nothing half done. Each
 * round: sixteen clients, a kill, `holdfast verify` of the volume as it lies, a start, every version read and compared;
 * every few rounds the rows and files themselves, against all that was acknowledged.
 */
import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Ledger } from '../support/crash/ledger.ts'
import { createBuckets, runLoad } from '../support/crash/load.ts'
import { loadKey } from '../support/crash/load-keys.ts'
import { killSupervisor, until, workerPids } from '../support/crash/processes.ts'
import { seededRandom } from '../support/crash/random.ts'
import { expectRecovered, expectServed } from '../support/crash/recovered.ts'
import { offlineFindings } from '../support/crash/volume-state.ts'
import { tellFigure } from '../support/long-figures.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

/** To play a failed run again, put the seed that it printed here. */
const seedToRepeat: number | null = null
const seed = seedToRepeat ?? randomInt(1_000_000)
const isLong = process.env['HOLDFAST_LONG'] === '1'
/** What was acknowledged in a round is read again in each that follows on the same volume. */
const roundsPerVolume = isLong ? 50 : 5
const volumeCount = isLong ? 4 : 6
const roundsPerRecount = 5
const requestsMin = 40
const requestsMore = 120
const clientCount = 16
const kinds = ['one worker', 'the whole group', 'the supervisor'] as const

const keys = Array.from({ length: clientCount }, (_, index) => loadKey(index))

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

const ledgers = Array.from({ length: volumeCount }, () => new Ledger())
const volumes = [...ledgers.entries()]

describe.each(volumes)(`kill -9 under load, seed ${seed}, volume %i`, (volume, ledger) => {
  let server: TestServer

  beforeAll(async () => {
    server = await startTestServer({ accessKeys: keys })
    await createBuckets(server, loadKey(0))
  })
  afterAll(async () => {
    await server.stop()
  })

  const rounds = Array.from({ length: roundsPerVolume }, (_, index) => {
    const round = volume * roundsPerVolume + index
    return [round, kinds[round % kinds.length] as Kind] as const
  })

  it.each(rounds)('round %i: %s is killed, nothing acknowledged is lost', async (round, kind) => {
    const random = seededRandom(seed + round)
    const requestsBefore = requestsMin + random.below(requestsMore)
    const afterMs = random.below(6)
    const victim = random.below(2)
    let killed: Promise<void> = Promise.resolve()
    await runLoad({
      ...{ server, ledger, keys, seed, round, requestsBefore },
      requestsAfter: kind === 'one worker' ? 50 : 0,
      onMoment: () => {
        killed = delay(afterMs).then(() => kill(server, kind, victim))
      },
    })
    await killed
    expect(await offlineFindings(server.dataDirectory)).toEqual([])
    if (kind !== 'one worker') await server.start()
    if ((round + 1) % roundsPerRecount === 0) await expectRecovered(server, ledger)
    else await expectServed(server, ledger)
    tellFigure('kills', 1)
  })
})

it('the load: made every kind of state, and requests without an answer', () => {
  const entries = ledgers.flatMap(({ entries }) => [...entries.values()])
  const objects = entries.filter((entry) => entry.kind === 'object')
  expect(entries.length - objects.length).toBeGreaterThan(10)
  expect(objects.length).toBeGreaterThan(200)
  for (const mode of ['COMPLIANCE', 'GOVERNANCE'])
    expect(objects.some(({ lock }) => lock !== 'rule' && lock.mode === mode)).toBe(true)
  expect(objects.some(({ planned }) => planned.sizeBytes > 65_536)).toBe(true)
  const refusals = ledgers.flatMap(({ answered }) => answered).filter(({ verdict }) => verdict === 'deny')
  expect(refusals.length).toBeGreaterThan(10)
})
