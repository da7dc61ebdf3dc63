/** What is printed of a run: the workloads with their ratios, and what the server is held to beside them. */
import { describeMachine } from './machine.ts'
import { medianOf, type Ratio, type Result, ratioOf } from './result.ts'
import { durabilityOf, type ServerName } from './servers.ts'
import { costVerdictsOf, verdictOf, wordsOf } from './targets.ts'
import type { Workload } from './workloads.ts'

export function table(result: Result, workloads: readonly Workload[], names: readonly ServerName[]): string {
  const peers = names.filter((name) => name !== 'holdfast')
  const head = ['workload', ...names, ...peers.map((peer) => `/ ${peer}`), 'p50/p99 ms', 'CPU s per 1,000']
  const rows = workloads.map((workload) => {
    const { name } = workload
    const figures = names.map((server) => whole(medianOf(result, name, server, 'perSecond')))
    const ratios = peers.map((peer) => {
      const verdict = verdictOf(result, workload, peer)
      const ratio = spanText(ratioOf(result, name, peer))
      return verdict === null || verdict.figure === null ? ratio : `${ratio} ${wordsOf(verdict)}`
    })
    const latency = ['p50Ms', 'p99Ms'] as const
    const own = latency.map((field) => medianOf(result, name, 'holdfast', field)?.toFixed(1) ?? '–')
    const cpu = names.map((server) => medianOf(result, name, server, 'cpuSecondsPer1000')?.toFixed(2) ?? '–')
    return [name, ...figures, ...ratios, own.join('/'), cpu.join(', ')]
  })
  return lines(head, rows)
}

export function costTable(result: Result, workloads: readonly Workload[]): string {
  const rows = costVerdictsOf(result, workloads).map((verdict) => [
    verdict.what,
    spanText(verdict.figure),
    wordsOf(verdict),
  ])
  return lines(['what', 'figure', 'held to'], rows)
}

/** What a 200 means at each server, the machine, and what is no workload's. */
export function describeRun({ machine, limits, flushes, memory }: Result): string {
  const counted = flushes.map(
    ({ server, concurrency, perPut }) => `${server} c${concurrency} ${perPut.toFixed(2)}`,
  )
  const used = memory.map(({ server, bytes }) => `${server} ${Math.round(bytes / 1024 ** 2)} MiB`)
  const { c1, c32 } = limits.helloPerSecond
  return [
    ...memory.map(({ server }) => `a 200 of ${server}: ${durabilityOf[server]}`),
    describeMachine(machine),
    `bare limits: ${limits.commitsPerSecond} durable LMDB commits/s (c32), ${c1} and ${c32} hello/s (c1, c32)`,
    `flushes for each PUT: ${counted.join(', ')}`,
    `anonymous memory at the end: ${used.join(', ')}`,
  ].join('\n')
}

export function lines(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

export function spanText(ratio: Ratio | null): string {
  if (ratio === null) return '–'
  const { median, low, high } = ratio
  return low === high ? median.toFixed(2) : `${median.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`
}

function whole(value: number | null): string {
  if (value === null) return '–'
  return value < 10 ? value.toFixed(2) : Math.round(value).toLocaleString('en')
}
