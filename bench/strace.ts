/** Servers of their own under strace: what they flush is counted, or made slower. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runClient } from './client.ts'
import { measureWorkload, type Rounds, startAll } from './measure.ts'
import type { Flushes, Sample } from './result.ts'
import type { ServerName } from './servers.ts'
import type { Workload } from './workloads.ts'

const slowFlushMicroseconds = 2000

/** Flushes for each PUT of 4 KiB, on servers of their own that strace watches; it counts nothing else. */
export async function measureFlushes(
  names: readonly ServerName[],
  seconds: number,
  directory: string,
): Promise<readonly Flushes[]> {
  const logOf = (name: ServerName) => join(directory, `${name}.flushes`)
  const servers = await startAll(names, directory, (name) => straceOf(logOf(name), []))
  const flushes: Flushes[] = []
  try {
    for (const server of servers) {
      for (const concurrency of [1, 32]) {
        const before = countFlushes(logOf(server.name))
        const prefix = `counted-${concurrency}-`
        const parameters = { workload: 'put', size: 4096, concurrency, prefix, seconds }
        const { requests } = await runClient(server, parameters)
        const perPut = (countFlushes(logOf(server.name)) - before) / requests
        flushes.push({ server: server.name, concurrency, perPut })
      }
    }
  } finally {
    for (const server of servers) await server.stop()
  }
  return flushes
}

/** Workloads in rounds where every flush takes two milliseconds longer. */
export async function measureSlow(
  names: readonly ServerName[],
  rounds: Rounds,
  slow: readonly Workload[],
  directory: string,
): Promise<readonly Sample[]> {
  if (slow.length === 0) return []
  const servers = await startAll(names, directory, (name) => {
    // A commit of LMDB flushes twice, and the second, a write with O_DSYNC, is not delayed: so the first is for both.
    const delayed = slowFlushMicroseconds * (name === 'holdfast' ? 2 : 1)
    return straceOf('/dev/null', ['-e', `inject=fsync,fdatasync:delay_exit=${delayed}`])
  })
  try {
    const samples: Sample[] = []
    for (const workload of slow) samples.push(...(await measureWorkload(workload, servers, rounds)))
    return samples
  } finally {
    for (const server of servers) await server.stop()
  }
}

/** Only flushes stop the server: seccomp lets every other call through. */
function straceOf(log: string, more: readonly string[]): readonly string[] {
  const traced = ['-e', 'trace=fsync,fdatasync,sync_file_range', '-e', 'signal=none']
  return ['strace', '-f', '--seccomp-bpf', '-y', '-qq', ...traced, '-o', log, ...more]
}

/** How many flushes a log of strace has. LMDB's root is one more, which no call names. */
function countFlushes(path: string): number {
  const lines = readFileSync(path, 'utf8').split('\n')
  const calls = lines.filter((line) => /\b(fsync|fdatasync|sync_file_range)\(/.test(line))
  // The root of a commit is written with O_DSYNC right after the flush of its pages: a flush too.
  return calls.length + calls.filter((line) => line.includes('data.mdb')).length
}
