/**
 * The audit log as an auditor holds it, against a volume that was restored from an older backup: what the log allowed to be
 * locked later is locked again. Only ever stronger; what was loosened later stays as the backup has it.
 */
import { unreachable } from '../lib/assert.ts'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import { type EpochMs, formatIso } from '../lib/units.ts'
import { activeRetention, extendsRetention, isActive } from '../lock/state.ts'
import type { ObjectLockState } from '../lock/types.ts'
import { appendAudit } from './audit-chain.ts'
import type { ImportedLine } from './audit-import.ts'
import { decodeVersion } from './codec.ts'
import { auditFields, versionFacts } from './decision.ts'
import { CorruptRecordError, instant, nullable, oneOf, shape } from './fields.ts'
import { changeLock, type LockChangeResult, strengthenLock } from './gate.ts'
import { versionKey } from './keys.ts'
import type { KeyValue, KeyValueTransaction } from './kv/contract.ts'
import type { VersionRecord } from './records.ts'
import type { Actor } from './requests.ts'
import { readTrustedNow } from './trusted-clock.ts'
import { orderOfVersionId } from './version-id.ts'
import { readBucket, type Scene } from './version-rows.ts'

export type ReplayCounts = {
  /** Versions, once for each record that made their lock stronger. */
  extendedCount: number
  /** Records about versions that were written after the backup, or in a bucket made after it. */
  missingCount: number
  deniedCount: number
}

export type Replay = {
  readonly kv: KeyValue
  readonly clock: Clock
  readonly actor: Actor
  /** Told of every extension that the gate denies. */
  readonly onDenied: (sentence: string) => void
}

type LockedVersion = {
  readonly sequence: number
  readonly bucket: string
  readonly key: string
  readonly versionId: string
  readonly lock: ObjectLockState & { readonly kind: 'known' }
}

const knownLock = shape({
  kind: oneOf('known'),
  retention: nullable(shape({ mode: oneOf('GOVERNANCE', 'COMPLIANCE'), retainUntilMs: instant })),
  legalHold: nullable(oneOf('ON', 'OFF')),
})

/** Applies the records that were allowed, in their order. Errors: those of `transact`. */
export async function replayAudit(replay: Replay, lines: AsyncIterable<ImportedLine>): Promise<ReplayCounts> {
  const counts = { extendedCount: 0, missingCount: 0, deniedCount: 0 }
  let batch: LockedVersion[] = []
  for await (const line of lines) {
    if (!('record' in line)) {
      counts.deniedCount += 1
      replay.onDenied(notApplied(line))
      continue
    }
    const locked = lockedVersion(line.sequence, line.record)
    if (locked === null) continue
    batch.push(locked)
    if (batch.length < limits.auditReplayBatchMax) continue
    await replayBatch(replay, batch, counts)
    batch = []
  }
  await replayBatch(replay, batch, counts)
  return counts
}

function notApplied(line: Exclude<ImportedLine, { readonly record: unknown }>): string {
  const { sequence } = line
  if (!('doubted' in line) || !('record' in line.doubted))
    return `audit record ${sequence} cannot be read: what it locked is not known`
  const { bucket, key, versionId } = line.doubted.record
  // As JSON writes them: whatever they are, they break no line.
  const words = JSON.stringify({ bucket, key, versionId })
  return `audit record ${sequence} is not known to be what was written: not applied, for a person to judge what it says of ${words}`
}

/** null: the record locked nothing. */
function lockedVersion(sequence: number, record: Readonly<Record<string, unknown>>): LockedVersion | null {
  const { verdict, bucket, key, versionId, lockAfter } = record
  if (verdict !== 'allow' || typeof bucket !== 'string' || typeof versionId !== 'string') return null
  if (typeof key !== 'string' || !isKnown(lockAfter)) return null
  const lock = knownLock(lockAfter, `lockAfter of audit record ${sequence}`)
  return { sequence, bucket, key, versionId, lock }
}

function isKnown(lock: unknown): boolean {
  return typeof lock === 'object' && lock !== null && 'kind' in lock && lock.kind === 'known'
}

async function replayBatch(
  replay: Replay,
  batch: readonly LockedVersion[],
  counts: ReplayCounts,
): Promise<void> {
  const outcomes = await replay.kv.transact(async (transaction) => {
    const found: Outcome[] = []
    for (const locked of batch) found.push(...(await replayOne(replay, transaction, locked)))
    return found
  })
  for (const outcome of outcomes) {
    switch (outcome.kind) {
      case 'extended':
        counts.extendedCount += 1
        break
      case 'missing':
        counts.missingCount += 1
        break
      case 'denied':
        counts.deniedCount += 1
        replay.onDenied(outcome.sentence)
        break
      default:
        unreachable(outcome, 'a lock is extended, missing or denied')
    }
  }
}

type Outcome =
  | { readonly kind: 'extended' }
  | { readonly kind: 'missing' }
  | { readonly kind: 'denied'; readonly sentence: string }

/** Empty: what is in force is as much. */
async function replayOne(
  { clock, actor }: Replay,
  transaction: KeyValueTransaction,
  locked: LockedVersion,
): Promise<readonly Outcome[]> {
  const { bucket: name, key, versionId, sequence } = locked
  const denied = (cause: string): Outcome => {
    const path = JSON.stringify(key).slice(1, -1)
    const sentence = `s3://${name}/${path}?versionId=${versionId}: not locked as audit record ${sequence} says: ${cause}`
    return { kind: 'denied', sentence }
  }
  try {
    const [bucket, now] = await Promise.all([
      readBucket(transaction, name),
      readTrustedNow(transaction, clock),
    ])
    const order = orderOfVersionId(versionId)
    const row = bucket === null || order === null ? null : versionKey(bucket.id, key, order, versionId)
    const value = row === null ? null : await transaction.get(row)
    if (bucket === null || row === null || value === null) return [{ kind: 'missing' }]
    const scene = { transaction, bucket, now }
    let version = decodeVersion(row, value)
    const outcomes: Outcome[] = []
    const conflict = conflictOf(version, locked.lock, now.trustedMs)
    if (conflict !== null) outcomes.push(denied(conflict))
    for (const strengthen of [strengthenRetention, strengthenHold]) {
      const result = strengthen(scene, version, locked.lock)
      if (result === null) continue
      const { verdict } = result
      if (result.kind === 'denied') {
        outcomes.push(denied(verdict.rule))
        continue
      }
      const facts = {
        ...versionFacts(version),
        change: result.version.change,
        lockAfter: result.version.lock,
      }
      const detail = { replayedAuditSequence: sequence }
      appendAudit(transaction, auditFields({ actor, bucket: name, key }, now, { verdict, ...facts, detail }))
      outcomes.push({ kind: 'extended' })
      version = result.version
    }
    return outcomes
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error
    return [denied(error.message)]
  }
}

type Strengthen = (
  scene: Scene,
  version: VersionRecord,
  wanted: LockedVersion['lock'],
) => LockChangeResult | null

/** null: what is in force is as much, or what is wanted would be over. The gate judges, here and below. */
const strengthenRetention: Strengthen = (scene, version, { retention }) => {
  const lock = lockOf(version)
  if (lock === null || retention === null || !isActive(retention, scene.now.trustedMs)) return null
  const current = activeRetention(lock, scene.now.trustedMs)
  const isMore =
    current === null || (extendsRetention(current, retention) && !extendsRetention(retention, current))
  return isMore ? strengthenLock(scene, version, retention) : null
}

/** null: one of the two is as strong as the other. COMPLIANCE for less time than GOVERNANCE is neither more nor less. */
function conflictOf(
  version: VersionRecord,
  { retention }: LockedVersion['lock'],
  nowMs: EpochMs,
): string | null {
  const lock = lockOf(version)
  const current = lock === null ? null : activeRetention(lock, nowMs)
  if (current === null || retention === null || !isActive(retention, nowMs)) return null
  if (extendsRetention(current, retention) || extendsRetention(retention, current)) return null
  const mode = `${current.mode} until ${formatIso(current.retainUntilMs)}`
  return `${mode} stays, and ${retention.mode} until ${formatIso(retention.retainUntilMs)} is shorter`
}

const strengthenHold: Strengthen = (scene, version, { legalHold }) => {
  const lock = lockOf(version)
  if (lock === null || legalHold !== 'ON' || lock.legalHold === 'ON') return null
  return changeLock(scene, version, { kind: 'PutObjectLegalHold', next: 'ON' })
}

/** null: a delete marker has none. Throws CorruptRecordError. */
function lockOf({ object, lock }: VersionRecord): LockedVersion['lock'] | null {
  if (object === null) return null
  if (lock.kind === 'unknown') throw new CorruptRecordError(lock.cause)
  return lock
}
