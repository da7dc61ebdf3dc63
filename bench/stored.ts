/**
 * `npm run bench:stored`: what a request costs in a store that holds a million objects, beside one that holds twenty thousand:
 * two servers of Holdfast on one disk, in turns. All objects come by the S3 API. README.md says how to read it.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runClient } from './client.ts'
import { sample, say, startAll, warmUpSeconds } from './measure.ts'
import { median, type Sample } from './report.ts'
import type { RunningServer } from './servers.ts'
import { locked, unlocked, type Versions, type Workload } from './workloads.ts'

type Options = {
  readonly fewKeys: number
  readonly manyKeys: number
  readonly rounds: number
  readonly seconds: number
}

/** One request may cost so many times what it costs in the small store. */
const costMax = 1.5
const prefix = 'stored-'
const sizeBytes = 64
const reported = { must: null, aim: null }
const targets = { minio: reported, versitygw: reported }

type Pair = { readonly few: RunningServer; readonly many: RunningServer }
type Row = { readonly workload: string; readonly few: readonly Sample[]; readonly many: readonly Sample[] }

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      few: { type: 'string', default: '20000' },
      many: { type: 'string', default: '1000000' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '1.5' },
    },
  })
  const [fewKeys, manyKeys] = [Number(values.few), Number(values.many)]
  if (!(fewKeys > 1000) || !(manyKeys > fewKeys)) throw new Error('--few is above 1000, and --many above it')
  return { fewKeys, manyKeys, rounds: Number(values.rounds), seconds: Number(values.seconds) }
}

async function main(): Promise<void> {
  const options = readOptions()
  const results = join(import.meta.dirname, 'results')
  mkdirSync(results, { recursive: true })
  // Beside the results: on the disk of the checkout, and no memory file system.
  const directory = mkdtempSync(join(results, 'stored-'))
  const running: RunningServer[] = []
  try {
    for (const folder of ['few', 'many'])
      running.push(...(await startAll(['holdfast'], join(directory, folder), () => [])))
    const [few, many] = running
    if (few === undefined || many === undefined) throw new Error('two servers were started')
    const rows = await measure({ few, many }, options, directory)
    say(table(rows, options))
    const path = join(results, `stored-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.json`)
    writeFileSync(path, `${JSON.stringify({ ...options, rows }, null, 2)}\n`)
    say(`all samples: ${path}`)
  } finally {
    for (const server of running) await server.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function measure(pair: Pair, options: Options, directory: string): Promise<readonly Row[]> {
  const { fewKeys, manyKeys } = options
  await fill(pair.few, fewKeys)
  await fill(pair.many, manyKeys)
  // What a volume has besides objects is the same in both.
  const bytes = bytesOf(join(directory, 'many')) - bytesOf(join(directory, 'few'))
  say(`an object of ${sizeBytes} bytes takes ${Math.round(bytes / (manyKeys - fewKeys))} on the disk`)
  const rows: Row[] = []
  for (const name of Object.keys(workloadsOf(fewKeys))) rows.push(await measurePair(name, pair, options))
  return rows
}

function bytesOf(directory: string): number {
  const folder = join(directory, 'holdfast', 'data')
  return Number.parseInt(execFileSync('du', ['-s', '--block-size=1', folder]).toString(), 10)
}

async function fill(server: RunningServer, keys: number): Promise<void> {
  const client = { workload: 'fill', prefix, keys, size: sizeBytes, concurrency: 64, seconds: 86_400 }
  const { perSecond, seconds } = await runClient(server.endpoint, client)
  say(`${keys} objects written in ${Math.round(seconds)} s, ${Math.round(perSecond)} a second`)
}

function workloadsOf(keys: number): Readonly<Record<string, Workload>> {
  const read = (name: string, workload: string, concurrency: number): Workload => ({
    name,
    client: { workload, size: sizeBytes, keys, concurrency },
    fill: { prefix, keys, size: sizeBytes },
    writes: false,
    targets,
  })
  const write = (name: string, workload: string, removes?: Versions): Workload => ({
    ...{ name, client: { workload, size: 4096, concurrency: 32 }, writes: true, targets },
    ...(removes === undefined ? {} : { removes }),
  })
  return {
    PUT: write('PUT 4 KiB c32', 'put'),
    GET: read('GET c32', 'get', 32),
    HEAD: read('HEAD c32', 'head', 32),
    LIST: read('LIST 1,000 c8', 'list', 8),
    versions: read('versions 1,000 c8', 'list-versions', 8),
    DELETE: write('DELETE of a version c32', 'delete-version', unlocked),
    refused: write('refused DELETE c32', 'refused-delete', locked),
  }
}

/** In turns, the first of a round changing. */
async function measurePair(workload: string, pair: Pair, options: Options): Promise<Row> {
  const { rounds, seconds } = options
  const keys = { few: options.fewKeys, many: options.manyKeys }
  const take = (side: keyof Pair, round: number, sampleSeconds: number): Promise<Sample> => {
    const chosen = workloadsOf(keys[side])[workload]
    if (chosen === undefined) throw new Error(`there is no workload ${workload}`)
    if (chosen.writes) execFileSync('sync')
    return sample(chosen, pair[side], round, sampleSeconds)
  }
  const samples: { few: Sample[]; many: Sample[] } = { few: [], many: [] }
  for (const side of ['few', 'many'] as const) await take(side, -1, Math.min(warmUpSeconds, 4 * seconds))
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? (['few', 'many'] as const) : (['many', 'few'] as const)
    for (const side of order) samples[side].push(await take(side, round, seconds))
  }
  return { workload: workloadsOf(keys.few)[workload]?.name ?? workload, ...samples }
}

function table(rows: readonly Row[], { fewKeys, manyKeys }: Options): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const head = ['workload', `${fewKeys} objects`, `${manyKeys} objects`, 'CPU s per 1,000', 'cost', 'held to']
  const body = rows.map(({ workload, few, many }) => {
    const cost = median(
      few.map((one, round) => (many[round]?.cpuSecondsPer1000 ?? 0) / one.cpuSecondsPer1000),
    )
    const rate = (samples: readonly Sample[]) => median(samples.map(({ perSecond }) => perSecond)).toFixed(0)
    const cpu = (samples: readonly Sample[]) =>
      median(samples.map(({ cpuSecondsPer1000 }) => cpuSecondsPer1000)).toFixed(2)
    const verdict = cost <= costMax ? `at most ${costMax}` : `**misses ${costMax}**`
    return [workload, rate(few), rate(many), `${cpu(few)}, ${cpu(many)}`, cost.toFixed(2), verdict]
  })
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('\n')
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
await main()
