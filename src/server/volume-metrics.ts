/** What only the owner of the volume can say: clock, disk, and the totals over all buckets but the system's own. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { MetricSet } from '../lib/metrics.ts'
import { isSystemBucket } from '../lib/system-buckets.ts'
import { BodyUnavailableError } from '../store/bodies/contract.ts'
import { CorruptRecordError } from '../store/fields.ts'
import { StoreFailedError } from '../store/kv/contract.ts'
import type { BucketFacts, ClockReport, ScrubReport, Store } from '../store/store.ts'

type Totals = {
  buckets: number
  versions: number
  bytes: number
  locked: number
  held: number
  /** Of system buckets too. */
  scrubBytes: number
}

const bucketsPerPage = 100

export type MeasuredVolume = Pick<Store, 'volume' | 'space'> & {
  readonly clock: Pick<Store['clock'], 'report'>
  readonly scrub: Pick<Store['scrub'], 'report'>
  readonly buckets: {
    readonly list: (
      ...page: Parameters<Store['buckets']['list']>
    ) => Promise<readonly { readonly name: string }[]>
    readonly facts: (name: string) => Promise<Pick<BucketFacts, 'stat' | 'lockedVersionCount'> | null>
  }
}

/** The returned function brings the gauges up to date. Errors: those of the store. */
export function volumeMetrics(metrics: MetricSet, store: MeasuredVolume, clock: Clock): () => Promise<void> {
  const clockRead = clockGauges(metrics)
  const free = metrics.gauge('holdfast_volume_free_bytes', 'Free space of the volume')
  const size = metrics.gauge('holdfast_volume_size_bytes', 'Size of the volume')
  const files = metrics.gauge('holdfast_volume_free_files', 'Free inodes, where the file system counts them')
  const created = metrics.gauge('holdfast_volume_created_seconds', 'When the volume was made')
  created.set({}, store.volume.createdMs / 1000)
  const totals = totalGauges(metrics)
  const scrub = scrubGauges(metrics)
  let countedMs: number | null = null
  return async () => {
    await unlessFailed(async () => clockRead(await store.clock.report()))
    await unlessFailed(async () => {
      const space = await store.space()
      free.set({}, space.availableBytes)
      size.set({}, space.totalBytes)
      if (space.availableFiles !== null) files.set({}, space.availableFiles)
    })
    await unlessFailed(async () => scrub(await store.scrub.report()))
    // Reads every bucket's counters: not with each scrape.
    if (countedMs !== null && clock.uptimeMs() - countedMs < limits.bucketTotalsMs) return
    await unlessFailed(async () => totals(await countTotals(store)))
    countedMs = clock.uptimeMs()
  }
}

function clockGauges(metrics: MetricSet): (report: ClockReport) => void {
  const trusted = metrics.gauge('holdfast_clock_trusted_seconds', 'Trusted time, by which locks expire')
  const behind = metrics.gauge(
    'holdfast_clock_behind_seconds',
    'How far trusted time is behind the wall clock',
  )
  const suspect = metrics.gauge('holdfast_clock_suspect', '1: the wall clock jumped and is not believed')
  return (report) => {
    trusted.set({}, report.trustedMs / 1000)
    behind.set({}, report.behindMs / 1000)
    suspect.set({}, report.suspect ? 1 : 0)
  }
}

/**
 * What depends on a damaged record, on a store that failed or on a disk that does not answer keeps what it said last, if anything, and no other
 * metric waits for it: `holdfast_ready` is 0 then, and must be read.
 */
async function unlessFailed(renew: () => Promise<void>): Promise<void> {
  try {
    await renew()
  } catch (error) {
    const isKnown =
      error instanceof CorruptRecordError ||
      error instanceof StoreFailedError ||
      error instanceof BodyUnavailableError
    if (!isKnown) throw error
  }
}

function scrubGauges(metrics: MetricSet): (report: ScrubReport) => void {
  const quarantined = metrics.gauge(
    'holdfast_quarantined_lists',
    'Damaged bytes, whose reads are refused, and bytes that the disk does not give out, up to 1000',
  )
  const unreadable = metrics.gauge(
    'holdfast_scrub_unreadable_versions',
    'Versions whose records cannot be read, as the last scrub or the one that goes on found',
  )
  const versions = metrics.gauge(
    'holdfast_scrub_versions',
    'Versions that the scrub that goes on has looked at, or the last one',
  )
  const bytes = metrics.gauge(
    'holdfast_scrub_read_bytes',
    'Bytes that the scrub that goes on has read, or the last one; damaged ones count twice',
  )
  const stopped = metrics.gauge(
    'holdfast_scrub_stopped_runs',
    'Runs of the scrub, one after the other, that stopped because the disk did not give out bodies',
  )
  const ended = metrics.gauge('holdfast_scrub_last_end_seconds', 'When the last scrub ended; 0: never')
  return (report) => {
    quarantined.set({}, report.quarantinedCount)
    unreadable.set({}, report.unreadableCount)
    versions.set({}, report.versionCount)
    bytes.set({}, report.readBytes)
    stopped.set({}, report.stoppedCount)
    ended.set({}, (report.lastEndedMs ?? 0) / 1000)
  }
}

function totalGauges(metrics: MetricSet): (totals: Totals) => void {
  const buckets = metrics.gauge('holdfast_buckets', 'Buckets')
  const versions = metrics.gauge('holdfast_versions', 'Object versions and delete markers')
  const bytes = metrics.gauge('holdfast_versions_bytes', 'Bytes of all object versions')
  const locked = metrics.gauge('holdfast_locked_versions', 'Versions under retention or legal hold')
  const held = metrics.gauge('holdfast_legal_holds', 'Versions under legal hold')
  const scrubBytes = metrics.gauge(
    'holdfast_scrub_total_bytes',
    'Bytes that a scrub of the volume as it is now has to read: those of all object versions, of system buckets too',
  )
  return (totals) => {
    buckets.set({}, totals.buckets)
    versions.set({}, totals.versions)
    bytes.set({}, totals.bytes)
    locked.set({}, totals.locked)
    held.set({}, totals.held)
    scrubBytes.set({}, totals.scrubBytes)
  }
}

async function countTotals(store: Pick<MeasuredVolume, 'buckets'>): Promise<Totals> {
  const totals: Totals = { buckets: 0, versions: 0, bytes: 0, locked: 0, held: 0, scrubBytes: 0 }
  let after: string | null = null
  for (;;) {
    const page = await store.buckets.list({ accountId: null, after, limit: bucketsPerPage })
    for (const { name } of page) {
      const facts = await store.buckets.facts(name)
      // Rows are read without giving up the turn, and this process takes every new connection.
      await nextTurn()
      // Deleted meanwhile.
      if (facts === null) continue
      totals.scrubBytes += facts.stat.sizeBytes
      if (isSystemBucket(name)) continue
      totals.buckets += 1
      totals.versions += facts.stat.versionCount + facts.stat.deleteMarkerCount
      totals.bytes += facts.stat.sizeBytes
      totals.locked += facts.lockedVersionCount
      totals.held += facts.stat.legalHoldCount
    }
    const last = page.at(-1)
    if (last === undefined || page.length < bucketsPerPage) return totals
    after = last.name
  }
}
