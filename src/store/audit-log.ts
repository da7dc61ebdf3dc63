/** The audit log as the admin API reads it, and the door for refusals that no store function judged. */
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import { auditLog, hashInChain, hashOfAudit, readAuditHead } from './audit-chain.ts'
import { parseAuditRecord } from './audit-record.ts'
import type { DenialRecorder } from './denials.ts'
import { hex } from './hex.ts'
import { chainHash, logKey, parseChainValue } from './kv/chain.ts'
import type { Entry, KeyValue } from './kv/contract.ts'
import type { Audit, AuditEntry } from './store.ts'
import { readTrustedNow } from './trusted-clock.ts'

export function createAudit(kv: KeyValue, clock: Clock, denials: DenialRecorder): Audit {
  return {
    async head() {
      const head = await readAuditHead(kv)
      return head.sequence === 0 ? null : { sequence: head.sequence, hash: hex(head.hash) }
    },
    async hashesOf(sequence) {
      const [hash, chainHash] = await Promise.all([hashOfAudit(kv, sequence), hashInChain(kv, sequence)])
      return { hash, chainHash }
    },
    async list({ afterSequence, limit }) {
      const from = logKey(auditLog, afterSequence + 1)
      const to = logKey(auditLog, Number.MAX_SAFE_INTEGER)
      const page = await kv.range({ from, to, limit: Math.min(limit, limits.auditPageMax) })
      return page.map(auditEntry)
    },
    async denied(actor, { bucket, key, versionId, rule, reason }) {
      const now = await readTrustedNow(kv, clock)
      await denials.record({
        trustedMs: now.trustedMs,
        wallMs: now.wallMs,
        actor,
        bucket,
        key,
        versionId,
        change: null,
        sha256: null,
        sizeBytes: null,
        lockBefore: null,
        lockAfter: null,
        verdict: 'deny',
        rule,
        detail: { reason },
      })
    },
  }
}

function auditEntry({ value }: Entry): AuditEntry {
  const { sequence, record } = parseChainValue(value)
  const parsed = parseAuditRecord(record)
  // An export must go on past a damaged record; `verifyChain` says where the damage is.
  const fields = parsed.kind === 'record' ? parsed.record : { unreadable: parsed.cause }
  return { sequence, hash: hex(chainHash(value)), record: fields }
}
