/**
 * Whether a volume is a backup, or was restored from one and waits to be accepted. A row says so: it is part of the copy,
 * whoever moves it wherever. A volume that is its own has no such row, and none can appear while a server has it.
 */
import { randomInt } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import { VolumeReadOnlyError } from '../lib/read-only.ts'
import type { EpochMs } from '../lib/units.ts'
import { noRuleDenies } from '../lock/rules.ts'
import { forgetAccessKeys } from './access-keys.ts'
import { skipAccounts } from './accounts.ts'
import { appendAudit, hashInChain, hashOfAudit, readAuditEnd, readableHead } from './audit-chain.ts'
import type { AuditAnchor } from './audit-import.ts'
import { auditFields } from './decision.ts'
import { count, instant, matching, nullable, oneOf, orAbsent, shape } from './fields.ts'
import { hex } from './hex.ts'
import { metaKey } from './keys.ts'
import { emptyChainHead } from './kv/chain.ts'
import type { KeyValue, KeyValueReader, KeyValueTransaction } from './kv/contract.ts'
import { withTransact } from './kv/with-transact.ts'
import { skipEpochs } from './leadership.ts'
import type { Actor } from './requests.ts'
import { rowCodec } from './row-codec.ts'
import { scrubKey } from './scrub-record.ts'
import type { RestoreStore } from './store.ts'
import { lastProvenTime, readClock, readTrustedNow, replaceLostClock } from './trusted-clock.ts'
import { problemOf, unlessDamaged } from './verify-content.ts'
import { readVolume } from './volume.ts'

export type VolumeCopy = {
  readonly kind: 'backup' | 'restored'
  /** Wall time. */
  readonly backupMs: EpochMs
  /** The head of the audit chain in the backup; number 0 and 64 zeros: there was no record. */
  readonly auditSequence: number
  readonly auditHash: string
  /** What was found damaged while the backup was made; null: a release made it that did not note that. */
  readonly problemCount: number | null
}

/** The volume is a backup: nothing serves it, it is restored first. */
export class VolumeIsBackupError extends Error {
  override readonly name = 'VolumeIsBackupError'
}

const copyKey = metaKey('volume-copy')
const codec = rowCodec<VolumeCopy>(
  'volume-copy',
  shape({
    kind: oneOf('backup', 'restored'),
    backupMs: instant,
    auditSequence: count,
    auditHash: matching(/^[0-9a-f]{64}$/),
    problemCount: orAbsent(nullable(count), null),
  }),
)

/** null: the volume is its own. Throws CorruptRecordError: then it is not known. */
export async function readVolumeCopy(reader: KeyValueReader): Promise<VolumeCopy | null> {
  const value = await reader.get(copyKey)
  return value === null ? null : codec.decode(copyKey, value)
}

/** Makes the copy of a volume a backup, which says how far its audit chain goes, and how much of it was damaged. */
export async function markBackup(
  kv: KeyValue,
  { backupMs, problemCount }: Pick<VolumeCopy, 'backupMs' | 'problemCount'>,
): Promise<VolumeCopy> {
  return kv.transact(async (transaction) => {
    const { sequence, hash } = await readAuditEnd(transaction)
    const facts = { backupMs, auditSequence: sequence, auditHash: hex(hash), problemCount }
    const copy = { kind: 'backup', ...facts } as const
    transaction.put(copyKey, codec.encode(copyKey, copy))
    return copy
  })
}

/**
 * Whether the audit chain of `reader` has the head of an older backup in it: only then is it the same volume, later. What the chain
 * names there counts as well: a record that was damaged since makes no other volume of it.
 */
export async function continuesBackup(reader: KeyValueReader, backup: VolumeCopy): Promise<boolean> {
  if (backup.auditSequence === 0) return backup.auditHash === hex(emptyChainHead.hash)
  const { auditSequence: sequence, auditHash } = backup
  if ((await hashOfAudit(reader, sequence)) === auditHash) return true
  return (await hashInChain(reader, sequence)) === auditHash
}

export type Restoring = {
  readonly clock: Clock
  readonly actor: Actor
  /** The audit log whose lock extensions will be applied; null: there is none. */
  readonly auditLog: ProvenLog | null
  /** What is done where the backup's trusted time cannot be read: `take` it from the newest decision that its audit chain proves. */
  readonly lostClock: 'refuse' | 'take'
}

/** Nothing was restored: a sentence that says what is damaged, and what can be done. */
export class RestoreRefusedError extends Error {
  override readonly name = 'RestoreRefusedError'
}

/** A log by its end, how far a signed checkpoint vouches for it (null: none was given), and the breaks in it that were accepted. */
export type ProvenLog = {
  readonly head: AuditAnchor
  readonly provenSequence: number | null
  readonly breakCount: number
}

/**
 * Makes the copy of a backup a restored volume: without access keys, closed for writes, and past all numbers that the
 * volume gave out after the backup. Audited. Errors: RestoreRefusedError before anything is changed.
 */
export async function markRestored(kv: KeyValue, restoring: Restoring): Promise<void> {
  const { clock, actor, auditLog } = restoring
  await demandHead(kv)
  const lostClockMs = await timeForLostClock(kv, restoring)
  const accessKeyCount = await forgetAccessKeys(kv)
  await kv.transact(async (transaction) => {
    if (lostClockMs !== null) {
      await replaceLostClock(transaction, clock, lostClockMs)
      // What it says of passes, it says by the lost clock.
      transaction.delete(scrubKey)
    }
    const [value, now] = await Promise.all([transaction.get(copyKey), readTrustedNow(transaction, clock)])
    const backup = codec.decode(copyKey, value)
    transaction.put(copyKey, codec.encode(copyKey, { ...backup, kind: 'restored' }))
    await skipNumbers(transaction, actor)
    const detail = {
      ...detailOf(backup),
      accessKeyCount,
      ...(lostClockMs === null ? {} : { lostClockMs }),
      ...(auditLog === null ? {} : replayDetail(auditLog)),
    }
    const verdict = { kind: 'allow', rule: noRuleDenies } as const
    appendAudit(transaction, auditFields({ actor, bucket: '', key: null }, now, { verdict, detail }))
  })
}

/** Where the head does not name the last record, nothing can be appended, and so nothing can be recorded. */
async function demandHead(reader: KeyValueReader): Promise<void> {
  const head = await readableHead(reader)
  const { sequence } = await readAuditEnd(reader)
  if (head?.sequence === sequence) return
  throw new RestoreRefusedError(
    `the head of the backup's audit log ${head === null ? 'cannot be read' : `names record ${head.sequence}`}, its last record is ` +
      `${sequence}: what came after it may be gone, and nothing is written to such a log. Restore an older backup; a server on the ` +
      'volume still answers reads, and its objects can be copied from there',
  )
}

/** null: the trusted time of the backup can be read, and stays. */
async function timeForLostClock(kv: KeyValue, { lostClock }: Restoring): Promise<EpochMs | null> {
  const clock = await unlessDamaged(() => readClock(kv))
  if (clock.kind === 'whole') return null
  if (lostClock === 'take') return lastProvenTime(kv, (await readVolume(kv)).createdMs)
  throw new RestoreRefusedError(
    `the trusted time of the backup cannot be read (${clock.problem}): no lock can be judged by it. Restore an older backup, or, with ` +
      '--lost-clock take, go on from the newest decision in its audit log: locks then end late by what passed since, never early, ' +
      'until root vouches for the clock (holdfast clock accept)',
  )
}

/**
 * An account of a namespace that came after the backup may be named by a policy somewhere, and its leader may still run: another
 * one must not get its number. How many there were is not known. The length is random, so that the same backup restored twice
 * does not give a number to two.
 */
async function skipNumbers(transaction: KeyValueTransaction, { accessKeyId }: Actor): Promise<void> {
  const count = randomInt(limits.restoreSkippedMin, limits.restoreSkippedMax + 1)
  for (const skip of [
    () => skipAccounts(transaction, count),
    () => skipEpochs(transaction, { count, holder: accessKeyId }),
  ]) {
    // What cannot be read gives out no numbers; it stays as it is for `verify`.
    await problemOf(skip)
  }
}

/** What a server asks of its volume's state; `kv` is the store that is not guarded. */
export function createRestoreStore(kv: KeyValue, clock: Clock): RestoreStore {
  return {
    state: async () => {
      const copy = await readVolumeCopy(kv)
      return copy === null ? null : { backupMs: copy.backupMs, auditSequence: copy.auditSequence }
    },
    accept: (actor, reason) =>
      kv.transact(async (transaction) => {
        const [value, now] = await Promise.all([transaction.get(copyKey), readTrustedNow(transaction, clock)])
        if (value === null) return { kind: 'notRestored' }
        const detail = { ...detailOf(codec.decode(copyKey, value)), reason }
        transaction.delete(copyKey)
        const verdict = { kind: 'allow', rule: noRuleDenies } as const
        appendAudit(transaction, auditFields({ actor, bucket: '', key: null }, now, { verdict, detail }))
        return { kind: 'accepted' }
      }),
  }
}

/** Throws VolumeReadOnlyError while the volume waits to be accepted. Once it is open it is never asked again. */
export type WriteGuard = () => Promise<void>

export function createWriteGuard(reader: KeyValueReader): WriteGuard {
  let isOpen = false
  return async () => {
    if (isOpen) return
    // A row that cannot be read counts as one that is there.
    isOpen = (await reader.get(copyKey)) === null
    if (!isOpen) throw new VolumeReadOnlyError(readOnlySentence)
  }
}

const readOnlySentence =
  'The volume was restored from a backup and is read-only until root accepts it: holdfast admin accept-restore.'

/** The same store; no transaction begins unless the guard lets it. */
export function guardedKeyValue(kv: KeyValue, guard: WriteGuard): KeyValue {
  return withTransact(kv, async (work) => {
    await guard()
    return kv.transact(work)
  })
}

function replayDetail({ head, provenSequence, breakCount }: ProvenLog) {
  return {
    replayedAuditSequence: head.sequence,
    replayedAuditHash: head.hash,
    ...(provenSequence === null ? {} : { provenAuditSequence: provenSequence }),
    ...(breakCount === 0 ? {} : { acceptedAuditBreaks: breakCount }),
  }
}

function detailOf({ backupMs, auditSequence, auditHash }: VolumeCopy) {
  return { backupMs, backupAuditSequence: auditSequence, backupAuditHash: auditHash }
}
