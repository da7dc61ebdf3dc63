/**
 * The audit log of a volume: one hash chain of canonical records, appended in the transaction of the decision.
 * Tamper-evident: `verifyChain` finds any changed, missing or reordered record before the head.
 */
import { assert } from '../lib/assert.ts'
import { equalBytes } from '../lib/bytes.ts'
import { limits } from '../lib/limits.ts'
import { type AuditFields, auditRecord, parseAuditRecord } from './audit-record.ts'
import { hex } from './hex.ts'
import {
  type ChainHead,
  chainHash,
  chainValue,
  emptyChainHead,
  logHeadKey,
  logKey,
  parseChainHead,
} from './kv/chain.ts'
import type { Entry, KeyValueReader, KeyValueTransaction } from './kv/contract.ts'

export type { AuditFields } from './audit-record.ts'

/** The name of the volume's chain. */
export const auditLog = 'audit'
const chainHeaderBytes = chainValue(1, emptyChainHead.hash, new Uint8Array(0)).length

/** Records a decision in the transaction that carries it out: both are durable, or neither. */
export function appendAudit(transaction: KeyValueTransaction, fields: AuditFields): void {
  transaction.append(auditLog, auditRecord(fields))
}

export async function readAuditHead(reader: KeyValueReader): Promise<ChainHead> {
  return parseChainHead(await reader.get(logHeadKey(auditLog)))
}

/** The hash of a record in hex; null: there is none. */
export async function hashOfAudit(reader: KeyValueReader, sequence: number): Promise<string | null> {
  const value = await reader.get(logKey(auditLog, sequence))
  return value === null ? null : hex(chainHash(value))
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
  | { readonly kind: 'broken'; readonly sequence: number; readonly cause: string }

/**
 * Recomputes the hashes of a span, a bounded page at a time. The record before the span, if any, is taken as given:
 * verify from 1, or from a checkpoint that was verified. Writes nothing.
 */
export async function verifyChain(reader: KeyValueReader, span: ChainSpan): Promise<ChainVerification> {
  assert(span.fromSequence >= 1, 'records are numbered from 1')
  // The head first: what is appended meanwhile lies beyond it and is no part of the span.
  const head = await readAuditHead(reader)
  const toSequence = span.to === 'head' ? head.sequence : span.to
  let last = await recordBefore(reader, span.fromSequence)
  if (last === null) return broken(span.fromSequence - 1, 'the record is missing')
  while (last.sequence < toSequence) {
    const limit = Math.min(limits.auditPageMax, toSequence - last.sequence)
    const from = logKey(auditLog, last.sequence + 1)
    const page = await reader.range({ from, to: logKey(auditLog, toSequence + 1), limit })
    const verified = verifyPage(page, last)
    if (verified.kind === 'broken') return verified
    if (page.length === 0) return broken(last.sequence + 1, 'the record is missing')
    last = verified.last
  }
  if (span.to === 'head') {
    if (!equalBytes(last.hash, head.hash)) return broken(last.sequence, 'the hash is not the head’s')
    const beyond = await verifyNothingBeyond(reader, head)
    if (beyond !== null) return beyond
  }
  return { kind: 'intact', recordCount: Math.max(0, toSequence - span.fromSequence + 1), last }
}

function verifyPage(page: readonly Entry[], before: ChainHead): ChainVerification {
  let last = before
  for (const { key, value } of page) {
    const sequence = last.sequence + 1
    if (!equalBytes(key, logKey(auditLog, sequence))) return broken(sequence, 'the record is missing')
    // Compared as bytes, never parsed first: damage must be an answer, not an error.
    const header = chainValue(sequence, last.hash, new Uint8Array(0))
    if (!equalBytes(value.subarray(0, chainHeaderBytes), header)) {
      // Either of two neighbours may have been changed: the later one names the earlier one's hash.
      return broken(sequence, 'number and previous hash do not continue the record before')
    }
    const parsed = parseAuditRecord(value.subarray(chainHeaderBytes))
    if (parsed.kind === 'unreadable') return broken(sequence, parsed.cause)
    last = { sequence, hash: chainHash(value) }
  }
  return { kind: 'intact', recordCount: page.length, last }
}

async function recordBefore(reader: KeyValueReader, sequence: number): Promise<ChainHead | null> {
  if (sequence === 1) return emptyChainHead
  const value = await reader.get(logKey(auditLog, sequence - 1))
  return value === null ? null : { sequence: sequence - 1, hash: chainHash(value) }
}

/** A head that was set back would hide the records after it. */
async function verifyNothingBeyond(
  reader: KeyValueReader,
  head: ChainHead,
): Promise<ChainVerification | null> {
  const next = await reader.get(logKey(auditLog, head.sequence + 1))
  // Read after it: a record that was appended meanwhile has moved the head.
  const now = await readAuditHead(reader)
  if (next === null || now.sequence > head.sequence) return null
  return broken(head.sequence + 1, 'the record lies beyond the head')
}

function broken(sequence: number, cause: string): ChainVerification {
  return { kind: 'broken', sequence, cause }
}
