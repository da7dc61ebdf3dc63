import { expect, test } from 'vitest'
import { MetricSet, renderMetrics } from '../../../src/lib/metrics.ts'
import { canaryBucket } from '../../../src/lib/system-buckets.ts'
import { epochMs } from '../../../src/lib/units.ts'
import { volumeMetrics } from '../../../src/server/volume-metrics.ts'
import { BodyUnavailableError } from '../../../src/store/bodies/contract.ts'
import { StoreFailedError } from '../../../src/store/kv/contract.ts'
import type { BucketStat } from '../../../src/store/records.ts'
import type { ScrubReport } from '../../../src/store/store.ts'

const nowMs = epochMs(1_900_000_000_000)
const none: ScrubReport = {
  lastEndedMs: null,
  versionCount: 0,
  readBytes: 0,
  unreadableCount: 0,
  stoppedCount: 0,
  quarantinedCount: 0,
  quarantined: [],
}

/** The canary is no user's data, and has bytes to scrub. */
function statOf(name: string): BucketStat {
  const sizeBytes = name === canaryBucket ? 100 : 1000
  return { versionCount: 1, deleteMarkerCount: 0, sizeBytes, legalHoldCount: 0, uploadCount: 0 }
}

/** What is told of the scrub, and of the volume's age. `failure`: of the clock and of the free space. */
async function told(
  report: ScrubReport,
  failure: Error | null = null,
): Promise<Readonly<Record<string, number>>> {
  const unlessFailed = <Value>(value: Value) =>
    failure === null ? Promise.resolve(value) : Promise.reject(failure)
  const metrics = new MetricSet()
  const clock = { trustedMs: nowMs, wallMs: nowMs, markMs: nowMs, requestMs: nowMs, bootId: 'b' }
  const renew = volumeMetrics(
    metrics,
    {
      volume: { volumeId: 'v', format: 1, createdMs: epochMs(1_800_000_000_000) },
      space: () => unlessFailed({ availableBytes: 1, totalBytes: 2, availableFiles: 3 }),
      clock: { report: () => unlessFailed({ ...clock, budgetMs: 0, behindMs: 0, suspect: false }) },
      scrub: { report: async () => report },
      buckets: {
        list: async () => ['ledger', canaryBucket, 'deleted'].map((name) => ({ name })),
        facts: async (name) => (name === 'deleted' ? null : { stat: statOf(name), lockedVersionCount: 1 }),
      },
    },
    { wallMs: () => nowMs, uptimeMs: () => 1, bootId: () => 'b' },
  )
  await renew()
  const lines = renderMetrics(metrics.snapshot()).matchAll(
    /^holdfast_((?:scrub|quarantined|versions_bytes|volume_created|volume_free_files)\S*) (\S+)$/gm,
  )
  return Object.fromEntries([...lines].map(([, name, value]) => [name, Number(value)]))
}

test('totals of buckets: whoever waits gets a turn between two of them', async () => {
  const order: string[] = []
  const metrics = new MetricSet()
  const clock = { trustedMs: nowMs, wallMs: nowMs, markMs: nowMs, requestMs: nowMs, bootId: 'b' }
  const renew = volumeMetrics(
    metrics,
    {
      volume: { volumeId: 'v', format: 1, createdMs: nowMs },
      space: async () => ({ availableBytes: 1, totalBytes: 2, availableFiles: 3 }),
      clock: { report: async () => ({ ...clock, budgetMs: 0, behindMs: 0, suspect: false }) },
      scrub: { report: async () => none },
      buckets: {
        list: async () => ['a', 'b'].map((name) => ({ name })),
        facts: async (name) => {
          order.push(name)
          setImmediate(() => order.push(`a turn after ${name}`))
          return { stat: statOf(name), lockedVersionCount: 1 }
        },
      },
    },
    { wallMs: () => nowMs, uptimeMs: () => 1, bootId: () => 'b' },
  )
  await renew()
  expect(order).toEqual(['a', 'a turn after a', 'b', 'a turn after b'])
})

test('metrics of the scrub: before the first one, nothing but the age of the volume', async () => {
  expect(await told(none)).toEqual({
    volume_free_files: 3,
    volume_created_seconds: 1_800_000_000,
    quarantined_lists: 0,
    scrub_unreadable_versions: 0,
    scrub_versions: 0,
    scrub_read_bytes: 0,
    scrub_total_bytes: 1100,
    versions_bytes: 1000,
    scrub_stopped_runs: 0,
    scrub_last_end_seconds: 0,
  })
})

test('metrics of the scrub: what it found and how far it is', async () => {
  const lastEndedMs = epochMs(1_899_000_000_000)
  const report = {
    ...none,
    lastEndedMs,
    versionCount: 5,
    readBytes: 700,
    unreadableCount: 2,
    stoppedCount: 4,
    quarantinedCount: 3,
  }
  expect(await told(report)).toEqual({
    volume_free_files: 3,
    volume_created_seconds: 1_800_000_000,
    quarantined_lists: 3,
    scrub_unreadable_versions: 2,
    scrub_versions: 5,
    scrub_read_bytes: 700,
    scrub_total_bytes: 1100,
    versions_bytes: 1000,
    scrub_stopped_runs: 4,
    scrub_last_end_seconds: 1_899_000_000,
  })
})

test.each([
  ['a store that failed', new StoreFailedError('a commit failed')],
  ['a disk that does not say how much room it has', new BodyUnavailableError('statfs')],
])('%s: what does not need it is told all the same', async (_, failure) => {
  const known = await told({ ...none, stoppedCount: 4 }, failure)
  expect([known['scrub_stopped_runs'], known['volume_free_files'], known['versions_bytes']]).toEqual([
    4,
    undefined,
    1000,
  ])
})

test('a bug: is no part of a measurement', async () => {
  await expect(told(none, new TypeError('a bug'))).rejects.toThrow('a bug')
})
