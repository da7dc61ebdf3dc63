/**
 * Recovery after a crash: what an older server left in its stages is either referenced by a commit (then only the
 * trace goes) or nobody's (then its bytes go too). Runs after beginServerEpoch, whose fence keeps any older worker
 * from referring to a body that is judged here. See docs/decisions/0012-stage-link.md.
 */
import type { Log } from '../lib/log.ts'
import {
  type AbandonedStage,
  type Bodies,
  BodyStoreFailedError,
  BodyStoreFullError,
} from './bodies/contract.ts'
import { unlinkBodies } from './bodies/unlink-bodies.ts'
import { removeUnpublished, type UnpublishedOptions } from './bodies/unpublished.ts'
import { unlinkGarbage } from './collect-garbage.ts'
import { fileKey } from './keys.ts'
import type { KeyValue, KeyValueReader } from './kv/contract.ts'

export type RecoverOptions = {
  readonly kv: KeyValueReader
  readonly bodies: Pick<Bodies, 'stages' | 'tracesIn' | 'resolveTrace' | 'removeStage'>
  readonly log: Log
}
export type Recovered = { readonly keptCount: number; readonly removedCount: number }

/**
 * Idempotent: an interrupted recovery goes on at the next start. Never touches a body without a trace. Where the disk fails,
 * it ends there: a trace that is left takes room and hinders nobody.
 */
export async function recoverStages(options: RecoverOptions): Promise<Recovered> {
  const counts = { keptCount: 0, removedCount: 0 }
  for (const stage of await options.bodies.stages()) {
    try {
      await recoverStage(options, stage, counts)
    } catch (error) {
      const isOfDisk = error instanceof BodyStoreFailedError || error instanceof BodyStoreFullError
      if (!isOfDisk) throw error
      options.log.error({ stage: stage.name, error }, 'the disk failed the recovery: left to the next start')
      break
    }
  }
  return counts
}

type Counts = { keptCount: number; removedCount: number }

async function recoverStage(
  { kv, bodies, log }: RecoverOptions,
  stage: AbandonedStage,
  counts: Counts,
): Promise<void> {
  for await (const bodyId of bodies.tracesIn(stage)) {
    const isKept = await isReferenced(kv, bodyId)
    await bodies.resolveTrace(stage, bodyId, isKept ? 'keep' : 'remove')
    if (isKept) counts.keptCount += 1
    else counts.removedCount += 1
  }
  const outcome = await bodies.removeStage(stage)
  if (outcome === 'foreignNames')
    log.warn({ stage: stage.name }, 'a stage holds files that are not ours: left')
  if (outcome === 'traces')
    log.warn({ stage: stage.name }, 'a worker of an ended epoch still stages: left to the next start')
  log.info({ stage: stage.name, ...counts }, 'the stage of an earlier server is resolved')
}

/** Row 0 exists exactly while a part or a list holds the body; a row that cannot be parsed holds it too. */
async function isReferenced(kv: KeyValueReader, bodyId: string): Promise<boolean> {
  return (await kv.get(fileKey(bodyId, 0))) !== null
}

export type RecoverRoomOptions = Pick<UnpublishedOptions, 'directory' | 'isInPlace'> &
  Pick<RecoverOptions, 'log'> & {
    readonly kv: KeyValue
    /** Of this moment: so much that a start goes on, and no more has to go before it. */
    readonly hasRoom: () => Promise<boolean>
  }

/**
 * What of a recovery needs no epoch, where there is no room to begin one: bodies that were never published go, and those of garbage, which
 * nobody can come to refer to again. True: some did, so there may be room now. Where the disk fails it ends, and what is stored is read all
 * the same.
 */
export async function recoverRoom(options: RecoverRoomOptions): Promise<boolean> {
  const { kv, log, hasRoom, ...place } = options
  let removedBytes = 0
  const enough = new AbortController()
  const onRemoved = async (sizeBytes: number): Promise<void> => {
    removedBytes += sizeBytes
    if (await hasRoom()) enough.abort()
  }
  try {
    removedBytes += await removeUnpublished({
      ...place,
      isReferenced: (bodyId) => isReferenced(kv, bodyId),
    })
    if (!(await hasRoom()))
      await unlinkGarbage({ kv, log, bodies: unlinkBodies({ ...place, onRemoved }) }, enough.signal)
  } catch (error) {
    log.error({ error }, "what is nobody's could not give all of its room up")
  }
  if (removedBytes > 0) log.info({ removedBytes }, "bodies that are nobody's gave their room up")
  return removedBytes > 0
}
