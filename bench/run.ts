/**
 * `npm run bench`: Holdfast and its peers side by side on one disk, in turns, by one client. Prints a table, and writes all
 * samples to bench/results/. README.md says how to read it.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fillAll, small } from './fill.ts'
import { measureLimits } from './limits.ts'
import { loadNow, measureMachine } from './machine.ts'
import { measureWorkload, say, startAll, warmUpSeconds } from './measure.ts'
import { costTable, describeRun, table } from './report.ts'
import { dated, type Result, type Sample } from './result.ts'
import { type ServerName, serverNames } from './servers.ts'
import { measureFlushes, measureSlow } from './strace.ts'
import { isGatePassed, summaryOf, verdictsOf } from './targets.ts'
import { results, withVolumes } from './volumes.ts'
import { furtherSets, slowFlushWorkloads, type Workload, workloads } from './workloads.ts'

type Options = {
  readonly servers: readonly ServerName[]
  readonly rounds: number
  readonly seconds: number
  readonly only: string
  /** More concurrencies than targets ask for. */
  readonly isAll: boolean
  /** Exit code 1 when a must is missed. */
  readonly isGate: boolean
  /** Fewer keys, no peers: whether the benchmark itself works. */
  readonly isSmoke: boolean
}

/** s3rver is asked for by name, or by `--all`. */
const usualServers = serverNames.filter((name) => name !== 's3rver')
/** What a round costs beside its time: the client's start, and keys that are there before the clock starts. */
const roundOverheadSeconds = 0.6
/** Small objects that come to be there before the first round; MinIO's pace. */
const filledPerSecond = 1500

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      servers: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '1.5' },
      only: { type: 'string', default: '' },
      all: { type: 'boolean', default: false },
      gate: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
    },
  })
  const { smoke: isSmoke, gate: isGate, only } = values
  const isAll = values.all || isSmoke
  const usual = isAll ? serverNames : usualServers
  const wanted: readonly string[] = isSmoke ? ['holdfast'] : (values.servers?.split(',') ?? usual)
  const servers = serverNames.filter((name) => wanted.includes(name))
  if (servers.length !== wanted.length) throw new Error(`--servers knows ${serverNames.join(', ')}`)
  const [rounds, seconds] = isSmoke ? [1, 0.1] : [Number(values.rounds), Number(values.seconds)]
  if (!(rounds >= 1) || !(seconds > 0)) throw new Error('--rounds and --seconds are numbers above zero')
  return { servers, rounds, seconds, only, isAll, isGate, isSmoke }
}

async function main(): Promise<void> {
  const options = readOptions()
  const { only, isAll, isGate, isSmoke } = options
  const sets = [workloads, ...(isAll ? furtherSets : [])]
    .map((set) => set.filter(({ name }) => name.includes(only)).map(isSmoke ? small : (same) => same))
    .filter((set) => set.length > 0)
  const slow = isSmoke ? [] : slowFlushWorkloads.filter(({ name }) => name.includes(only))
  say(`about ${Math.ceil(expectedSeconds(options, sets, slow.length) / 60)} minutes`)
  await withVolumes('volumes-', async (directory) => {
    const result = await measure(options, sets, slow, directory)
    const printed = [...sets.flat(), ...slow]
    const verdicts = verdictsOf(result, printed)
    say(describeRun(result))
    say(table(result, printed, options.servers))
    say(costTable(result, printed))
    say(summaryOf(verdicts))
    const path = join(results, isSmoke ? 'smoke.json' : `${result.date.replaceAll(':', '')}.json`)
    writeFileSync(path, `${JSON.stringify({ ...result, verdicts }, null, 2)}\n`)
    say(`all samples: ${path}`)
    if (isGate && !isGatePassed(verdicts)) process.exitCode = 1
  })
}

function expectedSeconds(
  { servers, rounds, seconds, isSmoke }: Options,
  sets: readonly (readonly Workload[])[],
  slow: number,
): number {
  const keys = (set: readonly Workload[]) => Math.max(...set.map(({ fill }) => fill?.keys ?? 0))
  const fills = sets.map((set) => (isSmoke ? 2 : 25 + keys(set) / filledPerSecond))
  const fill = fills.reduce((sum, one) => sum + one, 0)
  const warmUp = isSmoke ? 0 : warmUpSeconds + roundOverheadSeconds
  const workload = warmUp + rounds * (seconds + roundOverheadSeconds)
  return servers.length * (fill + workload * (sets.flat().length + slow)) + 10
}

async function measure(
  options: Options,
  sets: readonly (readonly Workload[])[],
  slow: readonly Workload[],
  directory: string,
): Promise<Result> {
  const { rounds, seconds, isSmoke } = options
  const begun = await measureMachine(directory, isSmoke ? 0.05 : 0.5)
  const limits = await measureLimits(directory, isSmoke ? 0.2 : 2)
  const samples: Sample[] = []
  const memory: Result['memory'][] = []
  for (const [number, set] of sets.entries()) {
    const measured = await measureSet(options, set, join(directory, `set-${number}`))
    samples.push(...measured.samples)
    memory.push(measured.memory)
  }
  const flushes = await measureFlushes(options.servers, seconds, join(directory, 'counted'))
  samples.push(...(await measureSlow(options.servers, options, slow, join(directory, 'slow'))))
  const machine = { ...begun, loadAtEnd: loadNow() }
  return { ...dated(), machine, limits, rounds, seconds, samples, flushes, memory: memory[0] ?? [] }
}

/** On servers of their own, whose volumes are removed at the end. */
async function measureSet(
  options: Options,
  set: readonly Workload[],
  directory: string,
): Promise<Pick<Result, 'samples' | 'memory'>> {
  const servers = await startAll(options.servers, directory, () => [])
  const samples: Sample[] = []
  try {
    for (const server of servers) await fillAll(server, set, options.isSmoke)
    for (const workload of set) samples.push(...(await measureWorkload(workload, servers, options)))
    const memory = servers.map(({ name, anonymousBytes }) => ({ server: name, bytes: anonymousBytes() }))
    return { samples, memory }
  } finally {
    for (const server of servers) await server.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
await main()
