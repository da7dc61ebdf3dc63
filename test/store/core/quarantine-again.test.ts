import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BodyCorruptError } from '../../../src/store/bodies/contract.ts'
import { engines } from '../base/support.ts'
import { type DamageRig, large, openDamageRig, unhurried } from './damage-rig.ts'
import { readText } from './rig.ts'

const never = new AbortController().signal

for (const engine of engines) {
  describe(`a second look at the quarantine on ${engine.name}`, () => {
    let rig: DamageRig
    beforeEach(async () => {
      rig = await openDamageRig(engine)
    })
    afterEach(() => rig.close())

    const look = (signal = never) => rig.makeScrub(rig.kv).lookAgain(signal, unhurried)
    const read = () => readText(rig.versions, rig.file)

    test('a file that was away: refused while it is in quarantine, and served again by all who share it', async () => {
      const copied = await rig.copy('other', 'copy', rig.file)
      await rig.lose(rig.file)
      expect(await rig.scrub()).toBe(true)
      expect([await rig.quarantined('ledger'), await rig.quarantined('other')]).toEqual([
        [`file ${rig.file.versionId}`],
        [`copy ${copied.versionId}`],
      ])
      await look()
      expect(await rig.quarantined('ledger')).toEqual([`file ${rig.file.versionId}`])
      await rig.repair(rig.file)
      await expect(read()).rejects.toBeInstanceOf(BodyCorruptError)
      await look()
      expect(await read()).toBe(large)
      expect([await rig.quarantined('ledger'), await rig.quarantined('other')]).toEqual([[], []])
    })

    test('damage that is there still: stays refused', async () => {
      await rig.damage(rig.file)
      expect(await rig.scrub()).toBe(true)
      await look()
      await expect(read()).rejects.toBeInstanceOf(BodyCorruptError)
      expect(await rig.quarantined('ledger')).toEqual([`file ${rig.file.versionId}`])
    })

    test('ended by its signal: nothing is changed', async () => {
      await rig.lose(rig.file)
      expect(await rig.scrub()).toBe(true)
      await rig.repair(rig.file)
      await look(AbortSignal.abort())
      expect(await rig.quarantined('ledger')).toEqual([`file ${rig.file.versionId}`])
    })
  })
}
