import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { expectSound } from '../support/crash/recovered.ts'
import { startTestServer } from '../support/server.ts'

const roundCount = 3
const answersBeforeKill = 200
const endMsMax = 20_000

function children(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)
}

function isAlive(pid: number): boolean {
  try {
    // A zombie has ended: only its parent has not noticed.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

it('workers end with their supervisor, also in the middle of writes, and the volume serves again', async () => {
  const server = await startTestServer()
  const orphans: number[] = []
  try {
    await server.client.send({ method: 'PUT', path: '/bucket' })
    for (let round = 0; round < roundCount; round += 1) {
      const workers = children(server.pid())
      expect(workers.length).toBe(2)
      orphans.push(...workers)
      let isWriting = true
      let answerCount = 0
      const write = async (writer: number): Promise<void> => {
        for (let index = 0; isWriting; index += 1) {
          const path = `/bucket/${round}-${writer}-${index}`
          await server.client.send({ method: 'PUT', path, body: 'x' }).catch(() => {
            isWriting = false
          })
          answerCount += 1
        }
      }
      const writers = Array.from({ length: 16 }, (_none, writer) => write(writer))
      while (answerCount < answersBeforeKill) await pause(5)
      process.kill(server.pid(), 'SIGKILL')
      const endsMs = performance.now() + endMsMax
      while (workers.some(isAlive) && performance.now() < endsMs) await pause(20)
      expect(workers.filter(isAlive)).toEqual([])
      await Promise.all(writers)
      await server.start()
      expect((await server.client.send({ method: 'PUT', path: '/bucket/after', body: 'x' })).status).toBe(200)
    }
    await expectSound(server)
  } finally {
    for (const pid of orphans.filter(isAlive)) process.kill(pid, 'SIGKILL')
    await server.stop()
  }
})
