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
import { CorruptRecordError, count, instant, matching, nullable, orAbsent, shape } from './fields.ts'
import { keyAfter, metaKey, rangeOf, tablePrefix } from './keys.ts'
import type { Entry, KeyValue, KeyValueReader } from './kv/contract.ts'
import {
  areOwnersKnown,
  endQuarantine,
  isQuarantined,
  quarantine,
  readQuarantine,
  readQuarantineOf,
} from './quarantine.ts'
import { lookAgain } from './quarantine-again.ts'
import { findOwners } from './quarantine-owners.ts'
import { ReadPace } from './read-pace.ts'
import type { BucketRecord, ObjectData, VersionRecord } from './records.ts'
import type { BucketIntegrity } from './requests.ts'
import { rowCodec } from './row-codec.ts'
import type { Scrub } from './store.ts'
import { readTrustedNow } from './trusted-clock.ts'
import { contentProblem, problemOf } from './verify-content.ts'

type ScrubOptions = {
  readonly kv: KeyValue
  readonly bodies: Pick<Bodies, 'open'>
  readonly clock: Clock
  readonly log: Log
  /** What a restart reads again at most, and one object more. */
  readonly unsavedBytesMax: number
}

type ScrubRecord = {
  /** Wall time; null: no pass has ended yet. */
  readonly lastEndedMs: EpochMs | null
  /** When that pass began. null beside an end: an earlier release wrote this row. */
  readonly lastBeganMs: EpochMs | null
  /** The same by trusted time, which says what was there. null beside it: that pass began in an earlier release. */
  readonly lastBeganTrustedMs: EpochMs | null
  readonly lastUnreadableCount: number
  /** Of the pass that goes on; null: none does. */
  readonly beganMs: EpochMs | null
  readonly beganTrustedMs: EpochMs | null
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
    lastBeganMs: orAbsent(nullable(instant), null),
    lastBeganTrustedMs: orAbsent(nullable(instant), null),
    lastUnreadableCount: orAbsent(count, 0),
    beganMs: orAbsent(nullable(instant), null),
    beganTrustedMs: orAbsent(nullable(instant), null),
    cursor: nullable(matching(/^[0-9a-f]+$/)),
    versionCount: count,
    readBytes: count,
    unreadableCount: count,
  }),
)
const nothing = { cursor: null, versionCount: 0, readBytes: 0, unreadableCount: 0 }
const never: ScrubRecord = {
  lastEndedMs: null,
  lastBeganMs: null,
  lastBeganTrustedMs: null,
  lastUnreadableCount: 0,
  beganMs: null,
  beganTrustedMs: null,
  ...nothing,
}

export function createScrub(options: ScrubOptions): Scrub {
  const { kv, clock } = options
  let running: Pass | null = null
  const run: Scrub['run'] = async (signal, bytesPerSecond) => {
    await findOwners(kv, signal)
    const record = await readScrub(kv)
    if (!isDue(record, clock.wallMs())) return false
    const { wallMs, trustedMs } = await readTrustedNow(kv, clock)
    const fresh = { ...record, ...nothing, beganMs: wallMs, beganTrustedMs: trustedMs }
    running = new Pass(options, record.cursor === null ? fresh : record, { signal, bytesPerSecond })
    return running.run()
  }
  return {
    async run(signal, bytesPerSecond) {
      try {
        return await run(signal, bytesPerSecond)
      } catch (error) {
        if (signal.aborted) return false
        throw error
      } finally {
        running = null
      }
    },
    async lookAgain(signal, bytesPerSecond) {
      try {
        await lookAgain(options, new ReadPace(signal, bytesPerSecond), signal)
      } catch (error) {
        if (!signal.aborted) throw error
      }
    },
    async report() {
      // The row is as old as the last page.
      const record = running?.record ?? (await readScrub(kv))
      const { listCount, versions } = await readQuarantine(kv, limits.quarantineListMax)
      return {
        lastEndedMs: record.lastEndedMs,
        versionCount: record.versionCount,
        readBytes: record.readBytes,
        unreadableCount: unreadableOf(record),
        quarantinedCount: listCount,
        quarantined: versions,
      }
    },
  }
}

/** What is known of one bucket's bytes. */
export async function readIntegrity(
  reader: KeyValueReader,
  bucket: Pick<BucketRecord, 'id' | 'createdMs' | 'createdTrustedMs'>,
): Promise<BucketIntegrity> {
  const record = await readScrub(reader)
  const { versionCount, versions } = await readQuarantineOf(reader, bucket.id, limits.quarantineListMax)
  return {
    lastScrubMs: wasThere(bucket, record) ? record.lastEndedMs : null,
    unreadableCount: unreadableOf(record),
    owners: (await areOwnersKnown(reader)) ? 'known' : 'searching',
    quarantinedCount: versionCount,
    quarantined: versions,
  }
}

/** Whether the last pass began after the bucket was made. By trusted time: nothing that a wall clock does makes bytes read. */
function wasThere(
  { createdMs, createdTrustedMs }: Pick<BucketRecord, 'createdMs' | 'createdTrustedMs'>,
  { lastBeganMs, lastBeganTrustedMs }: ScrubRecord,
): boolean {
  if (lastBeganTrustedMs !== null) return createdTrustedMs === null || createdTrustedMs < lastBeganTrustedMs
  return createdTrustedMs === null && lastBeganMs !== null && createdMs <= lastBeganMs
}

function isDue({ cursor, lastEndedMs, lastBeganMs }: ScrubRecord, nowMs: EpochMs): boolean {
  if (cursor !== null || lastEndedMs === null || lastBeganMs === null) return true
  return Math.abs(nowMs - lastEndedMs) >= limits.scrubIntervalMs
}

/** What the last pass met is there until the next one ends without meeting it. */
function unreadableOf({ lastUnreadableCount, unreadableCount }: ScrubRecord): number {
  return Math.max(lastUnreadableCount, unreadableCount)
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
  return found[0] ?? never
}

type Pace = { readonly signal: AbortSignal; readonly bytesPerSecond: number }

class Pass {
  readonly #options: ScrubOptions
  readonly #signal: AbortSignal
  readonly #readPace: ReadPace
  #record: ScrubRecord
  #savedBytes: number
  #ownersSoughtMs: number

  constructor(options: ScrubOptions, record: ScrubRecord, pace: Pace) {
    this.#options = options
    this.#record = record
    this.#savedBytes = record.readBytes
    this.#ownersSoughtMs = options.clock.uptimeMs()
    this.#signal = pace.signal
    this.#readPace = new ReadPace(pace.signal, pace.bytesPerSecond)
  }

  /** As far as it has come; `readBytes` also of what is being read. */
  get record(): ScrubRecord {
    return this.#record
  }

  /** False: by the signal. Throws the signal's reason once it is aborted. */
  async run(): Promise<boolean> {
    const { kv, clock } = this.#options
    const { from, to } = rangeOf(tablePrefix('version'))
    const { cursor } = this.#record
    let next = cursor === null ? from : keyAfter(Buffer.from(cursor, 'hex'))
    for (;;) {
      const page = await kv.range({ from: next, to, limit: limits.scrubPageMax })
      for (const entry of page) {
        if (this.#signal.aborted) return false
        await this.#look(entry)
        const unsavedBytes = this.#record.readBytes - this.#savedBytes
        if (unsavedBytes >= this.#options.unsavedBytesMax) await this.#writeCursor(entry)
      }
      const last = page.at(-1)
      if (last === undefined || page.length < limits.scrubPageMax) break
      next = keyAfter(last.key)
      await this.#writeCursor(last)
      await this.#findOwners(limits.scrubOwnersIntervalMs)
      await pause(limits.scrubPauseMs, undefined, { signal: this.#signal })
    }
    await this.#findOwners(0)
    const { beganMs, beganTrustedMs, unreadableCount } = this.#record
    await this.#write({
      ...this.#record,
      lastEndedMs: clock.wallMs(),
      lastBeganMs: beganMs,
      lastBeganTrustedMs: beganTrustedMs,
      lastUnreadableCount: unreadableCount,
      beganMs: null,
      beganTrustedMs: null,
      cursor: null,
    })
    return true
  }

  #writeCursor({ key }: Entry): Promise<void> {
    return this.#write({ ...this.#record, cursor: Buffer.from(key).toString('hex') })
  }

  /** A walk over all records: not after every page that found something. */
  async #findOwners(intervalMs: number): Promise<void> {
    const { kv, clock } = this.#options
    if (clock.uptimeMs() - this.#ownersSoughtMs < intervalMs) return
    await findOwners(kv, this.#signal)
    this.#ownersSoughtMs = clock.uptimeMs()
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
      await endQuarantine(kv, listId)
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
    await this.#readPace.wait(byteCount)
  }

  async #write(record: ScrubRecord): Promise<void> {
    this.#record = record
    this.#savedBytes = record.readBytes
    await this.#options.kv.transact(async (transaction) => {
      transaction.put(scrubKey, codec.encode(scrubKey, record))
    })
  }
}
