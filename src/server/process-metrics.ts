/** What Prometheus' clients tell of every process, under their names. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Gauge, MetricSet } from '../lib/metrics.ts'

/** The returned function brings the gauges up to date; call it before a snapshot. */
export function processMetrics(metrics: MetricSet, worker: string): () => void {
  const delays = monitorEventLoopDelay({ resolution: 20 })
  delays.enable()
  const resident = metrics.gauge('process_resident_memory_bytes', 'Resident memory')
  const heap = metrics.gauge('nodejs_heap_size_used_bytes', 'Used heap of JavaScript')
  // A gauge by kind, so that a worker that ended takes its series along.
  const cpu: Gauge = metrics.gauge('process_cpu_seconds_total', 'User and system CPU time')
  const lag = metrics.gauge(
    'nodejs_eventloop_lag_p99_seconds',
    'Event loop delay, 99th percentile since the last look',
  )
  const lagMax = metrics.gauge(
    'nodejs_eventloop_lag_max_seconds',
    'Event loop delay, maximum since the last look',
  )
  return () => {
    const memory = process.memoryUsage()
    const usage = process.cpuUsage()
    resident.set({ worker }, memory.rss)
    heap.set({ worker }, memory.heapUsed)
    cpu.set({ worker }, (usage.user + usage.system) / 1_000_000)
    lag.set({ worker }, secondsOf(delays.percentile(99)))
    lagMax.set({ worker }, secondsOf(delays.max))
    delays.reset()
  }
}

function secondsOf(nanoseconds: number): number {
  return Number.isFinite(nanoseconds) ? nanoseconds / 1_000_000_000 : 0
}
