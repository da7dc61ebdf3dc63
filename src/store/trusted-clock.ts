/**
 * The trusted clock of a volume: one record in the KV, advanced by the supervisor, read by everybody in the
 * transaction that judges expiry. There is no setter but `accept`.
 */
import { assert } from '../lib/assert.ts'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import { type EpochMs, epochMsMax, laterOf } from '../lib/units.ts'
import { appendAudit, readableHead, readLastAudit, readNewestProven, verifyChain } from './audit-chain.ts'
import type { AuditFields } from './audit-record.ts'
import {
  acceptClock,
  type ClockReading,
  type ClockRecord,
  clockReport,
  firstClockRecord,
  lostClockRecord,
  tickClock,
  trustedNow,
} from './clock-record.ts'
import { corrupt, count, type Decode, instant, shape, text } from './fields.ts'
import { metaKey } from './keys.ts'
import type { KeyValue, KeyValueReader, KeyValueTransaction } from './kv/contract.ts'
import { rowCodec } from './row-codec.ts'
import { remembering } from './row-memo.ts'
import type { Actor, ClockStore, TrustedNow } from './store.ts'
import { unlessDamaged } from './verify-content.ts'

export const clockKey = metaKey('clock')
const signed: Decode<number> = (value, where) =>
  Number.isSafeInteger(value) ? (value as number) : corrupt(where, 'a whole number, also below 0')
const clockCodec = rowCodec<ClockRecord>(
  'clock',
  shape({
    markMs: instant,
    markUptimeMs: count,
    bootId: text,
    budgetMs: count,
    budgetRefilledMs: instant,
    owedMs: count,
    slewMs: signed,
  }),
)

/** Every decision reads it, and a tick changes it. */
const decodeClock = remembering(1, clockCodec.decode)

/** Only for a volume without a mark, in the transaction that creates the volume. */
export function createClock(transaction: KeyValueTransaction, clock: Clock): void {
  writeClock(transaction, firstClockRecord(readingOf(clock)))
}

/**
 * For a restored volume whose mark cannot be read: when its newest decision was recorded, of those that the audit chain proves, and
 * never before the volume was made. Trusted time was there, and may have been later: locks end late, never early.
 */
export async function lastProvenTime(reader: KeyValueReader, createdMs: EpochMs): Promise<EpochMs> {
  const trustedMs = (await readNewestProven(reader))?.['trustedMs']
  return isInstant(trustedMs) ? laterOf(trustedMs, createdMs) : createdMs
}

/** Puts a mark at `markMs` in the place of one that cannot be read, and of no other. */
export async function replaceLostClock(
  transaction: KeyValueTransaction,
  clock: Clock,
  markMs: EpochMs,
): Promise<void> {
  const lost = await unlessDamaged(() => readClock(transaction))
  assert(lost.kind === 'damaged', 'a mark that can be read stays')
  writeClock(transaction, lostClockRecord(markMs, readingOf(clock)))
}

/**
 * Trusted time, judged by `reader`'s snapshot. Errors: CorruptRecordError when the record is missing or
 * unreadable: a clock that cannot be read must never look like a clock that says "expired".
 */
export async function readTrustedNow(reader: KeyValueReader, clock: Clock): Promise<TrustedNow> {
  return trustedNow(await readClock(reader), readingOf(clock))
}

/** For what no lock depends on, and must go on: trusted time is null where it cannot be read. */
export async function readWallNow(
  reader: KeyValueReader,
  clock: Clock,
): Promise<Pick<TrustedNow, 'wallMs'> & { readonly trustedMs: EpochMs | null }> {
  const now = await unlessDamaged(() => readTrustedNow(reader, clock))
  return now.kind === 'whole' ? now.value : { wallMs: clock.wallMs(), trustedMs: null }
}

export function createClockStore(kv: KeyValue, clock: Clock): ClockStore {
  return {
    now: () => readTrustedNow(kv, clock),
    async report() {
      return clockReport(await readClock(kv), readingOf(clock))
    },
    tick() {
      return kv.transact(async (transaction) => {
        const record = await readMark(transaction, clock)
        const reading = readingOf(clock)
        const next = tickClock(record, reading)
        writeClock(transaction, next)
        return clockReport(next, reading)
      })
    },
    accept: (actor, input) => accept({ kv, clock }, actor, input),
  }
}

async function accept(
  { kv, clock }: { kv: KeyValue; clock: Clock },
  actor: Actor,
  { until, reason }: Parameters<ClockStore['accept']>[1],
): ReturnType<ClockStore['accept']> {
  assert(reason.length <= limits.clockAcceptReasonLengthMax, 'a reason fits an audit record')
  return kv.transact(async (transaction) => {
    const record = await readClock(transaction)
    const reading = readingOf(clock)
    const before = trustedNow(record, reading)
    if (!before.suspect) return { kind: 'notSuspect' }
    if (until > before.wallMs) return { kind: 'beyondWall' }
    if (until < before.trustedMs) return { kind: 'behindTrusted' }
    const next = acceptClock(record, reading, until)
    writeClock(transaction, next)
    appendAudit(transaction, acceptAudit(actor, before, { untilMs: until, reason }))
    return { kind: 'accepted', report: clockReport(next, reading) }
  })
}

function acceptAudit(
  actor: Actor,
  before: TrustedNow,
  detail: { untilMs: number; reason: string },
): AuditFields {
  return {
    trustedMs: before.trustedMs,
    wallMs: before.wallMs,
    actor,
    bucket: '',
    key: null,
    versionId: null,
    change: null,
    sha256: null,
    sizeBytes: null,
    lockBefore: null,
    lockAfter: null,
    verdict: 'allow',
    rule: 'ClockAccept',
    detail,
  }
}

/**
 * Of another boot the uptime since its last tick is lost, but not what was decided in it: the mark is never behind
 * a recorded decision, so that what was once expired does not become locked again. Decisions count only while their
 * hashes hold: damage must not look like a later time.
 */
async function readMark(transaction: KeyValueTransaction, clock: Clock): Promise<ClockRecord> {
  const record = await readClock(transaction)
  if (record.bootId === clock.bootId()) return record
  const head = await readableHead(transaction)
  if (head === null) return record
  const { sequence } = head
  const fromSequence = Math.max(1, sequence - limits.auditPageMax + 1)
  const { kind } = await verifyChain(transaction, { fromSequence, to: 'head' })
  if (kind === 'broken') return record
  const decisions = await readLastAudit(transaction, limits.auditPageMax)
  const times = decisions.map((decision) => decision['trustedMs']).filter((time) => isInstant(time))
  return { ...record, markMs: times.reduce(laterOf, record.markMs) }
}

function isInstant(value: unknown): value is EpochMs {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= epochMsMax
}

/** Errors: CorruptRecordError, also where there is none. */
export async function readClock(reader: KeyValueReader): Promise<ClockRecord> {
  return decodeClock(clockKey, await reader.get(clockKey))
}

function writeClock(transaction: KeyValueTransaction, record: ClockRecord): void {
  transaction.put(clockKey, clockCodec.encode(clockKey, record))
}

function readingOf(clock: Clock): ClockReading {
  return { wallMs: clock.wallMs(), uptimeMs: Math.floor(clock.uptimeMs()), bootId: clock.bootId() }
}
