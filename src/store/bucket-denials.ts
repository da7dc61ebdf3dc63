/**
 * The last few refusals of a bucket, for statuses: a handful of rows that later ones overwrite, written with each refusal's
 * audit record. A view: the audit log is what counts, and nothing is decided by these rows.
 */

import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import type { AuditFields } from './audit-record.ts'
import { CorruptRecordError, instant, nullable, positive, shape, text } from './fields.ts'
import { metaKey, rangeOf } from './keys.ts'
import type { KeyValueReader, KeyValueTransaction } from './kv/contract.ts'
import type { BucketId } from './records.ts'
import type { BucketDenial } from './requests.ts'
import { rowCodec } from './row-codec.ts'
import { readBucket } from './version-rows.ts'

const codec = rowCodec<BucketDenial>(
  'denial',
  shape({
    trustedMs: instant,
    operation: text,
    accessKeyId: text,
    key: nullable(text),
    versionId: nullable(text),
    rule: text,
    count: positive,
  }),
)

const denialKey = (bucketId: BucketId, slot: number) => metaKey('denials', bucketId, String(slot))

/**
 * Writes over the row that this process wrote longest ago, without reading it: a flood of refusals meets no conflicts.
 * Several processes overwrite each other's, so that fewer may be left than there are rows, but the newest always is.
 */
export class DenialSlots {
  readonly #next = new Map<string, number>()

  /** Nothing for a name that is no bucket's: whoever makes up names makes no rows. */
  async note(transaction: KeyValueTransaction, fields: AuditFields): Promise<void> {
    const bucketId = await bucketIdOf(transaction, fields.bucket)
    if (bucketId === null) return
    const row = denialKey(bucketId, this.#take(bucketId))
    transaction.put(row, codec.encode(row, denialOf(fields)))
  }

  #take(bucketId: BucketId): number {
    if (this.#next.size >= limits.auditDenialSourcesMax) this.#next.clear()
    const slot = this.#next.get(bucketId) ?? 0
    this.#next.set(bucketId, (slot + 1) % limits.denialSlots)
    return slot
  }
}

/** Newest first, at most limits.lastDenialsMax. A row that cannot be read is left out. */
export async function readLastDenials(
  reader: KeyValueReader,
  bucketId: BucketId,
  log: Log,
): Promise<readonly BucketDenial[]> {
  const rows = await reader.range({ ...rangeOf(metaKey('denials', bucketId)), limit: limits.denialSlots })
  const denials: BucketDenial[] = []
  for (const { key, value } of rows) {
    try {
      denials.push(codec.decode(key, value))
    } catch (error) {
      if (!(error instanceof CorruptRecordError)) throw error
      log.error({ bucketId, cause: error.message }, 'a last denial cannot be read: the audit log has it')
    }
  }
  return denials.sort((a, b) => b.trustedMs - a.trustedMs).slice(0, limits.lastDenialsMax)
}

export function deleteLastDenials(transaction: KeyValueTransaction, bucketId: BucketId): void {
  for (let slot = 0; slot < limits.denialSlots; slot += 1) transaction.delete(denialKey(bucketId, slot))
}

async function bucketIdOf(transaction: KeyValueTransaction, name: string): Promise<BucketId | null> {
  if (name === '' || name.length > limits.bucketNameLengthMax) return null
  try {
    return (await readBucket(transaction, name))?.id ?? null
  } catch (error) {
    // The refusal is recorded whatever the bucket's record looks like.
    if (!(error instanceof CorruptRecordError)) throw error
    return null
  }
}

function denialOf({ trustedMs, actor, key, versionId, rule, detail }: AuditFields): BucketDenial {
  const { operation, accessKeyId } = actor
  const counted = detail?.['count']
  return {
    trustedMs,
    operation,
    accessKeyId,
    key,
    versionId,
    rule,
    count: typeof counted === 'number' ? counted : 1,
  }
}
