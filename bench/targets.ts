/** What figures are held to, and whether they keep it. The ratios of requests a second stand with their workloads. */
import { type Ratio, type Result, ratioOf, shareOf, spanOf } from './result.ts'
import type { ServerName } from './servers.ts'
import type { Target, Workload } from './workloads.ts'

export type Held = Target & {
  readonly what: string
  readonly bound: 'at least' | 'at most'
}

export type Judgement =
  | 'aim met'
  | 'must met'
  /** The median misses it, the best round does not: too little to call it missed, and not met. */
  | 'must not met'
  /** Even the best round misses it: the gate. */
  | 'must missed'
  | 'aim not met'
  | 'not measured'

export type Verdict = Held & {
  /** Null: one of those it is made of took no part in the run. */
  readonly figure: Ratio | null
  readonly judgement: Judgement
}

export function judge(figure: Ratio | null, { bound, must, aim }: Omit<Held, 'what'>): Judgement {
  if (figure === null) return 'not measured'
  const reaches = (value: number, limit: number): boolean =>
    bound === 'at least' ? value >= limit : value <= limit
  const best = bound === 'at least' ? figure.high : figure.low
  if (must !== null && !reaches(best, must)) return 'must missed'
  if (must !== null && !reaches(figure.median, must)) return 'must not met'
  if (aim !== null && reaches(figure.median, aim)) return 'aim met'
  return must === null ? 'aim not met' : 'must met'
}

/** For a cell of a table. */
export function wordsOf({ judgement, bound, must, aim }: Omit<Verdict, 'what' | 'figure'>): string {
  const sign = bound === 'at least' ? '' : '≤ '
  switch (judgement) {
    case 'aim met':
      return `aim ${sign}${aim}: met`
    case 'must met':
      return `must ${sign}${must}: met`
    case 'must not met':
      return `**must ${sign}${must}: not met**, only by single rounds`
    case 'must missed':
      return `**must ${sign}${must}: missed**`
    case 'aim not met':
      return `aim ${sign}${aim}: not met`
    case 'not measured':
      return `${must === null ? 'aim' : 'must'} ${sign}${must ?? aim}: not measured`
  }
}

/** Null: that ratio is only reported. */
export function verdictOf(result: Result, { name, targets }: Workload, peer: ServerName): Verdict | null {
  if (peer !== 'minio' && peer !== 'versitygw') return null
  const target = targets[peer]
  if (target.must === null && target.aim === null) return null
  return verdict({ ...target, what: `${name} / ${peer}`, bound: 'at least' }, ratioOf(result, name, peer))
}

function verdict(held: Held, figure: Ratio | null): Verdict {
  return { ...held, figure, judgement: judge(figure, held) }
}

/** All that the workloads and the server itself are held to; of workloads that were not chosen nothing. */
export function verdictsOf(result: Result, workloads: readonly Workload[]): readonly Verdict[] {
  const ratios = workloads.flatMap((workload) =>
    (['minio', 'versitygw'] as const).flatMap((peer) => verdictOf(result, workload, peer) ?? []),
  )
  return [...ratios, ...costVerdictsOf(result, workloads)]
}

const cpuRatioMax = { minio: 0.5, versitygw: 1.0 } as const
const memoryRatioMax = 0.6
const flushesMax = 0.25
const commitShareMin = 0.12
const helloShares = [
  { name: 'GET 4 KiB c1', at: 'c1', share: 0.12 },
  { name: 'GET 4 KiB c32', at: 'c32', share: 0.12 },
  { name: 'HEAD 4 KiB c32', at: 'c32', share: 0.15 },
] as const

/** What requests cost, and which share of the machine's best they reach. */
export function costVerdictsOf(result: Result, workloads: readonly Workload[]): readonly Verdict[] {
  const { limits, flushes, memory } = result
  const isChosen = (name: string): boolean => workloads.some((workload) => workload.name === name)
  const must = (what: string, bound: Held['bound'], limit: number, figure: Ratio | null): Verdict =>
    verdict({ what, bound, must: limit, aim: null }, figure)
  const cpu = ['PUT 4 KiB c32', 'GET 4 KiB c32'].filter(isChosen).flatMap((name) =>
    (['minio', 'versitygw'] as const).map((peer) => {
      const figure = ratioOf(result, name, peer, 'cpuSecondsPer1000')
      return must(`CPU of ${name} / ${peer}`, 'at most', cpuRatioMax[peer], figure)
    }),
  )
  const hello = helloShares
    .filter(({ name }) => isChosen(name))
    .map(({ name, at, share }) => {
      const figure = shareOf(result, name, limits.helloPerSecond[at])
      return must(`${name} / node:http hello ${at}`, 'at least', share, figure)
    })
  const commits = shareOf(result, 'PUT 4 KiB c32', limits.commitsPerSecond)
  const counted = flushes.filter(({ server, concurrency }) => server === 'holdfast' && concurrency === 32)
  const bytesOf = (name: ServerName) => memory.find(({ server }) => server === name)?.bytes ?? 0
  const ratio = bytesOf('holdfast') / bytesOf('minio')
  return [
    ...cpu,
    ...(isChosen('PUT 4 KiB c32')
      ? [must('PUT 4 KiB c32 / bare LMDB commits', 'at least', commitShareMin, commits)]
      : []),
    ...hello,
    must(
      'flushes for each PUT, 32 at a time',
      'at most',
      flushesMax,
      spanOf(counted.map(({ perPut }) => perPut)),
    ),
    must(
      'anonymous memory / minio',
      'at most',
      memoryRatioMax,
      spanOf(Number.isFinite(ratio) ? [ratio] : []),
    ),
  ]
}

/** Names what is not met, the gate first. */
export function summaryOf(verdicts: readonly Verdict[]): string {
  const of = (...judgements: readonly Judgement[]): readonly Verdict[] =>
    verdicts.filter(({ must, judgement }) => must !== null && judgements.includes(judgement))
  const named = (words: string, some: readonly Verdict[]): readonly string[] =>
    some.length === 0 ? [] : [`${words}: ${some.map(({ what }) => what).join('; ')}`]
  const judged = of('aim met', 'must met', 'must not met', 'must missed').length
  return [
    `${of('aim met', 'must met').length} of ${judged} musts are met`,
    ...named('missed, even by the best round', of('must missed')),
    ...named('not met, though single rounds do', of('must not met')),
    ...named('not measured', of('not measured')),
  ].join('\n')
}

/** The gate: no must is missed, and there was one to miss. */
export function isGatePassed(verdicts: readonly Verdict[]): boolean {
  const judged = verdicts.filter(({ must, judgement }) => must !== null && judgement !== 'not measured')
  return judged.length > 0 && judged.every(({ judgement }) => judgement !== 'must missed')
}
