import type { LockedBucket } from '../../api/LockedBucket.ts'
import {
  type ApplyBucketAnswer,
  type LockServer,
  ServerRefusedError,
  ServerUnreachableError,
} from '../../client/lock-server.ts'
import type { Log } from '../../lib/log.ts'
import type { Canary } from '../canary.ts'
import { BindingChanges, clusterPoliciesOf } from '../cluster-policies.ts'
import type { Controller } from '../controller.ts'
import type { VolumeHistory } from '../history/volume-history.ts'
import type { Leadership, ServerFacts } from '../leadership.ts'
import { formatKey, type ObjectKey, type ObjectRef } from '../objects.ts'
import { type Requests, requestsOf, revisionOf } from '../requests.ts'
import type { EventRecord, Source } from '../sources/source.ts'
import {
  type ApplyStep,
  decideLockedBucket,
  isOwnedBy,
  isReleased,
  type LockedBucketSnapshot,
  type ServerView,
} from './locked-bucket-decide.ts'
import { finalizeBucket } from './locked-bucket-finalize.ts'
import { lockedBucketReport } from './locked-bucket-status.ts'

export type LockedBucketParts = {
  readonly source: Source
  readonly lockServer: LockServer
  readonly serverFacts: ServerFacts
  readonly canary: Canary
  readonly history: VolumeHistory
  readonly leadership: Leadership
  readonly clusterId: string
  readonly recordEvent: (event: EventRecord) => Promise<void>
  readonly log: Log
}

/** `server`: what is true after the step, read back. */
export type LockedBucketOutcome = {
  readonly step: ApplyStep | null
  readonly answer: ApplyBucketAnswer | null
  readonly server: ServerView
}

/**
 * Makes the lock server enforce the policy that a LockedBucket names, and says in its status what the server
 * then answers. Deleting a LockedBucket changes nothing at the server: bucket, locks, floor and owner record
 * stay; but an empty bucket whose deletionPolicy is Delete goes.
 */
export function lockedBucketController(
  parts: LockedBucketParts,
): Controller<'LockedBucket', LockedBucketSnapshot, ApplyStep, LockedBucketOutcome> {
  const { source } = parts
  const policies = new Map<string, string>()
  const bindings = new BindingChanges()
  /** As last seen, of those that own their bucket at the server. */
  const owners = new Map<string, LockedBucket>()
  return {
    name: 'lockedbucket',
    kind: 'LockedBucket',
    watches: [
      { kind: 'RetentionPolicy', delayMs: 0, keys: (changed) => affectedBuckets(policies, changed, source) },
      {
        kind: 'ClusterRetentionPolicy',
        delayMs: 0,
        keys: () => bindings.keysOf(source, source.list('LockedBucket')),
      },
    ],
    read: async (key) => {
      const object = source.get('LockedBucket', key)
      if (object === null) {
        await sayOrphaned(owners, key, parts)
        return null
      }
      return {
        object,
        policy: policyOf(source, object),
        cluster: clusterPoliciesOf(source, key.namespace),
        server: await viewServer(parts, object.spec.bucketName, requestsOf(object)),
        clusterId: parts.clusterId,
        epoch: parts.leadership.epoch,
        guard: source.guard(),
        storage: source.storage(),
      }
    },
    finalize: (key, signal) =>
      finalizeBucket({ ...parts, forget: (gone) => owners.delete(formatKey(gone)) }, key, signal),
    decide: (_nowMs, snapshot) => decideLockedBucket(snapshot),
    act: async (snapshot, steps, signal) => {
      const outcome = await apply(parts, { snapshot, steps }, signal)
      const { server } = outcome
      const owner = server.kind === 'seen' ? (server.facts?.owner ?? null) : null
      // Of one that was released, that its bucket stays was said then.
      if (isOwnedBy(owner, snapshot) && !isReleased(snapshot.object))
        owners.set(formatKey(snapshot.object.metadata), snapshot.object)
      return outcome
    },
    status: (nowMs, snapshot, outcome) => lockedBucketReport(nowMs, snapshot, outcome),
  }
}

function policyOf(source: Source, { metadata, spec }: LockedBucket): LockedBucketSnapshot['policy'] {
  const key = { namespace: metadata.namespace, name: spec.retentionPolicyRef.name }
  if (source.unparsable('RetentionPolicy').has(formatKey(key))) return 'unparsable'
  return source.get('RetentionPolicy', key)
}

async function apply(
  parts: LockedBucketParts,
  { snapshot, steps }: { snapshot: LockedBucketSnapshot; steps: readonly ApplyStep[] },
  signal: AbortSignal,
): Promise<LockedBucketOutcome> {
  const step = steps[0] ?? null
  if (step === null) return { step, answer: null, server: snapshot.server }
  signal.throwIfAborted()
  try {
    const { server } = snapshot
    const before = server.kind === 'seen' ? server.history.kind : null
    // The volume may have been set back since the snapshot: then what was decided is not what should be.
    if ((await parts.history.readNow()).kind !== before)
      return {
        step: null,
        answer: null,
        server: await viewServer(parts, step.request.name, requestsOf(snapshot.object)),
      }
    const answer = await parts.lockServer.applyBucket(step.request)
    if (answer.kind === 'staleEpoch') parts.leadership.lost(answer.epoch)
    return { step, answer, server: await viewServer(parts, step.request.name, requestsOf(snapshot.object)) }
  } catch (error) {
    return { step, answer: null, server: { kind: 'failed', error: serverError(error) } }
  }
}

async function viewServer(
  parts: LockedBucketParts,
  bucketName: string,
  { verify }: Requests,
): Promise<ServerView> {
  try {
    const { serverFacts } = parts
    const info = verify === 'open' ? await serverFacts.readNow() : await serverFacts.read()
    const history = verify === 'open' ? await parts.history.readNow() : await parts.history.read()
    const canary = verify === 'open' ? await parts.canary.readNow(info) : await parts.canary.read(info)
    const facts = await parts.lockServer.readBucket(bucketName)
    const observed = facts === null ? null : await parts.lockServer.observeObjectLock(bucketName)
    return { kind: 'seen', info, facts, observed, canary, history }
  } catch (error) {
    return { kind: 'failed', error: serverError(error) }
  }
}

/** What the server does is a state to report; anything else is a bug and goes up. */
function serverError(error: unknown): ServerUnreachableError | ServerRefusedError {
  if (error instanceof ServerUnreachableError || error instanceof ServerRefusedError) return error
  throw error
}

/**
 * The buckets of a policy that is new, changed its spec or its annotations, or went. A status of the policy is no reason to ask
 * the server.
 */
function affectedBuckets(
  policies: Map<string, string>,
  changed: ObjectRef,
  source: Source,
): readonly ObjectKey[] {
  const policy = source.get('RetentionPolicy', changed)
  const key = formatKey(changed)
  const unparsable = source.unparsable('RetentionPolicy').has(key) ? 'unparsable' : ''
  const revision = policy === null ? unparsable : revisionOf(policy.metadata)
  if (policies.get(key) === revision) return []
  if (revision === '') policies.delete(key)
  else policies.set(key, revision)
  return source
    .list('LockedBucket')
    .filter(({ metadata, spec }) => {
      return metadata.namespace === changed.namespace && spec.retentionPolicyRef.name === changed.name
    })
    .map(({ metadata }) => ({ namespace: metadata.namespace, name: metadata.name }))
}

async function sayOrphaned(
  owners: Map<string, LockedBucket>,
  key: ObjectKey,
  parts: LockedBucketParts,
): Promise<void> {
  const gone = owners.get(formatKey(key))
  // A bucket that was never this object's is not left behind by it.
  if (gone === undefined) return
  owners.delete(formatKey(key))
  const { bucketName } = gone.spec
  const { uid, resourceVersion } = gone.metadata
  parts.log.warn(
    { object: formatKey(key), bucket: bucketName },
    'deleted; the bucket, its locks and its floor stay',
  )
  await parts.recordEvent({
    reason: 'BucketOrphaned',
    message: `Bucket ${bucketName} stays on the lock server with its locks, its floor and its owner record.`,
    regarding: { kind: 'LockedBucket', ...key, uid, resourceVersion },
  })
}
