/** Puts the store together over its two engines. */
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { VolumeReadOnlyError } from '../lib/read-only.ts'
import { createAccessKeys } from './access-keys.ts'
import { applyToExisting } from './apply-to-existing.ts'
import { demandAppendable } from './audit-chain.ts'
import { createAudit } from './audit-log.ts'
import type { Bodies } from './bodies/contract.ts'
import { createBucketDocuments } from './bucket-documents.ts'
import { createBuckets } from './buckets.ts'
import { collectGarbage } from './collect-garbage.ts'
import type { StoreContext } from './decision.ts'
import { createDenialRecorder } from './denials.ts'
import { CorruptRecordError } from './fields.ts'
import { createFreeSpaceGuard } from './free-space.ts'
import { type CommitRoom, type KeyValue, StoreFailedError } from './kv/contract.ts'
import { createLeadership } from './leadership.ts'
import { runLifecycle } from './lifecycle.ts'
import { BucketPlaces } from './scenes.ts'
import { createScrub } from './scrub.ts'
import type { MasterKey } from './sealed-secret.ts'
import type { Store, VolumeIdentity } from './store.ts'
import { createClockStore, readTrustedNow } from './trusted-clock.ts'
import { createUploads } from './uploads.ts'
import { unlessDamaged } from './verify-content.ts'
import { createVersions } from './versions.ts'
import { readServerEpoch } from './volume.ts'
import { createRestoreStore, createWriteGuard, guardedKeyValue, type WriteGuard } from './volume-copy.ts'

export type StoreParts = {
  /** Fenced by the server's epoch (volume.ts), so that nothing commits after a newer server began. */
  readonly kv: KeyValue
  readonly bodies: Bodies
  readonly clock: Clock
  readonly log: Log
  readonly volume: VolumeIdentity
  /** Told of every refusal that goes into the audit log. */
  readonly onDenied?: (rule: string) => void
  /** Opens the secrets of stored access keys; null: they stay closed, and no new ones are taken. */
  readonly masterKey: MasterKey | null
  /** Of the engine, where it asks for one: it looks again when garbage gave room. */
  readonly room?: Pick<CommitRoom, 'look'>
}

/** How often the ballast is looked after; a failure shows in writeRefusal. */
const tendIntervalMs = 5_000

/** `close` also closes `kv` and `bodies`. */
export function openStore(parts: StoreParts): Store {
  const { kv, bodies, clock, log, volume, onDenied, masterKey, room } = parts
  const denials = createDenialRecorder({ kv, clock, ...(onDenied === undefined ? {} : { onDenied }) })
  // What a restored volume must not do before it is accepted goes through the guard; its clock and its log go on.
  const guard = createWriteGuard(kv)
  const context = { kv: guardedKeyValue(kv, guard), bodies, clock, denials, log }
  const space = createFreeSpaceGuard({ bodies, clock })
  const buckets = createBuckets(context)
  const versions = createVersions(context)
  const uploads = createUploads(context)
  const tending = setInterval(() => {
    space.tend().catch((error: unknown) => log.error({ error }, 'the free space was not looked after'))
  }, tendIntervalMs)
  tending.unref()
  return {
    volume,
    accessKeys: createAccessKeys(context, masterKey),
    buckets,
    documents: createBucketDocuments(context),
    versions: {
      ...versions,
      stage: async (body, bytesMax, sizeBytes = 0) => {
        await guard()
        await space.admit(sizeBytes)
        return bodies.stage(body, { bytesMax, onChunk: ({ length }) => space.arrived(length) })
      },
    },
    uploads,
    lifecycle: {
      run: async (signal) => {
        if (await isReadOnly(guard)) return { kind: 'readOnly' }
        return runLifecycle({ context: { ...context, places: new BucketPlaces() }, buckets }, signal)
      },
    },
    scrub: createScrub({ kv, bodies, clock, log, unsavedBytesMax: limits.scrubUnsavedBytesMax }),
    clock: createClockStore(kv, clock),
    leadership: createLeadership(kv, clock),
    audit: createAudit(kv, clock, denials),
    restore: createRestoreStore(kv, clock),
    applyToExisting: async (signal) => ((await isReadOnly(guard)) ? 0 : applyToExisting(context, signal)),
    collectGarbage: async (signal) =>
      (await isReadOnly(guard))
        ? 0
        : collectGarbage({ kv, clock, bodies, log, ...(room === undefined ? {} : { room }) }, signal),
    space: () => bodies.freeSpace(),
    writeRefusal: () => writeRefusal({ kv, clock, guard, spaceRefusal: space.refusal }),
    close: async () => {
      clearInterval(tending)
      await denials.close()
      await bodies.close()
      await kv.close()
    },
  }
}

async function isReadOnly(guard: WriteGuard): Promise<boolean> {
  try {
    await guard()
    return false
  } catch (error) {
    if (error instanceof VolumeReadOnlyError) return true
    throw error
  }
}

type Refusing = Pick<StoreContext, 'kv' | 'clock'> & {
  readonly guard: WriteGuard
  readonly spaceRefusal: () => Promise<string | null>
}

/** A failed store refuses its reads too: that of the clock is one, and what every decision needs. */
async function writeRefusal({ kv, clock, guard, spaceRefusal }: Refusing): Promise<string | null> {
  try {
    await readTrustedNow(kv, clock)
    await guard()
  } catch (error) {
    if (error instanceof CorruptRecordError)
      return `no lock can be judged, nothing is written: the trusted time cannot be read (${error.message})`
    if (error instanceof StoreFailedError || error instanceof VolumeReadOnlyError) return error.message
    throw error
  }
  const epoch = await unlessDamaged(() => readServerEpoch(kv))
  if (epoch.kind === 'damaged')
    return `nothing is written: the epoch of this server cannot be read any more (${epoch.problem}); started again it takes another`
  const log = await unlessDamaged(() => kv.snapshot(demandAppendable))
  if (log.kind === 'damaged')
    return `nothing is written: no record can follow in the audit log (${log.problem})`
  return spaceRefusal()
}
