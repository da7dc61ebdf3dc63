import type { ExplainAnswer } from '../../api/admin.ts'
import { limits } from '../../lib/limits.ts'
import { formatIso } from '../../lib/units.ts'
import { explain } from '../../lock/rules.ts'
import { protection } from '../../lock/state.ts'
import type { LockContext, ObjectLockState, Verdict } from '../../lock/types.ts'
import { type AdminContext, AdminError, type AdminOperation } from '../operation.ts'

/** The lock of a version and every rule's verdict for its deletion, with and without bypass; changes nothing. */
export const ExplainDelete: AdminOperation = {
  name: 'ExplainDelete',
  method: 'GET',
  path: '/v1/explain',
  principals: ['root'],
  handle: async (context) => ({ status: 200, document: await explainDelete(context) }),
}

async function explainDelete({ store, query }: AdminContext): Promise<ExplainAnswer> {
  const bucket = query.get('bucket') ?? ''
  const key = query.get('key') ?? ''
  // As S3 refuses them: no object has such a key, and no row would hold it.
  if (Buffer.byteLength(key) > limits.objectKeyBytesMax || key.includes('\0'))
    throw new AdminError(404, 'NotFound', `${bucket}/${key}: noSuchKey`)
  const found = await store.versions.read({ bucket, key, versionId: query.get('versionId') })
  if (found.kind !== 'found') throw new AdminError(404, 'NotFound', `${bucket}/${key}: ${found.kind}`)
  const { version } = found
  const now = await store.clock.now()
  const lockContext: LockContext = {
    nowMs: now.trustedMs,
    requestMs: now.requestMs,
    bucketLock: found.bucket.objectLock?.status ?? null,
    policyMode: found.bucket.policy?.mode ?? null,
    bounds: found.bucket.policy?.bounds ?? { minimum: null, maximum: null },
  }
  const isDeleteMarker = version.object === null
  const deletions = [false, true].map((bypassGovernance) => {
    const verdicts = explain(lockContext, version.lock, {
      kind: 'DeleteObjectVersion',
      isDeleteMarker,
      bypassGovernance,
    })
    return {
      bypassGovernance,
      allowed: verdicts.every(({ verdict }) => verdict.kind === 'allow'),
      rules: verdicts.map(({ rule, verdict }) => ({ rule, verdict: sentence(verdict) })),
    }
  })
  return {
    bucket,
    key,
    versionId: version.isNull ? 'null' : version.versionId,
    trusted: formatIso(now.trustedMs),
    isDeleteMarker,
    lock: lockAnswer(version.lock, protection(version.lock, now.trustedMs)),
    deletions,
  }
}

function lockAnswer(lock: ObjectLockState, state: 'locked' | 'free' | 'unknown'): ExplainAnswer['lock'] {
  if (lock.kind === 'unknown') return { state, mode: null, retainUntil: null, legalHold: null }
  return {
    state,
    mode: lock.retention?.mode ?? null,
    retainUntil: lock.retention === null ? null : formatIso(lock.retention.retainUntilMs),
    legalHold: lock.legalHold,
  }
}

function sentence(verdict: Verdict): string {
  if (verdict.kind === 'allow') return 'nothing against it'
  return verdict.untilMs === null
    ? `denies: ${verdict.reason}`
    : `denies until ${formatIso(verdict.untilMs)}: ${verdict.reason}`
}
