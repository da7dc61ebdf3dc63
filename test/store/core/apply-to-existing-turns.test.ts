import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import type { DefaultRetention } from '../../../src/lock/types.ts'
import { applyToExisting } from '../../../src/store/apply-to-existing.ts'
import { type ExistingRecord, readExisting, writeExisting } from '../../../src/store/existing-rows.ts'
import { engines } from '../base/support.ts'
import { applyRequest } from './apply-request.ts'
import { actor, bound, openRig, putInput, type Rig } from './rig.ts'
import { tableRows } from './rows.ts'

const page = limits.existingPageVersionsMax
const defaultRetention: DefaultRetention = { mode: 'GOVERNANCE', period: { unit: 'DAYS', count: 30 } }

for (const engine of engines) {
  describe(`applyToExisting in several buckets on ${engine.name}`, () => {
    let rig: Rig
    let ids: Map<string, string>
    let record: ExistingRecord
    beforeEach(async () => {
      rig = await openRig(engine)
      await rig.leadership.next(actor, 'o')
      ids = new Map()
      const bucketId = await create('ledger')
      await rig.buckets.apply(actor, applyRequest({ defaultRetention }, { applyToExisting: 'ExtendOnly' }))
      const found = await readExisting(rig.kv, bucketId)
      if (found === null) throw new Error('the walk is there')
      record = found
    })
    afterEach(() => rig.close())

    async function create(name: string): Promise<string> {
      const input = { name, accountId: actor.accountId, region: 'r', objectLock: 'enabled' } as const
      const { id } = (await rig.buckets.create(actor, input)).bucket
      ids.set(name, id)
      return id
    }

    /** A walk as that of the ledger, over so many versions. */
    async function pendingBucket(name: string, versionCount: number): Promise<void> {
      const id = await create(name)
      for (let index = 0; index < versionCount; index += 1) await rig.put({ bucket: name, key: `${index}` })
      const pending = { ...record, bucketName: name, bucketRevision: 1000 }
      await rig.kv.transact(async (transaction) => writeExisting(transaction, id, pending))
    }

    test('large buckets and small ones: each gets a page by turns, and none is done before another had its first', async () => {
      await pendingBucket('large', 2 * page + 1)
      await pendingBucket('other', 2 * page + 1)
      await pendingBucket('small', 1)
      const turns: string[] = []
      const kv: Rig['kv'] = {
        ...bound(rig.kv),
        transact: async (work) => {
          const result = await rig.kv.transact(work)
          for (const [name, id] of ids) {
            const { seenCount = 0 } = (await readExisting(rig.kv, id)) ?? {}
            const told = `${name} ${seenCount}`
            if (seenCount > 0 && !turns.includes(told)) turns.push(told)
          }
          return result
        },
      }
      expect(await applyToExisting({ ...rig.context, kv }, new AbortController().signal)).toBe(4)
      const of = (name: string) => turns.filter((turn) => turn.startsWith(`${name} `))
      for (const name of ['large', 'other'])
        expect(of(name)).toEqual([page, 2 * page, 2 * page + 1].map((seen) => `${name} ${seen}`))
      const firstRound = turns.slice(0, 3).map((turn) => turn.split(' ')[0])
      expect(firstRound.toSorted()).toEqual(['large', 'other', 'small'])
    })

    test('rows too large for one transaction: go in smaller pages, and the bucket behind them is done', async () => {
      await pendingBucket('fat', 0)
      await pendingBucket('small', 1)
      const userMetadata = { a: '\\'.repeat(24_000) }
      for (let index = 0; index < page; index += 1) {
        const input = await putInput(rig.versions, { bucket: 'fat', key: `${index}` })
        await rig.versions.put(actor, { ...input, description: { ...input.description, userMetadata } })
      }
      expect(await applyToExisting(rig.context, new AbortController().signal)).toBe(3)
      const fat = await readExisting(rig.kv, ids.get('fat') ?? '')
      expect(fat).toMatchObject({ seenCount: page, extendedCount: page })
      expect(fat?.endedMs).not.toBeNull()
    })

    test('a bucket whose counters are damaged: is left to the next run, the others are done', async () => {
      await pendingBucket('damaged', 1)
      await pendingBucket('whole', 1)
      const retention = { mode: 'GOVERNANCE', retainUntilMs: rig.inDays(30) } as const
      await rig.put({ bucket: 'damaged', key: 'locked', lock: { retention } })
      await rig.kv.transact(async (transaction) => {
        for (const { key } of await tableRows(rig.kv, 'histogram')) transaction.put(key, Uint8Array.of(1))
      })
      expect(await applyToExisting(rig.context, new AbortController().signal)).toBe(2)
      const ended = [...ids].map(async ([name, id]) => [
        name,
        (await readExisting(rig.kv, id))?.endedMs !== null,
      ])
      expect(Object.fromEntries(await Promise.all(ended))).toEqual({
        ledger: true,
        damaged: false,
        whole: true,
      })
    })
  })
}
