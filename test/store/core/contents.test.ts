import { readdir } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { TransactionConflictError } from '../../../src/store/kv/contract.ts'
import { openMemory } from '../../../src/store/kv/memory/memory.ts'
import type { VersionRecord } from '../../../src/store/records.ts'
import { engines } from '../base/support.ts'
import { actor, always, noLock, openRig, type PutInput, type Rig, readText } from './rig.ts'
import { tableRows } from './rows.ts'

const description = { headers: {}, userMetadata: {}, tags: {}, checksum: null }
const large = 'x'.repeat(limits.inlineBodyBytesMax + 1)

for (const engine of engines) {
  describe(`contents on ${engine.name}`, () => {
    let rig: Rig
    beforeEach(async () => {
      rig = await openRig(engine)
      const input = { name: 'ledger', accountId: actor.accountId, region: 'r', objectLock: 'none' } as const
      await rig.buckets.create(actor, input)
    })
    afterEach(() => rig.close())

    async function put(input: PutInput): Promise<VersionRecord> {
      const result = await rig.put(input)
      if (result.kind !== 'put') throw new Error(result.kind)
      return result.version
    }

    function copy(source: VersionRecord, key: string) {
      const content = { kind: 'shared', source } as const
      return rig.versions.put(actor, {
        bucket: 'ledger',
        key,
        content,
        description,
        lock: noLock,
        precondition: always,
      })
    }

    async function files(): Promise<string[]> {
      const entries = await readdir(rig.directory, { recursive: true, withFileTypes: true })
      return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
    }

    async function text(key: string): Promise<string> {
      const read = await rig.versions.read({ bucket: 'ledger', key, versionId: null })
      if (read.kind !== 'found') throw new Error(read.kind)
      return readText(rig.versions, read.version)
    }

    for (const [size, body] of [
      ['small', 'small'],
      ['large', large],
    ] as const) {
      test(`copy of a ${size} object: shares the bytes, which live as long as one of the two`, async () => {
        const source = await put({ key: 'a', body })
        expect(await copy(source, 'b')).toMatchObject({
          kind: 'put',
          version: { object: { etag: source.object?.etag } },
        })
        await rig.remove({ key: 'a' })
        expect(await tableRows(rig.kv, 'garbage')).toHaveLength(0)
        expect(await text('b')).toBe(body)
        await rig.remove({ key: 'b' })
        expect(await tableRows(rig.kv, 'listRef')).toHaveLength(0)
        expect(await tableRows(rig.kv, 'garbage')).toHaveLength(size === 'large' ? 1 : 0)
      })

      test(`copy of a ${size} object onto itself without versioning: the bytes stay`, async () => {
        const source = await put({ key: 'a', body })
        expect(await copy(source, 'a')).toMatchObject({ kind: 'put' })
        expect(await tableRows(rig.kv, 'listRef')).toHaveLength(1)
        expect(await tableRows(rig.kv, 'garbage')).toHaveLength(0)
        expect(await text('a')).toBe(body)
      })
    }

    test('copy: a source that has gone meanwhile, sourceGone and nothing written', async () => {
      const source = await put({ key: 'a' })
      await put({ key: 'a', body: 'other' })
      const rows = await rig.rows()
      expect(await copy(source, 'b')).toEqual({ kind: 'sourceGone' })
      expect(await rig.rows()).toEqual(rows)
    })

    test('copy: the lock of the source does not come along, nor does the source change', async () => {
      await rig.buckets.putVersioning(actor, 'ledger', 'Enabled')
      await rig.buckets.putObjectLockConfiguration(actor, 'ledger', { kind: 'clearRule' })
      const source = await put({ key: 'a', lock: { legalHold: 'ON' } })
      expect(await copy(source, 'b')).toMatchObject({
        version: { lock: { retention: null, legalHold: null } },
      })
      const read = await rig.versions.read({ bucket: 'ledger', key: 'a', versionId: source.versionId })
      expect(read).toMatchObject({ version: source })
    })

    test('put of a file: one file when stored, none when refused', async () => {
      expect(await rig.put({ bucket: 'nothing', key: 'a', body: large })).toEqual({ kind: 'noSuchBucket' })
      expect(await rig.put({ key: 'a', body: large, lock: { legalHold: 'ON' } })).toEqual({
        kind: 'bucketLockMissing',
      })
      expect(await files()).toEqual([])
      const version = await put({ key: 'a', body: large })
      expect(await files()).toEqual([version.object?.content.listId])
      expect(await text('a')).toBe(large)
      expect(await rig.versions.parts(version, 0, 10)).toEqual([{ sizeBytes: large.length, checksum: null }])
    })
  })
}

describe('contents under conflicts', () => {
  let conflicts = 0
  let rig: Rig
  beforeEach(async () => {
    conflicts = 0
    const beforeCommit = () => {
      if (conflicts === 0) return 'proceed'
      conflicts -= 1
      return 'conflict'
    }
    const kv = openMemory({ uptimeMs: () => 0, beforeCommit })
    rig = await openRig({ name: 'memory', open: async () => ({ kv, remove: () => kv.close() }) })
    const input = { name: 'ledger', accountId: actor.accountId, region: 'r', objectLock: 'enabled' } as const
    await rig.buckets.create(actor, input)
  })
  afterEach(() => rig.close())

  test('put of a file: conflicts to the end, the error passes and no file stays', async () => {
    conflicts = limits.transactionConflictsMax
    await expect(rig.put({ key: 'a', body: large })).rejects.toThrow(TransactionConflictError)
    const entries = await readdir(rig.directory, { recursive: true, withFileTypes: true })
    expect(entries.filter((entry) => entry.isFile())).toEqual([])
  })

  test('put: conflicts that end in time, one version with one record', async () => {
    conflicts = limits.transactionConflictsMax - 1
    const recordCount = (await rig.audit()).length
    expect(await rig.put({ key: 'a' })).toMatchObject({ kind: 'put' })
    expect((await rig.audit()).length).toBe(recordCount + 1)
    expect(await tableRows(rig.kv, 'version')).toHaveLength(1)
  })

  test('batch of deletes: conflicts to the end, the keys go singly with the same answers', async () => {
    const versionIds = []
    for (const legalHold of ['ON', 'OFF', null] as const) {
      const result = await rig.put({ key: 'a', lock: { legalHold } })
      versionIds.push(result.kind === 'put' ? result.version.versionId : '')
    }
    conflicts = limits.transactionConflictsMax
    const jobs = versionIds.map((versionId) => ({
      bucket: 'ledger',
      key: 'a',
      versionId,
      bypassGovernance: false,
    }))
    const answers = await rig.versions.deleteMany(actor, jobs)
    expect(answers.map(({ kind }) => kind)).toEqual(['denied', 'deleted', 'deleted'])
    expect(await tableRows(rig.kv, 'version')).toHaveLength(1)
  })

  test('batch of deletes: a key that stays busy is a conflict of its own, the others go', async () => {
    const written = []
    for (const key of ['a', 'b', 'c']) {
      const result = await rig.put({ key })
      written.push({ key, versionId: result.kind === 'put' ? result.version.versionId : '' })
    }
    // The whole batch to the end, and then the first key by itself.
    conflicts = 2 * limits.transactionConflictsMax
    const jobs = written.map((target) => ({ bucket: 'ledger', ...target, bypassGovernance: false }))
    const answers = await rig.versions.deleteMany(actor, jobs)
    expect(answers.map(({ kind }) => kind)).toEqual(['conflict', 'deleted', 'deleted'])
    expect(await tableRows(rig.kv, 'version')).toHaveLength(1)
    const [first] = jobs
    if (first === undefined) throw new Error('three were written')
    conflicts = limits.transactionConflictsMax
    await expect(rig.versions.delete(actor, first)).rejects.toThrow(TransactionConflictError)
    expect(await rig.versions.deleteMany(actor, [first])).toMatchObject([{ kind: 'deleted' }])
  })
})
