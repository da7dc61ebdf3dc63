/** A scrub over a disk that does not give out what it has: now, for one body alone, or for a region. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { type Bodies, BodyCorruptError, type BodyReader } from '../../../src/store/bodies/contract.ts'
import { QuarantinedError } from '../../../src/store/quarantine.ts'
import type { VersionRecord } from '../../../src/store/records.ts'
import { createScrub } from '../../../src/store/scrub.ts'
import { engines } from '../base/support.ts'
import { type DamageRig, large, openDamageRig, unhurried } from './damage-rig.ts'
import { readText } from './rig.ts'

const never = new AbortController().signal
const inARow = limits.scrubUnreadMax
const nameOf = ({ key, versionId }: VersionRecord) => `${key} ${versionId}`
const bodyOf = ({ object }: VersionRecord) => object?.content.listId ?? ''

function failed(error: BodyCorruptError): BodyReader {
  return {
    // biome-ignore lint/correctness/useYield: it ends before its first chunk.
    async *[Symbol.asyncIterator]() {
      throw error
    },
    recycle: () => {},
  }
}

for (const engine of engines) {
  describe(`a failing disk on ${engine.name}`, () => {
    let rig: DamageRig
    /** Named k00, k01, …: a scrub comes by in this order, behind `file`. */
    let files: readonly VersionRecord[]
    let opened: string[]
    /** What an open of a body answers; null: what is on the disk. */
    let fail: (bodyId: string, time: number) => 'EIO' | 'otherBytes' | null
    beforeEach(async () => {
      rig = await openDamageRig(engine)
      const written: VersionRecord[] = []
      for (let index = 0; index < 3 * inARow; index += 1)
        written.push(await rig.write('ledger', `k${String(index).padStart(2, '0')}`))
      files = written
      opened = []
    })
    afterEach(() => rig.close())

    const open: Bodies['open'] = (body, ...rest) => {
      opened.push(body.bodyId)
      switch (fail(body.bodyId, opened.filter((each) => each === body.bodyId).length)) {
        case 'EIO': {
          const cause = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
          return failed(new BodyCorruptError(`body ${body.bodyId} cannot be read from the disk`, { cause }))
        }
        case 'otherBytes':
          return failed(new BodyCorruptError(`body ${body.bodyId} block 0 is damaged`))
        default:
          return rig.context.bodies.open(body, ...rest)
      }
    }
    const scrub = (unreadMost?: number) =>
      createScrub({
        ...(unreadMost === undefined ? {} : { unreadMost }),
        kv: rig.kv,
        bodies: { open },
        clock: rig.clock,
        log: silentLog,
        unsavedBytesMax: limits.scrubUnsavedBytesMax,
      })
    const run = () => scrub().run(never, unhurried)
    const bad = (versions: readonly VersionRecord[]) => {
      const bodies = new Set(versions.map(bodyOf))
      fail = (bodyId) => (bodies.has(bodyId) ? 'EIO' : null)
    }

    test('all of it: the scrub stops after a few, lists nothing, says so, and is not taken for one that ended', async () => {
      fail = () => 'EIO'
      expect(await run()).toBe(false)
      expect(opened).toHaveLength(inARow)
      expect(await scrub().report()).toMatchObject({
        lastEndedMs: null,
        quarantinedCount: 0,
        stoppedCount: 1,
        versionCount: 0,
      })
      expect(await rig.integrity('ledger')).toMatchObject({
        lastScrubMs: null,
        quarantinedCount: 0,
        stoppedCount: 1,
      })
      expect(await readText(rig.versions, rig.file)).toBe(large)
      fail = () => null
      expect(await run()).toBe(true)
      expect(await rig.integrity('ledger')).toMatchObject({ stoppedCount: 0 })
      expect(await scrub().report()).toMatchObject({
        lastEndedMs: rig.clock.wallMs(),
        quarantinedCount: 0,
        stoppedCount: 0,
        versionCount: files.length + 1,
        readBytes: (files.length + 1) * large.length,
      })
    })

    test('from somewhere on: the next run begins there, and reads each body once', async () => {
      bad(files.slice(5))
      expect(await run()).toBe(false)
      expect(await scrub().report()).toMatchObject({ versionCount: 6, stoppedCount: 1, quarantinedCount: 0 })
      opened = []
      fail = () => null
      expect(await run()).toBe(true)
      expect(opened).toEqual(files.slice(5).map(bodyOf))
      expect(await scrub().report()).toMatchObject({ versionCount: files.length + 1, stoppedCount: 0 })
    })

    test.each([
      ['in the middle', 4],
      ['the last one', 3 * inARow - 1],
    ])('one body, %s: is listed, tried all the same, and the pass gets beyond it', async (_, index) => {
      const [hurt] = files.slice(index)
      if (hurt === undefined) throw new Error('there are more files')
      bad([hurt])
      expect(await run()).toBe(true)
      expect(opened.filter((bodyId) => bodyId === bodyOf(hurt))).toHaveLength(2)
      expect(await rig.quarantined('ledger')).toEqual([nameOf(hurt)])
      const { quarantined } = (await rig.integrity('ledger')) ?? {}
      expect(quarantined).toMatchObject([
        { problem: expect.stringContaining('cannot be read from the disk') },
      ])
      // The disk gives it out to whoever asks now: each block is checked, so it is what was written.
      expect(await readText(rig.versions, hurt)).toBe(large)
      await expect(rig.copy('other', 'copy', hurt)).rejects.toThrow('were not given out by the disk')
      rig.clock.pass(limits.scrubIntervalMs)
      expect(await run()).toBe(true)
      expect(await rig.quarantined('ledger')).toEqual([nameOf(hurt)])
      fail = () => null
      await scrub().lookAgain(never, unhurried)
      expect(await rig.quarantined('ledger')).toEqual([])
    })

    test.each(['EIO', 'otherBytes'] as const)('one body, once (%s): is not listed', async (answer) => {
      fail = (bodyId, time) => (time === 1 && bodyId === bodyOf(rig.file) ? answer : null)
      expect(await run()).toBe(true)
      expect(opened.filter((bodyId) => bodyId === bodyOf(rig.file))).toHaveLength(2)
      expect(await rig.quarantined('ledger')).toEqual([])
    })

    test('a region of many bodies: later runs try further, until the pass is beyond it', async () => {
      const region = files.slice(2, 2 + 2 * inARow + 1)
      bad(region)
      expect([await run(), await run()]).toEqual([false, false])
      expect(await scrub().report()).toMatchObject({ stoppedCount: 2, quarantinedCount: 0, versionCount: 3 })
      expect(await run()).toBe(true)
      expect((await rig.quarantined('ledger')).toSorted()).toEqual(region.map(nameOf).toSorted())
      expect(await scrub().report()).toMatchObject({ stoppedCount: 0, versionCount: files.length + 1 })
    })

    test('a region of more bodies than a run tries: all of it is listed, and the pass gets beyond it', async () => {
      const region = files.slice(2, 2 + 2 * inARow + 3)
      bad(region)
      const most = 2 * inARow
      expect(await scrub(most).run(never, unhurried)).toBe(false)
      expect(await rig.quarantined('ledger')).toEqual([])
      expect(await scrub(most).run(never, unhurried)).toBe(true)
      expect((await rig.quarantined('ledger')).toSorted()).toEqual(region.map(nameOf).toSorted())
      expect(await scrub().report()).toMatchObject({ stoppedCount: 0, versionCount: files.length + 1 })
    })

    test('one body that many versions share: is one, and all of them are listed', async () => {
      const copies = [rig.file]
      for (let index = 0; index <= inARow; index += 1)
        copies.push(await rig.copy('ledger', `file/${index}`, rig.file))
      bad([rig.file])
      expect(await run()).toBe(true)
      expect((await rig.quarantined('ledger')).toSorted()).toEqual(copies.map(nameOf).toSorted())
    })

    test('a body that is listed as unread, whose bytes a reader finds damaged: its reads are refused from then on', async () => {
      bad([rig.file])
      expect(await run()).toBe(true)
      await rig.damage(rig.file)
      await expect(readText(rig.versions, rig.file)).rejects.toThrow('block 0 is damaged')
      await expect(readText(rig.versions, rig.file)).rejects.toThrow(QuarantinedError)
      expect((await rig.integrity('ledger'))?.quarantined).toMatchObject([
        { problem: expect.stringContaining('block 0 is damaged') },
      ])
    })
  })
}
