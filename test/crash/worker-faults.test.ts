/** A worker meets an error that nobody expected: another takes its place, no client is refused for it, and nobody makes a loop of it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { serverWithChange } from '../support/crash/planted.ts'
import { until, untilReady, workerPids } from '../support/crash/processes.ts'
import { expectSound } from '../support/crash/recovered.ts'
import { headText, openConnection, type RawConnection } from '../support/raw-http.ts'
import { type Answer, type SendOptions, sendWire } from '../support/s3-client.ts'
import { startTestServer, type TestServer, type TestServerOptions } from '../support/server.ts'

let scratch: string
let mainModule: string
let server: TestServer
const fault = { method: 'HEAD', path: '/fault' }

/** HEAD of a bucket called `fault` fails an assertion. */
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'holdfast-worker-faults-'))
  mainModule = serverWithChange(scratch, {
    file: 'src/s3/operations/HeadBucket.ts',
    from: 'const { region } = addressedBucket(context)',
    to: "const { region, name } = addressedBucket(context)\n    if (name === 'fault') throw new TypeError('planted')",
  })
})
afterAll(() => rmSync(scratch, { recursive: true }))
afterEach(async () => {
  await server.stop()
})

async function start(options: TestServerOptions = {}): Promise<void> {
  server = await startTestServer({ mainModule, ...options })
  for (const path of ['/fault', '/bucket']) expect((await send({ method: 'PUT', path })).status).toBe(200)
}

/** On a connection of its own: one that is idle may be closed any moment, by HTTP's own rules. */
function send(options: SendOptions): Promise<Answer> {
  return sendWire(server.endpoint, server.client.wire(options))
}

/** A worker has its head and half of its body. */
async function beginUpload(): Promise<RawConnection> {
  const wire = server.client.wire({ method: 'PUT', path: '/bucket/slow', body: 'slowly' })
  const connection = await openConnection(server.endpoint)
  connection.write(headText(wire, { expect: '100-continue' }))
  await connection.until(/^HTTP\/1\.1 100 /)
  connection.write('slo')
  return connection
}

async function page(path: string): Promise<string> {
  const answer = await fetch(new URL(path, server.metricsEndpoint))
  return `${answer.status} ${await answer.text()}`
}

/** Of the counters that tell of faults. */
async function counts(): Promise<Readonly<Record<string, number>>> {
  const found = (await page('/metrics')).matchAll(
    /^holdfast_(faults|workers_(?:replaced|ended))_total (\d+)$/gm,
  )
  return Object.fromEntries([...found].map(([, name, count]) => [name, Number(count)]))
}

async function untilReplaced(count: number): Promise<void> {
  await until(`${count} workers are replaced`, async () => (await counts())['workers_replaced'] === count)
}

it('one error: that worker goes, another comes, the server is ready all the time and nothing is lost', async () => {
  await start()
  const put = await send({ method: 'PUT', path: '/bucket/key', body: 'bytes' })
  expect(put.status).toBe(200)
  const before = workerPids(server)
  expect((await send(fault)).status).toBe(500)
  const isGone = () => before.some((pid) => !workerPids(server).includes(pid))
  const readiness = new Set<string>()
  await until('the worker is gone', async () => {
    readiness.add(await page('/readyz'))
    return isGone()
  })
  readiness.add(await page('/readyz'))
  expect([...readiness]).toEqual(['200 ok\n'])
  const after = workerPids(server)
  expect([after.length, after.filter((pid) => before.includes(pid)).length]).toEqual([2, 1])
  expect((await send({ method: 'GET', path: '/bucket/key' })).text).toBe('bytes')
  expect(await counts()).toEqual({ faults: 1, workers_replaced: 1, workers_ended: 0 })
  await expectSound(server)
})

it('the only worker: new connections are served while a request that had begun comes to its end', async () => {
  await start({ workerCount: 1 })
  const [before] = workerPids(server)
  const connection = await beginUpload()
  expect((await send(fault)).status).toBe(500)
  await untilReplaced(1)
  expect(workerPids(server)).toHaveLength(2)
  for (const path of ['/bucket/a', '/bucket/b'])
    expect((await send({ method: 'PUT', path, body: 'bytes' })).status).toBe(200)
  connection.write('wly')
  await connection.until(/^HTTP\/1\.1 200 /m)
  expect(await connection.ended()).toMatch(/^connection: close\r$/im)
  await until('the old worker has ended', () => !workerPids(server).includes(before ?? 0))
  expect(workerPids(server)).toHaveLength(1)
  expect((await send({ method: 'GET', path: '/bucket/slow' })).text).toBe('slowly')
  await expectSound(server)
})

it('the server is stopped while a replaced worker has a request that does not end: within the grace period', async () => {
  await start({ workerCount: 1, shutdownGraceMs: 300 })
  const connection = await beginUpload()
  expect((await send(fault)).status).toBe(500)
  await untilReplaced(1)
  expect(await server.terminate()).toBe(0)
  await connection.ended()
  await server.start()
  expect((await send({ method: 'GET', path: '/bucket/slow' })).status).toBe(404)
})

it('errors one after the other: each is answered, others are served, and few workers are replaced', async () => {
  await start()
  const startedMs = performance.now()
  for (let index = 0; index < 200; index += 1) {
    const answers = await Promise.all([
      send(fault),
      send({ method: 'PUT', path: '/bucket/key', body: `${index}` }),
    ])
    expect(answers.map(({ status }) => status)).toEqual([500, 200])
  }
  await untilReady(server)
  const { faults, workers_replaced: replaced = 0, workers_ended: ended } = await counts()
  expect([faults, ended]).toEqual([200, 0])
  // Pauses of 1 s, 2 s, 4 s and so on.
  const seconds = (performance.now() - startedMs) / 1000
  expect(replaced).toBeGreaterThanOrEqual(1)
  expect(replaced).toBeLessThanOrEqual(1 + Math.log2(1.1 + seconds))
  expect((await send({ method: 'GET', path: '/bucket/key' })).text).toBe('199')
  // Else more of them are replaced while it is looked at.
  await server.restart()
  await expectSound(server)
})
