/**
 * `npm run bench:profile -- 'PUT 4 KiB c32'`: where a server's processes spend their time while that workload runs, as a
 * flamegraph in bench/flamegraphs/. Without a name: all that are kept there. README.md says how to read it.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runClient } from './client.ts'
import { fillAll } from './fill.ts'
import { type CpuProfile, flamegraph } from './flamegraph.ts'
import { prepare, sample, say, warmUpSeconds } from './measure.ts'
import { dated } from './result.ts'
import { type RunningServer, startServer } from './servers.ts'
import { withVolumes } from './volumes.ts'
import { furtherSets, type Workload, workloads } from './workloads.ts'

type Options = {
  readonly names: readonly string[]
  readonly seconds: number
  /** The folder of the pictures. */
  readonly out: string
}

const kept = [
  'PUT 4 KiB c1',
  'PUT 4 KiB c32',
  'GET 4 KiB c32',
  'LIST 1,000 of 20,000 c8',
  'refused DELETE c32',
  'PUT 16 MiB c4',
]

function readOptions(): Options {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '5' },
      out: { type: 'string', default: join(import.meta.dirname, 'flamegraphs') },
    },
  })
  const names = positionals.length === 0 ? kept : positionals
  return { names, seconds: Number(values.seconds), out: values.out }
}

async function main(): Promise<void> {
  const options = readOptions()
  const known = [...workloads, ...furtherSets.flat()]
  const chosen = options.names.map((name) => {
    const found = known.find((workload) => workload.name === name)
    if (found === undefined)
      throw new Error(`no workload is called ${name}: ${known.map((one) => one.name).join('; ')}`)
    return found
  })
  mkdirSync(options.out, { recursive: true })
  for (const workload of chosen)
    await withVolumes('profile-', async (directory) => {
      const picture = await profile(workload, options, directory)
      const path = join(options.out, `${fileNameOf(workload.name)}.svg`)
      writeFileSync(path, picture)
      say(`${workload.name}: ${path}`)
    })
}

/** The commas of numbers, and no other, are left out. */
function fileNameOf(workload: string): string {
  return workload.toLowerCase().replaceAll(',', '').replaceAll(/\W+/g, '-')
}

async function profile(workload: Workload, { seconds }: Options, directory: string): Promise<string> {
  const profiles = join(directory, 'profiles')
  const environment = { NODE_OPTIONS: `--cpu-prof --cpu-prof-interval=500 --cpu-prof-dir=${profiles}` }
  const server = await startServer({ name: 'holdfast', directory, environment })
  let span: { readonly from: number; readonly to: number }
  try {
    await runClient(server, { workload: 'bucket' })
    await fillAll(server, [workload], false)
    // The compiler of V8 is done with most of it then.
    await sample(workload, server, -1, Math.min(2 * warmUpSeconds, seconds))
    span = await timed(workload, server, seconds)
  } finally {
    // A process writes its profile when it ends.
    await server.stop()
  }
  const read = readdirSync(profiles).map(
    (file) => JSON.parse(readFileSync(join(profiles, file), 'utf8')) as CpuProfile,
  )
  return flamegraph(read, span, `${workload.name}, Holdfast at ${dated().commit}`)
}

async function timed(workload: Workload, server: RunningServer, seconds: number) {
  const parameters = await prepare(workload, server, 0)
  const from = microseconds()
  await runClient(server, { ...parameters, seconds })
  return { from, to: microseconds() }
}

function microseconds(): number {
  return Number(process.hrtime.bigint() / 1000n)
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
await main()
