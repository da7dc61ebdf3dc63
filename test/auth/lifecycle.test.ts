import { readFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { headText, openConnection } from '../support/raw-http.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const servers: TestServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop()
})

async function started(options: Parameters<typeof startTestServer>[0] = {}): Promise<TestServer> {
  const server = await startTestServer(options)
  servers.push(server)
  return server
}

async function text(url: string): Promise<readonly [status: number, body: string]> {
  const answer = await fetch(url)
  return [answer.status, await answer.text()]
}

function childrenOf(pid: number): readonly number[] {
  const listed = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return listed === '' ? [] : listed.split(' ').map(Number)
}

/** Asks until it is so; the test's own time limit ends it. */
async function eventually(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20))
}

test('Server: stopped by SIGTERM and started again, exit code 0 and everything is there', async () => {
  const server = await started()
  await server.client.send({ method: 'PUT', path: '/kept-bucket' })
  await server.client.send({ method: 'PUT', path: '/kept-bucket/key', body: 'kept' })
  expect(await server.terminate()).toBe(0)
  await server.start()
  expect((await server.client.send({ method: 'GET', path: '/kept-bucket/key' })).text).toBe('kept')
})

test('Server: killed with all its workers, everything acknowledged is there', async () => {
  const server = await started()
  await server.client.send({ method: 'PUT', path: '/kept-bucket' })
  const sizes = [10, 70_000, 300_000]
  for (const size of sizes) {
    const put = { method: 'PUT', path: `/kept-bucket/${size}`, body: 'x'.repeat(size) }
    expect((await server.client.send(put)).status).toBe(200)
  }
  await server.kill9()
  await server.start()
  for (const size of sizes) {
    expect((await server.client.send({ method: 'GET', path: `/kept-bucket/${size}` })).body.length).toBe(size)
  }
})

test('Server: a worker that is killed, others serve on and a new one comes', async () => {
  const server = await started()
  await server.client.send({ method: 'PUT', path: '/kept-bucket' })
  const before = childrenOf(server.pid())
  expect(before.length).toBe(2)
  const victim = before[0] ?? 0
  process.kill(victim, 'SIGKILL')
  await eventually(async () => {
    const now = childrenOf(server.pid())
    return (
      now.length === 2 && !now.includes(victim) && (await text(`${server.metricsEndpoint}/readyz`))[0] === 200
    )
  })
  for (let index = 0; index < 4; index += 1) {
    expect((await server.client.send({ method: 'HEAD', path: '/kept-bucket' })).status).toBe(200)
  }
  expect(server.logs()).toContain('a worker ended; it is started again')
})

test('Server: its supervisor killed alone, the workers end by themselves', async () => {
  const server = await started()
  const workers = childrenOf(server.pid())
  process.kill(server.pid(), 'SIGKILL')
  await eventually(async () => workers.every((pid) => !isAlive(pid)))
  await server.start()
  expect((await server.client.send({ method: 'GET', path: '/' })).status).toBe(200)
})

function isAlive(pid: number): boolean {
  try {
    const state = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.[0]
    return state !== 'Z'
  } catch {
    return false
  }
}

test('Server: SIGTERM during an upload, the upload is finished and answered', async () => {
  const server = await started()
  await server.client.send({ method: 'PUT', path: '/kept-bucket' })
  const wire = server.client.wire({ method: 'PUT', path: '/kept-bucket/slow', body: 'x'.repeat(200_000) })
  const connection = await openConnection(server.endpoint)
  connection.write(headText(wire, { expect: '100-continue' }))
  await connection.until(/100 Continue/)
  connection.write(wire.body.subarray(0, 100_000))
  const ended = server.terminate()
  await eventually(async () => !(await canConnect(server.endpoint)))
  connection.write(wire.body.subarray(100_000))
  expect(await connection.ended()).toMatch(/HTTP\/1\.1 200 OK.*connection: close/is)
  expect(await ended).toBe(0)
  await server.start()
  expect((await server.client.send({ method: 'GET', path: '/kept-bucket/slow' })).body.length).toBe(200_000)
})

async function canConnect(endpoint: string): Promise<boolean> {
  try {
    const connection = await openConnection(endpoint)
    connection.close()
    return true
  } catch {
    return false
  }
}

test('Server: SIGTERM and an upload that never ends, cut off after the grace and not stored', async () => {
  const server = await started({ shutdownGraceMs: 300 })
  await server.client.send({ method: 'PUT', path: '/kept-bucket' })
  const wire = server.client.wire({ method: 'PUT', path: '/kept-bucket/endless', body: 'x'.repeat(200_000) })
  const connection = await openConnection(server.endpoint)
  connection.write(headText(wire, { expect: '100-continue' }))
  await connection.until(/100 Continue/)
  connection.write(wire.body.subarray(0, 100_000))
  expect(await server.terminate()).toBe(0)
  await connection.ended()
  await server.start()
  expect((await server.client.send({ method: 'GET', path: '/kept-bucket/endless' })).code).toBe('NoSuchKey')
})

test('Server: a second one on the same volume, refused by name', async () => {
  const server = await started()
  const second = startTestServer({ dataDirectory: server.dataDirectory })
  await expect(second).rejects.toThrow('is in use by another holdfast server')
  expect((await server.client.send({ method: 'GET', path: '/' })).status).toBe(200)
})

test('Server: health, alive and ready in words', async () => {
  const server = await started()
  expect(await text(`${server.metricsEndpoint}/healthz`)).toEqual([200, 'ok\n'])
  expect(await text(`${server.metricsEndpoint}/readyz`)).toEqual([200, 'ok\n'])
  expect((await text(`${server.metricsEndpoint}/other`))[0]).toBe(404)
})

test('Server: time that passes by the file clock, a lock that ends', async () => {
  const server = await started()
  const lock = { 'x-amz-bucket-object-lock-enabled': 'true' }
  await server.client.send({ method: 'PUT', path: '/lock-bucket', headers: lock })
  const headers = {
    'x-amz-object-lock-mode': 'COMPLIANCE',
    'x-amz-object-lock-retain-until-date': new Date(server.nowMs() + 3_600_000).toISOString(),
    'content-md5': 'XUFAKrxLKna5cZ2REBfFkg==',
  }
  const put = await server.client.send({ method: 'PUT', path: '/lock-bucket/key', body: 'hello', headers })
  const versionId = String(put.headers['x-amz-version-id'])
  const remove = { method: 'DELETE', path: '/lock-bucket/key', query: { versionId } }
  expect((await server.client.send(remove)).code).toBe('AccessDenied')
  server.advance(3_700_000)
  expect((await server.client.send(remove)).status).toBe(204)
})
