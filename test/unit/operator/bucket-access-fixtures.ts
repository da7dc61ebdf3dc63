import { actionsOfRole } from '../../../src/api/access-roles.ts'
import type { BucketAccess, BucketAccessSpec, BucketAccessStatus } from '../../../src/api/BucketAccess.ts'
import type { AccessKeyFactsAnswer } from '../../../src/client/lock-server.ts'
import { epochMs } from '../../../src/lib/units.ts'
import type {
  BucketAccessSnapshot,
  SecretView,
} from '../../../src/operator/controllers/bucket-access-decide.ts'
import { contentOf, type KeyPair } from '../../../src/operator/controllers/bucket-access-secret.ts'
import { clusterId, info, nowMs } from './locked-bucket-fixtures.ts'

export const hourMs = 3_600_000
export const first: KeyPair = { accessKeyId: 'HFFIRST', secretAccessKey: 'first-secret' }
export const second: KeyPair = { accessKeyId: 'HFSECOND', secretAccessKey: 'second-secret' }
export const bucketNames = ['team-ledger'] as const
export const statementsOf = (role: BucketAccessSpec['role'], buckets: readonly string[] = bucketNames) =>
  [{ effect: 'Allow', actions: actionsOfRole(role), buckets, prefixes: null }] as const

export function accessOf(
  spec: Partial<BucketAccessSpec> = {},
  status?: BucketAccessStatus,
  annotations: Record<string, string> = {},
): BucketAccess {
  return {
    apiVersion: 'holdfast.dev/v1',
    kind: 'BucketAccess',
    metadata: {
      namespace: 'team',
      name: 'app',
      uid: 'access-uid',
      generation: 2,
      resourceVersion: '30',
      annotations,
    },
    spec: { buckets: [{ name: 'ledger' }], role: 'ReadWrite', secretName: 'app-s3', ...spec },
    ...(status === undefined ? {} : { status }),
  }
}

/** As the server has a key of the access, made so long ago. */
export function keyOf(
  { accessKeyId }: KeyPair,
  { role = 'ReadWrite', ageMs = 0 }: { role?: BucketAccessSpec['role']; ageMs?: number } = {},
): AccessKeyFactsAnswer {
  const owner = { clusterId, namespace: 'team', name: 'app' }
  const created = new Date(nowMs - ageMs).toISOString()
  return { accessKeyId, accountId: '100000000001', owner, statements: statementsOf(role), created }
}

/** The Secret as the operator wrote it. */
export function heldOf(
  current: KeyPair,
  previous: KeyPair | null = null,
  rotatedFor: string | null = null,
): Extract<SecretView, { kind: 'held' }> {
  const owners = [{ apiVersion: 'holdfast.dev/v1', kind: 'BucketAccess', name: 'app', uid: 'access-uid' }]
  const content = contentOf({ current, previous }, bucketNames, { info, authority: null }, rotatedFor)
  return { kind: 'held', secret: { ...content, owners, uid: 'secret-uid', resourceVersion: '40' } }
}

export function snapshotOf(
  parts: Partial<BucketAccessSnapshot> & { keys?: readonly AccessKeyFactsAnswer[] },
) {
  const { keys = [], ...given } = parts
  const snapshot: BucketAccessSnapshot = {
    object: accessOf(),
    buckets: [{ kind: 'ready', name: 'ledger', bucketName: 'team-ledger' }],
    secret: { kind: 'none' },
    server: { kind: 'seen', info, authority: null, keys },
    guard: null,
    ...given,
  }
  return snapshot
}

export const inSync = snapshotOf({ secret: heldOf(first), keys: [keyOf(first)] })
export const laterMs = (ms: number) => epochMs(nowMs + ms)
