import { describe, expect, test } from 'vitest'
import { MetricSet, mergeMetrics, renderMetrics, withoutGauges } from '../../../src/lib/metrics.ts'

function workerMetrics(worker: string, requests: number): MetricSet {
  const metrics = new MetricSet()
  metrics.counter('requests_total', 'Requests').add({ operation: 'GetObject' }, requests)
  const durations = metrics.histogram('duration_seconds', 'Durations', [0.1, 1])
  for (const seconds of [0.05, 0.1, 0.5, 5]) durations.observe({}, seconds)
  metrics.gauge('in_flight', 'Running').set({ worker }, requests)
  return metrics
}

describe('renderMetrics', () => {
  test('A set: the text format of Prometheus, buckets cumulated', () => {
    expect(renderMetrics(workerMetrics('w0', 3).snapshot())).toBe(
      [
        '# HELP requests_total Requests',
        '# TYPE requests_total counter',
        'requests_total{operation="GetObject"} 3',
        '# HELP duration_seconds Durations',
        '# TYPE duration_seconds histogram',
        'duration_seconds_bucket{le="0.1"} 2',
        'duration_seconds_bucket{le="1"} 3',
        'duration_seconds_bucket{le="+Inf"} 4',
        'duration_seconds_sum 5.65',
        'duration_seconds_count 4',
        '# HELP in_flight Running',
        '# TYPE in_flight gauge',
        'in_flight{worker="w0"} 3',
        '',
      ].join('\n'),
    )
  })

  test('A label with a quote, a backslash and a line end: escaped, still one line', () => {
    const metrics = new MetricSet()
    metrics.counter('named_total', 'Named').add({ name: 'a"b\\c\nd' })
    expect(renderMetrics(metrics.snapshot())).toContain('named_total{name="a\\"b\\\\c\\nd"} 1\n')
  })
})

describe('mergeMetrics', () => {
  test('Two workers: counters and histograms are summed, gauges stand side by side', () => {
    const sent = [workerMetrics('w0', 3), workerMetrics('w1', 4)].map((set) =>
      JSON.parse(JSON.stringify(set.snapshot())),
    )
    const text = renderMetrics(mergeMetrics(sent))
    expect(text).toContain('requests_total{operation="GetObject"} 7\n')
    expect(text).toContain('duration_seconds_bucket{le="0.1"} 4\n')
    expect(text).toContain('duration_seconds_count 8\n')
    expect(text).toContain('in_flight{worker="w0"} 3\nin_flight{worker="w1"} 4\n')
  })

  test('The inputs: left as they are', () => {
    const first = workerMetrics('w0', 3).snapshot()
    const before = JSON.stringify(first)
    mergeMetrics([first, workerMetrics('w1', 4).snapshot()])
    expect(JSON.stringify(first)).toBe(before)
  })

  test('A worker that ended: its counts go on, its gauges are gone', () => {
    const kept = withoutGauges(workerMetrics('w0', 3).snapshot())
    const text = renderMetrics(mergeMetrics([kept, workerMetrics('w0', 1).snapshot()]))
    expect(text).toContain('requests_total{operation="GetObject"} 4\n')
    expect(text).toContain('in_flight{worker="w0"} 1\n')
  })
})

describe('MetricSet', () => {
  test('A counter: never falls, and no name is made twice', () => {
    const metrics = new MetricSet()
    const counter = metrics.counter('requests_total', 'Requests')
    expect(() => counter.add({}, -1)).toThrow('a counter never falls')
    expect(() => metrics.gauge('requests_total', 'again')).toThrow('a metric is made once')
  })
})
