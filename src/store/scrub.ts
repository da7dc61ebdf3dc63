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
import { CorruptRecordError } from './fields.ts'
import { keyAfter, rangeOf, tablePrefix } from './keys.ts'
import type { Entry, KeyValue } from './kv/contract.ts'
import { endQuarantine, isQuarantined, quarantine, readQuarantine } from './quarantine.ts'
import { lookAgain } from './quarantine-again.ts'
import { findOwners } from './quarantine-owners.ts'
import { ReadPace } from './read-pace.ts'
import type { ObjectData, VersionRecord } from './records.ts'
import { nothing, readScrub, type ScrubRecord, unreadableOf, writeScrub } from './scrub-record.ts'
import type { Scrub } from './store.ts'
import { readWallNow } from './trusted-clock.ts'
import { type Content, judgeContent } from './verify-content.ts'

type ScrubOptions = {
  readonly kv: KeyValue
  readonly bodies: Pick<Bodies, 'open'>
  readonly clock: Clock
  readonly log: Log
  /** What a restart reads again at most, and one object more. */
  readonly unsavedBytesMax: number
  /** For tests; default limits.quarantineListMax. */
  readonly unreadMost?: number
}

export function createScrub(options: ScrubOptions): Scrub {
  const { kv, clock } = options
  let running: Pass | null = null
  const run: Scrub['run'] = async (signal, bytesPerSecond) => {
    await findOwners(kv, signal)
    const record = await readScrub(kv)
    if (!isDue(record, clock.wallMs())) return false
    const { wallMs, trustedMs } = await readWallNow(kv, clock)
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
        stoppedCount: record.stoppedCount,
        quarantinedCount: listCount,
        quarantined: versions,
      }
    },
  }
}

function isDue({ cursor, lastEndedMs, lastBeganMs }: ScrubRecord, nowMs: EpochMs): boolean {
  if (cursor !== null || lastEndedMs === null || lastBeganMs === null) return true
  return Math.abs(nowMs - lastEndedMs) >= limits.scrubIntervalMs
}

type Pace = { readonly signal: AbortSignal; readonly bytesPerSecond: number }

class Pass {
  readonly #options: ScrubOptions
  readonly #signal: AbortSignal
  readonly #readPace: ReadPace
  #record: ScrubRecord
  #savedBytes: number
  #ownersSoughtMs: number
  /** More each time it was stopped there. From the most on what cannot be read is listed: the region is lost, and the pass gets past it. */
  readonly #unreadMax: number
  readonly #unreadMost: number
  /** Versions whose bytes the disk did not give out, with none between that it did; null: none. */
  #unread: { readonly from: Uint8Array; readonly listIds: Set<string> } | null = null
  /** As far as nothing is unread. */
  #settled: { readonly record: ScrubRecord; readonly cursor: string | null }

  constructor(options: ScrubOptions, record: ScrubRecord, pace: Pace) {
    this.#options = options
    this.#record = record
    this.#savedBytes = record.readBytes
    this.#settled = { record, cursor: record.cursor }
    this.#unreadMost = options.unreadMost ?? limits.quarantineListMax
    this.#unreadMax = Math.min(limits.scrubUnreadMax * 2 ** record.stoppedCount, this.#unreadMost)
    this.#ownersSoughtMs = options.clock.uptimeMs()
    this.#signal = pace.signal
    this.#readPace = new ReadPace(pace.signal, pace.bytesPerSecond)
  }

  /** As far as it has come; `readBytes` also of what is being read. */
  get record(): ScrubRecord {
    return this.#record
  }

  /** False: by the signal, or stopped. Throws the signal's reason once it is aborted. */
  async run(): Promise<boolean> {
    const { kv, clock } = this.#options
    const { from, to } = rangeOf(tablePrefix('version'))
    const { cursor } = this.#record
    let next = cursor === null ? from : keyAfter(Buffer.from(cursor, 'hex'))
    for (;;) {
      const page = await kv.range({ from: next, to, limit: limits.scrubPageMax })
      if (!(await this.#lookAll(page))) return false
      const last = page.at(-1)
      if (last === undefined || page.length < limits.scrubPageMax) break
      next = keyAfter(last.key)
      await this.#writeCursor(last)
      await this.#findOwners(limits.scrubOwnersIntervalMs)
      await pause(limits.scrubPauseMs, undefined, { signal: this.#signal })
    }
    // At most so many: those that could not be read twice.
    await this.#settle(to)
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
      stoppedCount: 0,
    })
    return true
  }

  /** False: by the signal, or stopped. */
  async #lookAll(page: readonly Entry[]): Promise<boolean> {
    for (const entry of page) {
      if (this.#signal.aborted) return false
      await this.#look(entry)
      if (this.#unread !== null && this.#unread.listIds.size >= this.#unreadMax) {
        if (this.#unreadMax < this.#unreadMost) return this.#stop()
        await this.#settle(keyAfter(entry.key))
      }
      const unsavedBytes = this.#record.readBytes - this.#savedBytes
      if (unsavedBytes >= this.#options.unsavedBytesMax) await this.#writeCursor(entry)
    }
    return true
  }

  /** The disk fails, or a region of it: the next run begins before what it did not give out, and nothing is said of that. */
  async #stop(): Promise<false> {
    const { record, cursor } = this.#settled
    const stoppedCount = record.stoppedCount + 1
    await this.#write({ ...record, cursor, stoppedCount })
    const { log } = this.#options
    log.error({ stoppedCount }, 'the disk does not give out bodies: the scrub stops, and goes on there later')
    return false
  }

  /** Behind what is not settled there is no cursor. */
  async #writeCursor({ key }: Entry): Promise<void> {
    if (this.#unread !== null) return
    await this.#write({ ...this.#record, cursor: Buffer.from(key).toString('hex') })
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
    const version = unlessCorrupt(() => decodeVersion(key, value))
    if (version instanceof CorruptRecordError)
      this.#unreadable(Buffer.from(key).toString('hex'), version.message)
    else {
      if (version.lock.kind === 'unknown') this.#unreadable(version.versionId, version.lock.cause)
      if (version.object !== null) await this.#lookAtBytes(key, version, version.object)
    }
    if (this.#unread === null)
      this.#settled = { record: this.#record, cursor: Buffer.from(key).toString('hex') }
  }

  async #lookAtBytes(key: Uint8Array, version: VersionRecord, object: ObjectData): Promise<void> {
    const content = await this.#judge(version, object)
    if (content.kind === 'unread') {
      const { listId } = object.content
      // What is listed already is no news of the disk.
      if (await isQuarantined(this.#options.kv, listId)) return this.#list(version, content)
      this.#unread ??= { from: key, listIds: new Set() }
      this.#unread.listIds.add(listId)
    } else if (content.kind === 'whole' && object.content.storage === 'files') {
      await this.#settle(key)
      if (this.#record.stoppedCount > 0) this.#record = { ...this.#record, stoppedCount: 0 }
    }
  }

  /** The disk reads, or there is nothing more to read: what it did not give out is read once more, and is listed if it is so again. */
  async #settle(to: Uint8Array): Promise<void> {
    const { kv } = this.#options
    if (this.#unread === null) return
    for (let { from } = this.#unread; ; ) {
      const page = await kv.range({ from, to, limit: limits.scrubPageMax })
      for (const entry of page) {
        this.#signal.throwIfAborted()
        await this.#lookTwice(entry)
      }
      const last = page.at(-1)
      if (last === undefined || page.length < limits.scrubPageMax) break
      from = keyAfter(last.key)
    }
    this.#unread = null
  }

  async #lookTwice({ key, value }: Entry): Promise<void> {
    const version = unlessCorrupt(() => decodeVersion(key, value))
    if (version instanceof CorruptRecordError || version.object?.content.storage !== 'files') return
    const content = await this.#judge(version, version.object)
    if (content.kind === 'unread') await this.#list(version, content)
  }

  async #list(version: VersionRecord, content: Exclude<Content, { kind: 'whole' }>): Promise<void> {
    const { kv, clock, log } = this.#options
    const isThere = await quarantine(kv, version, { foundMs: clock.wallMs(), ...content })
    if (!isThere) return
    const { kind, problem } = content
    log.error(
      { versionId: version.versionId, kind, problem },
      'the bytes of a version are damaged, or unread',
    )
  }

  /** What was found is written, but for bytes that the disk does not give out: they may be as they were. */
  async #judge(version: VersionRecord, object: ObjectData): Promise<Content> {
    const { kv, bodies, log } = this.#options
    const { listId } = object.content
    const onRead = (byteCount: number) => this.#pace(byteCount)
    const read = () => judgeContent({ reader: kv, bodies, onRead }, object)
    let content = await read()
    // A disk that gave out other bytes once takes no object off.
    if (content.kind === 'damaged') content = await read()
    if (content.kind === 'damaged') await this.#list(version, content)
    else if (content.kind === 'whole' && (await isQuarantined(kv, listId))) {
      await endQuarantine(kv, listId)
      log.info({ versionId: version.versionId }, 'the bytes of a version are whole again')
    }
    // Nothing was read, and the disk was busy.
    if (content.kind === 'unread') await this.#readPace.wait(limits.bodyReadBytes)
    return content
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
      writeScrub(transaction, record)
    })
  }
}

function unlessCorrupt(decode: () => VersionRecord): VersionRecord | CorruptRecordError {
  try {
    return decode()
  } catch (error) {
    if (error instanceof CorruptRecordError) return error
    throw error
  }
}
