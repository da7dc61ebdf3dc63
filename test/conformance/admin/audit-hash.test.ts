import { describe, expect, test } from 'vitest'
import { type AdminSend, sendAdmin } from '../../support/admin.ts'
import { conformance } from '../../support/conformance.ts'

const user = { accessKeyId: 'USEREXAMPLE', secretAccessKey: 'user-secret-for-tests-only' }
const bench = conformance({ accessKeys: [{ ...user, accountId: '123456789012', displayName: 'user' }] })
const ask = (sequence: string | number, more: Partial<AdminSend> = {}) =>
  sendAdmin(bench.server(), { method: 'GET', path: `/v1/audit-hashes/${sequence}`, ...more })
type Head = { readonly sequence: number; readonly hash: string }
async function head(): Promise<Head> {
  const { document } = await sendAdmin(bench.server(), { method: 'GET', path: '/v1/server' })
  return document['auditHead'] as Head
}

describe('GetAuditHash', () => {
  test('GetAuditHash: the head by its number has the hash that GetServer tells, and keeps it when records follow', async () => {
    await bench.bucket('locked')
    const before = await head()
    expect(await ask(before.sequence)).toEqual({
      status: 200,
      document: { hash: before.hash, chainHash: before.hash },
    })
    await bench.bucket('locked')
    const after = await head()
    expect(after.sequence).toBeGreaterThan(before.sequence)
    expect(await ask(before.sequence)).toEqual({
      status: 200,
      document: { hash: before.hash, chainHash: before.hash },
    })
    expect(await ask(after.sequence)).toEqual({
      status: 200,
      document: { hash: after.hash, chainHash: after.hash },
    })
  })

  test('GetAuditHash: a record that is not there has none', async () => {
    const { sequence } = await head()
    expect(await ask(sequence + 1000)).toEqual({ status: 200, document: { hash: null, chainHash: null } })
  })

  test.each(['0', '-1', '1.5', 'x', '01', '1'.repeat(16)])(
    'GetAuditHash: %s is no number of a record',
    async (sequence) => {
      expect(await ask(sequence)).toMatchObject({ status: 400, document: { code: 'InvalidSequence' } })
    },
  )

  test('GetAuditHash: root may ask, a user of S3 may not', async () => {
    expect((await ask(1, { key: bench.server().credentials })).status).toBe(200)
    expect(await ask(1, { key: user })).toMatchObject({ status: 403, document: { code: 'AccessDenied' } })
  })
})
