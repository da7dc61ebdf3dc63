/**
 * A bucket's quota: the sum of its versions' sizes is never raised above it. The gate binds every new version to it
 * (`insertVersion`); delete markers and changes of locks raise nothing, so they are never refused.
 */
import { auditFields, type StoreContext, type Subject } from './decision.ts'
import { CounterBoundError } from './kv/contract.ts'
import type { QuotaExceeded } from './requests.ts'
import { readTrustedNow } from './trusted-clock.ts'

/** Runs a write; one that the quota stopped wrote nothing, and becomes a recorded refusal. Other errors pass. */
export async function refuseOverQuota<Answer>(
  context: StoreContext,
  subject: Subject,
  work: () => Promise<Answer>,
): Promise<Answer | QuotaExceeded> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof CounterBoundError)) throw error
    const { count: sizeBytes, countMax: quotaBytes } = error
    const now = await readTrustedNow(context.kv, context.clock)
    const verdict = { kind: 'deny', rule: 'QuotaExceeded' } as const
    const detail = { sizeBytes, quotaBytes }
    await context.denials.record(auditFields(subject, now, { verdict, detail }))
    return { kind: 'quotaExceeded', quotaBytes, sizeBytes }
  }
}
