/** The audit chain as it is handed to auditors: whoever has the lines can compute every hash again. */
import { limits } from '../lib/limits.ts'
import { auditLog } from './audit-chain.ts'
import { parseAuditRecord } from './audit-record.ts'
import { hex } from './hex.ts'
import {
  type ChainHead,
  chainHash,
  hasChainHeader,
  logKey,
  parseChainValue,
  sequenceOfLogKey,
} from './kv/chain.ts'
import type { Entry, KeyValueReader } from './kv/contract.ts'

/**
 * `hash` is SHA-256 of the number as 8 big-endian bytes, the 32 bytes of `previousHash`, and the record's canonical bytes:
 * `record` as JSON without white space, or, where it cannot be read, `unreadableBytes` in base64.
 */
export type AuditLine = {
  readonly sequence: number
  readonly previousHash: string
  readonly hash: string
} & ({ readonly record: Readonly<Record<string, unknown>> } | { readonly unreadableBytes: string })

/** In the place of a record that has not even the number of its place, or no hash of the one before: its bytes in base64. */
export type DamagedAuditLine = { readonly sequence: number; readonly damagedBytes: string }

/** A page of lines at a time up to `head`, and not beyond it; damaged records are exported as they are. */
export async function* exportAudit(
  reader: KeyValueReader,
  { afterSequence, head }: { readonly afterSequence: number; readonly head: ChainHead },
): AsyncGenerator<readonly (AuditLine | DamagedAuditLine)[]> {
  let from = logKey(auditLog, afterSequence + 1)
  const to = logKey(auditLog, head.sequence + 1)
  for (;;) {
    const page = await reader.range({ from, to, limit: limits.auditPageMax })
    yield page.map(lineOf)
    const last = page.at(-1)
    if (last === undefined || page.length < limits.auditPageMax) return
    from = logKey(auditLog, sequenceOfLogKey(last.key) + 1)
  }
}

function lineOf({ key, value }: Entry): AuditLine | DamagedAuditLine {
  const sequence = sequenceOfLogKey(key)
  if (!hasChainHeader(value, sequence))
    return { sequence, damagedBytes: Buffer.from(value).toString('base64') }
  const { previous, record } = parseChainValue(value)
  const parsed = parseAuditRecord(record)
  const link = { sequence, previousHash: hex(previous), hash: hex(chainHash(value)) }
  return parsed.kind === 'record'
    ? { ...link, record: parsed.record }
    : { ...link, unreadableBytes: Buffer.from(record).toString('base64') }
}
