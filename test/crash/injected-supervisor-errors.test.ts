/**
 * Errors of the disk that meet the supervisor. Where it removes what is over, the server reads and writes as ever, says
 * what happened, tries nothing again before its next start, and then all of it goes. A commit of its own that fails ends it.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { md5 } from '../support/conformance.ts'
import { type Fault, type Faults, prepareFaults } from '../support/crash/faults.ts'
import { storeFile } from '../support/crash/injected.ts'
import { Ledger } from '../support/crash/ledger.ts'
import { until, untilEnded, untilReady, workerPids } from '../support/crash/processes.ts'
import { isTidied, offlineFindings, readVolume, rowsOf, verifyVolume } from '../support/crash/volume-state.ts'
import type { Answer, SendOptions } from '../support/s3-client.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const body = Buffer.alloc(300_000, 'whole ')
const shard = '*/data/bodies/??/??'
let faults: Faults
let server: TestServer

beforeAll(async () => {
  faults = prepareFaults()
  // Only the last test has a rule for it.
  server = await startTestServer({ environment: faults.environment, lifecycleIntervalMs: 500 })
  await send({ method: 'PUT', path: '/bucket' })
  await send({ method: 'PUT', path: '/bucket/stays', body })
})
afterAll(async () => {
  faults.disarm()
  await server.stop()
  faults.remove()
})

async function send(options: SendOptions): Promise<Answer> {
  const answer = await server.client.send(options)
  expect([options.path, Math.floor(answer.status / 100), answer.code]).toEqual([options.path, 2, null])
  return answer
}

async function removalsFailed(): Promise<string | undefined> {
  const answer = await fetch(new URL('/metrics', server.metricsEndpoint))
  return /^holdfast_removals_failed (\d)$/m.exec(await answer.text())?.[1]
}

/** Where it reads and writes as ever and says what happened. */
async function expectServing(): Promise<void> {
  const workers = workerPids(server)
  expect((await send({ method: 'GET', path: '/bucket/stays' })).body.equals(body)).toBe(true)
  await send({ method: 'PUT', path: '/bucket/new', body })
  expect((await send({ method: 'GET', path: '/bucket/new' })).body.equals(body)).toBe(true)
  await send({ method: 'DELETE', path: '/bucket/new' })
  const ready = await fetch(new URL('/readyz', server.metricsEndpoint))
  expect([ready.status, await removalsFailed()]).toEqual([200, '1'])
  expect(workerPids(server)).toEqual(workers)
}

/** Where a start without the fault leaves nothing behind. */
async function expectMended(): Promise<void> {
  expect(await server.terminate()).toBe(0)
  await server.start()
  await until('garbage is collected', () => isTidied(server.dataDirectory))
  expect(await removalsFailed()).toBe('0')
  expect(await verifyVolume(server.dataDirectory, new Ledger())).toEqual([])
}

const garbageCount = () =>
  readVolume(server.dataDirectory, async (reader) => (await rowsOf(reader, 'garbage')).length)

const eio = { kind: 'fail', error: 'EIO' } as const
const removals: readonly { readonly name: string; readonly fault: Fault }[] = [
  {
    name: 'the file of a body is not removed: EIO',
    fault: { call: 'unlink', place: '*/data/bodies/*', action: eio },
  },
  {
    name: 'a folder is not flushed: EIO, once',
    fault: { call: 'sync', place: shard, action: eio, faulted: 1 },
  },
  {
    name: 'a folder is not opened to be flushed: EMFILE, once',
    fault: { call: 'open', place: shard, action: { kind: 'fail', error: 'EMFILE' }, faulted: 1 },
  },
]

it.each(removals)(
  'Garbage at a start, $name: its rows stay, all else goes on, the next start removes it',
  async ({ fault }) => {
    await send({ method: 'PUT', path: '/bucket/gone', body })
    await send({ method: 'DELETE', path: '/bucket/gone' })
    expect(await server.terminate()).toBe(0)
    faults.arm(fault)
    await server.start()
    await until('the removal has failed', async () => (await removalsFailed()) === '1')
    // Once: a second flush of the same folder would succeed and prove nothing.
    expect([faults.hits(), faults.matches()]).toEqual([1, 1])
    expect(await garbageCount()).toBe(1)
    faults.disarm()
    await expectServing()
    await expectMended()
  },
)

const traces: readonly { readonly name: string; readonly fault: Fault }[] = [
  {
    name: 'the file of a body is not removed: EIO',
    fault: { call: 'unlink', place: '*/data/bodies/*', action: eio },
  },
  {
    name: 'the trace is not removed: EIO',
    fault: { call: 'unlink', place: '*/data/stage/*/*', action: eio },
  },
]

it.each(traces)(
  'Recovery at a start, $name: the trace stays, all else goes on, the next start resolves it',
  async ({ fault }) => {
    const workers = workerPids(server)
    // A body whose name was not flushed: nobody knows whether it has one, so its trace is left.
    faults.arm({ call: 'sync', place: shard, action: eio, faulted: 1 })
    const put = { method: 'PUT', path: '/bucket/never', body, headers: { 'content-md5': md5(body) } }
    expect((await server.client.send(put)).status).toBe(503)
    faults.disarm()
    await until('a worker ended', () => workers.some((pid) => !workerPids(server).includes(pid)))
    await untilReady(server)
    expect(await server.terminate()).toBe(0)
    faults.arm(fault)
    await server.start()
    expect(await removalsFailed()).toBe('1')
    expect(faults.hits()).toBe(1)
    faults.disarm()
    expect((await server.client.send({ method: 'GET', path: '/bucket/never' })).status).toBe(404)
    await expectServing()
    await expectMended()
  },
)

/** A start begins its epoch and notes the time. */
it.each([
  { name: 'the epoch of a start', passed: 0 },
  { name: 'the time of a start', passed: 1 },
])(
  '$name is not flushed: EIO, once: the server does not start and says why, the next start does',
  async ({ passed }) => {
    expect(await server.terminate()).toBe(0)
    faults.arm({ call: 'sync', place: storeFile, action: eio, passed, faulted: 1 })
    await expect(server.start()).rejects.toThrow('StoreFailedError')
    await server.kill9()
    expect(faults.hits()).toBe(1)
    faults.disarm()
    await server.start()
    expect((await send({ method: 'GET', path: '/bucket/stays' })).body.equals(body)).toBe(true)
    expect(await removalsFailed()).toBe('0')
  },
)

it('A commit of the lifecycle is not flushed: EIO, once: the server ends, to be started again', async () => {
  const rules =
    '<LifecycleConfiguration><Rule><ID>a</ID><Filter></Filter><Status>Enabled</Status><Expiration><Days>9</Days>' +
    '</Expiration></Rule></LifecycleConfiguration>'
  const headers = { 'content-md5': md5(rules) }
  await send({ method: 'PUT', path: '/bucket', query: { lifecycle: '' }, body: rules, headers })
  // The workers have nothing to do: what commits now is the supervisor.
  faults.arm({ call: 'sync', place: storeFile, action: eio, faulted: 1 })
  await untilEnded(server)
  expect(await server.terminate()).toBe(1)
  expect(faults.hits()).toBe(1)
  faults.disarm()
  await server.start()
  expect((await send({ method: 'GET', path: '/bucket/stays' })).body.equals(body)).toBe(true)
  await send({ method: 'DELETE', path: '/bucket', query: { lifecycle: '' } })
})

it('after all of it: rows, counters, log and files agree', async () => {
  expect(await server.terminate()).toBe(0)
  expect(await offlineFindings(server.dataDirectory)).toEqual([])
})
