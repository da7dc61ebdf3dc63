/** A server whose record of the trusted time, or what leads to it, was damaged while it was off. */
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { metaKey } from '../../src/store/keys.ts'
import { logHeadKey } from '../../src/store/kv/chain.ts'
import { openEnvironment } from '../../src/store/kv/lmdb/environment.ts'
import { openLmdb } from '../../src/store/kv/lmdb/lmdb.ts'
import { sealRow, unsealRow } from '../../src/store/row-codec.ts'
import { md5 } from '../support/conformance.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
const date = new Date(Math.ceil(Date.now() / 1000) * 1000 + 86_400_000).toISOString()
const locked = { 'x-amz-object-lock-mode': 'GOVERNANCE', 'x-amz-object-lock-retain-until-date': date }
const bypass = { 'x-amz-bypass-governance-retention': 'true' }

beforeEach(async () => {
  server = await startTestServer()
})
afterEach(async () => {
  await server.stop()
})

/** One bit in the middle of the row. */
async function damageClock(): Promise<void> {
  const kv = await openLmdb({ directory: join(server.dataDirectory, 'kv') })
  try {
    await kv.transact(async (transaction) => {
      const row = Uint8Array.from((await transaction.get(metaKey('clock'))) ?? [])
      row[row.length >> 1] = (row[row.length >> 1] ?? 0) ^ 1
      transaction.put(metaKey('clock'), row)
    })
  } finally {
    await kv.close()
  }
}

async function page(path: string): Promise<string> {
  const answer = await fetch(new URL(path, server.metricsEndpoint))
  return `${answer.status} ${await answer.text()}`
}

it('reads go on, nothing is unlocked, written or removed, /readyz says why and metrics are there', async () => {
  const { client } = server
  const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
  expect((await client.send({ method: 'PUT', path: '/bucket', headers })).status).toBe(200)
  const put = await client.send({
    method: 'PUT',
    path: '/bucket/key',
    body: 'bytes',
    headers: { ...locked, 'content-md5': md5('bytes') },
  })
  expect(put.status).toBe(200)
  expect(await server.terminate()).toBe(0)
  await damageClock()
  await server.start()
  const got = await client.send({ method: 'GET', path: '/bucket/key' })
  expect([got.status, got.text, got.headers['x-amz-object-lock-mode']]).toEqual([200, 'bytes', 'GOVERNANCE'])
  expect((await client.send({ method: 'GET', path: '/bucket' })).status).toBe(200)
  const query = { versionId: String(put.headers['x-amz-version-id']) }
  const refused = [
    await client.send({ method: 'DELETE', path: '/bucket/key', query, headers: bypass }),
    await client.send({ method: 'PUT', path: '/bucket/other', body: 'bytes' }),
  ]
  expect(refused.map(({ status }) => status)).toEqual([500, 500])
  expect((await client.send({ method: 'GET', path: '/bucket/key', query })).text).toBe('bytes')
  expect((await client.send({ method: 'GET', path: '/bucket/other' })).status).toBe(404)
  const readiness = await page('/readyz')
  expect(readiness).toMatch(
    /^503 no lock can be judged, nothing is written: the trusted time cannot be read /,
  )
  const metrics = await page('/metrics')
  expect(metrics).toMatch(/^200 /)
  expect(metrics).toContain('\nholdfast_ready 0\n')
  expect(await server.terminate()).toBe(0)
})

it('a damaged head of the audit log, after a reboot: the server starts and reads', async () => {
  const { client } = server
  expect((await client.send({ method: 'PUT', path: '/bucket' })).status).toBe(200)
  expect((await client.send({ method: 'PUT', path: '/bucket/key', body: 'bytes' })).status).toBe(200)
  expect(await server.terminate()).toBe(0)
  const environment = openEnvironment({
    directory: join(server.dataDirectory, 'kv'),
    access: 'readWrite',
    reads: 'inOrder',
  })
  await environment.write((view) => {
    const clock = metaKey('clock')
    const record = JSON.parse(Buffer.from(unsealRow('clock', clock, view.get(clock))).toString('utf8'))
    const rebooted = JSON.stringify({ ...record, bootId: 'the boot before' })
    view.put(clock, sealRow(clock, new Uint8Array(Buffer.from(rebooted))))
    const head = Uint8Array.from(view.get(logHeadKey('audit')) ?? [])
    head[0] = (head[0] ?? 0) ^ 0x80
    view.put(logHeadKey('audit'), head)
  })
  await environment.close()
  await server.start()
  expect((await client.send({ method: 'GET', path: '/bucket/key' })).text).toBe('bytes')
  expect((await client.send({ method: 'PUT', path: '/bucket/other', body: 'bytes' })).status).toBe(500)
  expect((await client.send({ method: 'GET', path: '/bucket/other' })).status).toBe(404)
  // Damage, and no bug: a new start would mend nothing.
  expect(await page('/readyz')).toBe(
    '503 nothing is written: no record can follow in the audit log (stored record: the number of a chain is a safe integer)\n',
  )
  expect(await server.terminate()).toBe(0)
})
