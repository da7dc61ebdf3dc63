/** One worker dies, the others serve on: no client waits for an answer that nobody will give. */
import { readdirSync, readlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until, untilReady, workerPids } from '../support/crash/processes.ts'
import { expectSound } from '../support/crash/recovered.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const silenceMsMax = 10_000
const deathCount = 3
let server: TestServer

beforeAll(async () => {
  server = await startTestServer()
})
afterAll(async () => {
  await server.stop()
})

/** A new connection with one request; how it ends. */
function ask(): Promise<'answered' | 'closed' | 'silence'> {
  const { hostname, port } = new URL(server.endpoint)
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
    })
    const end = (how: 'answered' | 'closed' | 'silence'): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(how)
    }
    const timer = setTimeout(() => end('silence'), silenceMsMax)
    socket.on('data', () => end('answered'))
    socket.on('error', () => end('closed'))
    socket.on('close', () => end('closed'))
  })
}

function supervisorSockets(): number {
  const directory = `/proc/${server.pid()}/fd`
  return readdirSync(directory).filter((name) => {
    try {
      return readlinkSync(`${directory}/${name}`).startsWith('socket:')
    } catch {
      return false
    }
  }).length
}

it('connections that are made while a worker dies: each is answered or closed, none is kept', async () => {
  const socketsBefore = supervisorSockets()
  for (let death = 0; death < deathCount; death += 1) {
    await untilReady(server)
    const victim = workerPids(server).at(0) ?? 0
    const asked = Array.from({ length: 10 }, ask)
    process.kill(victim, 'SIGKILL')
    asked.push(...Array.from({ length: 10 }, ask))
    await nextTurn()
    asked.push(...Array.from({ length: 10 }, ask))
    const ends = await Promise.all(asked)
    expect(ends).not.toContain('silence')
    // The other worker was there all the time.
    expect(ends).toContain('answered')
    await until('the worker is gone', () => !workerPids(server).includes(victim))
  }
  await untilReady(server)
  await until('no connection is left over', () => supervisorSockets() <= socketsBefore)
  await expectSound(server)
})
