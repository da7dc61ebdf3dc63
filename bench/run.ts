/**
 * `npm run bench`: Holdfast and its peers side by side on one disk, in turns, by one client. Prints a table, and writes all
 * samples to bench/results/. README.md says how to read it.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runClient } from './client.ts'
import { countFlushes, measureLimits, measureMachine } from './limits.ts'
import { measureWorkload, say, startAll } from './measure.ts'
import { type Flushes, type Result, type Sample, table } from './report.ts'
import { durabilityOf, type RunningServer, type ServerName } from './servers.ts'
import { fills, slowFlushWorkloads, type Workload, workloads } from './workloads.ts'

type Options = {
  readonly servers: readonly ServerName[]
  readonly rounds: number
  readonly seconds: number
  readonly only: string
  /** Fewer keys, no peers: whether the benchmark itself works. */
  readonly isSmoke: boolean
}

const serverNames = ['holdfast', 'minio', 'versitygw'] as const
const mib = 1024 ** 2
const slowFlushMicroseconds = 2000
/** What a round costs beside its time: the client's start, and keys that are there before the clock starts. */
const roundOverheadSeconds = 0.6

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      servers: { type: 'string', default: serverNames.join() },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '1.5' },
      only: { type: 'string', default: '' },
      smoke: { type: 'boolean', default: false },
    },
  })
  const { smoke: isSmoke, only } = values
  const wanted = isSmoke ? ['holdfast'] : values.servers.split(',')
  const servers = serverNames.filter((name) => wanted.includes(name))
  if (servers.length !== wanted.length) throw new Error(`--servers knows ${serverNames.join(', ')}`)
  const [rounds, seconds] = isSmoke ? [1, 0.1] : [Number(values.rounds), Number(values.seconds)]
  if (!(rounds >= 1) || !(seconds > 0)) throw new Error('--rounds and --seconds are numbers above zero')
  return { servers, rounds, seconds, only, isSmoke }
}

async function main(): Promise<void> {
  const options = readOptions()
  const { only, isSmoke } = options
  const chosen = workloads.filter(({ name }) => name.includes(only)).map(isSmoke ? small : (same) => same)
  const slow = isSmoke ? [] : slowFlushWorkloads.filter(({ name }) => name.includes(only))
  say(`about ${Math.ceil(expectedSeconds(options, chosen.length, slow.length) / 60)} minutes`)
  const results = join(import.meta.dirname, 'results')
  mkdirSync(results, { recursive: true })
  // Beside the results: on the disk of the checkout, and no memory file system.
  const directory = mkdtempSync(join(results, 'volumes-'))
  try {
    const result = await measure(options, chosen, slow, directory)
    const printed = [...chosen, ...slow]
    say(describeMachine(result))
    say(
      table(
        result,
        printed,
        options.servers.map((name) => ({ name })),
      ),
    )
    const path = join(results, isSmoke ? 'smoke.json' : `${result.date.replaceAll(':', '')}.json`)
    writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`)
    say(`all samples: ${path}`)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function expectedSeconds(
  { servers, rounds, seconds, isSmoke }: Options,
  count: number,
  slow: number,
): number {
  const fill = isSmoke ? 2 : 25
  const round = seconds + roundOverheadSeconds
  return servers.length * (fill + rounds * round * (count + slow) + 6 * round) + 10
}

/** A workload for a machine that has other things to do: as few requests, keys and bytes as it can have. */
function small(workload: Workload): Workload {
  const { client, fill, removes } = workload
  const size = Math.min(Number(client['size'] ?? 0), client['workload'] === 'multipart' ? 16 * mib : mib)
  const concurrency = Math.min(Number(client['concurrency']), 8)
  const keys = fill === undefined ? 100 : smallKeys(fill.keys)
  const made = removes === undefined ? {} : { removes: { ...removes, keys: Math.min(removes.keys, 100) } }
  return { ...workload, ...made, client: { ...client, keys, size, concurrency, requests: 8 } }
}

function smallKeys(keys: number): number {
  return Math.min(keys, keys > 2000 ? 1100 : 4)
}

async function measure(
  options: Options,
  chosen: readonly Workload[],
  slow: readonly Workload[],
  directory: string,
): Promise<Result> {
  const { rounds, seconds, isSmoke } = options
  const machine = await measureMachine(directory, isSmoke ? 0.05 : 0.5)
  const limits = await measureLimits(directory, isSmoke ? 0.2 : 2)
  const servers = await startAll(options.servers, join(directory, 'plain'), () => [])
  const samples: Sample[] = []
  let memory: Result['memory'] = []
  try {
    for (const server of servers) await fillAll(server, chosen, isSmoke)
    for (const workload of chosen) samples.push(...(await measureWorkload(workload, servers, options)))
    memory = servers.map(({ name, anonymousBytes }) => ({ server: name, bytes: anonymousBytes() }))
  } finally {
    for (const server of servers) await server.stop()
  }
  const flushes = await measureFlushes(options, join(directory, 'counted'))
  samples.push(...(await measureSlow(options, slow, join(directory, 'slow'))))
  const [date = ''] = new Date().toISOString().split('.')
  return { date, commit: commitOf(), machine, limits, rounds, seconds, samples, flushes, memory }
}

function commitOf(): string {
  return execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  }).trim()
}

async function fillAll(server: RunningServer, chosen: readonly Workload[], isSmoke: boolean): Promise<void> {
  for (const { prefix, keys, size: fullSize } of Object.values(fills)) {
    if (!chosen.some(({ fill }) => fill?.prefix === prefix)) continue
    const count = isSmoke ? smallKeys(keys) : keys
    const size = isSmoke ? Math.min(fullSize, mib) : fullSize
    const concurrency = Math.min(32, count)
    await runClient(server.endpoint, {
      workload: 'fill',
      prefix,
      keys: count,
      size,
      concurrency,
      seconds: 600,
    })
  }
}

/** Flushes for each PUT of 4 KiB, on servers of their own that strace watches; it counts nothing else. */
async function measureFlushes(options: Options, directory: string): Promise<readonly Flushes[]> {
  const logOf = (name: ServerName) => join(directory, `${name}.flushes`)
  const servers = await startAll(options.servers, directory, (name) => straceOf(logOf(name), []))
  const flushes: Flushes[] = []
  try {
    for (const server of servers) {
      for (const concurrency of [1, 32]) {
        const before = countFlushes(logOf(server.name))
        const prefix = `counted-${concurrency}-`
        const parameters = { workload: 'put', size: 4096, concurrency, prefix, seconds: options.seconds }
        const { requests } = await runClient(server.endpoint, parameters)
        const perPut = (countFlushes(logOf(server.name)) - before) / requests
        flushes.push({ server: server.name, concurrency, perPut })
      }
    }
  } finally {
    for (const server of servers) await server.stop()
  }
  return flushes
}

async function measureSlow(
  options: Options,
  slow: readonly Workload[],
  directory: string,
): Promise<readonly Sample[]> {
  if (slow.length === 0) return []
  const servers = await startAll(options.servers, directory, (name) => {
    // A commit of LMDB flushes twice, and the second, a write with O_DSYNC, is not delayed: so the first is for both.
    const delayed = slowFlushMicroseconds * (name === 'holdfast' ? 2 : 1)
    return straceOf('/dev/null', ['-e', `inject=fsync,fdatasync:delay_exit=${delayed}`])
  })
  try {
    const samples: Sample[] = []
    for (const workload of slow) samples.push(...(await measureWorkload(workload, servers, options)))
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

function describeMachine({ machine, limits, flushes, memory }: Result): string {
  const { cores, processor, load, flushP50Ms, sha256MibPerSecond, md5MibPerSecond, loopbackMibPerSecond } =
    machine
  const counted = flushes.map(
    ({ server, concurrency, perPut }) => `${server} c${concurrency} ${perPut.toFixed(2)}`,
  )
  const used = memory.map(({ server, bytes }) => `${server} ${Math.round(bytes / 1024 ** 2)} MiB`)
  const meanings = memory.map(({ server }) => `a 200 of ${server}: ${durabilityOf[server]}`)
  return [
    ...meanings,
    `${cores} cores (${processor}), load ${load}, flush p50 ${flushP50Ms} ms, SHA-256 ${sha256MibPerSecond} MiB/s, ` +
      `MD5 ${md5MibPerSecond} MiB/s, loopback ${loopbackMibPerSecond} MiB/s`,
    `bare limits: ${limits.commitsPerSecond} durable LMDB commits/s, ${limits.helloPerSecond} hello/s (c32)`,
    `flushes for each PUT: ${counted.join(', ')}`,
    `anonymous memory at the end: ${used.join(', ')}`,
  ].join('\n')
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
await main()
