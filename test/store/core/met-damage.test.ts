import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { VolumeReadOnlyError } from '../../../src/lib/read-only.ts'
import { type Bodies, BodyCorruptError, BodyMissingError } from '../../../src/store/bodies/contract.ts'
import { listKey } from '../../../src/store/keys.ts'
import { QuarantinedError } from '../../../src/store/quarantine.ts'
import type { VersionRecord } from '../../../src/store/records.ts'
import type { Versions } from '../../../src/store/store.ts'
import { createVersions } from '../../../src/store/versions.ts'
import { engines } from '../base/support.ts'
import { type DamageRig, large, openDamageRig, tellCommits } from './damage-rig.ts'
import { readText } from './rig.ts'

const nameOf = ({ key, versionId }: VersionRecord) => `${key} ${versionId}`

for (const engine of engines) {
  describe(`damage that a read meets on ${engine.name}`, () => {
    let rig: DamageRig
    beforeEach(async () => {
      rig = await openDamageRig(engine)
    })
    afterEach(() => rig.close())

    const readRange = async (versions: Versions, startByte: number, endByte: number) => {
      let sizeBytes = 0
      for await (const chunk of versions.openBody(rig.file, { startByte, endByte })) sizeBytes += chunk.length
      return sizeBytes
    }

    test('a damaged block: in quarantine when the reader has its error, and refused from then on', async () => {
      await rig.damage(rig.file)
      await expect(readText(rig.versions, rig.file)).rejects.toThrow('block 0 is damaged')
      expect(await rig.quarantined('ledger')).toEqual([nameOf(rig.file)])
      expect((await rig.integrity('ledger'))?.quarantined).toMatchObject([
        { foundMs: rig.clock.wallMs(), problem: expect.stringContaining('block 0 is damaged') },
      ])
      await expect(readText(rig.versions, rig.file)).rejects.toThrow(QuarantinedError)
      await expect(readRange(rig.versions, large.length - 1, large.length)).rejects.toThrow(QuarantinedError)
    })

    test('a range beside the damage: served, and nobody learns of it', async () => {
      await rig.damage(rig.file)
      expect(await readRange(rig.versions, limits.bodyBlockBytes, large.length)).toBe(
        large.length - limits.bodyBlockBytes,
      )
      expect(await rig.quarantined('ledger')).toEqual([])
    })

    test('a file that is gone: in quarantine', async () => {
      await rig.lose(rig.file)
      await expect(readText(rig.versions, rig.file)).rejects.toThrow(BodyMissingError)
      expect(await rig.quarantined('ledger')).toEqual([nameOf(rig.file)])
    })

    test('damaged bytes in the store itself: in quarantine', async () => {
      const small = await rig.write('ledger', 'small', 'a few bytes')
      const row = listKey(small.object?.content.listId ?? '', 0)
      await rig.kv.transact(async (transaction) => {
        const value = Uint8Array.from((await transaction.get(row)) ?? [])
        value.set([(value.at(-1) ?? 0) ^ 1], value.length - 1)
        transaction.put(row, value)
      })
      await expect(readText(rig.versions, small)).rejects.toThrow(BodyCorruptError)
      expect(await rig.quarantined('ledger')).toEqual([nameOf(small)])
    })

    test('bytes that others share: nobody is whole until their owners are found', async () => {
      const copy = await rig.copy('other', 'copy', rig.file)
      await rig.damage(rig.file)
      await expect(readText(rig.versions, copy)).rejects.toThrow(BodyCorruptError)
      expect(await rig.quarantined('other')).toEqual([nameOf(copy)])
      expect(await rig.integrity('ledger')).toMatchObject({ quarantinedCount: 0, owners: 'searching' })
      await rig.scrub()
      expect(await rig.quarantined('ledger')).toEqual([nameOf(rig.file)])
      expect(await rig.integrity('ledger')).toMatchObject({ owners: 'known' })
    })

    test('many readers, and all that come after: one commit', async () => {
      await rig.damage(rig.file)
      let commitCount = 0
      const kv = tellCommits(rig.kv, () => {
        commitCount += 1
      })
      const versions = createVersions({ ...rig.context, kv })
      const readers = Array.from({ length: 50 }, () => readText(versions, rig.file))
      const results = await Promise.allSettled(readers)
      expect(results.map(({ status }) => status)).toEqual(readers.map(() => 'rejected'))
      await expect(readText(versions, rig.file)).rejects.toThrow(QuarantinedError)
      expect(commitCount).toBe(1)
    })

    test('a version that was removed while it was read: no damage', async () => {
      const { key, versionId } = rig.file
      expect(await rig.remove({ key, versionId })).toMatchObject({ kind: 'deleted' })
      await rig.lose(rig.file)
      const before = await rig.rows()
      await expect(readText(rig.versions, rig.file)).rejects.toThrow(BodyMissingError)
      expect(await rig.rows()).toEqual(before)
    })

    /** The store, as long as its bodies are opened so. */
    const versionsThat = (open: Bodies['open']): Versions => {
      const bodies = new Proxy(rig.context.bodies, {
        get: (target, name) => (name === 'open' ? open : Reflect.get(target, name)),
      })
      return createVersions({ ...rig.context, bodies })
    }

    test('a disk that does not read: an error as often as it is asked, and no damage for good', async () => {
      const failed = new BodyCorruptError('body cannot be read from the disk', {
        cause: Object.assign(new Error('i/o error'), { code: 'EIO' }),
      })
      const versions = versionsThat(() => ({
        [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(failed) }),
        recycle: () => {},
      }))
      await expect(readText(versions, rig.file)).rejects.toThrow(failed)
      expect(await rig.quarantined('ledger')).toEqual([])
      expect(await readText(rig.versions, rig.file)).toBe(large)
    })

    test('bytes that were other ones once: no damage, and the next reader is served', async () => {
      let openCount = 0
      const versions = versionsThat((reference, crcs, range) => {
        openCount += 1
        const sizeBytes = reference.sizeBytes + (openCount > 1 ? 0 : 1)
        return rig.context.bodies.open({ ...reference, sizeBytes }, crcs, range)
      })
      await expect(readText(versions, rig.file)).rejects.toThrow(BodyCorruptError)
      expect(await rig.quarantined('ledger')).toEqual([])
      expect(await readText(versions, rig.file)).toBe(large)
    })

    test('a volume that takes no writes: the reader has its own error, and nothing else happens', async () => {
      await rig.damage(rig.file)
      const kv = {
        ...tellCommits(rig.kv, () => {}),
        transact: () => Promise.reject(new VolumeReadOnlyError('the volume takes no writes')),
      }
      const versions = createVersions({ ...rig.context, kv })
      await expect(readText(versions, rig.file)).rejects.toThrow('block 0 is damaged')
      await expect(readText(versions, rig.file)).rejects.toThrow('block 0 is damaged')
      expect(await rig.quarantined('ledger')).toEqual([])
    })

    test('a disk that is going: so many lists in a while, the others are the scrub’s', async () => {
      const files: VersionRecord[] = []
      for (let index = 0; index <= limits.metDamageMax; index += 1) {
        const file = await rig.write('ledger', `many/${index}`)
        await rig.lose(file)
        files.push(file)
      }
      for (const file of files) await expect(readText(rig.versions, file)).rejects.toThrow(BodyMissingError)
      expect(await rig.integrity('ledger')).toMatchObject({ quarantinedCount: limits.metDamageMax })
      rig.clock.pass(limits.metDamageWindowMs)
      const last = files.at(-1) ?? rig.file
      await expect(readText(rig.versions, last)).rejects.toThrow(BodyMissingError)
      expect(await rig.integrity('ledger')).toMatchObject({ quarantinedCount: limits.metDamageMax + 1 })
    })
  })
}
