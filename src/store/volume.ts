/**
 * Whose volume this is, which format it has, and which server owns it now. Every start of a server is an epoch; a
 * worker of an older epoch that is still alive cannot commit any more, so recovery never races with it.
 */
import { randomInt, randomUUID } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import type { EpochMs } from '../lib/units.ts'
import { CorruptRecordError, count, type Decode, flag, instant, matching, shape } from './fields.ts'
import { type FormatStep, formatSteps, newestFormat, oldestFormat } from './format-steps.ts'
import { metaKey } from './keys.ts'
import type { KeyValue, KeyValueReader, KeyValueTransaction } from './kv/contract.ts'
import { withTransact } from './kv/with-transact.ts'
import { parseRow, rowCodec, sealRow } from './row-codec.ts'
import { remembering } from './row-memo.ts'
import type { VolumeIdentity } from './store.ts'
import { createClock } from './trusted-clock.ts'
import { unlessDamaged } from './verify-content.ts'

/** The format this release writes. */
export const volumeFormat = newestFormat(formatSteps)

const volumeKey = metaKey('volume')
export const epochKey = metaKey('server-epoch')
/** No volume is started so often that it comes here by counting. */
const unusedEpochMin = 2 ** 48

type VolumeRow = { readonly volumeId: string; readonly createdMs: EpochMs }
const decodeVolume: Decode<VolumeRow> = shape({ volumeId: matching(/^[0-9a-f-]{36}$/), createdMs: instant })

export type ServerEpoch = { readonly epoch: number; readonly cleanlyClosed: boolean }
const epochCodec = rowCodec<ServerEpoch>('server-epoch', shape({ epoch: count, cleanlyClosed: flag }))
/** Every transaction reads it. */
const decodeEpoch = remembering(1, epochCodec.decode)

/** The volume has a format that this release does not read: a newer one may have rules that this one does not know. */
export class VolumeFormatError extends Error {
  override readonly name = 'VolumeFormatError'
}

/** A newer server owns the volume: this process must stop. Nothing was committed. */
export class ServerEpochEndedError extends Error {
  override readonly name = 'ServerEpochEndedError'
}

/**
 * The volume's identity; an empty store becomes a new volume, with the first mark of its trusted clock. Errors:
 * VolumeFormatError; CorruptRecordError when rows are there but no identity: a damaged volume is not a new one.
 */
export async function openVolume(
  kv: KeyValue,
  clock: Clock,
  steps: readonly FormatStep[] = formatSteps,
): Promise<VolumeIdentity> {
  return kv.transact(async (transaction) => {
    const value = await transaction.get(volumeKey)
    if (value !== null) return readIdentity(value, steps)
    await refuseRowsWithoutIdentity(transaction)
    const volume = { volumeId: randomUUID(), createdMs: clock.wallMs(), format: newestFormat(steps) }
    transaction.put(volumeKey, encodeIdentity(volume))
    createClock(transaction, clock)
    return volume
  })
}

/**
 * The identity of a volume that must exist, for workers and offline tools. A format between two whole numbers is that of a volume
 * whose upgrade is not finished. Errors: as openVolume.
 */
export async function readVolume(
  reader: KeyValueReader,
  steps: readonly FormatStep[] = formatSteps,
): Promise<VolumeIdentity> {
  return readIdentity(await reader.get(volumeKey), steps)
}

/** False: nothing says whose volume it is; openVolume would make a new one. */
export async function hasIdentity(reader: KeyValueReader): Promise<boolean> {
  return (await reader.get(volumeKey)) !== null
}

/** For the upgrade alone (upgrade-volume.ts). */
export async function writeFormat(
  transaction: KeyValueTransaction,
  format: number,
  steps: readonly FormatStep[],
): Promise<void> {
  const volume = await readVolume(transaction, steps)
  transaction.put(volumeKey, encodeIdentity({ ...volume, format }))
}

/**
 * Supervisor, at start and before any worker: from its commit on, no older server commits anything. `previous` is null where no server
 * was before, and where its row cannot be read: then the epoch is one that none ever had, for the fence asks for the very number.
 */
export async function beginServerEpoch(
  kv: KeyValue,
): Promise<{ readonly epoch: number; readonly previous: ServerEpoch | null }> {
  return kv.transact(async (transaction) => {
    const previous = await unlessDamaged(() => readServerEpoch(transaction))
    const epoch = previous.kind === 'whole' ? (previous.value?.epoch ?? 0) + 1 : unusedEpoch()
    transaction.put(epochKey, epochCodec.encode(epochKey, { epoch, cleanlyClosed: false }))
    return { epoch, previous: previous.kind === 'whole' ? previous.value : null }
  })
}

function unusedEpoch(): number {
  return unusedEpochMin + randomInt(unusedEpochMin - 1)
}

/** Supervisor, after the last worker ended and its stages are empty. */
export async function endServerEpoch(kv: KeyValue, epoch: number): Promise<void> {
  await kv.transact(async (transaction) => {
    await assertEpoch(transaction, epoch)
    transaction.put(epochKey, epochCodec.encode(epochKey, { epoch, cleanlyClosed: true }))
  })
}

/** null: no server ever ran on the volume. */
export async function readServerEpoch(reader: KeyValueReader): Promise<ServerEpoch | null> {
  const value = await reader.get(epochKey)
  return value === null ? null : decodeEpoch(epochKey, value)
}

/**
 * The store as a server of `epoch` may use it: every transaction also reads the current epoch, so that none commits
 * after a newer server began. `transact` then throws ServerEpochEndedError.
 */
export function fencedKeyValue(kv: KeyValue, epoch: number): KeyValue {
  return withTransact(kv, (work) =>
    kv.transact(async (transaction) => {
      // In the same round of reads as the first of `work`.
      const [, result] = await Promise.all([assertEpoch(transaction, epoch), work(transaction)])
      return result
    }),
  )
}

async function assertEpoch(transaction: KeyValueTransaction, epoch: number): Promise<void> {
  const current = await readServerEpoch(transaction)
  if (current?.epoch === epoch) return
  throw new ServerEpochEndedError(
    `server epoch ${epoch} ended; the volume is owned by epoch ${current?.epoch ?? 'none'}`,
  )
}

async function refuseRowsWithoutIdentity(transaction: KeyValueTransaction): Promise<void> {
  const rows = await transaction.range({ from: Uint8Array.of(0), to: Uint8Array.of(0xff), limit: 1 })
  if (rows.length > 0) throw new CorruptRecordError('stored record: the volume has rows but no identity')
}

/** The row of the identity is sealed JSON with a `format` in every release, so that each can tell a newer one. */
function readIdentity(value: Uint8Array | null, steps: readonly FormatStep[]): VolumeIdentity {
  const { format, ...fields } = parseRow('volume', volumeKey, value)
  // Halves are those of an unfinished upgrade.
  if (typeof format !== 'number' || !Number.isInteger(2 * format) || format < 1)
    throw new CorruptRecordError(`stored record: volume has format ${String(format)}`)
  const newest = newestFormat(steps)
  if (format > newest) {
    throw new VolumeFormatError(
      `this volume has format ${format}; this release reads formats up to ${newest}: start the release that wrote it or a newer one`,
    )
  }
  const oldest = oldestFormat(steps)
  if (format < oldest) {
    throw new VolumeFormatError(
      `this volume has format ${format}; this release reads formats from ${oldest}: start an older release first, which brings it there`,
    )
  }
  return { ...decodeVolume(fields, 'volume'), format }
}

/** As a row of rowCodec, but for its number. */
function encodeIdentity({ format, volumeId, createdMs }: VolumeIdentity): Uint8Array {
  const fields = decodeVolume({ volumeId, createdMs }, 'volume')
  return sealRow(volumeKey, new TextEncoder().encode(JSON.stringify({ format, ...fields })))
}
