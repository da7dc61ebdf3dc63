/**
 * Errors of the disk at each step of a write: the answer says that nothing is certain, a failed flush is never tried
 * again, what was there stays, and the server writes again without a hand's help.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { fileSystemReadOnly } from '../../src/lib/read-only.ts'
import { md5 } from '../support/conformance.ts'
import { type Faults, prepareFaults } from '../support/crash/faults.ts'
import {
  bodyRows,
  broken,
  commitRows,
  fail,
  full,
  type InjectedRow,
  type Injection,
  injectionInto,
  stagedFile,
  storeFile,
} from '../support/crash/injected.ts'
import { Ledger } from '../support/crash/ledger.ts'
import { until, untilEnded } from '../support/crash/processes.ts'
import { isTidied, offlineFindings, verifyVolume } from '../support/crash/volume-state.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const body = Buffer.alloc(1024 ** 2, 'whole ')
/** After so long bodies get their names in a folder that is not there yet. */
const folderMs = 2 ** 20
const workerCount = 6
let faults: Faults
let server: TestServer
let injection: Injection
let known: string

beforeAll(async () => {
  faults = prepareFaults()
  server = await startTestServer({ environment: faults.environment, workerCount })
  injection = injectionInto(server, faults, workerCount)
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

type Row = InjectedRow & { readonly object: 'absent' | 'whole' }

const absent = (row: InjectedRow): Row => ({ ...row, object: 'absent' })

const rows: readonly Row[] = [
  ...bodyRows.map(absent),
  ...commitRows.map(absent),
  {
    name: 'half of the bytes is written',
    fault: { call: 'write', place: stagedFile, action: { kind: 'shorten' }, faulted: 3 },
    ...{ answer: [200, null], worker: 'goesOn', object: 'whole' },
  },
  {
    name: 'the trace of the body is not removed after the commit: EIO',
    fault: { call: 'unlink', place: stagedFile, action: fail('EIO') },
    ...{ ...broken, object: 'whole' },
  },
]

/** What a worker meets where no body of these minutes has been named yet. */
const newFolderRows: readonly Row[] = [
  {
    name: 'the folder of its name is not made: EIO',
    fault: { call: 'mkdir', place: '*/data/bodies/*', action: fail('EIO') },
    ...{ ...broken, object: 'absent' },
  },
  {
    name: 'the folder of its name is not made: ENOSPC',
    fault: { call: 'mkdir', place: '*/data/bodies/*', action: fail('ENOSPC') },
    ...{ ...full, object: 'absent' },
  },
  {
    name: 'the name of that folder is not flushed: EIO, once',
    fault: { call: 'sync', place: '*/data/bodies/??', action: fail('EIO'), faulted: 1 },
    ...{ ...broken, object: 'absent' },
  },
]

async function expectOutcome(row: Row, path: string): Promise<void> {
  const answered = await injection.meet(row, () => server.client.send({ method: 'PUT', path, body }))
  expect([answered.status, answered.code]).toEqual(row.answer)
  const got = await server.client.send({ method: 'GET', path })
  if (row.object === 'whole') expect([got.status, got.body.equals(body)]).toEqual([200, true])
  else expect([got.status, got.code]).toEqual([404, 'NoSuchKey'])
  const other = await server.client.send({ method: 'GET', path: '/bucket/known' })
  expect([other.status, other.body.equals(body)]).toEqual([200, true])
  expect((await server.client.send({ method: 'PUT', path, body })).status).toBe(200)
}

it.each(rows)('PutObject: where $name, the object is $object and the worker $worker', (row) =>
  expectOutcome(row, `/bucket/${rows.indexOf(row)}`),
)

it.each(newFolderRows)(
  'PutObject: where $name, the object is $object and the worker $worker',
  async (row) => {
    server.advance(folderMs)
    await expectOutcome(row, `/bucket/new-${newFolderRows.indexOf(row)}`)
  },
)

it('PutObjectRetention, DeleteObject: where the commit is not flushed, the lock and the version stay', async () => {
  const lost: Pick<InjectedRow, 'fault' | 'worker'> = {
    fault: { call: 'sync', place: storeFile, action: fail('EIO'), faulted: 1 },
    worker: 'ends',
  }
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
  expect((await injection.meet(lost, () => server.client.send(extend))).status).toBe(503)
  expect((await head())['x-amz-object-lock-retain-until-date']).toBe(before)
  expect((await server.client.send(extend)).status).toBe(200)
  const put = await server.client.send({ method: 'PUT', path: '/bucket/free', body })
  const versionId = String(put.headers['x-amz-version-id'])
  const remove = { method: 'DELETE', path: '/bucket/free', query: { versionId } }
  expect((await injection.meet(lost, () => server.client.send(remove))).status).toBe(503)
  expect((await server.client.send({ method: 'GET', path: '/bucket/free' })).body.equals(body)).toBe(true)
})

it('PutObject: where the file system takes no writes for a moment, the reason is told and the server ends, to be started again', async () => {
  // The pages that a commit begins with: before them nothing of it is on the disk.
  faults.arm({
    ...{ call: 'write', place: storeFile, faulted: 1, sparedPid: server.pid() },
    action: { kind: 'fail', error: 'EROFS' },
  })
  const put = { method: 'PUT', path: '/bucket/read-only', body }
  const refused = await server.client.send(put)
  expect([refused.status, refused.element('Message')]).toEqual([503, fileSystemReadOnly])
  expect(faults.hits()).toBe(1)
  faults.disarm()
  await untilEnded(server)
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
  expect(await server.terminate()).toBe(0)
  expect(await offlineFindings(server.dataDirectory)).toEqual([])
})
