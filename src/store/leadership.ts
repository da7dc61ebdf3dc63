/** The operator's leadership: a number that only grows, so that a deposed leader is refused. */
import { assert } from '../lib/assert.ts'
import type { Clock } from '../lib/clock.ts'
import { noRuleDenies } from '../lock/rules.ts'
import { appendAudit } from './audit-chain.ts'
import { auditFields } from './decision.ts'
import { positive, shape, text } from './fields.ts'
import { metaKey } from './keys.ts'
import type { KeyValue, KeyValueReader, KeyValueTransaction } from './kv/contract.ts'
import { rowCodec } from './row-codec.ts'
import type { Leadership } from './store.ts'
import { readTrustedNow } from './trusted-clock.ts'

export type LeadershipRecord = { readonly epoch: number; readonly holder: string }

export const leadershipKey = metaKey('leadership')
const leadershipCodec = rowCodec<LeadershipRecord>('leadership', shape({ epoch: positive, holder: text }))

/** null: no leader ever asked. Throws CorruptRecordError: then no epoch can be told from an older one. */
export async function readLeadership(reader: KeyValueReader): Promise<LeadershipRecord | null> {
  const value = await reader.get(leadershipKey)
  return value === null ? null : leadershipCodec.decode(leadershipKey, value)
}

/** None of the next `count` epochs is ever a leader's: `holder` has the one that is current now. Throws CorruptRecordError. */
export async function skipEpochs(
  transaction: KeyValueTransaction,
  { count, holder }: { readonly count: number; readonly holder: string },
): Promise<void> {
  const epoch = ((await readLeadership(transaction))?.epoch ?? 0) + count
  transaction.put(leadershipKey, leadershipCodec.encode(leadershipKey, { epoch, holder }))
}

export function createLeadership(kv: KeyValue, clock: Clock): Leadership {
  return {
    current: () => readLeadership(kv),
    async next(actor, holder) {
      assert(holder.length > 0, 'a leader has a name')
      return kv.transact(async (transaction) => {
        const [current, now] = await Promise.all([
          readLeadership(transaction),
          readTrustedNow(transaction, clock),
        ])
        const epoch = (current?.epoch ?? 0) + 1
        transaction.put(leadershipKey, leadershipCodec.encode(leadershipKey, { epoch, holder }))
        const subject = { actor, bucket: '', key: null }
        const verdict = { kind: 'allow', rule: noRuleDenies } as const
        appendAudit(transaction, auditFields(subject, now, { verdict, detail: { epoch, holder } }))
        return { epoch }
      })
    },
  }
}
