/** The processes of a test server, and their ends. Only ever by their own ids. */
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { TestServer } from '../server.ts'

const patienceMs = 90_000

/** Ids of the workers that are alive now. */
export function workerPids(server: TestServer): readonly number[] {
  const supervisor = server.pid()
  const children = readFileSync(`/proc/${supervisor}/task/${supervisor}/children`, 'utf8').trim()
  return children === '' ? [] : children.split(' ').map(Number)
}

/** Resolves when `isSo` says yes; it is asked again and again. Errors: it has not within a minute and a half. */
export async function until(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  const endMs = performance.now() + patienceMs
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`it never came to this: ${what}`)
    await delay(20)
  }
}

/** SIGKILL to the supervisor alone: its workers must see that it is gone, and end. */
export async function killSupervisor(server: TestServer): Promise<void> {
  const workers = workerPids(server)
  const supervisor = server.pid()
  process.kill(supervisor, 'SIGKILL')
  await until('supervisor and workers are gone', () => [supervisor, ...workers].every(isGone))
}

/** Gone, or dead and not yet waited for. */
function isGone(pid: number): boolean {
  try {
    return /^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return true
  }
}

/** Resolves when all workers listen, also after one was killed. */
export async function untilReady(server: TestServer): Promise<void> {
  await until('the server is ready', async () => {
    try {
      return (await fetch(new URL('/readyz', server.metricsEndpoint))).status === 200
    } catch {
      return false
    }
  })
}

/** Resolves when so many workers listen, or all. */
export async function untilListening(server: TestServer, count: number): Promise<void> {
  await until(`${count} workers listen`, async () => {
    const answer = await fetch(new URL('/readyz', server.metricsEndpoint)).catch(() => null)
    const listening = /^(\d+) of \d+ workers listen$/m.exec((await answer?.text()) ?? '')
    return answer?.status === 200 || Number(listening?.[1] ?? 0) >= count
  })
}

/** Resolves when nobody answers any more: the server ended by itself. */
export async function untilEnded(server: TestServer): Promise<void> {
  await until('the server has ended', async () => {
    try {
      await fetch(new URL('/healthz', server.metricsEndpoint))
      return false
    } catch {
      return true
    }
  })
}
