/** What a BucketAccess needs done, from what was read. Pure: no clock, no I/O, no randomness. */
import { isDeepStrictEqual } from 'node:util'
import { actionsOfRole } from '../../api/access-roles.ts'
import { annotations } from '../../api/annotations.ts'
import { type BucketAccess, validateBucketAccess } from '../../api/BucketAccess.ts'
import { toDuration } from '../../api/durations.ts'
import type { AccessKeyFactsAnswer, ServerInfo } from '../../client/lock-server.ts'
import { unreachable } from '../../lib/assert.ts'
import type { Statement } from '../../lib/identity.ts'
import type { EpochMs } from '../../lib/units.ts'
import type { GuardState } from '../admission/guard.ts'
import type { HeldSecret } from '../kube-secrets.ts'
import { requestedBy } from '../requests.ts'
import { contentOf, hasContent, isMadeFor, type KeyPair, slotsOf } from './bucket-access-secret.ts'

/**
 * A LockedBucket that the spec names. `ready`: it owns the bucket of this name at the lock server. `unparsable`: it is there and
 * cannot be understood; `bucketName` is that of its bucket which the keys reach already, null if they reach none.
 */
export type NamedBucket =
  | { readonly kind: 'ready'; readonly name: string; readonly bucketName: string }
  | { readonly kind: 'unparsable'; readonly name: string; readonly bucketName: string | null }
  | { readonly kind: 'notReady' | 'notFound'; readonly name: string }

/** `unsupported`: there are no Secrets here. `failed`: the API server did not answer. */
export type SecretView =
  | { readonly kind: 'held'; readonly secret: HeldSecret }
  | { readonly kind: 'none' }
  | { readonly kind: 'forbidden' }
  | { readonly kind: 'failed'; readonly error: Error }
  | { readonly kind: 'unsupported' }

/**
 * The server's own facts, and the keys that it has of this object, the oldest first. `authority`: in PEM, what a client has to
 * trust to reach the S3 endpoint; null: nothing of ours.
 */
export type KeysView =
  | {
      readonly kind: 'seen'
      readonly info: ServerInfo
      readonly authority: string | null
      readonly keys: readonly AccessKeyFactsAnswer[]
    }
  | { readonly kind: 'failed'; readonly error: Error }

export type BucketAccessSnapshot = {
  readonly object: BucketAccess
  readonly buckets: readonly NamedBucket[]
  readonly secret: SecretView
  readonly server: KeysView
  /** Of the API server; null: there is none. */
  readonly guard: GuardState | null
}

export type NewKeyCause = 'first' | 'lost' | 'rotation'
export type GrantStep = {
  readonly kind: 'grant'
  readonly statements: readonly Statement[]
  readonly bucketNames: readonly string[]
  readonly current:
    | { readonly kind: 'held'; readonly pair: KeyPair }
    | { readonly kind: 'new'; readonly cause: NewKeyCause }
  readonly previous: KeyPair | null
  /** Keys that may stay until the new one is there; all others go first. */
  readonly keptMeanwhile: readonly string[]
  readonly secret:
    | { readonly kind: 'own'; readonly held: HeldSecret | null; readonly rotatedFor: string | null }
    | { readonly kind: 'given' }
}
/** Keys that cannot be brought to what the spec says: in doubt nothing is allowed. */
export type RevokeStep = { readonly kind: 'revoke'; readonly accessKeyIds: readonly string[] }
export type AccessStep = GrantStep | RevokeStep

export function decideBucketAccess(nowMs: EpochMs, snapshot: BucketAccessSnapshot): readonly AccessStep[] {
  const { object, server } = snapshot
  if (server.kind === 'failed' || validateBucketAccess(null, object).length > 0) return []
  const step = stepOf(nowMs, snapshot, server.keys)
  return step.kind === 'revoke' && step.accessKeyIds.length === 0 ? [] : [step]
}

/** Whether the step would change anything that can be seen from here: for an object that is paused. */
export function changesAnything(step: AccessStep, { object, server }: BucketAccessSnapshot): boolean {
  if (step.kind === 'revoke' || step.current.kind === 'new' || server.kind === 'failed') return true
  const { statements, bucketNames, previous, secret } = step
  const slots = { current: step.current.pair, previous }
  const wanted = [slots.current, ...(previous === null ? [] : [previous])].map(
    ({ accessKeyId }) => accessKeyId,
  )
  const isSame =
    isDeepStrictEqual(server.keys.map(({ accessKeyId }) => accessKeyId).sort(), wanted.sort()) &&
    server.keys.every((key) => isDeepStrictEqual(key.statements, statements))
  if (!isSame || secret.kind === 'given') return !isSame
  const content = contentOf(slots, bucketNames, server, secret.rotatedFor)
  return secret.held === null || !hasContent(secret.held, object, content)
}

function stepOf(
  nowMs: EpochMs,
  snapshot: BucketAccessSnapshot,
  keys: readonly AccessKeyFactsAnswer[],
): AccessStep {
  const { object, secret } = snapshot
  const bucketNames = readyNames(snapshot)
  if (bucketNames.length === 0) return revoke(keys)
  const statements = statementsOf(object, bucketNames)
  const isOwn = object.spec.secretName !== undefined
  switch (secret.kind) {
    case 'unsupported':
      return revoke(keys)
    // What the keys may do has changed, and the secret that goes with the change is not to be had.
    case 'forbidden':
    case 'failed':
      return revoke(keys.filter((key) => !isDeepStrictEqual(key.statements, statements)))
    case 'none':
      return isOwn ? ownGrant(nowMs, { object, keys, held: null, statements, bucketNames }) : revoke(keys)
    case 'held': {
      const held = secret.secret
      if (!isOwn) return givenGrant(held, { keys, statements, bucketNames })
      if (!isMadeFor(held, object)) return revoke(keys)
      return ownGrant(nowMs, { object, keys, held, statements, bucketNames })
    }
    default:
      return unreachable(secret, 'a Secret is there, is not, or cannot be read')
  }
}

type GrantParts = Pick<GrantStep, 'statements' | 'bucketNames'> & {
  readonly keys: readonly AccessKeyFactsAnswer[]
}

/** The keys are whoever's who writes the Secret. */
function givenGrant(held: HeldSecret, { keys, ...parts }: GrantParts): AccessStep {
  const { current, previous } = slotsOf(held)
  if (current === null) return revoke(keys)
  return {
    kind: 'grant',
    ...parts,
    current: { kind: 'held', pair: current },
    previous,
    keptMeanwhile: idsOf(current, previous),
    secret: { kind: 'given' },
  }
}

/**
 * A pair in the Secret counts if the server has its id, or had it by the status, which the operator alone writes: whoever can
 * write Secrets cannot make a key valid by that.
 */
function ownGrant(
  nowMs: EpochMs,
  { object, keys, held, ...parts }: GrantParts & { object: BucketAccess; held: HeldSecret | null },
): AccessStep {
  const { current, previous } = held === null ? { current: null, previous: null } : slotsOf(held)
  const asked = requestedBy(object, 'rotateNow')
  const rotatedFor = asked ?? held?.annotations[annotations.rotateNow] ?? null
  const grant = { kind: 'grant', ...parts, secret: { kind: 'own', held, rotatedFor } } as const
  const knownIds = [...keys.map(({ accessKeyId }) => accessKeyId), ...(object.status?.accessKeyIds ?? [])]
  if (current === null || !knownIds.includes(current.accessKeyId)) {
    const cause = (object.status?.accessKeyIds ?? []).length === 0 ? 'first' : 'lost'
    return { ...grant, current: { kind: 'new', cause }, previous: null, keptMeanwhile: [] }
  }
  const currentKey = keys.find(({ accessKeyId }) => accessKeyId === current.accessKeyId) ?? null
  const isThere = previous !== null && keys.some(({ accessKeyId }) => accessKeyId === previous.accessKeyId)
  const kept = isThere && !isGraceOver(nowMs, object, currentKey) ? previous : null
  const keptMeanwhile = idsOf(current, kept)
  if (isRotationDue(nowMs, object, { currentKey, held, asked })) {
    const isRefusedAtOnce = graceMs(object) === 0
    const former = isRefusedAtOnce ? null : current
    return { ...grant, current: { kind: 'new', cause: 'rotation' }, previous: former, keptMeanwhile }
  }
  return { ...grant, current: { kind: 'held', pair: current }, previous: kept, keptMeanwhile }
}

type Rotating = {
  readonly currentKey: AccessKeyFactsAnswer | null
  readonly held: HeldSecret | null
  readonly asked: string | null
}

function isRotationDue(
  nowMs: EpochMs,
  { spec, status }: BucketAccess,
  { currentKey, held, asked }: Rotating,
): boolean {
  const handled = [held?.annotations[annotations.rotateNow], status?.lastHandledRotateAt]
  if (asked !== null && !handled.includes(asked)) return true
  const { period } = spec.rotation ?? {}
  if (period === undefined || currentKey === null) return false
  return nowMs >= Date.parse(currentKey.created) + toDuration(period)
}

/** The former key's time runs from the making of the current one; when that is not known, it is over. */
function isGraceOver(nowMs: EpochMs, object: BucketAccess, currentKey: AccessKeyFactsAnswer | null): boolean {
  const lengthMs = graceMs(object)
  if (lengthMs === null) return false
  return currentKey === null || nowMs >= Date.parse(currentKey.created) + lengthMs
}

/** null: until the next rotation. */
export function graceMs({ spec }: BucketAccess): number | null {
  const { gracePeriod } = spec.rotation ?? {}
  return gracePeriod === undefined ? null : toDuration(gracePeriod)
}

/** Of what cannot be understood nothing is given, and nothing is taken. */
export function readyNames({ buckets }: Pick<BucketAccessSnapshot, 'buckets'>): readonly string[] {
  return buckets.flatMap((bucket) => {
    const isKnown = bucket.kind === 'ready' || bucket.kind === 'unparsable'
    return isKnown && bucket.bucketName !== null ? [bucket.bucketName] : []
  })
}

function statementsOf({ spec }: BucketAccess, buckets: readonly string[]): readonly Statement[] {
  return [{ effect: 'Allow', actions: actionsOfRole(spec.role), buckets, prefixes: null }]
}

function revoke(keys: readonly AccessKeyFactsAnswer[]): RevokeStep {
  return { kind: 'revoke', accessKeyIds: keys.map(({ accessKeyId }) => accessKeyId) }
}

function idsOf(...pairs: readonly (KeyPair | null)[]): readonly string[] {
  return pairs.flatMap((pair) => (pair === null ? [] : [pair.accessKeyId]))
}
