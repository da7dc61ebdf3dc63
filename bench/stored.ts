/**
 * `npm run bench:stored`: what a request costs in a store that holds a million objects, beside one that holds twenty thousand:
 * two servers of Holdfast on one disk, in turns. All objects come by the S3 API, or with `--load` by load.ts. README.md says
 * how to read it.
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bucketName, runClient } from './client.ts'
import { small } from './fill.ts'
import { loadObjects } from './load.ts'
import { describeMachine, loadNow, measureMachine } from './machine.ts'
import { sample, say, startAll, warmUpSeconds } from './measure.ts'
import { lines, spanText } from './report.ts'
import { dated, median, type Ratio, type Sample, spanOf } from './result.ts'
import { type RunningServer, startServer } from './servers.ts'
import { type Judgement, judge, wordsOf } from './targets.ts'
import { results, withVolumes } from './volumes.ts'
import { type Workload, workloads } from './workloads.ts'

type Options = {
  readonly fewKeys: number
  readonly manyKeys: number
  /** Objects are written into the volumes while no server serves them. */
  readonly isLoaded: boolean
  readonly rounds: number
  readonly seconds: number
  /** Exit code 1 when a cost is missed. */
  readonly isGate: boolean
  /** Two stores that are hardly different, some requests of each workload: whether it works. */
  readonly isSmoke: boolean
}

/** One request may cost so many times what it costs in the small store. */
const held = { bound: 'at most', must: 1.5, aim: null } as const
const prefix = 'stored-'
const sizeBytes = 64
const reported = { must: null, aim: null }
const targets = { minio: reported, versitygw: reported }
/** Of the usual workloads those that bring their keys along; the others read what is stored. */
const usual = [
  'PUT 4 KiB c1',
  'PUT 4 KiB c32',
  'PUT 4 KiB COMPLIANCE c32',
  'PUT 1 MiB c16',
  'DELETE of a version c32',
  'multi-delete of 100 c4',
  'refused DELETE c32',
]

type Pair = { readonly few: RunningServer; readonly many: RunningServer }
type Row = {
  readonly workload: string
  readonly few: readonly Sample[]
  readonly many: readonly Sample[]
  /** CPU of a request in the large store divided by that in the small one, round by round. */
  readonly cost: Ratio | null
  readonly judgement: Judgement
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      few: { type: 'string', default: '20000' },
      many: { type: 'string', default: '1000000' },
      load: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '1.5' },
      gate: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
    },
  })
  const { gate: isGate, smoke: isSmoke } = values
  const isLoaded = values.load !== undefined
  if (isSmoke) return { fewKeys: 1100, manyKeys: 1300, isLoaded, rounds: 1, seconds: 0.1, isGate, isSmoke }
  const [fewKeys, manyKeys] = [Number(values.few), Number(values.load ?? values.many)]
  if (!(fewKeys > 1000) || !(manyKeys > fewKeys))
    throw new Error('--few is above 1000, and --many or --load above it')
  const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)]
  return { fewKeys, manyKeys, isLoaded, rounds, seconds, isGate, isSmoke }
}

async function main(): Promise<void> {
  const options = readOptions()
  await withVolumes('stored-', (directory) => compare(options, directory))
}

async function compare(options: Options, directory: string): Promise<void> {
  const running: RunningServer[] = []
  try {
    const begun = await measureMachine(directory, Math.min(0.5, options.seconds))
    const start = async (folder: keyof Pair, keys: number): Promise<RunningServer> => {
      const server = await filled(join(directory, folder), keys, options)
      running.push(server)
      return server
    }
    const few = await start('few', options.fewKeys)
    const many = await start('many', options.manyKeys)
    const rows = await measure({ few, many }, options, directory)
    const machine = { ...begun, loadAtEnd: loadNow() }
    const result = { ...dated(), machine, ...options, rows }
    say(describeMachine(machine))
    say(table(rows, options))
    const name = options.isSmoke ? 'smoke' : result.date.replaceAll(':', '')
    const path = join(results, `stored-${name}.json`)
    writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`)
    say(`all samples: ${path}`)
    const missed = rows.filter(({ judgement }) => judgement === 'must missed')
    if (missed.length > 0)
      say(`missed, even by the best round: ${missed.map(({ workload }) => workload).join('; ')}`)
    if (options.isGate && missed.length > 0) process.exitCode = 1
  } finally {
    for (const server of running) await server.stop()
  }
}

async function measure(pair: Pair, options: Options, directory: string): Promise<readonly Row[]> {
  const { fewKeys, manyKeys } = options
  // What a volume has besides objects is the same in both.
  const bytes = bytesOf(join(directory, 'many')) - bytesOf(join(directory, 'few'))
  say(`an object of ${sizeBytes} bytes takes ${Math.round(bytes / (manyKeys - fewKeys))} on the disk`)
  const rows: Row[] = []
  for (const { name } of workloadsOf(fewKeys)) rows.push(await measurePair(name, pair, options))
  return rows
}

function bytesOf(directory: string): number {
  return Number.parseInt(
    execFileSync('du', ['-s', '--block-size=1', dataOf(join(directory, 'holdfast'))]).toString(),
    10,
  )
}

function dataOf(directory: string): string {
  return join(directory, 'data')
}

/** A server on a folder of its own, with so many objects. */
async function filled(directory: string, keys: number, { isLoaded }: Options): Promise<RunningServer> {
  const [server] = await startAll(['holdfast'], directory, () => [])
  if (server === undefined) throw new Error('a server was started')
  if (!isLoaded) {
    const client = { workload: 'fill', prefix, keys, size: sizeBytes, concurrency: 64, seconds: 86_400 }
    const { seconds } = await runClient(server, client)
    sayFilled(keys, seconds)
    return server
  }
  await server.stop()
  const load = { bucket: bucketName, prefix, keys, sizeBytes }
  sayFilled(keys, await loadObjects({ ...load, directory: dataOf(server.directory) }))
  return startServer({ name: 'holdfast', directory: server.directory })
}

function sayFilled(keys: number, seconds: number): void {
  say(`${keys} objects written in ${Math.round(seconds)} s, ${Math.round(keys / seconds)} a second`)
}

function workloadsOf(keys: number): readonly Workload[] {
  const read = (name: string, workload: string, concurrency: number): Workload => ({
    name,
    client: { workload, size: sizeBytes, keys, concurrency },
    fill: { prefix, keys, size: sizeBytes },
    writes: false,
    targets,
  })
  return [
    ...workloads.filter(({ name }) => usual.includes(name)),
    read('GET c1', 'get', 1),
    read('GET c32', 'get', 32),
    read('HEAD c32', 'head', 32),
    read('LIST 1,000 of all c1', 'list', 1),
    read('LIST 1,000 of all c8', 'list', 8),
    read('versions 1,000 of all c8', 'list-versions', 8),
  ]
}

/** In turns, the first of a round changing. */
async function measurePair(name: string, pair: Pair, options: Options): Promise<Row> {
  const { rounds, seconds, isSmoke } = options
  const keys = { few: options.fewKeys, many: options.manyKeys }
  const take = (side: keyof Pair, round: number, sampleSeconds: number): Promise<Sample> => {
    const chosen = workloadsOf(keys[side]).find((workload) => workload.name === name)
    if (chosen === undefined) throw new Error(`there is no workload ${name}`)
    if (isSmoke)
      return sample(chosen.fill === undefined ? small(chosen) : chosen, pair[side], round, sampleSeconds)
    if (chosen.writes) execFileSync('sync')
    return sample(chosen, pair[side], round, sampleSeconds)
  }
  const samples: { few: Sample[]; many: Sample[] } = { few: [], many: [] }
  if (!isSmoke) for (const side of ['few', 'many'] as const) await take(side, -1, warmUpSeconds)
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? (['few', 'many'] as const) : (['many', 'few'] as const)
    for (const side of order) samples[side].push(await take(side, round, seconds))
  }
  // A round in which the kernel counted no tick at all has no ratio.
  const costs = samples.few.map(
    (few, round) => (samples.many[round]?.cpuSecondsPer1000 ?? 0) / few.cpuSecondsPer1000,
  )
  const cost = spanOf(costs.filter(Number.isFinite))
  return { workload: name, ...samples, cost, judgement: judge(cost, held) }
}

function table(rows: readonly Row[], { fewKeys, manyKeys }: Options): string {
  const head = ['workload', `${fewKeys} objects`, `${manyKeys} objects`, 'CPU s per 1,000', 'cost', 'held to']
  const body = rows.map(({ workload, few, many, cost, judgement }) => {
    const rate = (samples: readonly Sample[]) => median(samples.map(({ perSecond }) => perSecond)).toFixed(0)
    const cpu = (samples: readonly Sample[]) =>
      median(samples.map(({ cpuSecondsPer1000 }) => cpuSecondsPer1000)).toFixed(2)
    const words = wordsOf({ ...held, judgement })
    return [workload, rate(few), rate(many), `${cpu(few)}, ${cpu(many)}`, spanText(cost), words]
  })
  return lines(head, body)
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
await main()
