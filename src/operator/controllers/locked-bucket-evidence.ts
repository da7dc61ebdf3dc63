/** What a status says beside the lock itself: clock, damage, refusals, lifecycle. Pure. */
import type { EventReason } from '../../api/conditions.ts'
import type { LockedBucketStatus } from '../../api/LockedBucket.ts'
import type { BucketFactsAnswer } from '../../client/lock-server.ts'
import { limits } from '../../lib/limits.ts'
import { epochMs } from '../../lib/units.ts'
import { findCondition, formatTime, type WantedCondition } from '../conditions.ts'
import type { ServerView } from './locked-bucket-decide.ts'
import { type OwnedView, ownsNothing } from './locked-bucket-observed.ts'

/** Without instants and amounts: a message that changes with every look would be a write with every look. */
export function clockSuspect(server: ServerView): WantedCondition {
  const type = 'ClockSuspect'
  if (server.kind === 'failed') return { type, status: 'Unknown', reason: 'ServerUnreachable', message: null }
  return server.info.clock.suspect
    ? { type, status: 'True', reason: 'ClockJumped', message: null }
    : { type, status: 'False', reason: 'ClockTrusted', message: null }
}

export function integrityVerified(view: OwnedView): WantedCondition {
  const type = 'IntegrityVerified'
  if (view.kind === 'unknown') return { type, status: 'Unknown', reason: 'ServerUnreachable', message: null }
  if (view.kind === 'none') return { type, status: 'Unknown', reason: 'BucketMissing', message: ownsNothing }
  const { integrity } = view.facts
  if (integrity.quarantinedCount > 0) {
    return { type, status: 'False', reason: 'Quarantined', message: quarantineMessage(integrity) }
  }
  if (integrity.owners === 'searching')
    return { type, status: 'Unknown', reason: 'DamageUnassigned', message: null }
  if (integrity.unreadableCount > 0)
    return { type, status: 'Unknown', reason: 'UnreadableVersions', message: null }
  if (integrity.stoppedCount > 0) return { type, status: 'Unknown', reason: 'ScrubStopped', message: null }
  if (integrity.lastScrub === null) return { type, status: 'Unknown', reason: 'NotScrubbed', message: null }
  return { type, status: 'True', reason: 'Scrubbed', message: null }
}

function quarantineMessage({ quarantinedCount, quarantined }: BucketFactsAnswer['integrity']): string {
  const named = quarantined.map(({ key, versionId }) => `${cut(key, 128)} (${versionId})`).join(', ')
  const more =
    quarantinedCount > quarantined.length ? ` and ${quarantinedCount - quarantined.length} more` : ''
  return `The bytes of these versions are not those that were written, or the disk does not give them out; their reads are refused, or fail: ${named}${more}.`
}

/** The parts of a status that this file is about; left out where the server has none. */
export function evidenceFields({
  lastDenials,
  lastLifecycleRun: run,
  integrity,
}: BucketFactsAnswer): Pick<LockedBucketStatus, 'lastDenials' | 'lastLifecycleRun' | 'integrity'> {
  return {
    ...(lastDenials.length === 0 ? {} : { lastDenials: lastDenials.map(denialFields) }),
    ...(run === null
      ? {}
      : {
          lastLifecycleRun: {
            startTime: timeOf(run.started),
            completionTime: timeOf(run.ended),
            expired: run.expiredCount,
            removed: run.removedCount,
            abortedUploads: run.abortedUploadCount,
            locked: run.lockedCount,
            unreadable: run.unreadableCount,
          },
        }),
    integrity: {
      ...(integrity.lastScrub === null ? {} : { lastScrubTime: timeOf(integrity.lastScrub) }),
      quarantinedVersions: integrity.quarantinedCount,
    },
  }
}

function denialFields(denial: BucketFactsAnswer['lastDenials'][number]) {
  const { time, operation, accessKeyId, key, versionId, rule, count } = denial
  return {
    time: timeOf(time),
    operation,
    rule,
    accessKeyId: cut(accessKeyId, limits.statusTextLengthMax),
    ...(key === null ? {} : { key: cut(key, limits.statusTextLengthMax) }),
    ...(versionId === null ? {} : { versionId: cut(versionId, limits.statusTextLengthMax) }),
    count,
  }
}

/** What turned bad since the last status, or bad in another way. */
export function evidenceEvents(
  previous: LockedBucketStatus | undefined,
  wanted: readonly WantedCondition[],
): readonly { readonly reason: EventReason; readonly message: string | null }[] {
  const turned = (type: WantedCondition['type'], bad: 'True' | 'False') => {
    const now = wanted.find((condition) => condition.type === type)
    const before = findCondition(previous?.conditions, type)
    const isNews = now?.status === bad && (before?.status !== bad || before.reason !== now.reason)
    return isNews ? now : null
  }
  const suspect = turned('ClockSuspect', 'True')
  const damaged = turned('IntegrityVerified', 'False')
  const unretained = turned('StorageRetained', 'False')
  return [
    ...(suspect === null ? [] : [{ reason: 'ClockSuspect' as const, message: suspect.message }]),
    ...(damaged === null ? [] : [{ reason: 'VersionsQuarantined' as const, message: damaged.message }]),
    ...(unretained === null ? [] : [{ reason: 'StorageNotRetained' as const, message: unretained.message }]),
  ]
}

function timeOf(instant: string): string {
  return formatTime(epochMs(Date.parse(instant)))
}

/** Never half of a surrogate pair, which the API server would refuse. */
function cut(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 1).toWellFormed()}…`
}
