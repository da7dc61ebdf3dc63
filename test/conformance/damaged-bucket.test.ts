/** A bucket whose record was damaged on the disk, as its clients, its neighbours and the operator see it. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { bucketKey } from '../../src/store/keys.ts'
import { openLmdb } from '../../src/store/kv/lmdb/lmdb.ts'
import { sendAdmin } from '../support/admin.ts'
import { conformance } from '../support/conformance.ts'
import { healthOf, sound } from '../support/health.ts'

const bench = conformance()

/** One bit of the default rule's days: 3 becomes 1. */
async function damage(bucket: string): Promise<void> {
  const kv = await openLmdb({ directory: join(bench.server().dataDirectory, 'kv') })
  try {
    await kv.transact(async (transaction) => {
      const row = bucketKey(bucket)
      const text = Buffer.from((await transaction.get(row)) ?? []).toString('latin1')
      expect(text).toContain('"count":3')
      const damaged = text.replace('"count":3', '"count":1')
      transaction.put(row, new Uint8Array(Buffer.from(damaged, 'latin1')))
    })
  } finally {
    await kv.close()
  }
}

test('a damaged bucket record: nothing is done by it, it is told to the operator, and the others are listed', async () => {
  const rule = '<Mode>GOVERNANCE</Mode><Days>3</Days>'
  const bucket = await bench.bucket('locked', { rule })
  const other = await bench.bucket('locked')
  const versionId = await bench.put(bucket, 'a')
  await damage(bucket)
  const target = { path: `/${bucket}/a`, query: { versionId } }
  const bypass = { 'x-amz-bypass-governance-retention': 'true' }
  expect((await bench.send({ method: 'DELETE', ...target, headers: bypass })).status).toBe(500)
  expect((await bench.send({ method: 'GET', path: `/${bucket}`, query: { 'object-lock': '' } })).status).toBe(
    500,
  )
  expect((await bench.send({ method: 'PUT', path: `/${bucket}` })).status).toBe(500)
  expect((await bench.send({ method: 'DELETE', path: `/${bucket}` })).status).toBe(500)
  const listed = await bench.send({ method: 'GET', path: '/' })
  expect(listed.status).toBe(200)
  expect(listed.text).toContain(`<Name>${other}</Name>`)
  expect(listed.text).not.toContain(`<Name>${bucket}</Name>`)
  const facts = await sendAdmin(bench.server(), { method: 'GET', path: `/v1/buckets/${bucket}` })
  expect(facts).toMatchObject({ status: 500, document: { code: 'CorruptRecord' } })
  expect(String(facts.document['message'])).toContain('bucket is not what was written: its checksum differs')
  // No other bucket has a lock; this one may.
  const locked = await sendAdmin(bench.server(), { method: 'GET', path: '/v1/locked' })
  expect(locked).toMatchObject({ status: 500, document: { code: 'CorruptRecord' } })
  expect(await healthOf(bench.server())).toBe(sound)
  const kept = await sendAdmin(bench.server(), { method: 'GET', path: `/v1/buckets/${other}` })
  expect(kept.status).toBe(200)
})
