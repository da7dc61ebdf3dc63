/** One bucket's lifecycle run: over its versions, then over its uploads, in bounded transactions; resumable. */
import { limits } from '../lib/limits.ts'
import type { EpochMs } from '../lib/units.ts'
import { type LifecycleRule, uploadToAbort } from '../lock/lifecycle.ts'
import { decodeUpload } from './codec.ts'
import { uploadCreatedMs } from './creation.ts'
import type { VersionContext } from './decision.ts'
import { deletePlanned } from './delete-version.ts'
import { CorruptRecordError } from './fields.ts'
import { keyAfter, parseUploadKey, rangeOf, uploadsPrefix, versionPrefix, versionsPrefix } from './keys.ts'
import type { Entry } from './kv/contract.ts'
import { plannedAbort, plannedDelete } from './lifecycle-plan.ts'
import {
  type LifecycleCounts,
  type LifecycleProgress,
  type LifecycleState,
  noCounts,
  readLifecycleState,
  writeLifecycleState,
} from './lifecycle-state.ts'
import { type LifecycleFinding, VersionWalk } from './lifecycle-walk.ts'
import type { BucketRecord } from './records.ts'
import type { Actor } from './requests.ts'
import { readTrustedNow } from './trusted-clock.ts'
import { abortPlanned } from './uploads.ts'
import { readBucket } from './version-rows.ts'

export type LifecycleRunInput = {
  readonly actor: Actor
  readonly bucket: BucketRecord
  readonly rules: readonly LifecycleRule[]
  readonly signal: AbortSignal
}

/** `stopped`: by the signal, a change of the bucket or a suspect clock; the next run goes on. */
export async function runBucketLifecycle(
  context: VersionContext,
  input: LifecycleRunInput,
): Promise<{ readonly kind: 'ended' | 'stopped'; readonly counts: LifecycleCounts }> {
  const { kv, clock, log } = context
  const state = await readLifecycleState(kv, input.bucket.id, log)
  const { trustedMs } = await readTrustedNow(kv, clock)
  const run = new BucketRun(context, input, { state, nowMs: trustedMs })
  const isDone = (await run.overVersions()) === 'done' && (await run.overUploads()) === 'done'
  await run.record(isDone ? 'ended' : 'stopped')
  return { kind: isDone ? 'ended' : 'stopped', counts: run.counts }
}

type Begun = { readonly state: LifecycleState; readonly nowMs: EpochMs }
type Step = 'done' | 'stopped'

class BucketRun {
  readonly #context: VersionContext
  readonly #input: LifecycleRunInput
  readonly #begun: Begun
  readonly #startedMs: EpochMs
  #afterKey: string | null
  counts: LifecycleCounts

  constructor(context: VersionContext, input: LifecycleRunInput, begun: Begun) {
    const { running } = begun.state
    const resumed: LifecycleProgress | null = running?.revision === input.bucket.revision ? running : null
    this.#context = context
    this.#input = input
    this.#begun = begun
    this.#startedMs = resumed?.startedMs ?? begun.nowMs
    this.#afterKey = resumed?.afterKey ?? null
    this.counts = resumed?.counts ?? noCounts
  }

  async overVersions(): Promise<Step> {
    const { bucket, rules } = this.#input
    const { id, versioning } = bucket
    const walk = new VersionWalk({
      rules,
      versioning,
      nowMs: this.#begun.nowMs,
      onUnreadable: (key, error) => this.#noteUnreadable(key, error),
    })
    const all = rangeOf(versionsPrefix(id, ''))
    const from = this.#afterKey === null ? all.from : rangeOf(versionPrefix(id, this.#afterKey)).to
    let pageCount = 0
    for await (const rows of this.#pages({ from, to: all.to })) {
      if (!(await this.#goesOn())) return 'stopped'
      for (const row of rows) walk.take(row)
      pageCount += 1
      const isActed = await this.#act(walk)
      if (isActed || pageCount % limits.lifecyclePagesPerRecordMax === 0) await this.record('stopped')
    }
    walk.end()
    await this.#act(walk)
    return this.#input.signal.aborted ? 'stopped' : 'done'
  }

  /** From the first one each time: those that were aborted are gone. */
  async overUploads(): Promise<Step> {
    const { bucket, rules } = this.#input
    if (rules.every(({ abortIncompleteMultipartUpload }) => abortIncompleteMultipartUpload === null))
      return 'done'
    for await (const rows of this.#pages(rangeOf(uploadsPrefix(bucket.id, '')))) {
      if (!(await this.#goesOn())) return 'stopped'
      for (const row of rows) await this.#judgeUpload(row)
      await pause(this.#input.signal)
    }
    return this.#input.signal.aborted ? 'stopped' : 'done'
  }

  async record(outcome: 'ended' | 'stopped'): Promise<void> {
    const { kv, clock } = this.#context
    const { bucket } = this.#input
    const counts = this.counts
    const startedMs = this.#startedMs
    if (outcome === 'ended') {
      const endedMs = (await readTrustedNow(kv, clock)).trustedMs
      return writeLifecycleState(kv, bucket, { lastRun: { startedMs, endedMs, ...counts }, running: null })
    }
    const running = { startedMs, revision: bucket.revision, afterKey: this.#afterKey, counts }
    return writeLifecycleState(kv, bucket, { lastRun: this.#begun.state.lastRun, running })
  }

  async *#pages(range: {
    readonly from: Uint8Array
    readonly to: Uint8Array
  }): AsyncIterable<readonly Entry[]> {
    let { from } = range
    for (;;) {
      const page = await this.#context.kv.range({ from, to: range.to, limit: limits.lifecyclePageMax })
      const last = page.at(-1)
      if (last === undefined) return
      yield page
      if (page.length < limits.lifecyclePageMax) return
      from = keyAfter(last.key)
    }
  }

  /** Whether the run may look at another page. Each removal asks again, in its own transaction. */
  async #goesOn(): Promise<boolean> {
    const { kv, clock } = this.#context
    const { bucket, signal } = this.#input
    if (signal.aborted) return false
    const [found, now] = await Promise.all([readBucket(kv, bucket.name), readTrustedNow(kv, clock)])
    return found?.id === bucket.id && found.revision === bucket.revision && !now.suspect
  }

  /** Does what the walk found; true if that was anything. */
  async #act(walk: VersionWalk): Promise<boolean> {
    const { findings, lockedCount, unreadableCount, afterKey } = walk.page()
    this.#add({ lockedCount, unreadableCount })
    const batchMax = limits.lifecycleDeletesPerTransactionMax
    for (let start = 0; start < findings.length; start += batchMax) {
      if (this.#input.signal.aborted) return true
      await this.#remove(findings.slice(start, start + batchMax))
      await pause(this.#input.signal)
    }
    this.#afterKey = afterKey ?? this.#afterKey
    return findings.length > 0
  }

  async #remove(findings: readonly LifecycleFinding[]): Promise<void> {
    const { actor, bucket } = this.#input
    const deletes = findings.map((finding) => plannedDelete(bucket, finding))
    const results = await deletePlanned(this.#context, actor, deletes)
    for (const [index, result] of results.entries()) {
      // What a lock came before meanwhile is kept like what was locked all along.
      if (result === 'denied') this.#add({ lockedCount: 1 })
      if (result !== 'done') continue
      const isExpired = findings[index]?.verdict.kind === 'expireCurrent'
      this.#add(isExpired ? { expiredCount: 1 } : { removedCount: 1 })
    }
  }

  async #judgeUpload({ key: row, value }: Entry): Promise<void> {
    const { actor, bucket, rules, signal } = this.#input
    const { key, uploadId } = parseUploadKey(row)
    try {
      const createdMs = uploadCreatedMs(decodeUpload(row, value))
      const { nowMs } = this.#begun
      const ruleId = uploadToAbort({ rules, key, nowMs }, createdMs)
      if (signal.aborted || ruleId === null) return
      const plan = plannedAbort(bucket, rules, { key, uploadId, ruleId })
      const result = await abortPlanned(this.#context, actor, plan)
      if (result === 'done') this.#add({ abortedUploadCount: 1 })
    } catch (error) {
      if (!(error instanceof CorruptRecordError)) throw error
      this.#noteUnreadable(key, error)
      this.#add({ unreadableCount: 1 })
    }
  }

  #noteUnreadable(key: string, error: CorruptRecordError): void {
    const bucket = this.#input.bucket.name
    this.#context.log.error(
      { bucket, key, cause: error.message },
      'the lifecycle leaves a record that cannot be read',
    )
  }

  #add(added: Partial<LifecycleCounts>): void {
    const sum = (name: keyof LifecycleCounts) => this.counts[name] + (added[name] ?? 0)
    this.counts = {
      expiredCount: sum('expiredCount'),
      removedCount: sum('removedCount'),
      abortedUploadCount: sum('abortedUploadCount'),
      lockedCount: sum('lockedCount'),
      unreadableCount: sum('unreadableCount'),
    }
  }
}

/** Ends at once with the signal. */
function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, limits.lifecyclePauseMs)
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
  })
}
