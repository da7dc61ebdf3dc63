import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { limits } from '../../src/lib/limits.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
const sockets: Socket[] = []
let closedCount = 0

beforeAll(async () => {
  server = await startTestServer({ workerCount: 1 })
})
afterAll(async () => {
  for (const socket of sockets) socket.destroy()
  await server.stop()
})

async function open(): Promise<Socket> {
  const { hostname, port } = new URL(server.endpoint)
  const socket = connect({ host: hostname, port: Number(port) })
  sockets.push(socket)
  // One that is too many may be reset.
  socket.on('error', () => {})
  socket.once('close', () => {
    closedCount += 1
  })
  socket.resume()
  await once(socket, 'connect')
  return socket
}

/** So few at a time that the kernel keeps them all until they are accepted. */
async function openMany(count: number): Promise<readonly Socket[]> {
  const opened: Socket[] = []
  while (opened.length < count)
    opened.push(...(await Promise.all(Array.from({ length: Math.min(128, count - opened.length) }, open))))
  return opened
}

async function answerOn(socket: Socket): Promise<string> {
  const data = once(socket, 'data')
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  const [bytes] = await data
  return String(bytes).split('\r\n')[0] ?? ''
}

test('More connections than a worker takes: what is too many is closed, the others go on, and there is room again', async () => {
  const [first] = await openMany(limits.connectionsMax)
  await openMany(20)
  await expect.poll(() => closedCount, { timeout: 20_000 }).toBeGreaterThanOrEqual(20)
  expect(await answerOn(first as Socket)).toBe('HTTP/1.1 403 Forbidden')
  for (const socket of sockets) socket.destroy()
  await expect
    .poll(async () => (await server.client.send({ method: 'GET', path: '/' })).status, { timeout: 60_000 })
    .toBe(200)
}, 120_000)
