/**
 * The operator's other call: a managed bucket goes with its LockedBucket, when it is empty. Not one version is removed
 * for it: whatever there is, locked or not, keeps the bucket.
 */
import { isDeepStrictEqual } from 'node:util'
import { noRuleDenies } from '../lock/rules.ts'
import { appendAudit } from './audit-chain.ts'
import type { AuditFields } from './audit-record.ts'
import { auditFields, type StoreContext } from './decision.ts'
import { readLeadership } from './leadership.ts'
import { isEmptyBucket, removeBucket } from './remove-bucket.ts'
import type { Actor, ReleaseBucket, ReleaseBucketResult, TrustedNow } from './requests.ts'
import { readTrustedNow } from './trusted-clock.ts'
import { readBucket } from './version-rows.ts'

type Attempt = { readonly answer: ReleaseBucketResult; readonly refusal: AuditFields | null }

/** Errors: those of `transact`, CorruptRecordError. Emptiness is read where it is judged, as by DeleteBucket. */
export async function releaseBucket(
  context: StoreContext,
  actor: Actor,
  input: ReleaseBucket,
): Promise<ReleaseBucketResult> {
  const { answer, refusal } = await context.kv.transact(async (transaction): Promise<Attempt> => {
    const [leadership, bucket, now] = await Promise.all([
      readLeadership(transaction),
      readBucket(transaction, input.name),
      readTrustedNow(transaction, context.clock),
    ])
    const refused = refusalOf(actor, input, now)
    const epoch = leadership?.epoch ?? 0
    if (epoch !== input.epoch) return refused('StaleEpoch', { kind: 'staleEpoch', epoch })
    if (bucket === null) return { answer: { kind: 'released', change: 'unchanged' }, refusal: null }
    // The uid too: a LockedBucket of the same name that was made since has taken the bucket up again.
    if (!isDeepStrictEqual(bucket.owner, input.owner))
      return refused('NotOwner', { kind: 'notOwner', owner: bucket.owner })
    if (!(await isEmptyBucket(transaction, bucket))) return refused('BucketNotEmpty', { kind: 'notEmpty' })
    removeBucket(transaction, bucket)
    const address = { actor, bucket: bucket.name, key: null }
    const verdict = { kind: 'allow', rule: noRuleDenies } as const
    appendAudit(transaction, auditFields(address, now, { verdict, detail: { bucketId: bucket.id } }))
    return { answer: { kind: 'released', change: 'released' }, refusal: null }
  })
  if (refusal !== null) await context.denials.record(refusal)
  return answer
}

function refusalOf(actor: Actor, { name, owner, epoch }: ReleaseBucket, now: TrustedNow) {
  return (rule: string, answer: ReleaseBucketResult): Attempt => {
    const { clusterId, namespace, name: object } = owner
    const detail = { clusterId, namespace, name: object, epoch }
    const verdict = { kind: 'deny', rule } as const
    return { answer, refusal: auditFields({ actor, bucket: name, key: null }, now, { verdict, detail }) }
  }
}
