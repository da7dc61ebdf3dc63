/**
 * `npm run bench`: Holdfast and its peers side by side on one disk, in turns, by one client. Prints a table, and writes all
 * samples to bench/results/. README.md says how to read it.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runClient } from './client.ts'
import { measureLimits } from './limits.ts'
import { loadNow, measureMachine } from './machine.ts'
import { measureWorkload, say, startAll } from './measure.ts'
import { costTable, describeRun, table } from './report.ts'
import { dated, type Result, type Sample } from './result.ts'
import type { RunningServer, ServerName } from './servers.ts'
import { measureFlushes, measureSlow } from './strace.ts'
import { isGatePassed, summaryOf, verdictsOf } from './targets.ts'
import { fills, slowFlushWorkloads, type Workload, workloads } from './workloads.ts'

type Options = {
  readonly servers: readonly ServerName[]
  readonly rounds: number
  readonly seconds: number
  readonly only: string
  /** Exit code 1 when a must is missed. */
  readonly isGate: boolean
  /** Fewer keys, no peers: whether the benchmark itself works. */
  readonly isSmoke: boolean
}

const serverNames = ['holdfast', 'minio', 'versitygw'] as const
const mib = 1024 ** 2
/** What a round costs beside its time: the client's start, and keys that are there before the clock starts. */
const roundOverheadSeconds = 0.6

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      servers: { type: 'string', default: serverNames.join() },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '1.5' },
      only: { type: 'string', default: '' },
      gate: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
    },
  })
  const { smoke: isSmoke, gate: isGate, only } = values
  const wanted = isSmoke ? ['holdfast'] : values.servers.split(',')
  const servers = serverNames.filter((name) => wanted.includes(name))
  if (servers.length !== wanted.length) throw new Error(`--servers knows ${serverNames.join(', ')}`)
  const [rounds, seconds] = isSmoke ? [1, 0.1] : [Number(values.rounds), Number(values.seconds)]
  if (!(rounds >= 1) || !(seconds > 0)) throw new Error('--rounds and --seconds are numbers above zero')
  return { servers, rounds, seconds, only, isGate, isSmoke }
}

async function main(): Promise<void> {
  const options = readOptions()
  const { only, isGate, isSmoke } = options
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
    const verdicts = verdictsOf(result, printed)
    say(describeRun(result))
    say(table(result, printed, options.servers))
    say(costTable(result, printed))
    say(summaryOf(verdicts))
    const path = join(results, isSmoke ? 'smoke.json' : `${result.date.replaceAll(':', '')}.json`)
    writeFileSync(path, `${JSON.stringify({ ...result, verdicts }, null, 2)}\n`)
    say(`all samples: ${path}`)
    if (isGate && !isGatePassed(verdicts)) process.exitCode = 1
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
  const begun = await measureMachine(directory, isSmoke ? 0.05 : 0.5)
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
  const flushes = await measureFlushes(options.servers, seconds, join(directory, 'counted'))
  samples.push(...(await measureSlow(options.servers, options, slow, join(directory, 'slow'))))
  const machine = { ...begun, loadAtEnd: loadNow() }
  return { ...dated(), machine, limits, rounds, seconds, samples, flushes, memory }
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

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
await main()
