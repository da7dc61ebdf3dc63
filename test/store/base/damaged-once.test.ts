/** One damaged row that a volume has once: what a server, a backup and a restore make of it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { dayMs, epochMs } from '../../../src/lib/units.ts'
import { backupVolume, restoreVolume } from '../../../src/server/copy-volume.ts'
import { openOfflineVolume, openOwner, openVolumeOwner } from '../../../src/server/open-volume.ts'
import { metaKey } from '../../../src/store/keys.ts'
import { logHeadKey, logKey, parseChainHead } from '../../../src/store/kv/chain.ts'
import { openLmdb } from '../../../src/store/kv/lmdb/lmdb.ts'
import type { Store } from '../../../src/store/store.ts'
import { verifyVolume } from '../../../src/store/verify.ts'
import { markRestored, RestoreRefusedError } from '../../../src/store/volume-copy.ts'
import { createLedger, flipBit, onVolume as onVolumeIn } from './at-rest.ts'
import { putBytes, removeVersion } from './rig.ts'
import { actor, sealed, TestClock } from './support.ts'

const large = limits.inlineBodyBytesMax + 1

describe('a damaged row that a volume has once', () => {
  let clock: TestClock
  let directory: string
  let problems: string[]
  const at = (name: string) => join(directory, name)
  beforeEach(async () => {
    clock = new TestClock()
    directory = await mkdtemp(join(tmpdir(), 'holdfast-once-'))
    problems = []
    await onVolume('data', async (store) => {
      await createLedger(store)
      await put(store, 'first')
    })
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  const onVolume = <T>(name: string, work: (store: Store) => Promise<T>): Promise<T> =>
    onVolumeIn({ directory: at(name), clock }, work)
  const put = (store: Store, key: string) => {
    clock.pass(1000)
    return putBytes(store.versions, key, new Uint8Array(large).fill(key.length))
  }
  const onProblem = (sentence: string) => problems.push(sentence)
  const backup = (to: string) =>
    backupVolume({ from: at('data'), to: at(to), check: 'sizes', onProblem, onMended: onProblem }, clock)
  const restore = (from: string, to: string, lostClock: 'refuse' | 'take' = 'refuse') =>
    restoreVolume({
      from: at(from),
      to: at(to),
      onProblem,
      prepare: (kv) => markRestored(kv, { clock, actor, auditLog: null, lostClock }),
    })
  const accepted = (name: string) =>
    onVolume(name, async (store) => {
      await store.clock.tick()
      await store.restore.accept(actor, 'looked at it')
      expect(await store.writeRefusal()).toBe(null)
      return put(store, 'after')
    })

  const flip = (name: string, key: Uint8Array, place = -1): Promise<void> => flipBit(at(name), key, place)
  async function lastRecord(name: string): Promise<number> {
    const kv = await openLmdb({ directory: join(at(name), 'kv'), readOnly: true })
    try {
      return parseChainHead(await kv.get(logHeadKey('audit'))).sequence
    } finally {
      await kv.close()
    }
  }
  async function verified(name: string): Promise<readonly string[]> {
    const { kv, bodies, close } = await openOfflineVolume(at(name))
    const found: string[] = []
    await verifyVolume({ reader: kv, bodies, clock }, ({ problem }) => found.push(problem))
    await close()
    return found
  }

  test('the last audit record: writes go on, a backup tells, it can be restored, and verify tells for ever', async () => {
    const sequence = await lastRecord('data')
    await flip('data', logKey('audit', sequence), -20)
    await backup('at-once')
    const atHead = `the audit chain is broken at record ${sequence}: `
    expect(problems).toContainEqual(expect.stringContaining(atHead))
    await onVolume('data', async (store) => {
      await put(store, 'second')
      expect(await store.writeRefusal()).toBe(null)
    })
    const behind = expect.stringContaining(`the audit chain is broken at record ${sequence + 1}: `)
    problems = []
    // The backup of before has the same record as its last, and the volume is that volume still.
    expect((await backup('at-once')).problemCount).toBeGreaterThan(0)
    expect(problems).toContainEqual(behind)
    problems = []
    expect((await restore('at-once', 'restored')).problemCount).toBeGreaterThan(0)
    expect(problems).toContainEqual(behind)
    await accepted('restored')
    expect(await verified('restored')).toContainEqual(behind)
    expect(await verified('data')).toContainEqual(behind)
  })

  test('an audit record that an older backup has whole: that backup stays whole; a new folder is kept as ever', async () => {
    await backup('older')
    await flip('data', logKey('audit', await lastRecord('data')), -20)
    const second = await onVolume('data', (store) => put(store, 'second'))
    const kept = await backup('older')
    const fresh = await backup('new')
    await onVolume('data', async (store) => {
      await removeVersion(store.versions, second)
      clock.pass(dayMs)
      await store.collectGarbage(new AbortController().signal)
    })
    // What the older one has better stays with it. The new one has it no better: it is told each time, and nothing waits for it.
    const again = { older: await backup('older'), fresh: await backup('new') }
    expect([kept, again.older].map(({ keptMetadata }) => keptMetadata)).toEqual(
      Array(2).fill({ path: at('older/kept'), problemCount: 0 }),
    )
    expect([fresh, again.fresh].map(({ keptMetadata }) => keptMetadata)).toEqual([null, null])
    expect([kept, fresh, again.older, again.fresh].map(({ problemCount }) => problemCount > 0)).toEqual(
      Array(4).fill(true),
    )
    expect([again.older.droppedCount, again.fresh.droppedCount]).toEqual([0, 1])
  })

  test('the metadata that stay: are told for what they are, whole, damaged, or of a release that did not say', async () => {
    await backup('whole')
    await flip('data', metaKey('server-epoch'))
    expect((await backup('whole')).keptMetadata).toEqual({ path: at('whole/kept'), problemCount: 0 })
    await backup('damaged')
    await backup('older')
    const kv = await openLmdb({ directory: at('older/kv'), readOnly: false })
    await kv.transact(async (transaction) => {
      const row = metaKey('volume-copy')
      const text = Buffer.from((await transaction.get(row)) ?? []).toString()
      const untold = text.slice(text.indexOf('{')).replace(',"problemCount":1', '')
      expect(untold).not.toContain('problemCount')
      transaction.put(row, sealed(row, untold))
    })
    await kv.close()
    await flip('data', metaKey('clock'))
    const damaged = await backup('damaged')
    expect([damaged.problemCount, damaged.keptMetadata]).toEqual([
      2,
      { path: at('damaged/kept'), problemCount: 1 },
    ])
    expect((await backup('older')).keptMetadata).toEqual({ path: at('older/kept'), problemCount: null })
  })

  test('the last audit record of a backup: is told by the restore, which is done', async () => {
    await backup('backup')
    expect(problems).toEqual([])
    await flip('backup', logKey('audit', await lastRecord('backup')), -20)
    expect((await restore('backup', 'restored')).problemCount).toBe(1)
    await accepted('restored')
  })

  test('a head of the audit log that lies: a backup is made and tells, a restore is refused and says what to do', async () => {
    await flip('data', logHeadKey('audit'), 7)
    expect((await backup('backup')).problemCount).toBeGreaterThan(0)
    const refused = restore('backup', 'restored')
    await expect(refused).rejects.toBeInstanceOf(RestoreRefusedError)
    await expect(refused).rejects.toThrow(/^the head of the backup's audit log names record /)
    await onVolume('data', (store) => expect(put(store, 'second')).rejects.toThrow(/ of the audit log /))
    await flip('data', logHeadKey('audit'), 0)
    expect((await backup('unreadable')).problemCount).toBe(1)
    await expect(restore('unreadable', 'restored')).rejects.toThrow('audit log cannot be read')
  })

  test('the epoch: the server starts to write and to read, and a backup of it is restored and starts', async () => {
    await flip('data', metaKey('server-epoch'))
    const reading = await openOwner({ directory: at('data'), clock, log: silentLog }, 'readOnly')
    expect([reading.epoch, (await reading.store.buckets.facts('ledger')) === null]).toEqual([0, false])
    await reading.close()
    expect((await backup('backup')).problemCount).toBe(1)
    expect(problems).toEqual([expect.stringMatching(/^the epoch of the last server cannot be read: /)])
    await onVolume('data', (store) => put(store, 'second'))
    expect((await backup('backup')).problemCount).toBe(0)
    await flip('backup', metaKey('server-epoch'))
    expect((await restore('backup', 'restored')).problemCount).toBe(1)
    await accepted('restored')
    expect(await verified('restored')).toEqual([])
  })

  test('the epoch, while the server runs: it says so, writes nothing, and ends in order', async () => {
    const owner = await openVolumeOwner({ directory: at('data'), clock, log: silentLog })
    await flip('data', metaKey('server-epoch'))
    await expect(put(owner.store, 'second')).rejects.toThrow('its checksum differs')
    expect(await owner.store.writeRefusal()).toMatch(/^nothing is written: the epoch of this server /)
    await owner.close()
    await onVolume('data', (store) => put(store, 'second'))
  })

  test('the trusted time: its backup tells, and is restored only when it is told to go on from the audit log', async () => {
    clock.pass(10 * dayMs)
    const trustedMs = await onVolume('data', async (store) => {
      await store.clock.tick()
      await put(store, 'second')
      return (await store.clock.now()).trustedMs
    })
    clock.pass(3 * dayMs)
    await flip('data', metaKey('clock'))
    expect((await backup('backup')).problemCount).toBe(1)
    expect(problems).toEqual([expect.stringMatching(/^the trusted time cannot be read: /)])
    const refused = restore('backup', 'restored')
    await expect(refused).rejects.toBeInstanceOf(RestoreRefusedError)
    await expect(refused).rejects.toThrow('--lost-clock take')
    expect((await restore('backup', 'restored', 'take')).problemCount).toBe(1)
    await onVolume('restored', async (store) => {
      // Never later than it was, and no lead of the wall clock is let in unasked.
      expect(await store.clock.tick()).toMatchObject({ trustedMs, suspect: true, budgetMs: 0 })
      expect((await store.audit.list({ afterSequence: 0, limit: 100 })).at(-1)?.record).toMatchObject({
        detail: { lostClockMs: trustedMs },
      })
    })
    await accepted('restored')
  })

  test('the trusted time: what the scrub noted by the lost one goes with it, and the next pass begins anew', async () => {
    const endedMs = await onVolume('data', async (store) => {
      clock.pass(10 * dayMs)
      await store.clock.tick()
      expect(await store.scrub.run(new AbortController().signal, Number.MAX_SAFE_INTEGER)).toBe(true)
      return (await store.scrub.report()).lastEndedMs
    })
    expect(endedMs).not.toBeNull()
    await backup('backup')
    await restore('backup', 'kept')
    await flip('backup', metaKey('clock'))
    await restore('backup', 'restored', 'take')
    const ended = (name: string) => onVolume(name, async (store) => (await store.scrub.report()).lastEndedMs)
    expect([await ended('kept'), await ended('restored')]).toEqual([endedMs, null])
  })

  test('the trusted time, in a backup whose newest records are damaged: goes on from one that is proven', async () => {
    const provenMs = (await onVolume('data', (store) => store.clock.now())).trustedMs
    await onVolume('data', (store) => put(store, 'second'))
    await backup('backup')
    await flip('backup', metaKey('clock'))
    await flip('backup', logKey('audit', await lastRecord('backup')), -20)
    await restore('backup', 'restored', 'take')
    const { trustedMs } = await onVolume('restored', (store) => store.clock.now())
    expect(trustedMs).toBe(provenMs)
  })

  test('the trusted time of a backup that can be read: stays, whatever was asked for', async () => {
    await onVolume('data', async (store) => {
      clock.pass(dayMs)
      await store.clock.tick()
    })
    await backup('backup')
    await restore('backup', 'restored', 'take')
    const { trustedMs } = await onVolume('restored', (store) => store.clock.now())
    expect(trustedMs).toBe(epochMs(clock.wall))
  })

  test('a bucket, its document, or any other row of the volume: a backup tells', async () => {
    const kv = await openLmdb({ directory: at('data/kv'), readOnly: true })
    const [bucket] = await kv.range({ from: Uint8Array.of(0x62), to: Uint8Array.of(0x63), limit: 1 })
    await kv.close()
    expect(bucket).toBeDefined()
    await flip('data', bucket?.key ?? new Uint8Array(0))
    expect((await backup('backup')).problemCount).toBeGreaterThan(0)
    expect(problems).toContainEqual(expect.stringMatching(/ of the table bucket: /))
  })
})
