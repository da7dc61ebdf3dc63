/**
 * Damage that a read met: its bytes go into quarantine at once, as if the scrub had come by, so that metrics, conditions and
 * the next reader know. The block is read once more first: a disk that failed once takes no object off.
 */
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { BodyCorruptError, BodyMissingError, type BodyReader } from './bodies/contract.ts'
import { CorruptRecordError } from './fields.ts'
import type { KeyValue } from './kv/contract.ts'
import { QuarantinedError, quarantine } from './quarantine.ts'
import type { VersionRecord } from './records.ts'
import { isFailedRead } from './verify-content.ts'

export type MetDamage = {
  readonly version: VersionRecord
  readonly error: unknown
  /** Reads again where the damage is. */
  readonly again: () => BodyReader
}

type Parts = { readonly kv: KeyValue; readonly clock: Clock; readonly log: Log }

/** Never rejects: what could not be written is logged, and the reader has its own error. */
export type MeetDamage = (damage: MetDamage) => Promise<void>

/** Of one process. However many read the same bytes, it is written once; beyond so many lists a minute it is the scrub's. */
export function damageMeeter({ kv, clock, log }: Parts): MeetDamage {
  const underWay = new Map<string, Promise<void>>()
  let windowMs = Number.NEGATIVE_INFINITY
  let windowCount = 0
  const mayLook = (): boolean => {
    const nowMs = clock.uptimeMs()
    if (nowMs - windowMs >= limits.metDamageWindowMs) {
      windowMs = nowMs
      windowCount = 0
    }
    windowCount += 1
    return windowCount <= limits.metDamageMax
  }
  const look = async ({ version, again }: MetDamage): Promise<void> => {
    const { versionId } = version
    try {
      const problem = await readAgain(again)
      if (problem === null) {
        log.error({ versionId }, 'damage that a read met was not there when it was read again')
        return
      }
      const isThere = await quarantine(kv, version, { kind: 'damaged', foundMs: clock.wallMs(), problem })
      if (isThere) log.error({ versionId, problem }, 'a version is damaged: its reads are refused')
    } catch (error) {
      log.error({ versionId, error }, 'damage that a read met could not be put into quarantine')
    }
  }
  return async (damage) => {
    const listId = damage.version.object?.content.listId
    if (listId === undefined || !isNews(damage.error)) return
    const known = underWay.get(listId)
    if (known !== undefined) return known
    if (!mayLook()) return
    const looking = look(damage).finally(() => underWay.delete(listId))
    underWay.set(listId, looking)
    await looking
  }
}

/** A disk that does not read now may read again: that it is damage for good is the scrub's to say. */
function isNews(error: unknown): error is Error {
  if (error instanceof QuarantinedError || isFailedRead(error)) return false
  return (
    error instanceof BodyCorruptError ||
    error instanceof BodyMissingError ||
    error instanceof CorruptRecordError
  )
}

/** null: whole. Throws what is no damage. */
async function readAgain(again: MetDamage['again']): Promise<string | null> {
  try {
    const chunks = again()
    for await (const chunk of chunks) chunks.recycle(chunk)
    return null
  } catch (error) {
    if (isNews(error) || error instanceof QuarantinedError) return error.message
    throw error
  }
}
