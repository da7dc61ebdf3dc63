/** A batch of deletes some of whose transactions the volume refuses: each key is answered with what became of it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { NoRoomError, VolumeReadOnlyError } from '../../../src/lib/read-only.ts'
import { versionKey } from '../../../src/store/keys.ts'
import { StoreFailedError, TransactionConflictError } from '../../../src/store/kv/contract.ts'
import { openMemory } from '../../../src/store/kv/memory/memory.ts'
import { withTransact } from '../../../src/store/kv/with-transact.ts'
import type { VersionRecord } from '../../../src/store/records.ts'
import { actor, openRig, type Rig } from './rig.ts'
import { tableRows } from './rows.ts'

const chunk = limits.deleteObjectsPerTransactionMax
const noRoom = new NoRoomError('full')
const readOnly = new VolumeReadOnlyError('read-only')

let rig: Rig
/** What becomes of the transactions from now on, one after the other; those beyond are done. */
let fates: readonly (Error | null)[]

beforeEach(async () => {
  fates = []
  const engine = openMemory({ uptimeMs: () => 0 })
  const kv = withTransact(engine, async (work) => {
    const [fate = null, ...later] = fates
    fates = later
    if (fate !== null) throw fate
    return engine.transact(work)
  })
  rig = await openRig({ name: 'memory', open: async () => ({ kv, remove: () => kv.close() }) })
  const input = { name: 'ledger', accountId: actor.accountId, region: 'r', objectLock: 'enabled' } as const
  await rig.buckets.create(actor, input)
})
afterEach(() => rig.close())

async function put(key: string, legalHold: 'ON' | null = null): Promise<VersionRecord> {
  const result = await rig.put({ key, lock: { legalHold } })
  if (result.kind !== 'put') throw new Error(result.kind)
  return result.version
}

const removals = (versions: readonly VersionRecord[]) =>
  versions.map(({ key, versionId }) => ({ bucket: 'ledger', key, versionId, bypassGovernance: false }))

const markers = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    ...{ bucket: 'ledger', key: `k${index}`, versionId: null, bypassGovernance: false },
  }))

const versionCount = async () => (await tableRows(rig.kv, 'version')).length
const kindsOf = (answers: readonly { readonly kind: string }[]) => answers.map(({ kind }) => kind)
const verdicts = async () => (await rig.audit()).map(({ key, verdict }) => [key, verdict])

describe('deleteMany in part', () => {
  it.each([
    ['there is no room', noRoom],
    ['the volume is read-only', readOnly],
  ])(
    '[DeleteObjects.8] %s from the second transaction on: what the first one did is answered, the rest with the reason',
    async (_name, error) => {
      fates = [null, error, error]
      const before = (await rig.audit()).length
      const answers = await rig.versions.deleteMany(actor, markers(2 * chunk + 1))
      expect(kindsOf(answers.slice(0, chunk))).toEqual(Array(chunk).fill('deleted'))
      expect(answers.slice(chunk)).toEqual(Array(chunk + 1).fill({ kind: 'writesRefused', error }))
      expect(await versionCount()).toBe(chunk)
      expect((await rig.audit()).length - before).toBe(chunk)
      const again = await rig.versions.deleteMany(actor, markers(2 * chunk + 1).slice(chunk))
      expect(kindsOf(again)).toEqual(Array(chunk + 1).fill('deleted'))
      expect(await versionCount()).toBe(2 * chunk + 1)
    },
  )

  it('no room for one transaction alone: the later ones are done', async () => {
    fates = [null, noRoom, null]
    const answers = await rig.versions.deleteMany(actor, markers(2 * chunk + 1))
    const expected = [...Array(chunk).fill('deleted'), ...Array(chunk).fill('writesRefused'), 'deleted']
    expect(kindsOf(answers)).toEqual(expected)
    expect(await versionCount()).toBe(chunk + 1)
  })

  it('no room for any of them: nothing is done, and the request as a whole fails', async () => {
    fates = [noRoom, noRoom]
    await expect(rig.versions.deleteMany(actor, markers(chunk + 1))).rejects.toBe(noRoom)
    expect(await versionCount()).toBe(0)
  })

  it('no room for the record of a denial: its key is answered with that, the others are gone', async () => {
    const held = await put('held', 'ON')
    const free = await put('free')
    fates = [null, noRoom]
    const answers = await rig.versions.deleteMany(actor, removals([held, free]))
    expect(answers).toMatchObject([{ kind: 'writesRefused', error: noRoom }, { kind: 'deleted' }])
    expect((await verdicts()).slice(-2)).toEqual([
      ['free', 'allow'],
      ['free', 'allow'],
    ])
    fates = [noRoom]
    await expect(rig.versions.deleteMany(actor, removals([held]))).rejects.toBe(noRoom)
    expect(kindsOf(await rig.versions.deleteMany(actor, removals([held])))).toEqual(['denied'])
    expect((await verdicts()).at(-1)).toEqual(['held', 'deny'])
  })

  it('a denial whose record meets others to the end is a conflict of its key', async () => {
    const held = await put('held', 'ON')
    const free = await put('free')
    fates = [null, new TransactionConflictError('busy')]
    const answers = await rig.versions.deleteMany(actor, removals([held, free]))
    expect(kindsOf(answers)).toEqual(['conflict', 'deleted'])
  })

  it('keys that go singly, because one is damaged: each has its own answer', async () => {
    const first = await put('a')
    const broken = await put('b')
    const last = await put('c')
    const bucket = await rig.buckets.read('ledger')
    if (bucket === null) throw new Error('the bucket is there')
    const row = versionKey(bucket.id, 'b', broken.order, broken.versionId)
    await rig.kv.transact(async (transaction) => transaction.put(row, Buffer.from('x')))
    // All at once, the first by itself, the damaged one, the record of its denial, the last.
    fates = [null, null, null, noRoom, readOnly]
    const answers = await rig.versions.deleteMany(actor, removals([first, broken, last]))
    expect(answers).toMatchObject([
      { kind: 'deleted' },
      { kind: 'writesRefused', error: noRoom },
      { kind: 'writesRefused', error: readOnly },
    ])
    expect(await versionCount()).toBe(2)
  })

  it('[DeleteObjects.9] a commit of which nobody knows whether it is done: no key is answered, what was denied before is recorded', async () => {
    const held = await put('held', 'ON')
    const failed = new StoreFailedError('flush')
    fates = [null, failed]
    const inputs = [...removals([held]), ...markers(chunk)]
    await expect(rig.versions.deleteMany(actor, inputs)).rejects.toBe(failed)
    expect(await versionCount()).toBe(1 + chunk - 1)
    expect((await verdicts()).at(-1)).toEqual(['held', 'deny'])
  })
})
