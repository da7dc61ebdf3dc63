import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Statement } from '../../../src/lib/identity.ts'
import { type AccessKeyStore, createAccessKeys, type PutAccessKey } from '../../../src/store/access-keys.ts'
import { CorruptRecordError } from '../../../src/store/fields.ts'
import { metaKey } from '../../../src/store/keys.ts'
import { sealRow, unsealRow } from '../../../src/store/row-codec.ts'
import { openSecret, parseMasterKey, sealSecret } from '../../../src/store/sealed-secret.ts'
import { engines } from '../base/support.ts'
import { actor, openRig, type Rig } from './rig.ts'

const secretAccessKey = 'a-secret-that-must-not-be-seen'
const owner = { clusterId: 'c1', namespace: 'team', name: 'reader' }
const statement: Statement = {
  effect: 'Allow',
  actions: ['s3:GetObject'],
  buckets: ['ledger'],
  prefixes: null,
}

function masterKeyOf(bytes: Uint8Array) {
  const key = parseMasterKey(Buffer.from(bytes).toString('base64'))
  if (key === null) throw new Error('32 bytes are a master key')
  return key
}
const masterKey = masterKeyOf(Buffer.alloc(32, 7))
const otherKey = masterKeyOf(Buffer.alloc(32, 8))

describe('sealed secrets', () => {
  test('master key: 32 bytes in base64 and nothing else', () => {
    const text = randomBytes(32).toString('base64')
    expect(parseMasterKey(`${text}\n`)?.id).toMatch(/^[0-9a-f]{16}$/)
    for (const wrong of [
      '',
      randomBytes(31).toString('base64'),
      randomBytes(33).toString('base64'),
      `${text}!`,
    ])
      expect(parseMasterKey(wrong)).toBeNull()
  })

  test('sealed secret: opens under its key and its context only, and never looks the same', () => {
    const sealed = sealSecret(masterKey, 'context', secretAccessKey)
    expect(openSecret(masterKey, 'context', sealed)).toBe(secretAccessKey)
    expect(openSecret(masterKey, 'context2', sealed)).toBeNull()
    expect(openSecret(otherKey, 'context', sealed)).toBeNull()
    expect(openSecret(otherKey, 'context', { ...sealed, masterKeyId: otherKey.id })).toBeNull()
    expect(openSecret(masterKey, 'context', { ...sealed, tag: sealed.tag.slice(0, 8) })).toBeNull()
    const again = sealSecret(masterKey, 'context', secretAccessKey)
    expect(again.nonce).not.toBe(sealed.nonce)
    expect(again.ciphertext).not.toBe(sealed.ciphertext)
  })
})

for (const engine of engines) {
  describe(`access keys on ${engine.name}`, () => {
    let rig: Rig
    let keys: AccessKeyStore
    let epoch: number
    beforeEach(async () => {
      rig = await openRig(engine)
      keys = createAccessKeys(rig.context, masterKey)
      epoch = (await rig.leadership.next(actor, 'operator-0')).epoch
    })
    afterEach(() => rig.close())

    const put = (change: Partial<PutAccessKey> = {}) =>
      keys.put(actor, {
        epoch,
        accessKeyId: 'HFREADER1',
        secretAccessKey,
        owner,
        statements: [statement],
        otherSecret: 'replace',
        ...change,
      })

    async function expectRefused(work: () => Promise<object>, expected: object): Promise<void> {
      const rows = await rig.rows()
      expect(await work()).toEqual(expected)
      expect(await rig.rows()).toEqual(rows)
      expect((await rig.audit()).at(-1)).toMatchObject({ verdict: 'deny' })
    }

    test('put: found with its statements, as a user of the account of its namespace', async () => {
      expect(await put()).toMatchObject({ kind: 'put', change: 'created', accountId: '100000000001' })
      expect(await keys.find('HFREADER1')).toEqual({
        kind: 'found',
        key: {
          principal: {
            kind: 'user',
            accessKeyId: 'HFREADER1',
            accountId: '100000000001',
            displayName: 'reader',
            statements: [statement],
          },
          secretAccessKey,
        },
      })
      expect(await keys.find('HFREADER')).toEqual({ kind: 'none' })
    })

    test('put again: unchanged writes nothing; another secret or other statements, updated', async () => {
      await put()
      const rows = await rig.rows()
      expect(await put()).toMatchObject({ change: 'unchanged' })
      expect(await rig.rows()).toEqual(rows)
      expect(await put({ secretAccessKey: 'another-secret' })).toMatchObject({ change: 'updated' })
      expect(await keys.find('HFREADER1')).toMatchObject({ key: { secretAccessKey: 'another-secret' } })
      const statements = [{ ...statement, buckets: ['other'] }]
      expect(await put({ statements })).toMatchObject({ change: 'updated' })
      expect(await keys.find('HFREADER1')).toMatchObject({ key: { principal: { statements } } })
    })

    test('put again: another secret is refused where it is not to be replaced, other statements are not', async () => {
      const first = await put()
      const next = { secretAccessKey: 'another-secret', otherSecret: 'refuse' } as const
      await expectRefused(() => put(next), { kind: 'secretDiffers' })
      const statements = [{ ...statement, buckets: ['other'] }]
      await expectRefused(() => put({ ...next, statements }), { kind: 'secretDiffers' })
      expect(await put({ otherSecret: 'refuse', statements })).toEqual({ ...first, change: 'updated' })
      // Sealed under a master key that is lost: whose secret it was cannot be known, so it is put again.
      const other = createAccessKeys(rig.context, otherKey)
      const input = { epoch, accessKeyId: 'HFREADER1', owner, statements, ...next }
      expect(await other.put(actor, input)).toMatchObject({ change: 'updated' })
    })

    test('secrets: in no row, no audit record and no listing', async () => {
      await put()
      const rows = await rig.rows()
      const everything = `${JSON.stringify(rows)}${JSON.stringify(await rig.audit())}${JSON.stringify(
        await keys.list({ after: null, limit: 10 }),
      )}`
      const bytes = Buffer.from(await rowBytes('HFREADER1')).toString('latin1')
      for (const form of ['utf8', 'base64', 'hex'] as const) {
        const text = Buffer.from(secretAccessKey).toString(form)
        expect(everything).not.toContain(text)
        expect(bytes).not.toContain(text)
      }
      expect((await keys.list({ after: null, limit: 10 })).keys).toMatchObject([
        { accessKeyId: 'HFREADER1', owner, accountId: '100000000001' },
      ])
    })

    test('delete: gone at once, for every reader of the volume; again, unchanged', async () => {
      await put()
      const elsewhere = createAccessKeys(rig.context, masterKey)
      expect(await elsewhere.find('HFREADER1')).toMatchObject({ kind: 'found' })
      const named = { epoch, accessKeyId: 'HFREADER1', owner }
      expect(await keys.delete(actor, named)).toEqual({ kind: 'deleted', change: 'deleted' })
      expect(await elsewhere.find('HFREADER1')).toEqual({ kind: 'none' })
      expect(await keys.delete(actor, named)).toEqual({ kind: 'deleted', change: 'unchanged' })
    })

    test('another owner: may neither take the id nor revoke it', async () => {
      await put()
      for (const other of [{ clusterId: 'c2' }, { namespace: 'x' }, { name: 'x' }]) {
        const stranger = { ...owner, ...other }
        await expectRefused(() => put({ owner: stranger }), { kind: 'taken' })
        const named = { epoch, accessKeyId: 'HFREADER1', owner: stranger }
        await expectRefused(() => keys.delete(actor, named), { kind: 'taken' })
      }
    })

    test('epoch: of a former leader, refused', async () => {
      await put()
      const now = (await rig.leadership.next(actor, 'operator-1')).epoch
      const stale = { kind: 'staleEpoch', epoch: now }
      await expectRefused(() => put({ secretAccessKey: 'x'.repeat(20) }), stale)
      await expectRefused(() => keys.delete(actor, { epoch, accessKeyId: 'HFREADER1', owner }), stale)
    })

    test('no master key, or another one: nothing is taken, what is there stays closed', async () => {
      await put()
      const without = createAccessKeys(rig.context, null)
      expect(await without.find('HFREADER1')).toEqual({ kind: 'sealed' })
      expect(await without.find('HFREADER2')).toEqual({ kind: 'none' })
      const statements = [statement]
      const otherSecret = 'refuse'
      const input = {
        epoch,
        accessKeyId: 'HFREADER2',
        secretAccessKey,
        owner,
        statements,
        otherSecret,
      } as const
      await expectRefused(() => without.put(actor, input), { kind: 'noMasterKey' })
      const other = createAccessKeys(rig.context, otherKey)
      expect(await other.find('HFREADER1')).toEqual({ kind: 'sealed' })
      expect(await other.put(actor, { ...input, accessKeyId: 'HFREADER1' })).toMatchObject({
        change: 'updated',
      })
      expect(await other.find('HFREADER1')).toMatchObject({ kind: 'found' })
    })

    test('other rights written into the row: the secret does not open for them', async () => {
      await put()
      const row = metaKey('access-key', 'HFREADER1')
      const content = Buffer.from(unsealRow('row', row, await rowBytes('HFREADER1'))).toString('utf8')
      const wider = content.replace('s3:GetObject', 's3:PutObject')
      expect(wider).not.toBe(content)
      await rig.kv.transact(async (transaction) => {
        transaction.put(row, sealRow(row, Buffer.from(wider)))
      })
      expect(await keys.find('HFREADER1')).toEqual({ kind: 'sealed' })
    })

    test('list: in pages by id', async () => {
      for (const accessKeyId of ['KEY3', 'KEY1', 'KEY2']) await put({ accessKeyId })
      const first = await keys.list({ after: null, limit: 2 })
      expect(first.keys.map(({ accessKeyId }) => accessKeyId)).toEqual(['KEY1', 'KEY2'])
      expect(first.next).toBe('KEY2')
      const rest = await keys.list({ after: 'KEY2', limit: 2 })
      expect(rest.keys.map(({ accessKeyId }) => accessKeyId)).toEqual(['KEY3'])
      expect(rest.next).toBeNull()
    })

    test('a damaged row: its key authenticates nobody, the others are listed, and it is revoked or put again', async () => {
      for (const accessKeyId of ['KEY1', 'KEY2', 'KEY3']) await put({ accessKeyId })
      const damage = async (accessKeyId: string) => {
        const bytes = Uint8Array.from(await rowBytes(accessKeyId))
        bytes[20] = (bytes[20] ?? 0) ^ 1
        await rig.kv.transact(async (transaction) =>
          transaction.put(metaKey('access-key', accessKeyId), bytes),
        )
      }
      await damage('KEY2')
      await expect(keys.find('KEY2')).rejects.toThrow(CorruptRecordError)
      const page = await keys.list({ after: null, limit: 2 })
      expect(page.keys.map(({ accessKeyId }) => accessKeyId)).toEqual(['KEY1'])
      expect(page.next).toBe('KEY2')
      expect((await keys.list({ after: 'KEY2', limit: 2 })).keys).toHaveLength(1)

      expect(await put({ accessKeyId: 'KEY2', otherSecret: 'refuse' })).toMatchObject({ change: 'updated' })
      expect((await rig.audit()).at(-1)).toMatchObject({ detail: { change: 'updated', wasDamaged: true } })
      expect(await keys.find('KEY2')).toMatchObject({ kind: 'found' })

      await damage('KEY2')
      const named = { epoch, accessKeyId: 'KEY2', owner }
      expect(await keys.delete(actor, { ...named, epoch: epoch - 1 })).toMatchObject({ kind: 'staleEpoch' })
      expect(await keys.delete(actor, named)).toEqual({ kind: 'deleted', change: 'deleted' })
      expect((await rig.audit()).at(-1)).toMatchObject({ detail: { change: 'deleted', wasDamaged: true } })
      expect(await keys.find('KEY2')).toEqual({ kind: 'none' })
    })

    async function rowBytes(accessKeyId: string): Promise<Uint8Array> {
      const value = await rig.kv.get(metaKey('access-key', accessKeyId))
      if (value === null) throw new Error('there is no row')
      return value
    }
  })
}
