/**
 * The power is cut under load: the disk as it was at that moment, without what was never flushed, is mounted and
 * served. All that was acknowledged is there; it opens without a hand's help.
 */
import { randomInt } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Ledger } from '../support/crash/ledger.ts'
import { createBuckets, runLoad } from '../support/crash/load.ts'
import { loadKey } from '../support/crash/load-keys.ts'
import { type PowerCutVolume, preparePowerCutVolume } from '../support/crash/power-cut.ts'
import { seededRandom } from '../support/crash/random.ts'
import { expectRecovered } from '../support/crash/recovered.ts'
import { tellFigure } from '../support/long-figures.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

/** To play a failed run again, put the seed that it printed here. */
const seedToRepeat: number | null = null
const seed = seedToRepeat ?? randomInt(1_000_000)
const cutCount = process.env['HOLDFAST_LONG'] === '1' ? 50 : 10
const keys = Array.from({ length: 8 }, (_, index) => loadKey(index))

describe(`power cuts under load, seed ${seed}`, () => {
  const ledger = new Ledger()
  let volume: PowerCutVolume
  let server: TestServer

  beforeAll(async () => {
    volume = await preparePowerCutVolume()
    server = await startTestServer({ accessKeys: keys, dataDirectory: volume.directory })
    await createBuckets(server, loadKey(0))
  })
  afterAll(async () => {
    await server.stop()
    await volume.remove()
  })

  const rounds = Array.from({ length: cutCount }, (_, round) => round)

  it.each(rounds)('round %i: the power is cut, nothing acknowledged is lost', async (round) => {
    let isCut = false
    await runLoad({
      ...{ server, ledger, keys, seed, round },
      requestsBefore: 40 + seededRandom(seed + round).below(100),
      requestsAfter: 0,
      onMoment: () => {
        isCut = true
        volume.cut()
      },
      isCutOff: () => isCut,
    })
    await server.kill9()
    await volume.restore()
    await server.start()
    await expectRecovered(server, ledger)
    tellFigure('cuts', 1)
  })

  it('the load: locked versions and bodies in files were at stake', () => {
    const objects = [...ledger.entries.values()].filter((entry) => entry.kind === 'object')
    expect(objects.length).toBeGreaterThan(100)
    expect(objects.some(({ lock }) => lock !== 'rule' && lock.mode === 'COMPLIANCE')).toBe(true)
    expect(objects.some(({ planned }) => planned.sizeBytes > 65_536)).toBe(true)
  })
})
