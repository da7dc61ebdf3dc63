/** Ways that were found to get around a promise of the store, each closed. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { collectGarbage } from '../../../src/store/collect-garbage.ts'
import { nullKey, versionKey } from '../../../src/store/keys.ts'
import type { VersionRecord } from '../../../src/store/records.ts'
import { createUploads } from '../../../src/store/uploads.ts'
import { engines } from '../base/support.ts'
import { actor, always, noLock, openRig, type PutInput, type Rig } from './rig.ts'
import { readVersionRow, sealedVersion, tableRows } from './rows.ts'

const description = { headers: {}, userMetadata: {}, tags: {}, checksum: null }
const large = 'x'.repeat(limits.inlineBodyBytesMax + 1)

for (const engine of engines) {
  describe(`attacks on ${engine.name}`, () => {
    let rig: Rig
    beforeEach(async () => {
      rig = await openRig(engine)
      const input = {
        name: 'ledger',
        accountId: actor.accountId,
        region: 'r',
        objectLock: 'enabled',
      } as const
      await rig.buckets.create(actor, input)
    })
    afterEach(() => rig.close())

    async function put(input: PutInput): Promise<VersionRecord> {
      const result = await rig.put(input)
      if (result.kind !== 'put') throw new Error(result.kind)
      return result.version
    }

    async function copy(source: VersionRecord, key: string): Promise<VersionRecord> {
      const content = { kind: 'shared', source } as const
      const rest = { description, lock: noLock, precondition: always }
      const result = await rig.versions.put(actor, { bucket: 'ledger', key, content, ...rest })
      if (result.kind !== 'put') throw new Error(result.kind)
      return result.version
    }

    const deletion = ({ key, versionId }: VersionRecord) => ({
      bucket: 'ledger',
      key,
      versionId,
      bypassGovernance: false,
    })

    async function files(): Promise<number> {
      const bodies = join(rig.directory, 'bodies')
      const entries = await readdir(bodies, { recursive: true, withFileTypes: true })
      return entries.filter((entry) => entry.isFile()).length
    }

    test('deleteMany: many locked versions, then their denials share one counted record', async () => {
      const versions: VersionRecord[] = []
      for (let index = 0; index < 40; index += 1) {
        versions.push(await put({ key: `locked-${index}`, lock: { legalHold: 'ON' } }))
      }
      const before = (await rig.audit()).length
      const answers = await rig.versions.deleteMany(actor, versions.map(deletion))
      expect(new Set(answers.map(({ kind }) => kind))).toEqual(new Set(['denied']))
      const records = (await rig.audit()).slice(before)
      expect(records.length).toBe(limits.auditDenialsSingleMax + 1)
      expect(records.at(-1)?.['detail']).toMatchObject({ count: 40 - limits.auditDenialsSingleMax })
    })

    test.each([
      ['in the KV', 'small'],
      ['in a file', large],
    ])('deleteMany: all copies of one body %s at once, then its bytes go', async (_where, body) => {
      const first = await put({ key: 'first', body })
      const versions = [first, await copy(first, 'second'), await copy(first, 'third')]
      await rig.versions.deleteMany(actor, versions.map(deletion))
      await collectGarbage({ ...rig.context, bodies: bodiesOf(rig) }, new AbortController().signal)
      expect(await tableRows(rig.kv, 'listRef')).toEqual([])
      expect(await tableRows(rig.kv, 'list')).toEqual([])
      expect(await files()).toBe(0)
    })

    test('deleteMany: all copies but one, then the bytes of that one stay', async () => {
      const first = await put({ key: 'first', body: 'small' })
      const second = await copy(first, 'second')
      const kept = await copy(first, 'kept')
      await rig.versions.deleteMany(actor, [first, second].map(deletion))
      const pieces: Uint8Array[] = []
      for await (const piece of rig.versions.openBody(kept, null)) pieces.push(piece)
      expect(Buffer.concat(pieces).toString()).toBe('small')
    })

    test('a damaged record: a locked version that reads like a delete marker, then it is not removed', async () => {
      const retention = { mode: 'COMPLIANCE', retainUntilMs: rig.inDays(30) } as const
      for (const lock of [{ retention }, { legalHold: 'ON' }] as const) {
        const version = await put({ key: `key-${Object.keys(lock)[0]}`, lock })
        const row = versionKey(version.bucketId, version.key, version.order, version.versionId)
        const stored = readVersionRow((await rig.kv.get(row)) ?? new Uint8Array(0))
        const damaged = sealedVersion(row, { ...stored, object: null })
        await rig.kv.transact(async (transaction) => transaction.put(row, damaged))
        const removed = await rig.versions.delete(actor, deletion(version))
        expect(removed).toMatchObject({ kind: 'denied', verdict: { reason: 'LockStateUnknown' } })
        expect(await rig.kv.get(row)).not.toBeNull()
      }
    })

    test('a bucket of the same name: nobody who was judged by the former one touches it', async () => {
      const uploads = createUploads({ ...rig.context, bodies: bodiesOf(rig) })
      const former = { ...actor, bucketId: '0011223344556677' }
      const version = await put({ key: 'key' })
      const address = { bucket: 'ledger', key: 'key', versionId: version.versionId }
      const body = { headers: {}, userMetadata: {}, tags: {}, checksumAlgorithm: null, checksumType: null }
      const create = { bucket: 'ledger', key: 'key', ...body, lock: noLock } as const
      const created = await uploads.create(actor, create)
      if (created.kind !== 'created') throw new Error(created.kind)
      const { uploadId } = created.upload
      const target = { bucket: 'ledger', key: 'key', uploadId }
      const staged = await rig.versions.stage(once(large), large.length)
      const parts = [{ partNumber: 1, etag: '00', checksum: null }]
      const rows = await rig.rows()
      const answers = [
        await rig.versions.delete(former, { ...address, bypassGovernance: true }),
        ...(await rig.versions.deleteMany(former, [{ ...address, bypassGovernance: true }])),
        await rig.versions.putLegalHold(former, { ...address, next: 'ON' }),
        await rig.versions.putRetention(former, { ...address, next: null, bypassGovernance: true }),
        await rig.versions.putTags(former, { ...address, tags: {} }),
        await rig.buckets.delete(former, 'ledger'),
        await rig.buckets.putVersioning(former, 'ledger', 'Suspended'),
        await rig.buckets.putObjectLockConfiguration(former, 'ledger', { kind: 'clearRule' }),
        await uploads.create(former, create),
        await uploads.putPart(former, { ...target, partNumber: 1, body: staged, checksum: null }),
        await uploads.complete(former, { ...target, parts, checksum: null, precondition: always }),
        await uploads.abort(former, target),
      ]
      expect(answers).toEqual(answers.map(() => ({ kind: 'noSuchBucket' })))
      expect(await rig.rows()).toEqual(rows)
    })

    test('a null row: removed from a locked bucket, then the locked null version is still there', async () => {
      const name = { name: 'plain', accountId: actor.accountId, region: 'r', objectLock: 'none' } as const
      await rig.buckets.create(actor, name)
      const version = await put({ bucket: 'plain', key: 'key' })
      await rig.buckets.putVersioning(actor, 'plain', 'Enabled')
      await rig.buckets.putObjectLockConfiguration(actor, 'plain', { kind: 'clearRule' })
      const address = { bucket: 'plain', key: 'key', versionId: 'null' }
      await rig.versions.putLegalHold(actor, { ...address, next: 'ON' })
      const row = nullKey(version.bucketId, 'key')
      await rig.kv.transact(async (transaction) => transaction.delete(row))
      for (const versionId of ['null', version.versionId]) {
        await rig.versions.delete(actor, { ...address, versionId, bypassGovernance: true })
      }
      const read = await rig.versions.read({ ...address, versionId: null })
      expect(read).toMatchObject({ kind: 'found', version: { versionId: version.versionId } })
    })
  })
}

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(Buffer.from(text))
}

function bodiesOf(rig: Rig) {
  if (!('bodies' in rig.context)) throw new Error('the rig has no bodies')
  return rig.context.bodies as Parameters<typeof createUploads>[0]['bodies']
}
