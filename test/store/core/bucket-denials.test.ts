import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { epochMs } from '../../../src/lib/units.ts'
import { createDenialRecorder } from '../../../src/store/denials.ts'
import { bucketKey, metaKey, rangeOf } from '../../../src/store/keys.ts'
import { denial, engines } from '../base/support.ts'
import { actor, openRig, type Rig } from './rig.ts'

for (const engine of engines) {
  describe(`the last denials of a bucket on ${engine.name}`, () => {
    let rig: Rig
    beforeEach(async () => {
      rig = await openRig(engine)
      await create('ledger')
    })
    afterEach(() => rig.close())

    const create = (name: string) =>
      rig.buckets.create(actor, { name, accountId: '1'.repeat(12), region: 'r', objectLock: 'enabled' })
    const lastDenials = async (name = 'ledger') => (await rig.buckets.facts(name))?.lastDenials ?? []
    const rows = () => rig.kv.range({ ...rangeOf(metaKey('denials')), limit: 100 })

    test('a locked version is to be deleted: who, what, by which rule and when', async () => {
      const retention = { mode: 'COMPLIANCE', retainUntilMs: rig.inDays(1) } as const
      const put = await rig.put({ key: 'entry', lock: { retention } })
      if (put.kind !== 'put') throw new Error(put.kind)
      expect(await lastDenials()).toEqual([])
      rig.clock.pass(5000)
      const { versionId } = put.version
      expect(await rig.remove({ key: 'entry', versionId })).toMatchObject({ kind: 'denied' })
      expect(await lastDenials()).toEqual([
        {
          trustedMs: rig.clock.wallMs(),
          operation: actor.operation,
          accessKeyId: actor.accessKeyId,
          key: 'entry',
          versionId,
          rule: 'ComplianceRetention',
          count: 1,
        },
      ])
      expect((await rig.audit()).at(-1)).toMatchObject({ verdict: 'deny', key: 'entry' })
    })

    test('more than are kept: the newest, newest first, and no more rows than slots', async () => {
      const count = limits.denialSlots + 3
      for (let index = 0; index < count; index += 1) {
        const trustedMs = epochMs(1000 + index)
        await rig.context.denials.record(denial({ key: `k${index}`, trustedMs, rule: `R${index}` }))
      }
      const expected = Array.from({ length: limits.lastDenialsMax }, (_, back) => `k${count - 1 - back}`)
      expect((await lastDenials()).map(({ key }) => key)).toEqual(expected)
      expect(await rows()).toHaveLength(limits.denialSlots)
    })

    test('counted refusals: one entry with their count and without a key', async () => {
      const many = limits.auditDenialsSingleMax + 4
      await Promise.all(Array.from({ length: many }, () => rig.context.denials.record(denial())))
      const counted = (await lastDenials()).filter(({ key }) => key === null)
      expect(counted).toMatchObject([{ count: 4, versionId: null, operation: 'DeleteObject' }])
    })

    test('another process has refused meanwhile: the newest is always shown', async () => {
      const other = createDenialRecorder({ kv: rig.kv, clock: rig.clock })
      for (let index = 0; index < 20; index += 1) {
        const recorder = index % 3 === 0 ? other : rig.context.denials
        await recorder.record(
          denial({ key: `k${index}`, trustedMs: epochMs(1000 + index), rule: `R${index}` }),
        )
        expect((await lastDenials())[0]?.key).toBe(`k${index}`)
      }
      await other.close()
    })

    test('names that are no buckets: recorded, without a row', async () => {
      for (const bucket of ['', '*', 'no-such-bucket', 'x'.repeat(5000)])
        await rig.context.denials.record(denial({ bucket }))
      expect(await rows()).toEqual([])
      expect((await rig.audit()).filter(({ verdict }) => verdict === 'deny')).toHaveLength(4)
    })

    test('a deleted bucket: its rows go with it, and one of the same name begins with none', async () => {
      await rig.context.denials.record(denial())
      expect(await rig.buckets.delete(actor, 'ledger')).toEqual({ kind: 'deleted' })
      expect(await rows()).toEqual([])
      await create('ledger')
      expect(await lastDenials()).toEqual([])
    })

    test('a row that cannot be read: left out; a record of the bucket that cannot be: the refusal is recorded', async () => {
      for (const key of ['a', 'b']) await rig.context.denials.record(denial({ key }))
      const [first] = await rows()
      await rig.kv.transact(async (tx) => tx.put(first?.key ?? Uint8Array.of(1), Uint8Array.of(1, 2, 3)))
      expect((await lastDenials()).map(({ key }) => key)).toEqual(['b'])
      await rig.kv.transact(async (tx) => tx.put(bucketKey('ledger'), Uint8Array.of(1, 2, 3)))
      await rig.context.denials.record(denial({ key: 'c' }))
      expect((await rig.audit()).at(-1)).toMatchObject({ verdict: 'deny', key: 'c' })
    })
  })
}
