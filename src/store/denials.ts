/**
 * Records refusals, each before it is answered, without letting a flood of them fill the disk: per access
 * key, bucket and rule the first limits.auditDenialsSingleMax of a second are records of their own; the rest are counted,
 * in one record every limits.auditDenialCountedMs, or sooner while that is a burst. A counted refusal is answered after the
 * commit that counts it.
 */
import { assert } from '../lib/assert.ts'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import { appendAudit } from './audit-chain.ts'
import type { AuditFields } from './audit-record.ts'
import { DenialSlots } from './bucket-denials.ts'
import type { KeyValue } from './kv/contract.ts'

export interface DenialRecorder {
  /** Resolves when the refusal is in the audit log, or counted there, and durable. Errors: those of `transact`. */
  record(fields: AuditFields): Promise<void>
  /** Writes what is counted but not yet written, and leaves no timer behind. */
  close(): Promise<void>
}

/** Calls back once after `delayMs`; the returned function takes the call back. */
export type Schedule = (delayMs: number, callback: () => void) => () => void

export type DenialOptions = {
  readonly kv: KeyValue
  readonly clock: Clock
  /** Told of each refusal, counted ones too. */
  readonly onDenied?: (rule: string) => void
  /** Tests drive it; the release leaves it out and gets timers. */
  readonly schedule?: Schedule
  /** For tests; default limits.auditDenialSourcesMax. */
  readonly sourcesMax?: number
}

/** A second of one source of refusals. */
type Source = {
  readonly startMs: number
  /** True for the one that stands for all sources beyond limits.auditDenialSourcesMax. */
  readonly isShared: boolean
  singleCount: number
  batch: Batch | null
}

/** Refusals that wait for one counted record. */
type Batch = {
  readonly source: Source
  readonly first: AuditFields
  last: AuditFields
  /** `*`: of several. */
  bucket: AuditFields['bucket']
  count: number
  readonly written: Promise<void>
  readonly settle: (outcome: Promise<void>) => void
  readonly cancel: () => void
}

export function createDenialRecorder(options: DenialOptions): DenialRecorder {
  return new FloodLimitedRecorder(options)
}

class FloodLimitedRecorder implements DenialRecorder {
  readonly #kv: KeyValue
  readonly #clock: Clock
  readonly #schedule: Schedule
  readonly #sourcesMax: number
  readonly #sources = new Map<string, Source>()
  readonly #batches = new Set<Batch>()
  readonly #slots = new DenialSlots()
  readonly #onDenied: (rule: string) => void
  readonly #burst: Burst
  #isClosed = false

  constructor({ kv, clock, schedule, sourcesMax, onDenied }: DenialOptions) {
    this.#onDenied = onDenied ?? (() => {})
    this.#kv = kv
    this.#clock = clock
    this.#schedule = schedule ?? scheduleTimer
    this.#sourcesMax = sourcesMax ?? limits.auditDenialSourcesMax
    this.#burst = new Burst(clock.uptimeMs())
  }

  async record(fields: AuditFields): Promise<void> {
    assert(fields.verdict === 'deny', 'only refusals come to the recorder of refusals')
    this.#onDenied(fields.rule)
    const source = this.#sourceOf(fields)
    // After close there is no timer to wait for: what still comes is written singly.
    if (source.singleCount < limits.auditDenialsSingleMax || this.#isClosed) {
      source.singleCount += 1
      await this.#write(fields)
      return
    }
    await this.#count(source, fields)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const batches = [...this.#batches]
    for (const batch of batches) this.#flush(batch)
    await Promise.allSettled(batches.map((batch) => batch.written))
  }

  #sourceOf(fields: AuditFields): Source {
    const nowMs = this.#clock.uptimeMs()
    // A bucket that is not there is a name that the client made up: as many of those as it likes are one source.
    const bucket = fields.actor.bucketId === undefined ? null : fields.bucket
    const name = JSON.stringify([fields.actor.accessKeyId, bucket, fields.rule])
    const known = this.#sources.get(name)
    if (known !== undefined && isCurrent(known, nowMs)) return known
    this.#sources.delete(name)
    if (this.#sources.size >= this.#sourcesMax) this.#dropEnded(nowMs)
    if (this.#sources.size >= this.#sourcesMax) return this.#overflow(nowMs)
    const source: Source = { startMs: nowMs, isShared: false, singleCount: 0, batch: null }
    this.#sources.set(name, source)
    return source
  }

  /** Insertion is in order of time, so the ended seconds come first. */
  #dropEnded(nowMs: number): void {
    for (const [name, source] of this.#sources) {
      if (isCurrent(source, nowMs)) return
      this.#sources.delete(name)
    }
  }

  /** Too many sources to tell apart: they share one count, whose record names none of them. */
  #overflow(nowMs: number): Source {
    const known = this.#sources.get(overflowName)
    if (known !== undefined && isCurrent(known, nowMs)) return known
    const singleCount = limits.auditDenialsSingleMax
    const source: Source = { startMs: nowMs, isShared: true, singleCount, batch: null }
    this.#sources.set(overflowName, source)
    return source
  }

  async #count(source: Source, fields: AuditFields): Promise<void> {
    const batch = source.batch ?? this.#openBatch(source, fields)
    batch.count += 1
    batch.last = fields
    if (batch.bucket !== fields.bucket) batch.bucket = '*'
    await batch.written
  }

  #openBatch(source: Source, first: AuditFields): Batch {
    let settle: Batch['settle'] = () => {}
    const written = new Promise<void>((resolve) => {
      settle = resolve
    })
    const cancel = this.#schedule(this.#burst.delayMs(this.#clock.uptimeMs()), () => this.#flush(batch))
    const { bucket } = first
    const batch: Batch = { source, first, last: first, bucket, count: 0, written, settle, cancel }
    source.batch = batch
    this.#batches.add(batch)
    return batch
  }

  /** From here on nothing joins the batch: what comes later is counted by the next one. */
  #flush(batch: Batch): void {
    if (!this.#batches.delete(batch)) return
    batch.cancel()
    if (batch.source.batch === batch) batch.source.batch = null
    batch.settle(this.#write(countedFields(batch)))
  }

  async #write(fields: AuditFields): Promise<void> {
    await this.#kv.transact(async (transaction) => {
      appendAudit(transaction, fields)
      await this.#slots.note(transaction, fields)
    })
  }
}

/** Whoever is refused a thousand times once is answered at once; whoever goes on all day fills no disk. */
class Burst {
  #left: number = limits.auditDenialBurstMax
  #countedMs: number

  constructor(nowMs: number) {
    this.#countedMs = nowMs
  }

  /** How long the next counted record waits for more refusals. */
  delayMs(nowMs: number): number {
    const regained = Math.floor((nowMs - this.#countedMs) / limits.auditDenialCountedMs)
    if (regained > 0) {
      this.#left = Math.min(limits.auditDenialBurstMax, this.#left + regained)
      this.#countedMs += regained * limits.auditDenialCountedMs
    }
    if (this.#left === 0) return limits.auditDenialCountedMs
    this.#left -= 1
    return limits.auditDenialBurstMs
  }
}

/** Cannot be the JSON of a source. */
const overflowName = ''

function isCurrent(source: Source, nowMs: number): boolean {
  return nowMs >= source.startMs && nowMs - source.startMs < limits.auditDenialWindowMs
}

/** One record for all of a batch: what differs between them is left out, the request ids span it. */
function countedFields({ source, first, last, bucket, count }: Batch): AuditFields {
  const { isShared } = source
  const actor = isShared
    ? { accessKeyId: '*', accountId: '*', requestId: first.actor.requestId, operation: '*' }
    : first.actor
  return {
    ...last,
    actor,
    bucket: isShared ? '*' : bucket,
    key: null,
    versionId: null,
    change: null,
    sha256: null,
    sizeBytes: null,
    lockBefore: null,
    lockAfter: null,
    rule: isShared ? '*' : first.rule,
    detail: { count, firstWallMs: first.wallMs, lastRequestId: last.actor.requestId },
  }
}

function scheduleTimer(delayMs: number, callback: () => void): () => void {
  const timer = setTimeout(callback, delayMs)
  return () => clearTimeout(timer)
}
