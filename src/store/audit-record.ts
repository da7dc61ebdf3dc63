/**
 * The audit record, format v1. Its bytes are canonical: one JSON object without white space in UTF-8, its fields
 * in the order of `auditRecord`; number and previous hash are the engine's (kv/chain.ts). Auditors read these bytes
 * without us, so everything here is format: a change is a new `v`.
 */
import { assert, unreachable } from '../lib/assert.ts'
import { equalBytes } from '../lib/bytes.ts'
import type { EpochMs } from '../lib/units.ts'
import type { ObjectLockState } from '../lock/types.ts'
import type { Actor } from './store.ts'

export type AuditDetail = Readonly<Record<string, string | number | boolean>>

/** One decision. `null` means that the field has no meaning for it. */
export type AuditFields = {
  readonly trustedMs: EpochMs
  readonly wallMs: EpochMs
  readonly actor: Actor
  /** Empty: the decision is not about one bucket. */
  readonly bucket: string
  readonly key: string | null
  readonly versionId: string | null
  /** The version's own change number after the decision. */
  readonly change: number | null
  /** Hex. */
  readonly sha256: string | null
  readonly sizeBytes: number | null
  readonly lockBefore: ObjectLockState | null
  readonly lockAfter: ObjectLockState | null
  readonly verdict: 'allow' | 'deny'
  readonly rule: string
  readonly detail: AuditDetail | null
}

export const auditFormat = 1

export type ParsedAuditRecord =
  | { readonly kind: 'record'; readonly record: Readonly<Record<string, unknown>> }
  /** Not the canonical bytes of a format that this release knows. */
  | { readonly kind: 'unreadable'; readonly cause: string }

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const fieldNames = [
  'v',
  'trustedMs',
  'wallMs',
  'actor',
  'bucket',
  'key',
  'versionId',
  'change',
  'sha256',
  'sizeBytes',
  'lockBefore',
  'lockAfter',
  'verdict',
  'rule',
  'detail',
]

/** The canonical bytes of format v1. */
export function auditRecord(fields: AuditFields): Uint8Array {
  const { actor } = fields
  return encoder.encode(
    JSON.stringify({
      v: auditFormat,
      trustedMs: fields.trustedMs,
      wallMs: fields.wallMs,
      actor: {
        accessKeyId: actor.accessKeyId,
        accountId: actor.accountId,
        requestId: actor.requestId,
        operation: actor.operation,
      },
      bucket: fields.bucket,
      key: fields.key,
      versionId: fields.versionId,
      change: fields.change,
      sha256: fields.sha256,
      sizeBytes: fields.sizeBytes,
      lockBefore: lockFields(fields.lockBefore),
      lockAfter: lockFields(fields.lockAfter),
      verdict: fields.verdict,
      rule: fields.rule,
      detail: detailFields(fields.detail),
    }),
  )
}

/** Reads a record back; bytes that are not canonical are unreadable, so that one record has one spelling. */
export function parseAuditRecord(bytes: Uint8Array): ParsedAuditRecord {
  let parsed: unknown
  try {
    parsed = JSON.parse(decoder.decode(bytes))
  } catch (error) {
    return { kind: 'unreadable', cause: `not JSON in UTF-8: ${String(error)}` }
  }
  if (!isObject(parsed)) return { kind: 'unreadable', cause: 'not a JSON object' }
  if (parsed['v'] !== auditFormat) {
    return { kind: 'unreadable', cause: `format ${JSON.stringify(parsed['v'])} is not known to this release` }
  }
  if (Object.keys(parsed).join() !== fieldNames.join())
    return { kind: 'unreadable', cause: 'not the fields of v1' }
  if (!equalBytes(encoder.encode(JSON.stringify(parsed)), bytes)) {
    return { kind: 'unreadable', cause: 'not the canonical spelling' }
  }
  return { kind: 'record', record: parsed }
}

function lockFields(state: ObjectLockState | null): unknown {
  if (state === null) return null
  switch (state.kind) {
    case 'known': {
      const { retention, legalHold } = state
      const retentionFields =
        retention === null ? null : { mode: retention.mode, retainUntilMs: retention.retainUntilMs }
      return { kind: state.kind, retention: retentionFields, legalHold }
    }
    case 'unknown':
      return { kind: state.kind, cause: state.cause }
    default:
      return unreachable(state, 'a lock is known or unknown')
  }
}

function detailFields(detail: AuditDetail | null): unknown {
  if (detail === null) return null
  const names = Object.keys(detail).sort()
  for (const name of names) {
    // A name that looks like an index would jump the order that JSON.stringify keeps.
    assert(/^[a-z][A-Za-z0-9]*$/.test(name), 'a detail has a camel-case name')
    const value = detail[name]
    assert(typeof value !== 'number' || Number.isFinite(value), 'a number in a detail is finite')
  }
  return Object.fromEntries(names.map((name) => [name, detail[name]]))
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
