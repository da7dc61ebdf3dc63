/** Checkpoints of the audit chain: made of what a server says, by a key that it never sees, and held against a volume. */
import { readFile } from 'node:fs/promises'
import type { ServerInfo } from '../client/lock-server.ts'
import type { SettingValues } from '../config/settings.ts'
import { epochMs } from '../lib/units.ts'
import { errorCode } from '../platform/files.ts'
import { hashInChain, hashOfAudit, readAuditEnd } from '../store/audit-chain.ts'
import {
  type CheckpointFacts,
  CheckpointKeyError,
  openCheckpoint,
  signCheckpoint,
} from '../store/checkpoint.ts'
import { CorruptRecordError } from '../store/fields.ts'
import type { KeyValueReader } from '../store/kv/contract.ts'
import { readVolume } from '../store/volume.ts'

/** A file that was named is not what it should be: a sentence for the person who named it. */
export class CheckpointFileError extends Error {
  override readonly name = 'CheckpointFileError'
}

/** A line for the head of now. Errors: CheckpointFileError. */
export async function makeCheckpoint(info: ServerInfo, signingKeyFile: string): Promise<string> {
  const { volumeId, version, clock, auditHead } = info
  if (auditHead === null) throw new CheckpointFileError('the audit log has no record yet')
  const trustedMs = epochMs(Date.parse(clock.trusted))
  const wallMs = epochMs(Date.parse(clock.wall))
  const key = await readText(signingKeyFile)
  return ofFile(signingKeyFile, () =>
    signCheckpoint({ volumeId, ...auditHead, trustedMs, wallMs, version }, key),
  )
}

/**
 * Every checkpoint of the file that was given, believed by the key; none when neither was given. Errors: CheckpointFileError,
 * also for a file without any.
 */
export async function readCheckpoints({
  checkpoint,
  checkpointKey,
}: SettingValues<'checkpoint' | 'checkpointKey'>): Promise<readonly CheckpointFacts[]> {
  if (checkpoint === null && checkpointKey === null) return []
  if (checkpoint === null || checkpointKey === null)
    throw new CheckpointFileError('--checkpoint and --checkpoint-key are given together')
  const key = await readText(checkpointKey)
  const lines = (await readText(checkpoint)).split('\n').filter((line) => line !== '')
  if (lines.length === 0) throw new CheckpointFileError(`${checkpoint} has no checkpoint`)
  return lines.map((line, index) =>
    ofFile(`${checkpoint}, line ${index + 1}`, () => openCheckpoint(line, key)),
  )
}

export type CheckpointProblem = {
  /** `damaged`: the chain goes through the checkpoint, but one of two records is another one; `missed`: it does not. */
  readonly kind: 'damaged' | 'missed'
  readonly sentence: string
}

/** null: the chain goes through the checkpoint. */
export async function checkpointProblem(
  { kv }: { readonly kv: KeyValueReader },
  { volumeId, sequence, hash }: CheckpointFacts,
): Promise<CheckpointProblem | null> {
  const missed = (sentence: string): CheckpointProblem => ({ kind: 'missed', sentence })
  if ((await readVolume(kv)).volumeId !== volumeId) return missed(`it is of volume ${volumeId}`)
  const head = await readAuditEnd(kv)
  if (head.sequence < sequence)
    return missed(
      `the log ends at record ${head.sequence}, before record ${sequence}: the volume was set back`,
    )
  if ((await hashOfAudit(kv, sequence)) === hash) return null
  if ((await hashInChain(kv, sequence)) !== hash)
    return missed(`record ${sequence} is another one: the log was written anew`)
  const sentence = `record ${sequence} was damaged, and the log goes on from what it was: the volume was not set back`
  return { kind: 'damaged', sentence }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === null) throw error
    throw new CheckpointFileError(`${path} cannot be read`, { cause: error })
  }
}

function ofFile<T>(place: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof CheckpointKeyError) && !(error instanceof CorruptRecordError)) throw error
    throw new CheckpointFileError(`${place}: ${error.message}`, { cause: error })
  }
}
