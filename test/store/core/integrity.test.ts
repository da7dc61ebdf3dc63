import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import {
  bucketKey,
  metaKey,
  parseMetaKey,
  rangeOf,
  tablePrefix,
  versionKey,
} from '../../../src/store/keys.ts'
import type { VersionRecord } from '../../../src/store/records.ts'
import { parseRow, sealRow } from '../../../src/store/row-codec.ts'
import { clockKey } from '../../../src/store/trusted-clock.ts'
import { engines } from '../base/support.ts'
import { type DamageRig, large, openDamageRig, tellCommits, unhurried } from './damage-rig.ts'

const nameOf = ({ key, versionId }: VersionRecord) => `${key} ${versionId}`

for (const engine of engines) {
  describe(`what a bucket says of its bytes on ${engine.name}`, () => {
    let rig: DamageRig
    beforeEach(async () => {
      rig = await openDamageRig(engine)
    })
    afterEach(() => rig.close())

    const remove = async (bucket: string, { key, versionId }: VersionRecord) =>
      expect(await rig.remove({ bucket, key, versionId })).toMatchObject({ kind: 'deleted' })
    const metaRows = async (name: string) => {
      const rows = await rig.kv.range({ ...rangeOf(metaKey(name)), limit: 100 })
      return rows.map(({ key }) => parseMetaKey(key).join(' '))
    }
    /** Whatever belongs to quarantine but how far its search has come. */
    const quarantineRows = async () => [
      ...(await metaRows('quarantine')),
      ...(await metaRows('quarantine-owner')),
      ...(await metaRows('quarantine-bucket')),
    ]
    const breakRow = ({ bucketId, key, order, versionId }: VersionRecord) =>
      rig.kv.transact(async (transaction) =>
        transaction.put(versionKey(bucketId, key, order, versionId), Uint8Array.of(1, 2, 3)),
      )

    test('bytes that several buckets share: every one of them names its own versions', async () => {
      const copy = await rig.copy('other', 'copy', rig.file)
      const again = await rig.copy('other', 'again', rig.file)
      await rig.createBucket('whole')
      await rig.damage(rig.file)
      expect(await rig.scrub()).toBe(true)
      expect(await rig.quarantined('ledger')).toEqual([nameOf(rig.file)])
      expect(new Set(await rig.quarantined('other'))).toEqual(new Set([nameOf(copy), nameOf(again)]))
      expect(await rig.integrity('other')).toMatchObject({ quarantinedCount: 2, owners: 'known' })
      expect(await rig.integrity('whole')).toMatchObject({ quarantinedCount: 0, owners: 'known' })
      const { quarantinedCount, quarantined } = await rig.makeScrub(rig.kv).report()
      expect([quarantinedCount, quarantined.length]).toEqual([1, 3])
    })

    test('the version that was met first is removed: its name goes, the others stay damaged', async () => {
      const copy = await rig.copy('other', 'copy', rig.file)
      await rig.damage(rig.file)
      await rig.scrub()
      await remove('ledger', rig.file)
      expect(await rig.quarantined('ledger')).toEqual([])
      expect(await rig.quarantined('other')).toEqual([nameOf(copy)])
      expect(await rig.integrity('ledger')).toMatchObject({ quarantinedCount: 0 })
      expect((await rig.makeScrub(rig.kv).report()).quarantined).toMatchObject([{ key: 'copy' }])
      await remove('other', copy)
      expect(await quarantineRows()).toEqual([])
    })

    test('bytes that were whole when one of their versions was read: found with the other, told by both', async () => {
      // The first page is of one bucket, whichever of them it is.
      for (const bucket of ['ledger', 'other']) {
        for (let index = 0; index < limits.scrubPageMax; index += 1)
          await rig.write(bucket, `z/${index}`, 'b')
      }
      const copy = await rig.copy('other', 'copy', rig.file)
      const stopping = new AbortController()
      const stopped = tellCommits(rig.kv, () => stopping.abort())
      expect(await rig.makeScrub(stopped).run(stopping.signal, unhurried)).toBe(false)
      await rig.damage(rig.file)
      expect(await rig.scrub()).toBe(true)
      expect(await rig.quarantined('ledger')).toEqual([nameOf(rig.file)])
      expect(await rig.quarantined('other')).toEqual([nameOf(copy)])
    })

    test('bytes that are whole again: no row of theirs is left, in whatever bucket', async () => {
      await rig.copy('other', 'copy', rig.file)
      await rig.damage(rig.file)
      await rig.scrub()
      expect(await quarantineRows()).toHaveLength(5)
      await rig.repair(rig.file)
      rig.clock.pass(limits.scrubIntervalMs)
      await rig.scrub()
      expect(await quarantineRows()).toEqual([])
      expect(await rig.quarantined('other')).toEqual([])
    })

    test('rows of a volume that an earlier release wrote: nobody is whole until their owners are found', async () => {
      const copy = await rig.copy('other', 'copy', rig.file)
      await rig.damage(rig.file)
      await rig.scrub()
      await rig.createBucket('whole')
      await rig.kv.transact(async (transaction) => {
        for (const table of ['quarantine-owner', 'quarantine-bucket', 'quarantine-owners']) {
          const rows = await transaction.range({ ...rangeOf(metaKey(table)), limit: 100 })
          for (const { key } of rows) transaction.delete(key)
        }
        const row = metaKey('scrub')
        const {
          lastBeganMs: _began,
          lastBeganTrustedMs: _beganTrusted,
          beganMs: _begins,
          beganTrustedMs: _beginsTrusted,
          lastUnreadableCount: _last,
          ...former
        } = parseRow('scrub', row, await transaction.get(row))
        transaction.put(row, sealRow(row, Buffer.from(JSON.stringify(former))))
      })
      expect(await rig.integrity('whole')).toMatchObject({ owners: 'searching', quarantinedCount: 0 })
      // When its last pass began is not known: the next one is due at once.
      expect(await rig.integrity('ledger')).toMatchObject({ lastScrubMs: null })
      await rig.repair(rig.file)
      await rig.damage(rig.file)
      expect(await rig.scrub()).toBe(true)
      expect(await rig.quarantined('ledger')).toEqual([nameOf(rig.file)])
      expect(await rig.quarantined('other')).toEqual([nameOf(copy)])
      expect(await rig.integrity('whole')).toMatchObject({
        owners: 'known',
        quarantinedCount: 0,
        lastScrubMs: rig.clock.wallMs(),
      })
    })

    test('owners that are looked for: found between two passes, without reading a byte', async () => {
      const copy = await rig.copy('other', 'copy', rig.file)
      await rig.damage(rig.file)
      await rig.scrub()
      await rig.kv.transact(async (transaction) => {
        const rows = await transaction.range({ ...rangeOf(metaKey('quarantine-bucket')), limit: 100 })
        for (const { key } of rows) transaction.delete(key)
        transaction.delete(metaKey('quarantine-owners'))
      })
      expect(await rig.quarantined('other')).toEqual([])
      expect(await rig.scrub()).toBe(false)
      expect(await rig.quarantined('other')).toEqual([nameOf(copy)])
      expect(await rig.integrity('ledger')).toMatchObject({ owners: 'known', quarantinedCount: 1 })
    })

    test('an unreadable version: counted until a pass has ended without it, also while the next one reads', async () => {
      for (let index = 0; index < limits.scrubPageMax + 5; index += 1)
        await rig.write('ledger', `a${index}`, 'b')
      await breakRow(rig.file)
      await rig.scrub()
      expect(await rig.integrity('ledger')).toMatchObject({ unreadableCount: 1 })
      rig.clock.pass(limits.scrubIntervalMs)
      const stopping = new AbortController()
      const stopped = rig.makeScrub(tellCommits(rig.kv, () => stopping.abort()))
      expect(await stopped.run(stopping.signal, unhurried)).toBe(false)
      expect(await rig.integrity('ledger')).toMatchObject({ unreadableCount: 1 })
      expect(await stopped.report()).toMatchObject({ unreadableCount: 1, versionCount: limits.scrubPageMax })
      await rig.kv.transact(async (transaction) => {
        const { bucketId, key, order, versionId } = rig.file
        transaction.delete(versionKey(bucketId, key, order, versionId))
      })
      expect(await rig.scrub()).toBe(true)
      expect(await rig.integrity('ledger')).toMatchObject({ unreadableCount: 0 })
    })

    test('a bucket that was made after the last pass began: not scrubbed, until the next one', async () => {
      await rig.scrub()
      const lastScrubMs = rig.clock.wallMs()
      rig.clock.pass(1)
      await rig.createBucket('younger')
      expect(await rig.integrity('ledger')).toMatchObject({ lastScrubMs })
      expect(await rig.integrity('younger')).toMatchObject({ lastScrubMs: null })
      rig.clock.pass(limits.scrubIntervalMs)
      await rig.scrub()
      expect(await rig.integrity('younger')).toMatchObject({ lastScrubMs: rig.clock.wallMs() })
    })

    test.each([
      ['the pass began by a clock ahead', 40, 0],
      ['the bucket was made by a clock behind', 0, -40],
    ])('%s: a bucket that was made after the pass is not scrubbed', async (_name, passDays, bucketDays) => {
      rig.clock.wall += passDays * 86_400_000
      await rig.scrub()
      rig.clock.wall += (bucketDays - passDays) * 86_400_000
      rig.clock.pass(1)
      await rig.createBucket('younger')
      expect(await rig.integrity('ledger')).toMatchObject({ lastScrubMs: expect.any(Number) })
      expect(await rig.integrity('younger')).toMatchObject({ lastScrubMs: null })
    })

    test('a trusted time that cannot be read: damage is found meanwhile', async () => {
      await rig.damage(rig.file)
      await rig.kv.transact(async (transaction) => transaction.put(clockKey, Uint8Array.of(1, 2, 3)))
      expect(await rig.scrub()).toBe(true)
      const { quarantined, quarantinedCount } = await rig.makeScrub(rig.kv).report()
      expect([quarantinedCount, quarantined.map(({ key }) => key)]).toEqual([1, [rig.file.key]])
    })

    test('a pass and buckets of an earlier release, which noted no trusted time: they go by the wall clock', async () => {
      const without = async (row: Uint8Array, kind: string, names: readonly string[]) => {
        await rig.kv.transact(async (transaction) => {
          const fields = Object.entries(parseRow(kind, row, await transaction.get(row)))
          const former = Object.fromEntries(fields.filter(([name]) => !names.includes(name)))
          expect(fields.length - Object.keys(former).length).toBe(names.length)
          transaction.put(row, sealRow(row, Buffer.from(JSON.stringify(former))))
        })
      }
      const isScrubbed = async (bucket: string) => (await rig.integrity(bucket))?.lastScrubMs !== null
      await rig.scrub()
      await without(metaKey('scrub'), 'scrub', ['lastBeganTrustedMs', 'beganTrustedMs'])
      expect(await isScrubbed('ledger')).toBe(false)
      await without(bucketKey('ledger'), 'bucket', ['createdTrustedMs'])
      expect(await isScrubbed('ledger')).toBe(true)
      rig.clock.pass(1)
      await rig.createBucket('former')
      await without(bucketKey('former'), 'bucket', ['createdTrustedMs'])
      expect(await isScrubbed('former')).toBe(false)
      rig.clock.pass(limits.scrubIntervalMs)
      await rig.scrub()
      expect(await Promise.all(['ledger', 'former'].map(isScrubbed))).toEqual([true, true])
    })

    test('more damaged lists than one answer holds: a bucket behind them is damaged all the same', async () => {
      const template = (await rig.kv.range({ ...rangeOf(tablePrefix('listRef')), limit: 1 }))[0]
      expect(template).toBeDefined()
      await rig.kv.transact(async (transaction) => {
        for (let index = 0; index < limits.quarantineListMax; index += 1)
          transaction.put(metaKey('quarantine', `0${String(index).padStart(6, '0')}`), Uint8Array.of(1))
      })
      await rig.damage(rig.file)
      await rig.scrub()
      expect(await rig.quarantined('ledger')).toEqual([nameOf(rig.file)])
      expect(await rig.integrity('other')).toMatchObject({ quarantinedCount: 0, owners: 'known' })
    })

    test('progress: kept after so many bytes, so that a restart reads no more than those again', async () => {
      for (const key of ['g', 'h', 'i']) await rig.write('ledger', key)
      const stopping = new AbortController()
      const stopped = tellCommits(rig.kv, () => stopping.abort())
      const scrub = rig.makeScrub(stopped, large.length)
      expect(await scrub.run(stopping.signal, unhurried)).toBe(false)
      expect(await scrub.report()).toMatchObject({ versionCount: 1, readBytes: large.length })
      expect(await rig.scrub()).toBe(true)
      const total = { versionCount: 4, readBytes: 4 * large.length }
      expect(await scrub.report()).toMatchObject(total)
    })

    test('progress: told to the byte by the process that scrubs, while an object is read', async () => {
      const stopping = new AbortController()
      const scrub = rig.makeScrub(rig.kv)
      const running = scrub.run(stopping.signal, 1)
      await expect.poll(async () => (await scrub.report()).readBytes, { timeout: 60_000 }).toBeGreaterThan(0)
      expect(await scrub.report()).toMatchObject({ versionCount: 1, lastEndedMs: null })
      stopping.abort()
      expect(await running).toBe(false)
      expect(await scrub.report()).toMatchObject({ versionCount: 0, readBytes: 0 })
    })
  })
}
