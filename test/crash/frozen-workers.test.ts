/** Workers that are frozen while their supervisor dies, and wake when another server owns the volume. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { until, workerPids } from '../support/crash/processes.ts'
import { expectSound } from '../support/crash/recovered.ts'
import { startTestServer } from '../support/server.ts'

const roundCount = 2
const writerCount = 8
const frozenMs = 1000

function isAlive(pid: number): boolean {
  try {
    // A zombie has ended: only its parent has not noticed.
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

const md5 = (body: Uint8Array) => createHash('md5').update(body).digest('base64')

it('frozen workers of a dead supervisor: they wake under a new server and end, and every answer holds', async () => {
  const server = await startTestServer()
  const sleepers: number[] = []
  const acknowledged = new Map<string, string>()
  try {
    const lock = { 'x-amz-bucket-object-lock-enabled': 'true' }
    await server.client.send({ method: 'PUT', path: '/vault', headers: lock })
    for (let round = 0; round < roundCount; round += 1) {
      const workers = workerPids(server)
      sleepers.push(...workers)
      let isWriting = true
      const write = async (writer: number): Promise<void> => {
        for (let index = 0; isWriting; index += 1) {
          // Every other body is a file, so that publish, commit and settle are all under way.
          const body = Buffer.alloc(index % 2 === 0 ? 90_000 : 900, `${round}-${writer}-${index} `)
          const path = `/vault/${round}-${writer}-${index}`
          const headers = { 'content-md5': md5(body), 'x-amz-object-lock-legal-hold': 'ON' }
          try {
            const answer = await server.client.send({ method: 'PUT', path, body, headers })
            if (answer.status === 200) acknowledged.set(path, md5(body))
            else isWriting = false
          } catch {
            isWriting = false
          }
        }
      }
      const before = acknowledged.size
      const writers = Array.from({ length: writerCount }, (_none, writer) => write(writer))
      await until('writes are under way', () => acknowledged.size > before + 30)
      for (const pid of workers) process.kill(pid, 'SIGSTOP')
      process.kill(server.pid(), 'SIGKILL')
      const started = server.start()
      // Long enough for the new server to begin its epoch, unless a sleeper holds the lock of the store.
      await pause(frozenMs)
      for (const pid of workers) process.kill(pid, 'SIGCONT')
      await started
      await until('the sleepers have ended', () => !workers.some(isAlive))
      await Promise.all(writers)
      for (const [path, digest] of acknowledged) {
        const read = await server.client.send({ method: 'GET', path })
        expect([path, read.status, md5(read.body)]).toEqual([path, 200, digest])
      }
    }
    await expectSound(server)
  } finally {
    for (const pid of sleepers.filter(isAlive)) process.kill(pid, 'SIGKILL')
    await server.stop()
  }
})
