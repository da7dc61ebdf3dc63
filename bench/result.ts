/** What a run measured, and the figures that follow from its rounds. */
import { execFileSync } from 'node:child_process'
import type { Limits } from './limits.ts'
import type { Machine } from './machine.ts'
import type { ServerName } from './servers.ts'

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

/** When a run ended, and of which commit it was. */
export function dated(): Pick<Result, 'date' | 'commit'> {
  const [date = ''] = new Date().toISOString().split('.')
  const command = ['rev-parse', '--short', 'HEAD']
  const commit = execFileSync('git', command, { cwd: import.meta.dirname, encoding: 'utf8' }).trim()
  return { date, commit }
}

export type Ratio = { readonly median: number; readonly low: number; readonly high: number }

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const [a = 0, b = 0] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  return (a + b) / 2
}

/** Holdfast's figure divided by the peer's, round by round; null: one of them has none. */
export function ratioOf(
  result: Result,
  workload: string,
  peer: ServerName,
  field: 'perSecond' | 'cpuSecondsPer1000' = 'perSecond',
): Ratio | null {
  const of = (server: ServerName) =>
    result.samples.filter((sample) => sample.workload === workload && sample.server === server)
  const own = of('holdfast')
  const ratios = of(peer).flatMap((sample) => {
    const paired = own.find(({ round }) => round === sample.round)
    return paired === undefined || sample[field] === 0 ? [] : [paired[field] / sample[field]]
  })
  return spanOf(ratios)
}

/** Requests a second of Holdfast, round by round, divided by what the machine can do at most. */
export function shareOf(result: Result, workload: string, perSecondMax: number): Ratio | null {
  const own = result.samples.filter((sample) => sample.workload === workload && sample.server === 'holdfast')
  return spanOf(own.map(({ perSecond }) => perSecond / perSecondMax))
}

export function spanOf(values: readonly number[]): Ratio | null {
  if (values.length === 0) return null
  return { median: median(values), low: Math.min(...values), high: Math.max(...values) }
}

type Figure = 'perSecond' | 'p50Ms' | 'p99Ms' | 'cpuSecondsPer1000'

export function medianOf(result: Result, workload: string, server: ServerName, field: Figure): number | null {
  const values = result.samples
    .filter((sample) => sample.workload === workload && sample.server === server)
    .map((sample) => sample[field])
  return values.length === 0 ? null : median(values)
}
