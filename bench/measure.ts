/** Servers of a run, and workloads in rounds. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { type ClientParameters, runClient } from './client.ts'
import type { Sample } from './result.ts'
import { isAnswered, type RunningServer, type ServerName, startServer } from './servers.ts'
import type { Workload } from './workloads.ts'

export type Rounds = {
  readonly rounds: number
  readonly seconds: number
  /** As little as can be, for a machine that has other things to do. */
  readonly isSmoke: boolean
}

export const warmUpSeconds = 2

export function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Each with an empty bucket that has Object Lock. `under`: the program that runs it. */
export async function startAll(
  servers: readonly ServerName[],
  directory: string,
  under: (name: ServerName) => readonly string[],
): Promise<readonly RunningServer[]> {
  const running: RunningServer[] = []
  try {
    for (const name of servers) {
      const server = await startServer({ name, directory: join(directory, name), under: under(name) })
      running.push(server)
      await runClient(server, { workload: 'bucket' })
    }
    return running
  } catch (error) {
    for (const server of running) await server.stop()
    throw error
  }
}

/** Every server once a round, each round in another order, so that none always comes after the same. */
export async function measureWorkload(
  workload: Workload,
  running: readonly RunningServer[],
  { rounds, seconds, isSmoke }: Rounds,
): Promise<readonly Sample[]> {
  const servers = running.filter(({ name }) => isAnswered(name, workload))
  const samples: Sample[] = []
  if (!isSmoke)
    for (const server of servers) await sample(workload, server, -1, Math.min(warmUpSeconds, 4 * seconds))
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? servers : servers.toReversed()
    for (const server of order) {
      // What another server left to the disk is not this one's to wait for.
      if (workload.writes && !isSmoke) execFileSync('sync')
      samples.push(await sample(workload, server, round, seconds))
    }
  }
  say(
    `${workload.name}: ${samples.map(({ server, perSecond }) => `${server} ${perSecond.toFixed(1)}`).join(', ')}`,
  )
  return samples
}

/** One workload at one server. */
export async function sample(
  workload: Workload,
  server: RunningServer,
  round: number,
  seconds: number,
): Promise<Sample> {
  const { name } = workload
  const parameters = await prepare(workload, server, round)
  const before = server.cpuSeconds()
  const measured = await runClient(server, { ...parameters, seconds })
  const cpuSeconds = server.cpuSeconds() - before
  const { requests, perSecond, p50Ms, p99Ms } = measured
  if (requests === 0) throw new Error(`${name}: ${server.name} answered nothing in ${seconds} s`)
  const cpuSecondsPer1000 = (cpuSeconds * 1000) / requests
  return { workload: name, server: server.name, round, requests, perSecond, p50Ms, p99Ms, cpuSecondsPer1000 }
}

/** Makes what the round removes, by a call of its own: its cost is not the round's. Returns the client's parameters. */
export async function prepare(
  { name, client, fill, removes }: Workload,
  server: RunningServer,
  round: number,
): Promise<ClientParameters> {
  const prefix = fill?.prefix ?? `${name.replaceAll(/\W+/g, '-')}-${round}-`
  if (removes === undefined) return { ...client, prefix }
  const { keys, size, complianceDays } = removes
  const versions = join(server.directory, 'versions.json')
  const given = { keys, size, concurrency: 32, 'compliance-days': complianceDays }
  await runClient(server, { workload: 'versions', prefix, versions, ...given })
  return { ...client, prefix, versions }
}
