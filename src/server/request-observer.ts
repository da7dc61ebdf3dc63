/** Counts requests and writes the access log: one line a request, after its answer. */
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { MetricSet } from '../lib/metrics.ts'
import { type EpochMs, formatIso } from '../lib/units.ts'
import type { RequestRecord } from './request-record.ts'

export type RequestObserver = {
  readonly begin: () => void
  /** The answer is out, or the client is gone (status 0). */
  readonly end: (record: RequestRecord) => void
}

export type RequestObserverOptions = {
  readonly metrics: MetricSet
  /** null: no access log. */
  readonly accessLog: Log | null
  readonly clock: Clock
  /** In every series that only this process has. */
  readonly worker: string
}

/** Seconds: from an inline GET to a large upload over a slow line. */
const durationBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

export function createRequestObserver(options: RequestObserverOptions): RequestObserver {
  const { metrics, accessLog, clock, worker } = options
  const requests = metrics.counter(
    'holdfast_s3_requests_total',
    'S3 requests by operation, status and error code',
  )
  const durations = metrics.histogram(
    'holdfast_s3_request_duration_seconds',
    'From the head of a request to the end of its answer',
    durationBounds,
  )
  const received = metrics.counter(
    'holdfast_s3_received_bytes_total',
    'Bytes of request bodies, as on the wire',
  )
  const sent = metrics.counter('holdfast_s3_sent_bytes_total', 'Bytes of answer bodies')
  const running = metrics.gauge('holdfast_s3_requests_in_flight', 'S3 requests that are being answered')
  let runningCount = 0
  const move = (change: 1 | -1): void => {
    runningCount += change
    running.set({ worker }, runningCount)
  }
  return {
    begin: () => move(1),
    end: (record) => {
      move(-1)
      const operation = record.operation ?? 'unknown'
      const seconds = (performance.now() - record.startMs) / 1000
      requests.add({ operation, status: String(record.status), code: record.errorCode ?? '' })
      durations.observe({ operation }, seconds)
      received.add({ operation }, record.bytesReceived)
      sent.add({ operation }, record.bytesSent)
      if (accessLog !== null) accessLog.info(logFields(record, seconds, clock.wallMs()), 'request')
    },
  }
}

/** The fields of S3's server access log, as JSON. */
function logFields(
  record: RequestRecord,
  seconds: number,
  endMs: EpochMs,
): Readonly<Record<string, unknown>> {
  const { startMs: _startMs, ...fields } = record
  return { ...fields, totalTimeMs: Math.round(seconds * 1000), endTime: formatIso(endMs) }
}
