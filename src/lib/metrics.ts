/**
 * Counters, gauges and histograms as plain data that can be sent between processes, merged and written in the text format
 * of Prometheus. A set is a value that its process makes: no global registry.
 */
import { assert } from './assert.ts'
import { limits } from './limits.ts'

export type MetricKind = 'counter' | 'gauge' | 'histogram'
export type Labels = Readonly<Record<string, string>>

/** One time series; `buckets` are cumulative only when written. */
type Sample = {
  readonly labels: Labels
  value: number
  readonly histogram: { readonly counts: number[]; count: number } | null
}

export type MetricFamily = {
  readonly name: string
  readonly kind: MetricKind
  readonly help: string
  /** Upper bounds of a histogram's buckets, ascending, without +Inf. */
  readonly bounds: readonly number[]
  readonly samples: readonly Sample[]
}

/** Plain JSON. */
export type MetricSnapshot = readonly MetricFamily[]

export type Counter = { readonly add: (labels: Labels, amount?: number) => void }
export type Gauge = { readonly set: (labels: Labels, value: number) => void }
export type Histogram = { readonly observe: (labels: Labels, value: number) => void }

type Family = Omit<MetricFamily, 'samples'> & { readonly samples: Map<string, Sample> }

export class MetricSet {
  readonly #families = new Map<string, Family>()

  counter(name: string, help: string): Counter {
    const family = this.#family({ name, kind: 'counter', help, bounds: [] })
    return {
      add: (labels, amount = 1) => {
        assert(amount >= 0, 'a counter never falls')
        sampleOf(family, labels).value += amount
      },
    }
  }

  gauge(name: string, help: string): Gauge {
    const family = this.#family({ name, kind: 'gauge', help, bounds: [] })
    return {
      set: (labels, value) => {
        sampleOf(family, labels).value = value
      },
    }
  }

  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    const family = this.#family({ name, kind: 'histogram', help, bounds })
    return {
      observe: (labels, value) => {
        const sample = sampleOf(family, labels)
        const { histogram } = sample
        assert(histogram !== null, 'a histogram has buckets')
        const index = bounds.findIndex((bound) => value <= bound)
        if (index >= 0) histogram.counts[index] = (histogram.counts[index] ?? 0) + 1
        histogram.count += 1
        sample.value += value
      },
    }
  }

  snapshot(): MetricSnapshot {
    return [...this.#families.values()].map((family) => ({
      ...family,
      samples: [...family.samples.values()],
    }))
  }

  #family(head: Omit<MetricFamily, 'samples'>): Family {
    assert(/^[a-z][a-z0-9_]*$/.test(head.name), 'a metric has a name of Prometheus')
    assert(!this.#families.has(head.name), 'a metric is made once')
    const family: Family = { ...head, samples: new Map() }
    this.#families.set(head.name, family)
    return family
  }
}

/** The sum of several processes' counters and histograms; of a gauge with the same labels the last one stays. */
export function mergeMetrics(snapshots: readonly MetricSnapshot[]): MetricSnapshot {
  const merged = new Map<string, Family>()
  for (const family of snapshots.flat()) {
    const target = merged.get(family.name) ?? { ...family, samples: new Map<string, Sample>() }
    merged.set(family.name, target)
    for (const sample of family.samples) addSample(target, sample)
  }
  return [...merged.values()].map((family) => ({ ...family, samples: [...family.samples.values()] }))
}

/** What may be kept of a process that ended: counts go on, its gauges mean nothing any more. */
export function withoutGauges(snapshot: MetricSnapshot): MetricSnapshot {
  return snapshot.filter(({ kind }) => kind !== 'gauge')
}

/** Text format 0.0.4 of Prometheus. */
export function renderMetrics(snapshot: MetricSnapshot): string {
  const lines = snapshot.flatMap((family) => [
    `# HELP ${family.name} ${family.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`,
    `# TYPE ${family.name} ${family.kind}`,
    ...family.samples.flatMap((sample) => sampleLines(family, sample)),
  ])
  return `${lines.join('\n')}\n`
}

function sampleLines({ name, bounds }: MetricFamily, sample: Sample): readonly string[] {
  const { labels, value, histogram } = sample
  if (histogram === null) return [`${name}${labelText(labels)} ${value}`]
  let cumulated = 0
  const buckets = bounds.map((bound, index) => {
    cumulated += histogram.counts[index] ?? 0
    return `${name}_bucket${labelText({ ...labels, le: String(bound) })} ${cumulated}`
  })
  return [
    ...buckets,
    `${name}_bucket${labelText({ ...labels, le: '+Inf' })} ${histogram.count}`,
    `${name}_sum${labelText(labels)} ${value}`,
    `${name}_count${labelText(labels)} ${histogram.count}`,
  ]
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function sampleOf(family: Family, labels: Labels): Sample {
  const name = nameOf(labels)
  const known = family.samples.get(name)
  if (known !== undefined) return known
  assert(family.samples.size < limits.metricSeriesMax, 'labels are from bounded tables, never from clients')
  const histogram = family.kind === 'histogram' ? { counts: family.bounds.map(() => 0), count: 0 } : null
  const sample: Sample = { labels, value: 0, histogram }
  family.samples.set(name, sample)
  return sample
}

/** One text for equal labels in equal order, and for no others: counted with every request. */
function nameOf(labels: Labels): string {
  let name = ''
  for (const label in labels) name += `${label}\u0000${labels[label]}\u0001`
  return name
}

function addSample(family: Family, added: Sample): void {
  const sample = sampleOf(family, added.labels)
  sample.value = family.kind === 'gauge' ? added.value : sample.value + added.value
  if (sample.histogram === null || added.histogram === null) return
  sample.histogram.count += added.histogram.count
  const { counts } = sample.histogram
  for (const [index, count] of added.histogram.counts.entries()) counts[index] = (counts[index] ?? 0) + count
}
