import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { epochMs } from '../../../src/lib/units.ts'
import type { LifecycleRule } from '../../../src/lock/lifecycle.ts'
import { documentKey } from '../../../src/store/keys.ts'
import { lifecycleCodec } from '../../../src/store/lifecycle-document.ts'
import type { ApplyBucket } from '../../../src/store/store.ts'
import { engines } from '../base/support.ts'
import { applyRequest, owner } from './apply-request.ts'
import { actor, openRig, type Rig } from './rig.ts'

const rule = (id: string, days: number): LifecycleRule => ({
  id,
  status: 'Enabled',
  filter: { form: 'Filter', prefix: 'tmp/', tags: [], sizeGreaterThan: null, sizeLessThan: null },
  expiration: { kind: 'days', days },
  noncurrentVersionExpiration: null,
  abortIncompleteMultipartUpload: null,
})
const dated: LifecycleRule = {
  ...rule('dated', 1),
  expiration: { kind: 'date', dateMs: epochMs(Date.UTC(2030, 0, 1)) },
}

for (const engine of engines) {
  describe(`documents of apply on ${engine.name}`, () => {
    let rig: Rig
    let epoch: number
    beforeEach(async () => {
      rig = await openRig(engine)
      epoch = (await rig.leadership.next(actor, 'operator-0')).epoch
    })
    afterEach(() => rig.close())

    async function apply(wish: Partial<ApplyBucket> = {}): Promise<string> {
      const defaultRetention = { mode: 'COMPLIANCE', period: { unit: 'DAYS', count: 10 } } as const
      const asked = applyRequest({ defaultRetention }, { epoch, owner, adoptionPolicy: 'Never', ...wish })
      const result = await rig.buckets.apply(actor, asked)
      return result.kind === 'applied' ? result.change : result.kind
    }

    async function shown() {
      const facts = await rig.buckets.facts('ledger')
      return { lifecycle: facts?.lifecycle, tags: facts?.tags, documents: facts?.bucket.documents }
    }

    test('a new bucket: created with its lifecycle and tags in one transaction', async () => {
      expect(await apply({ lifecycle: [rule('a', 3), dated], tags: { team: 'x', cost: '7' } })).toBe(
        'created',
      )
      expect(await shown()).toEqual({
        lifecycle: [rule('a', 3), dated],
        tags: { team: 'x', cost: '7' },
        documents: ['lifecycle', 'tagging'],
      })
      const [, created] = await rig.audit()
      expect(created).toMatchObject({ verdict: 'allow', detail: { change: 'created' } })
      expect(JSON.stringify(created)).toMatch(/"lifecycleSha256":"[0-9a-f]{64}"/)
    })

    test('the same again, tags in another order: unchanged; another rule: updated', async () => {
      await apply({ lifecycle: [rule('a', 3)], tags: { a: '1', b: '2' } })
      const rows = await rig.rows()
      expect(await apply({ lifecycle: [rule('a', 3)], tags: { b: '2', a: '1' } })).toBe('unchanged')
      expect(await rig.rows()).toEqual(rows)
      expect(await apply({ lifecycle: [rule('a', 4)] })).toBe('updated')
      expect(await shown()).toMatchObject({ lifecycle: [rule('a', 4)], tags: { a: '1', b: '2' } })
    })

    test('nothing asked for: what a client put stays; an empty wish: removed', async () => {
      await apply()
      const text = lifecycleCodec.encode({
        rules: [rule('client', 9)],
        transitionDefaultMinimumObjectSize: 'varies_by_storage_class',
      })
      await rig.documents.put(actor, 'ledger', { kind: 'lifecycle', text })
      await rig.documents.put(actor, 'ledger', { kind: 'cors', text: 'kept' })
      expect(await apply()).toBe('unchanged')
      expect(await shown()).toMatchObject({ lifecycle: [rule('client', 9)] })
      expect(await apply({ lifecycle: [rule('client', 9)] })).toBe('unchanged')
      expect(await apply({ lifecycle: [], tags: {} })).toBe('updated')
      expect(await shown()).toEqual({ lifecycle: null, tags: null, documents: ['cors'] })
    })

    test('a refused policy: the documents stay as they were', async () => {
      await apply({ tags: { a: '1' } })
      const policy = {
        namespace: 'team',
        name: 'keep',
        uid: 'p1',
        generation: 2,
        defaultRetention: { mode: 'GOVERNANCE', period: { unit: 'DAYS', count: 1 } },
        prefixRules: [],
        bounds: { minimum: null, maximum: null },
      } as const
      expect(await apply({ tags: {}, policy })).toBe('wouldShorten')
      expect(await shown()).toMatchObject({ tags: { a: '1' } })
    })

    test('a damaged document: not shown, and replaced by what is asked for', async () => {
      await apply({ lifecycle: [rule('a', 3)] })
      const bucket = await rig.buckets.read('ledger')
      await rig.context.kv.transact(async (transaction) => {
        transaction.put(documentKey(bucket?.id ?? '', 'lifecycle'), Uint8Array.of(1, 2, 3))
      })
      expect(await shown()).toMatchObject({ lifecycle: null, documents: ['lifecycle'] })
      expect(await apply()).toBe('unchanged')
      expect(await apply({ lifecycle: [rule('a', 3)] })).toBe('updated')
      expect(await shown()).toMatchObject({ lifecycle: [rule('a', 3)] })
    })
  })
}
