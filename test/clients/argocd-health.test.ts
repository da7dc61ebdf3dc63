import { describe, expect, test } from 'vitest'
import { lockedBucketReport } from '../../src/operator/controllers/locked-bucket-status.ts'
import { retentionPolicyReport } from '../../src/operator/controllers/RetentionPolicy.ts'
import { argoHealth } from '../support/argocd.ts'
import {
  applied,
  bucketOf,
  compliance30,
  created,
  factsOf,
  inSync,
  nowMs,
  outcomeOf,
  seen,
  settled,
  silent,
  snapshotOf,
  unbound,
} from '../unit/operator/locked-bucket-fixtures.ts'

/** Health of a bucket whose operator writes this status for it. */
function healthOf(
  ...[snapshot, outcome]: Parameters<typeof lockedBucketReport> extends [unknown, ...infer Rest]
    ? Rest
    : never
) {
  const { status } = lockedBucketReport(nowMs, snapshot, outcome)
  return argoHealth({ ...snapshot.object, status })
}

describe('health.lua, run by Lua on what the operator writes', () => {
  test('a fresh object, as the CRD makes it: Progressing', () => {
    const fresh = { ...bucketOf(), status: { observedGeneration: -1 } }
    expect(argoHealth(fresh)).toBe('Progressing the operator has not looked at it yet')
    expect(argoHealth({ ...bucketOf(), status: undefined })).toMatch(/^Progressing /)
  })

  test('enforced and read back: Healthy; after the next change of spec: Progressing', () => {
    const status = settled(inSync)
    const object = { ...inSync.object, status }
    expect(argoHealth(object)).toMatch(/^Healthy Enforced: The lock server enforces COMPLIANCE 30 days/)
    const edited = { ...object, metadata: { ...object.metadata, generation: 3 } }
    expect(argoHealth(edited)).toBe('Progressing the operator has not seen the last change yet')
  })

  test('the server is silent: Progressing; a refused shortening and another owner: Degraded', () => {
    const away = snapshotOf(silent)
    expect(healthOf(away, outcomeOf(away, null))).toMatch(/^Progressing ServerUnreachable/)
    const server = seen(factsOf(compliance30, { policy: null }))
    const weaker = snapshotOf(server)
    const aspects = ['defaultRetention: COMPLIANCE 60 DAYS would become COMPLIANCE 30 DAYS']
    const answer = { kind: 'wouldShorten', aspects } as const
    expect(healthOf(weaker, outcomeOf(weaker, answer, server))).toMatch(/^Degraded RetentionWouldShorten: /)
    const taken = {
      kind: 'nameConflict',
      owner: { clusterId: 'c', namespace: 'n', name: 'o', uid: 'u' },
    } as const
    expect(healthOf(created, outcomeOf(created, taken))).toMatch(/^Degraded NameConflict: .* n\/o/)
    expect(healthOf(created, outcomeOf(created, applied('created'), seen(factsOf(compliance30))))).toMatch(
      /^Healthy /,
    )
  })

  test('a pause that holds a change back: Suspended', () => {
    const object = bucketOf()
    const paused = {
      ...object,
      metadata: { ...object.metadata, annotations: { 'holdfast.dev/paused': 'true' } },
    }
    const snapshot = snapshotOf(seen(null), compliance30, paused)
    expect(healthOf(snapshot, outcomeOf(snapshot, null))).toMatch(/^Suspended Paused: /)
  })

  test('a policy that can be used: Healthy', () => {
    const { status } = retentionPolicyReport(nowMs, {
      object: compliance30,
      bucketNames: [],
      unparsableNames: [],
      guard: null,
      cluster: unbound,
    })
    expect(argoHealth({ ...compliance30, status })).toMatch(/^Healthy Accepted/)
  })
})
