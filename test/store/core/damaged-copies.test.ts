import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BodyCorruptError } from '../../../src/store/bodies/contract.ts'
import { engines } from '../base/support.ts'
import { type DamageRig, openDamageRig } from './damage-rig.ts'

for (const engine of engines) {
  describe(`copies of damaged bytes on ${engine.name}`, () => {
    let rig: DamageRig
    beforeEach(async () => {
      rig = await openDamageRig(engine)
    })
    afterEach(() => rig.close())

    test('a copy of a quarantined version: refused like its reads, and nothing is written', async () => {
      await rig.damage(rig.file)
      await rig.scrub()
      const before = await rig.rows()
      await expect(rig.copy('other', 'copy', rig.file)).rejects.toThrow(BodyCorruptError)
      expect(await rig.rows()).toEqual(before)
    })

    test('a copy of a copy: refused too, for the bytes are the same', async () => {
      const copy = await rig.copy('other', 'copy', rig.file)
      await rig.damage(rig.file)
      await rig.scrub()
      await expect(rig.copy('ledger', 'again', copy)).rejects.toThrow(BodyCorruptError)
    })

    test('a quarantined source that was removed meanwhile: gone, as any other', async () => {
      const copy = await rig.copy('other', 'copy', rig.file)
      await rig.damage(rig.file)
      await rig.scrub()
      const { key, versionId } = copy
      expect(await rig.remove({ bucket: 'other', key, versionId })).toMatchObject({ kind: 'deleted' })
      await expect(rig.copy('ledger', 'again', copy)).rejects.toThrow('sourceGone')
    })

    test('bytes that a scrub found whole again: they are copied', async () => {
      await rig.damage(rig.file)
      await rig.scrub()
      await rig.repair(rig.file)
      rig.clock.pass(7 * 86_400_000)
      expect(await rig.scrub()).toBe(true)
      expect(await rig.copy('other', 'copy', rig.file)).toMatchObject({ key: 'copy' })
    })
  })
}
