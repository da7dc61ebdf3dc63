import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { BodyCorruptError } from '../../../src/store/bodies/contract.ts'
import type { KeyValue } from '../../../src/store/kv/contract.ts'
import { areOwnersKnown, endQuarantine, putOwner } from '../../../src/store/quarantine.ts'
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

    test('broken off among many who share the bytes: no bucket is whole before all of them are found again', async () => {
      await rig.damage(rig.file)
      expect(await rig.scrub()).toBe(true)
      const listId = rig.file.object?.content.listId ?? ''
      for (let index = 0; index <= limits.quarantineListMax; index += 100)
        await rig.kv.transact(async (transaction) => {
          for (let other = index; other < index + 100; other += 1)
            await putOwner(transaction, listId, {
              bucketId: 'f'.repeat(16),
              key: 'k',
              versionId: `v${other}`,
            })
        })
      let commits = 0
      const killed: KeyValue = {
        ...{
          get: rig.kv.get.bind(rig.kv),
          getMany: rig.kv.getMany.bind(rig.kv),
          range: rig.kv.range.bind(rig.kv),
        },
        ...{ snapshot: rig.kv.snapshot.bind(rig.kv), close: rig.kv.close.bind(rig.kv) },
        transact: (work) => {
          commits += 1
          return commits > 1 ? Promise.reject(new Error('killed')) : rig.kv.transact(work)
        },
      }
      expect(await areOwnersKnown(rig.kv)).toBe(true)
      await expect(endQuarantine(killed, listId)).rejects.toThrow('killed')
      await expect(read()).rejects.toBeInstanceOf(BodyCorruptError)
      expect(await areOwnersKnown(rig.kv)).toBe(false)
      await endQuarantine(rig.kv, listId)
      expect(await areOwnersKnown(rig.kv)).toBe(true)
      expect(await rig.quarantined('ledger')).toEqual([])
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
