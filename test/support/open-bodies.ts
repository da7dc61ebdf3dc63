/** Files of bodies that a server's workers hold open, as the kernel says. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { TestServer } from './server.ts'

/** The test's own timeout ends it when one stays open. */
export async function untilNoBodyIsOpen(server: Pick<TestServer, 'pid'>): Promise<void> {
  while (openBodies(server) > 0) await new Promise((resolve) => setTimeout(resolve, 20))
}

function openBodies(server: Pick<TestServer, 'pid'>): number {
  const pid = server.pid()
  const workers = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  return workers.flatMap((worker) => filesOf(worker)).filter((path) => path.includes('/bodies/')).length
}

function filesOf(pid: string): readonly string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((descriptor) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${descriptor}`)]
    } catch {
      return []
    }
  })
}
