/**
 * Reads every version of a volume again while it is served, at a bounded pace, and holds its bytes against what was
 * written. How far a pass has come is a row: a restart goes on there. What is damaged goes into quarantine; nothing is
 * removed or repaired.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import type { EpochMs } from '../lib/units.ts'
import type { Bodies } from './bodies/contract.ts'
import { decodeVersion } from './codec.ts'
import { CorruptRecordError, count, instant, matching, nullable, shape } from './fields.ts'
import { keyAfter, metaKey, rangeOf, tablePrefix } from './keys.ts'
import type { Entry, KeyValue, KeyValueReader } from './kv/contract.ts'
import { isQuarantined, leaveQuarantine, quarantine, readQuarantine } from './quarantine.ts'
import type { BucketId, ObjectData, VersionRecord } from './records.ts'
import type { BucketIntegrity } from './requests.ts'
import { rowCodec } from './row-codec.ts'
import type { Scrub } from './store.ts'
import { contentProblem, problemOf } from './verify-content.ts'

type ScrubOptions = {
  readonly kv: KeyValue
  readonly bodies: Pick<Bodies, 'open'>
  readonly clock: Clock
  readonly log: Log
}

type ScrubRecord = {
  /** Wall time; null: no pass has ended yet. */
  readonly lastEndedMs: EpochMs | null
  /** Hex of the row of the version that was read last in the pass that goes on; null: none does. */
  readonly cursor: string | null
  readonly versionCount: number
  readonly readBytes: number
  /** Versions whose row or lock cannot be read. */
  readonly unreadableCount: number
}

const scrubKey = metaKey('scrub')
const codec = rowCodec<ScrubRecord>(
  'scrub',
  shape({
    lastEndedMs: nullable(instant),
    cursor: nullable(matching(/^[0-9a-f]+$/)),
    versionCount: count,
    readBytes: count,
    unreadableCount: count,
  }),
)
const nothing = { cursor: null, versionCount: 0, readBytes: 0, unreadableCount: 0 }

export function createScrub(options: ScrubOptions): Scrub {
  const { kv, clock } = options
  return {
    async run(signal, bytesPerSecond) {
      const record = await readScrub(kv)
      const { cursor, lastEndedMs } = record
      const isResumed = cursor !== null
      const sinceMs = lastEndedMs === null ? limits.scrubIntervalMs : Math.abs(clock.wallMs() - lastEndedMs)
      if (!isResumed && sinceMs < limits.scrubIntervalMs) return false
      const start = isResumed ? record : { ...record, ...nothing }
      return runPass(new Pass(options, start, { signal, bytesPerSecond }), signal)
    },
    async report() {
      const { cursor: _cursor, ...counts } = await readScrub(kv)
      const { listCount, versions } = await readQuarantine(kv, limits.quarantineListMax)
      return { ...counts, quarantinedCount: listCount, quarantined: versions }
    },
  }
}

/** What the passes found of one bucket. */
export async function readIntegrity(reader: KeyValueReader, bucketId: BucketId): Promise<BucketIntegrity> {
  const { lastEndedMs, unreadableCount } = await readScrub(reader)
  const { versions } = await readQuarantine(reader, limits.quarantineListMax)
  const quarantined = versions.filter((version) => version.bucketId === bucketId)
  return { lastScrubMs: lastEndedMs, unreadableCount, quarantined }
}

/** Unreadable is as good as none: nothing is decided by it. */
async function readScrub(reader: KeyValueReader): Promise<ScrubRecord> {
  const value = await reader.get(scrubKey)
  const found: ScrubRecord[] = []
  if (value !== null) {
    await problemOf(async () => {
      found.push(codec.decode(scrubKey, value))
    })
  }
  return found[0] ?? { lastEndedMs: null, ...nothing }
}

async function runPass(pass: Pass, signal: AbortSignal): Promise<boolean> {
  try {
    return await pass.run()
  } catch (error) {
    if (signal.aborted) return false
    throw error
  }
}

type Pace = { readonly signal: AbortSignal; readonly bytesPerSecond: number }

class Pass {
  readonly #options: ScrubOptions
  readonly #signal: AbortSignal
  readonly #bytesPerSecond: number
  #record: ScrubRecord
  /** Bytes that are read, but not yet waited for. */
  #owedBytes = 0

  constructor(options: ScrubOptions, record: ScrubRecord, pace: Pace) {
    this.#options = options
    this.#record = record
    this.#signal = pace.signal
    this.#bytesPerSecond = pace.bytesPerSecond
  }

  async run(): Promise<boolean> {
    const { kv, clock } = this.#options
    const { from, to } = rangeOf(tablePrefix('version'))
    const { cursor } = this.#record
    let next = cursor === null ? from : keyAfter(Buffer.from(cursor, 'hex'))
    for (;;) {
      if (this.#signal.aborted) return false
      const page = await kv.range({ from: next, to, limit: limits.scrubPageMax })
      for (const entry of page) await this.#look(entry)
      const last = page.at(-1)
      if (last === undefined || page.length < limits.scrubPageMax) break
      next = keyAfter(last.key)
      await this.#write({ ...this.#record, cursor: Buffer.from(last.key).toString('hex') })
      await pause(limits.scrubPauseMs, undefined, { signal: this.#signal })
    }
    await this.#write({ ...this.#record, cursor: null, lastEndedMs: clock.wallMs() })
    return true
  }

  async #look({ key, value }: Entry): Promise<void> {
    this.#record = { ...this.#record, versionCount: this.#record.versionCount + 1 }
    let version: VersionRecord
    try {
      version = decodeVersion(key, value)
    } catch (error) {
      if (!(error instanceof CorruptRecordError)) throw error
      this.#unreadable(Buffer.from(key).toString('hex'), error.message)
      return
    }
    if (version.lock.kind === 'unknown') this.#unreadable(version.versionId, version.lock.cause)
    if (version.object !== null) await this.#judge(version, version.object)
  }

  async #judge(version: VersionRecord, object: ObjectData): Promise<void> {
    const { kv, bodies, clock, log } = this.#options
    const { versionId } = version
    const { listId } = object.content
    const onRead = (byteCount: number) => this.#pace(byteCount)
    const problem = await contentProblem({ reader: kv, bodies, onRead }, object)
    if (problem !== null) {
      const isThere = await quarantine(kv, version, { foundMs: clock.wallMs(), problem })
      if (isThere) log.error({ versionId, problem }, 'a version is damaged: its reads are refused')
    } else if (await isQuarantined(kv, listId)) {
      await kv.transact(async (transaction) => leaveQuarantine(transaction, listId))
      log.info({ versionId }, 'the bytes of a version are whole again')
    }
  }

  #unreadable(version: string, cause: string): void {
    this.#record = { ...this.#record, unreadableCount: this.#record.unreadableCount + 1 }
    this.#options.log.error({ version, cause }, 'a version cannot be read: everything about it is denied')
  }

  /** Throws the signal's reason once it is aborted. */
  async #pace(byteCount: number): Promise<void> {
    this.#record = { ...this.#record, readBytes: this.#record.readBytes + byteCount }
    this.#owedBytes += byteCount
    if (this.#owedBytes < this.#bytesPerSecond / 20) return
    const waitMs = (this.#owedBytes / this.#bytesPerSecond) * 1000
    this.#owedBytes = 0
    await pause(waitMs, undefined, { signal: this.#signal })
  }

  async #write(record: ScrubRecord): Promise<void> {
    this.#record = record
    await this.#options.kv.transact(async (transaction) => {
      transaction.put(scrubKey, codec.encode(scrubKey, record))
    })
  }
}
