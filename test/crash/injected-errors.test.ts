/**
 * Errors of the disk at each step of a write: the answer says that nothing is certain, a failed flush is never tried
 * again, what was there stays, and the server writes again without a hand's help.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { fileSystemReadOnly } from '../../src/lib/read-only.ts'
import { md5 } from '../support/conformance.ts'
import { type Fault, type Faults, prepareFaults } from '../support/crash/faults.ts'
import { Ledger } from '../support/crash/ledger.ts'
import { until, untilReady, workerPids } from '../support/crash/processes.ts'
import { isTidied, verifyVolume } from '../support/crash/volume-state.ts'
import type { Answer, SendOptions } from '../support/s3-client.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const body = Buffer.alloc(1024 ** 2, 'whole ')
const store = '*/data/kv/data.mdb'
const stagedFile = '*/data/stage/*/*'
let faults: Faults
let server: TestServer
let known: string

beforeAll(async () => {
  faults = prepareFaults()
  server = await startTestServer({ environment: faults.environment })
  const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
  expect((await server.client.send({ method: 'PUT', path: '/bucket', headers })).status).toBe(200)
  const locked = {
    'x-amz-object-lock-mode': 'COMPLIANCE',
    'x-amz-object-lock-retain-until-date': inDays(1),
    'content-md5': md5(body),
  }
  const put = await server.client.send({ method: 'PUT', path: '/bucket/known', headers: locked, body })
  expect(put.status).toBe(200)
  known = String(put.headers['x-amz-version-id'])
})
afterAll(async () => {
  faults.disarm()
  await server.stop()
  faults.remove()
})

function inDays(days: number): string {
  return new Date(Math.ceil((Date.now() + days * 86_400_000) / 1000) * 1000).toISOString()
}

type Row = {
  readonly name: string
  readonly fault: Fault
  readonly answer: readonly [number, string | null]
  /** `ends`: the worker that met it, for another to open the volume anew. `goesOn`: one request is refused. */
  readonly worker: 'ends' | 'goesOn'
  readonly object: 'absent' | 'whole'
}

const unavailable = [503, 'ServiceUnavailable'] as const
const fail = (error: 'EIO' | 'ENOSPC' | 'EMFILE') => ({ kind: 'fail', error }) as const
const broken = { answer: unavailable, worker: 'ends', object: 'absent' } as const
const full = { answer: [507, 'InsufficientStorage'], worker: 'goesOn', object: 'absent' } as const

const rows: readonly Row[] = [
  {
    name: 'the stage file cannot be opened: EIO',
    fault: { call: 'open', place: stagedFile, action: fail('EIO') },
    ...broken,
  },
  {
    name: 'the stage file cannot be opened: EMFILE',
    fault: { call: 'open', place: stagedFile, action: fail('EMFILE') },
    ...broken,
  },
  {
    name: 'the stage file cannot be made: ENOSPC',
    fault: { call: 'open', place: stagedFile, action: fail('ENOSPC') },
    ...full,
  },
  {
    name: 'bytes are not written: EIO',
    fault: { call: 'write', place: stagedFile, action: fail('EIO') },
    ...broken,
  },
  {
    name: 'bytes are not written: ENOSPC',
    fault: { call: 'write', place: stagedFile, action: fail('ENOSPC') },
    ...full,
  },
  {
    name: 'half of the bytes is written',
    fault: { call: 'write', place: stagedFile, action: { kind: 'shorten' }, faulted: 3 },
    ...{ answer: [200, null], worker: 'goesOn', object: 'whole' },
  },
  {
    name: 'the bytes are not flushed: EIO, once',
    fault: { call: 'sync', place: stagedFile, action: fail('EIO'), faulted: 1 },
    ...broken,
  },
  {
    name: 'the bytes are not flushed: ENOSPC, once',
    fault: { call: 'sync', place: stagedFile, action: fail('ENOSPC'), faulted: 1 },
    ...broken,
  },
  {
    name: 'the body gets no name: EIO',
    fault: { call: 'link', place: '*/data/bodies/*', action: fail('EIO') },
    ...broken,
  },
  {
    name: 'the body gets no name: ENOSPC',
    fault: { call: 'link', place: '*/data/bodies/*', action: fail('ENOSPC') },
    ...full,
  },
  {
    name: 'the name of the body is not flushed: EIO, once',
    fault: { call: 'sync', place: '*/data/bodies/*', action: fail('EIO'), faulted: 1 },
    ...broken,
  },
  {
    name: 'pages of the commit are not written: EIO, once',
    fault: { call: 'write', place: store, action: fail('EIO'), faulted: 1 },
    ...broken,
  },
  {
    name: 'pages of the commit are not written: ENOSPC, once',
    fault: { call: 'write', place: store, action: fail('ENOSPC'), faulted: 1 },
    ...broken,
  },
  {
    name: 'half of a page of the commit is written, once',
    fault: { call: 'write', place: store, action: { kind: 'shorten' }, faulted: 1 },
    ...broken,
  },
  {
    name: 'pages of the commit are not flushed: EIO, once',
    fault: { call: 'sync', place: store, action: fail('EIO'), faulted: 1 },
    ...broken,
  },
  {
    name: 'the root of the commit is not written: EIO, once',
    fault: { call: 'write synchronous', place: store, action: fail('EIO'), faulted: 1 },
    ...broken,
  },
  {
    name: 'the trace of the body is not removed after the commit: EIO',
    fault: { call: 'unlink', place: stagedFile, action: fail('EIO') },
    ...{ answer: unavailable, worker: 'ends', object: 'whole' },
  },
]

/** Resolves when the fault has had all its consequences and the server is as before. */
async function withFault(fault: Fault, worker: Row['worker'], request: SendOptions): Promise<Answer> {
  const before = workerPids(server)
  // The supervisor's own commits are left alone: it would end, and with it the server.
  faults.arm({ ...fault, sparedPid: server.pid() })
  const answer = await server.client.send(request)
  faults.disarm()
  expect(faults.hits()).toBeGreaterThan(0)
  // A second flush of the same file would succeed and prove nothing.
  if (fault.call === 'sync') expect(faults.matches()).toBe(1)
  if (worker === 'ends')
    await until('a worker ended', () => before.some((pid) => !workerPids(server).includes(pid)))
  await untilReady(server)
  if (worker === 'goesOn') expect(workerPids(server)).toEqual(before)
  return answer
}

it.each(rows)('PutObject: where $name, the object is $object and the worker $worker', async (row) => {
  const { name, fault, answer, worker, object } = row
  const path = `/bucket/${rows.indexOf(row)}`
  const answered = await withFault(fault, worker, { method: 'PUT', path, body })
  expect([answered.status, answered.code], name).toEqual(answer)
  const got = await server.client.send({ method: 'GET', path })
  if (object === 'whole') expect([got.status, got.body.equals(body)]).toEqual([200, true])
  else expect([got.status, got.code]).toEqual([404, 'NoSuchKey'])
  const other = await server.client.send({ method: 'GET', path: '/bucket/known' })
  expect([other.status, other.body.equals(body)]).toEqual([200, true])
  expect((await server.client.send({ method: 'PUT', path, body })).status).toBe(200)
})

it('PutObjectRetention, DeleteObject: where the commit is not flushed, the lock and the version stay', async () => {
  const fault: Fault = { call: 'sync', place: store, action: fail('EIO'), faulted: 1 }
  const head = async () => (await server.client.send({ method: 'HEAD', path: '/bucket/known' })).headers
  const before = (await head())['x-amz-object-lock-retain-until-date']
  const retention = `<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>${inDays(9)}</RetainUntilDate></Retention>`
  const query = { retention: '', versionId: known }
  const extend = {
    method: 'PUT',
    path: '/bucket/known',
    query,
    body: retention,
    headers: { 'content-md5': md5(retention) },
  }
  expect((await withFault(fault, 'ends', extend)).status).toBe(503)
  expect((await head())['x-amz-object-lock-retain-until-date']).toBe(before)
  expect((await server.client.send(extend)).status).toBe(200)
  const put = await server.client.send({ method: 'PUT', path: '/bucket/free', body })
  const versionId = String(put.headers['x-amz-version-id'])
  const remove = { method: 'DELETE', path: '/bucket/free', query: { versionId } }
  expect((await withFault(fault, 'ends', remove)).status).toBe(503)
  expect((await server.client.send({ method: 'GET', path: '/bucket/free' })).body.equals(body)).toBe(true)
})

it('PutObject: where the file system takes no writes for a moment, the reason is told and the server ends, to be started again', async () => {
  // The pages that a commit begins with: before them nothing of it is on the disk.
  faults.arm({
    ...{ call: 'write', place: store, faulted: 1, sparedPid: server.pid() },
    action: { kind: 'fail', error: 'EROFS' },
  })
  const put = { method: 'PUT', path: '/bucket/read-only', body }
  const refused = await server.client.send(put)
  expect([refused.status, refused.element('Message')]).toEqual([503, fileSystemReadOnly])
  expect(faults.hits()).toBe(1)
  faults.disarm()
  await until('the server has ended', async () => {
    try {
      await fetch(new URL('/healthz', server.metricsEndpoint))
      return false
    } catch {
      return true
    }
  })
  expect(await server.terminate()).toBe(1)
  await server.start()
  expect((await server.client.send(put)).status).toBe(200)
})

it('after all of it: no orphan is left, and rows, counters, log and files agree', async () => {
  expect(await server.terminate()).toBe(0)
  // Workers ended when their answers were out, not by an error that nobody took.
  expect(server.logs()).not.toMatch(/^Node\.js v\d/m)
  await server.start()
  await until('garbage is collected', () => isTidied(server.dataDirectory))
  expect(await verifyVolume(server.dataDirectory, new Ledger())).toEqual([])
})
