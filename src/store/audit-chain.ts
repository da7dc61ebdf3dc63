/**
 * The audit log of a volume: one hash chain of canonical records, appended in the transaction of the decision.
 * Tamper-evident: `verifyChain` finds any changed, missing or reordered record before the head.
 */
import { assert } from '../lib/assert.ts'
import { equalBytes, startsWithBytes } from '../lib/bytes.ts'
import { limits } from '../lib/limits.ts'
import { type AuditFields, auditRecord, parseAuditRecord } from './audit-record.ts'
import { CorruptRecordError } from './fields.ts'
import { hex } from './hex.ts'
import {
  type ChainHead,
  chainHash,
  chainHashBytes,
  chainValue,
  demandLast,
  emptyChainHead,
  logHeadKey,
  logKey,
  parseChainHead,
  sequenceOfLogKey,
} from './kv/chain.ts'
import type { Entry, KeyValueReader, KeyValueTransaction } from './kv/contract.ts'

export type { AuditFields } from './audit-record.ts'

/** The name of the volume's chain. */
export const auditLog = 'audit'
const noBytes = new Uint8Array(0)
const chainHeaderBytes = chainValue(1, emptyChainHead.hash, noBytes).length

/** Records a decision in the transaction that carries it out: both are durable, or neither. */
export function appendAudit(transaction: KeyValueTransaction, fields: AuditFields): void {
  transaction.append(auditLog, auditRecord(fields))
}

export async function readAuditHead(reader: KeyValueReader): Promise<ChainHead> {
  return parseChainHead(await reader.get(logHeadKey(auditLog)))
}

/** Throws CorruptRecordError where nothing can be appended: as an append itself does. Of one snapshot. */
export async function demandAppendable(reader: KeyValueReader): Promise<void> {
  const head = await readAuditHead(reader)
  const at = [logKey(auditLog, head.sequence), logKey(auditLog, head.sequence + 1)]
  const [named = null, beyond = null] = await reader.getMany(at)
  demandLast(auditLog, head, { named, beyond })
}

/** The hash of a record in hex; null: there is none. */
export async function hashOfAudit(reader: KeyValueReader, sequence: number): Promise<string | null> {
  const value = await reader.get(logKey(auditLog, sequence))
  return value === null ? null : hex(chainHash(value))
}

/**
 * The hash in hex that the chain itself has of a record: what its successor names as the one before, or the head. null: neither is
 * there. It is the record's own as long as that was not changed.
 */
export async function hashInChain(reader: KeyValueReader, sequence: number): Promise<string | null> {
  const next = await reader.get(logKey(auditLog, sequence + 1))
  if (next !== null) return hex(previousOf(next))
  const head = await readableHead(reader)
  return head?.sequence === sequence ? hex(head.hash) : null
}

/** Whether `older` has one of the two records that a break lies between, and has it otherwise than `reader`. */
export async function hasOtherRecord(
  older: KeyValueReader,
  reader: KeyValueReader,
  sequence: number,
): Promise<boolean> {
  for (const each of [Math.max(1, sequence - 1), sequence]) {
    const was = await older.get(logKey(auditLog, each))
    const is = await reader.get(logKey(auditLog, each))
    if (was !== null && (is === null || !equalBytes(was, is))) return true
  }
  return false
}

/**
 * The head, or where it does not name the last record, or cannot be read, what it would be by that record. For a mark of how far a copy
 * goes: nothing is appended to it.
 */
export async function readAuditEnd(reader: KeyValueReader): Promise<ChainHead> {
  const last = await lastRecord(reader)
  const head = await readableHead(reader)
  return head !== null && head.sequence === last.sequence ? head : last
}

/** The head; null where it cannot be read. Whatever appends to it tells. */
export async function readableHead(reader: KeyValueReader): Promise<ChainHead | null> {
  try {
    return await readAuditHead(reader)
  } catch (error) {
    if (error instanceof CorruptRecordError) return null
    throw error
  }
}

async function lastRecord(reader: KeyValueReader): Promise<ChainHead> {
  const from = logKey(auditLog, 1)
  const to = logKey(auditLog, Number.MAX_SAFE_INTEGER)
  const [last] = await reader.range({ from, to, limit: 1, reverse: true })
  if (last === undefined) return emptyChainHead
  return { sequence: sequenceOfLogKey(last.key), hash: chainHash(last.value) }
}

/**
 * The newest record whose hash its successor, or the head, names: damage cannot have made it. null: there is none. Reads as far back
 * as it has to, a page at a time.
 */
export async function readNewestProven(
  reader: KeyValueReader,
): Promise<Readonly<Record<string, unknown>> | null> {
  const head = await readableHead(reader)
  let successor: Link = { sequence: (head?.sequence ?? 0) + 1, hash: head?.hash ?? null }
  let to = logKey(auditLog, Number.MAX_SAFE_INTEGER)
  for (;;) {
    const from = logKey(auditLog, 1)
    const page = await reader.range({ from, to, limit: limits.auditPageMax, reverse: true })
    for (const { key, value } of page) {
      const sequence = sequenceOfLogKey(key)
      const isNamed =
        successor.sequence === sequence + 1 &&
        successor.hash !== null &&
        equalBytes(chainHash(value), successor.hash)
      const parsed = parseAuditRecord(value.subarray(chainHeaderBytes))
      if (isNamed && parsed.kind === 'record') return parsed.record
      successor = { sequence, hash: previousOf(value) }
    }
    const first = page.at(-1)
    if (first === undefined || page.length < limits.auditPageMax) return null
    to = first.key
  }
}

/** The last records that can be read, newest first; damaged ones are left to `verifyChain`. */
export async function readLastAudit(
  reader: KeyValueReader,
  limit: number,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const from = logKey(auditLog, 1)
  const to = logKey(auditLog, Number.MAX_SAFE_INTEGER)
  const page = await reader.range({ from, to, limit, reverse: true })
  return page.flatMap(({ value }) => {
    const parsed = parseAuditRecord(value.subarray(chainHeaderBytes))
    return parsed.kind === 'record' ? [parsed.record] : []
  })
}

export type ChainSpan = {
  /** At least 1. */
  readonly fromSequence: number
  /** Inclusive; `head`: up to the stored head, which must agree with the last record. */
  readonly to: number | 'head'
}

export type ChainVerification =
  | { readonly kind: 'intact'; readonly recordCount: number; readonly last: ChainHead }
  /** `sequence` is the first record that does not fit. */
  | ({ readonly kind: 'broken' } & ChainBreak)

/** `sequence` is a record that is missing, unreadable, or does not continue the one before; then either of the two was changed. */
export type ChainBreak = { readonly sequence: number; readonly cause: string }

/** As chainBreaks, up to the first one. */
export async function verifyChain(reader: KeyValueReader, span: ChainSpan): Promise<ChainVerification> {
  const first = await chainBreaks(reader, span).next()
  if (first.done !== true) return { kind: 'broken', ...first.value }
  const { sequence, hash } = first.value
  assert(hash !== null, 'the records of a chain without a break have hashes')
  return {
    kind: 'intact',
    recordCount: Math.max(0, sequence - span.fromSequence + 1),
    last: { sequence, hash },
  }
}

/** The record that the next one has to name; null: it is not there, so the next one is taken as given. */
type Link = { readonly sequence: number; readonly hash: Uint8Array | null }

/**
 * Recomputes the hashes of a span, a bounded page at a time, and gives each place where they do not fit. The record before the
 * span, if any, is taken as given: verify from 1, or from a checkpoint that was verified. Writes nothing.
 */
export async function* chainBreaks(
  reader: KeyValueReader,
  span: ChainSpan,
): AsyncGenerator<ChainBreak, Link> {
  assert(span.fromSequence >= 1, 'records are numbered from 1')
  // The head first: what is appended meanwhile lies beyond it and is no part of the span.
  const end = span.to === 'head' ? await readAuditHead(reader) : { sequence: span.to, hash: null }
  const toSequence = end.sequence
  let last = await recordBefore(reader, span.fromSequence)
  if (last.hash === null) yield missing(last.sequence)
  while (last.sequence < toSequence) {
    const limit = Math.min(limits.auditPageMax, toSequence - last.sequence)
    const from = logKey(auditLog, last.sequence + 1)
    const page = await reader.range({ from, to: logKey(auditLog, toSequence + 1), limit })
    for (const entry of page) last = yield* followLink(last, entry)
    if (page.length > 0) continue
    yield missing(last.sequence + 1)
    last = { sequence: toSequence, hash: null }
  }
  if (end.hash === null) return last
  if (last.hash !== null && !equalBytes(last.hash, end.hash))
    yield { sequence: last.sequence, cause: 'the hash is not the head’s' }
  const beyond = await breakBeyond(reader, end)
  if (beyond !== null) yield beyond
  return last
}

function* followLink(before: Link, { key, value }: Entry): Generator<ChainBreak, Link> {
  const sequence = sequenceOfLogKey(key)
  assert(sequence > before.sequence, 'the records of a page are in order of number')
  const isNext = sequence === before.sequence + 1
  if (!isNext) yield missing(before.sequence + 1)
  // Compared as bytes, never parsed first: damage must be an answer, not an error.
  const previous = isNext ? (before.hash ?? previousOf(value)) : previousOf(value)
  if (!startsWithBytes(value, chainValue(sequence, previous, noBytes))) {
    // Either of two neighbours may have been changed: the later one names the earlier one's hash.
    yield { sequence, cause: 'number and previous hash do not continue the record before' }
  } else {
    const parsed = parseAuditRecord(value.subarray(chainHeaderBytes))
    if (parsed.kind === 'unreadable') yield { sequence, cause: parsed.cause }
  }
  return { sequence, hash: chainHash(value) }
}

/** As long as any hash, whatever the value is. */
function previousOf(value: Uint8Array): Uint8Array {
  const previous = new Uint8Array(chainHashBytes)
  previous.set(value.subarray(8, chainHeaderBytes))
  return previous
}

async function recordBefore(reader: KeyValueReader, sequence: number): Promise<Link> {
  if (sequence === 1) return emptyChainHead
  const value = await reader.get(logKey(auditLog, sequence - 1))
  return { sequence: sequence - 1, hash: value === null ? null : chainHash(value) }
}

/** A head that was set back would hide the records after it. */
async function breakBeyond(reader: KeyValueReader, head: ChainHead): Promise<ChainBreak | null> {
  const next = await reader.get(logKey(auditLog, head.sequence + 1))
  // Read after it: a record that was appended meanwhile has moved the head.
  const now = await readAuditHead(reader)
  if (next === null || now.sequence > head.sequence) return null
  return { sequence: head.sequence + 1, cause: 'the record lies beyond the head' }
}

function missing(sequence: number): ChainBreak {
  return { sequence, cause: 'the record is missing' }
}
