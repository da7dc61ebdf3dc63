/**
 * `npm run bench`: Holdfast and its peers side by side on one disk, in turns, by one client. Prints a table, and writes all
 * samples to bench/results/. README.md says how to read it.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fillAll, small } from './fill.ts'
import { measureLimits } from './limits.ts'
import { loadNow, measureMachine } from './machine.ts'
import { measureWorkload, say, startAll } from './measure.ts'
import { costTable, describeRun, table } from './report.ts'
import { dated, type Result, type Sample } from './result.ts'
import type { ServerName } from './servers.ts'
import { measureFlushes, measureSlow } from './strace.ts'
import { isGatePassed, summaryOf, verdictsOf } from './targets.ts'
import { slowFlushWorkloads, type Workload, workloads } from './workloads.ts'

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

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
await main()
