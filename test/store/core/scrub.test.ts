import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { shardOf } from '../../../src/store/bodies/body-id.ts'
import { BodyCorruptError } from '../../../src/store/bodies/contract.ts'
import { metaKey, rangeOf, versionKey } from '../../../src/store/keys.ts'
import type { VersionRecord } from '../../../src/store/records.ts'
import { createScrub } from '../../../src/store/scrub.ts'
import { engines } from '../base/support.ts'
import { actor, openRig, type Rig, readText } from './rig.ts'

const large = 'x'.repeat(limits.inlineBodyBytesMax + 1)
const never = new AbortController().signal
const unhurried = 1024 ** 3

for (const engine of engines) {
  describe(`scrub on ${engine.name}`, () => {
    let rig: Rig
    let file: VersionRecord
    beforeEach(async () => {
      rig = await openRig(engine)
      const account = { accountId: '1'.repeat(12), region: 'r' }
      await rig.buckets.create(actor, { name: 'ledger', ...account, objectLock: 'enabled' })
      await put('small', 'a few bytes')
      file = await put('file', large)
    })
    afterEach(() => rig.close())

    const put = async (key: string, body: string) => {
      const result = await rig.put({ key, body })
      if (result.kind !== 'put') throw new Error(result.kind)
      return result.version
    }
    const scrub = () =>
      createScrub({
        kv: rig.kv,
        bodies: rig.context.bodies,
        clock: rig.clock,
        log: silentLog,
        unsavedBytesMax: limits.scrubUnsavedBytesMax,
      })
    const path = () => {
      const bodyId = file.object?.content.listId ?? ''
      return join(rig.directory, 'bodies', ...shardOf(bodyId), bodyId)
    }
    const damage = async () => {
      await chmod(path(), 0o600)
      await writeFile(path(), large.replace('x', 'y'))
    }
    const quarantineRows = () => rig.kv.range({ ...rangeOf(metaKey('quarantine')), limit: 10 })
    const nextWeek = () => rig.clock.pass(limits.scrubIntervalMs)

    test('the pace: a pass waits for what it has read, and ends at once by its signal', async () => {
      // At a byte a second this pass would take most of a day.
      expect(await scrub().run(AbortSignal.timeout(1000), 1)).toBe(false)
      expect((await scrub().report()).lastEndedMs).toBeNull()
      expect(await scrub().run(never, unhurried)).toBe(true)
    })

    test('whole bytes: a pass reads all of them, and the next begins when it is due', async () => {
      expect(await scrub().run(never, unhurried)).toBe(true)
      const report = {
        versionCount: 2,
        readBytes: 11 + large.length,
        unreadableCount: 0,
        stoppedCount: 0,
        quarantinedCount: 0,
        quarantined: [],
      }
      expect(await scrub().report()).toEqual({ ...report, lastEndedMs: rig.clock.wallMs() })
      rig.clock.pass(limits.scrubIntervalMs - 1)
      expect(await scrub().run(never, unhurried)).toBe(false)
      rig.clock.pass(1)
      expect(await scrub().run(never, unhurried)).toBe(true)
      expect(await scrub().report()).toEqual({ ...report, lastEndedMs: rig.clock.wallMs() })
    })

    test('a damaged body: quarantined, its reads are refused, nothing is removed; whole again, it is served again', async () => {
      await damage()
      expect(await scrub().run(never, unhurried)).toBe(true)
      const { key, versionId, bucketId } = file
      expect((await scrub().report()).quarantined).toEqual([
        {
          bucketId,
          key,
          versionId,
          foundMs: rig.clock.wallMs(),
          problem: expect.stringContaining('block 0'),
        },
      ])
      // The bytes are back, but nobody has looked yet.
      const damaged = await readFile(path())
      await writeFile(path(), large)
      await expect(readText(rig.versions, file)).rejects.toThrow(BodyCorruptError)
      expect(await rig.versions.read({ bucket: 'ledger', key, versionId })).toMatchObject({ kind: 'found' })
      expect(damaged.length).toBe(large.length)
      nextWeek()
      expect(await scrub().run(never, unhurried)).toBe(true)
      expect((await scrub().report()).quarantined).toEqual([])
      expect(await readText(rig.versions, file)).toBe(large)
    })

    test('the facts of a bucket: what the passes found of it, and nothing of another one', async () => {
      const integrity = async (bucket: string) => (await rig.buckets.facts(bucket))?.integrity
      await rig.buckets.create(actor, {
        name: 'whole',
        accountId: '1'.repeat(12),
        region: 'r',
        objectLock: 'enabled',
      })
      const found = { unreadableCount: 0, owners: 'known', stoppedCount: 0 }
      const none = { ...found, quarantinedCount: 0, quarantined: [] }
      expect(await integrity('ledger')).toEqual({ lastScrubMs: null, ...none })
      await damage()
      rig.clock.pass(1)
      await scrub().run(never, unhurried)
      const lastScrubMs = rig.clock.wallMs()
      const { key, versionId } = file
      expect(await integrity('ledger')).toMatchObject({ lastScrubMs, quarantined: [{ key, versionId }] })
      expect(await integrity('whole')).toEqual({ lastScrubMs, ...none })
    })

    test('a quarantined version that is removed: its row goes with it', async () => {
      await damage()
      await scrub().run(never, unhurried)
      const [row, ...others] = await quarantineRows()
      expect(others).toEqual([])
      await rig.kv.transact(async (tx) => tx.put(row?.key ?? Uint8Array.of(1), Uint8Array.of(1)))
      expect(await scrub().report()).toMatchObject({ quarantinedCount: 1, quarantined: [] })
      await expect(readText(rig.versions, file)).rejects.toThrow(BodyCorruptError)
      expect(await rig.remove({ key: 'file', versionId: file.versionId })).toMatchObject({ kind: 'deleted' })
      expect(await quarantineRows()).toEqual([])
    })

    test('a version row that cannot be read: counted, and the pass goes on', async () => {
      const row = versionKey(file.bucketId, file.key, file.order, file.versionId)
      await rig.kv.transact(async (tx) => tx.put(row, Uint8Array.of(1, 2, 3)))
      expect(await scrub().run(never, unhurried)).toBe(true)
      expect(await scrub().report()).toMatchObject({ versionCount: 2, unreadableCount: 1, readBytes: 11 })
    })

    test('broken off between two pages: the next run goes on behind the last one and counts each version once', async () => {
      for (let index = 0; index < limits.scrubPageMax; index += 1) await put(`more/${index}`, 'b')
      const stopping = new AbortController()
      const stopAtPage = {
        ...rig.kv,
        get: rig.kv.get.bind(rig.kv),
        getMany: rig.kv.getMany.bind(rig.kv),
        range: rig.kv.range.bind(rig.kv),
        snapshot: rig.kv.snapshot.bind(rig.kv),
        close: rig.kv.close.bind(rig.kv),
        transact: async <T>(work: Parameters<typeof rig.kv.transact<T>>[0]) => {
          const result = await rig.kv.transact(work)
          stopping.abort()
          return result
        },
      }
      const options = {
        bodies: rig.context.bodies,
        clock: rig.clock,
        log: silentLog,
        unsavedBytesMax: limits.scrubUnsavedBytesMax,
      }
      expect(await createScrub({ ...options, kv: stopAtPage }).run(stopping.signal, unhurried)).toBe(false)
      expect(await scrub().report()).toMatchObject({ versionCount: limits.scrubPageMax, lastEndedMs: null })
      expect(await scrub().run(never, unhurried)).toBe(true)
      expect(await scrub().report()).toMatchObject({
        versionCount: limits.scrubPageMax + 2,
        readBytes: limits.scrubPageMax + 11 + large.length,
      })
    })
  })
}
