/**
 * Deletion of a LockedBucket: with deletionPolicy Delete a finalizer holds the object until the lock server was asked to
 * remove the bucket. What is in a bucket keeps it, and then the object goes alone.
 */
import { isDeepStrictEqual } from 'node:util'
import { annotations } from '../../api/annotations.ts'
import type { EventReason } from '../../api/conditions.ts'
import type { LockedBucket } from '../../api/LockedBucket.ts'
import { bucketFinalizer } from '../../api/metadata.ts'
import {
  type LockServer,
  type OwnerRef,
  ServerRefusedError,
  ServerUnreachableError,
} from '../../client/lock-server.ts'
import { unreachable } from '../../lib/assert.ts'
import { limits } from '../../lib/limits.ts'
import type { Next } from '../controller.ts'
import type { VolumeHistory } from '../history/volume-history.ts'
import type { Leadership } from '../leadership.ts'
import type { ObjectKey } from '../objects.ts'
import { isPaused } from '../requests.ts'
import type { EventRecord, Source } from '../sources/source.ts'

export type FinalizeParts = {
  readonly source: Source
  readonly lockServer: LockServer
  readonly leadership: Leadership
  readonly history: Pick<VolumeHistory, 'readNow'>
  readonly clusterId: string
  readonly recordEvent: (event: EventRecord) => Promise<void>
  /** Its bucket is gone, another's, or was spoken of: nothing is to be said when the object goes. */
  readonly forget: (key: ObjectKey) => void
}

/** Null: its finalizer is there exactly if its deletion has to wait, and there is nothing else to do before its status. */
export async function finalizeBucket(
  parts: FinalizeParts,
  key: ObjectKey,
  signal: AbortSignal,
): Promise<Next | null> {
  const object = parts.source.get('LockedBucket', key)
  if (object === null || parts.source.writeFinalizers === null) return null
  if (object.metadata.deletionTimestamp !== undefined) return finish(parts, object, signal)
  const isWanted = object.spec.deletionPolicy === 'Delete'
  if (isPaused(object) || isHeld(object) === isWanted) return null
  return hold(parts, { object, change: isWanted ? 'add' : 'remove' }, signal)
}

async function finish(parts: FinalizeParts, object: LockedBucket, signal: AbortSignal): Promise<Next | null> {
  // What it still waits for is a pause, or somebody else's finalizer.
  if (isPaused(object) || !isHeld(object)) return null
  try {
    return (await release(parts, object)) ?? (await hold(parts, { object, change: 'remove' }, signal))
  } catch (error) {
    if (!(error instanceof ServerUnreachableError) && !(error instanceof ServerRefusedError)) throw error
    return { kind: 'retry', error, delayMsMax: limits.serverRetryMsMax }
  }
}

function isHeld({ metadata }: LockedBucket): boolean {
  return (metadata.finalizers ?? []).includes(bucketFinalizer)
}

async function hold(
  { source, leadership }: FinalizeParts,
  { object, change }: { readonly object: LockedBucket; readonly change: 'add' | 'remove' },
  signal: AbortSignal,
): Promise<Next> {
  const others = (object.metadata.finalizers ?? []).filter((name) => name !== bucketFinalizer)
  leadership.assertHeld()
  await source.writeFinalizers?.(object, change === 'add' ? [...others, bucketFinalizer] : others, signal)
  return { kind: 'after', delayMs: limits.finalizerSettleMs }
}

/** Null: the server was asked, or need not be, and the object may go. */
async function release(parts: FinalizeParts, object: LockedBucket): Promise<Next | null> {
  const { lockServer, leadership, history, clusterId, forget, recordEvent } = parts
  const { metadata, spec } = object
  // Whoever orphans it says so: the bucket stays, also an empty one.
  if (metadata.annotations?.[annotations.orphan] === 'true' || spec.deletionPolicy !== 'Delete') return null
  const { namespace, name, uid, resourceVersion } = metadata
  const owner: OwnerRef = { clusterId, namespace, name, uid }
  const say = (reason: EventReason, message: string) => {
    const regarding = { kind: 'LockedBucket', namespace, name, uid, resourceVersion } as const
    return recordEvent({ reason, message, regarding })
  }
  if ((await history.readNow()).kind === 'doubted') {
    forget(metadata)
    const message = `Bucket ${spec.bucketName} stays on the lock server: its volume is not the one that it was, so what it lacks is no proof.`
    await say('BucketOrphaned', message)
    return null
  }
  const facts = await lockServer.readBucket(spec.bucketName)
  if (facts === null || !isDeepStrictEqual(facts.owner, owner)) {
    forget(metadata)
    return null
  }
  leadership.assertHeld()
  const answer = await lockServer.releaseBucket({ epoch: leadership.epoch, name: spec.bucketName, owner })
  switch (answer.kind) {
    case 'staleEpoch':
      leadership.lost(answer.epoch)
      return { kind: 'done' }
    case 'released':
      forget(metadata)
      await say('BucketDeleted', `Bucket ${spec.bucketName} was empty and is deleted.`)
      return null
    case 'notOwner':
      forget(metadata)
      return null
    case 'notEmpty':
      forget(metadata)
      await say(
        'BucketOrphaned',
        `Bucket ${spec.bucketName} is not empty and stays on the lock server with its locks.`,
      )
      return null
    default:
      return unreachable(answer, 'a release has four answers')
  }
}
