/** From rounds to a table: the median of the ratios, their span, and what each is held to. */
import type { Limits, Machine } from './limits.ts'
import type { RunningServer, ServerName } from './servers.ts'
import type { Target, Workload } from './workloads.ts'

export type Sample = {
  readonly workload: string
  readonly server: ServerName
  readonly round: number
  readonly requests: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuSecondsPer1000: number
}

export type Flushes = {
  readonly server: ServerName
  readonly concurrency: number
  readonly perPut: number
}

export type Result = {
  readonly date: string
  readonly commit: string
  readonly machine: Machine
  readonly limits: Limits
  readonly rounds: number
  readonly seconds: number
  readonly samples: readonly Sample[]
  readonly flushes: readonly Flushes[]
  /** Bytes of memory that is no file's, after all workloads. */
  readonly memory: readonly { readonly server: ServerName; readonly bytes: number }[]
}

export type Ratio = { readonly median: number; readonly low: number; readonly high: number }

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const [a = 0, b = 0] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  return (a + b) / 2
}

/** Holdfast divided by the peer, round by round; null: one of them has no figure. */
export function ratioOf(result: Result, workload: string, peer: ServerName): Ratio | null {
  const of = (server: ServerName) =>
    result.samples.filter((sample) => sample.workload === workload && sample.server === server)
  const own = of('holdfast')
  const ratios = of(peer).flatMap(({ round, perSecond }) => {
    const paired = own.find((sample) => sample.round === round)
    return paired === undefined || perSecond === 0 ? [] : [paired.perSecond / perSecond]
  })
  if (ratios.length === 0) return null
  return { median: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) }
}

/** Missed only where even the best round is under it. */
export function verdictOf(ratio: Ratio, { must, aim }: Target): string {
  if (must !== null && ratio.high < must) return `**misses ${must}**`
  if (must !== null && ratio.median < must) return `near ${must}`
  if (aim !== null && ratio.median >= aim) return `aim ${aim}`
  return must === null ? '' : `must ${must}`
}

export function table(
  result: Result,
  workloads: readonly Workload[],
  servers: readonly Pick<RunningServer, 'name'>[],
): string {
  const names = servers.map(({ name }) => name)
  const peers = names.filter((name) => name !== 'holdfast')
  const head = ['workload', ...names, ...peers.map((peer) => `/ ${peer}`), 'p50/p99 ms', 'CPU s per 1,000']
  const rows = workloads.map(({ name, targets }) => {
    const figures = names.map((server) => whole(medianOf(result, name, server, 'perSecond')))
    const ratios = peers.map((peer) => {
      const ratio = ratioOf(result, name, peer)
      if (ratio === null) return '–'
      const span = `${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)}`
      return `${ratio.median.toFixed(2)} (${span}) ${verdictOf(ratio, targets[peer])}`.trim()
    })
    const latency = ['p50Ms', 'p99Ms'] as const
    const own = latency.map((field) => medianOf(result, name, 'holdfast', field)?.toFixed(1) ?? '–')
    const cpu = names.map((server) => medianOf(result, name, server, 'cpuSecondsPer1000')?.toFixed(2) ?? '–')
    return [name, ...figures, ...ratios, own.join('/'), cpu.join(', ')]
  })
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

type Figure = 'perSecond' | 'p50Ms' | 'p99Ms' | 'cpuSecondsPer1000'

export function medianOf(result: Result, workload: string, server: ServerName, field: Figure): number | null {
  const values = result.samples
    .filter((sample) => sample.workload === workload && sample.server === server)
    .map((sample) => sample[field])
  return values.length === 0 ? null : median(values)
}

function whole(value: number | null): string {
  if (value === null) return '–'
  return value < 10 ? value.toFixed(2) : Math.round(value).toLocaleString('en')
}
