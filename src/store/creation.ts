/**
 * When versions and uploads were made, for ages and periods. What clients see, Last-Modified and Initiated, is the wall clock,
 * and that may have been wrong. Order and upload id were made from max(trusted, wall): of the two the later
 * is never before trusted time then, so nothing is older than it is.
 */
import { type EpochMs, epochMs, laterOf } from '../lib/units.ts'
import { timeOfId } from './random-ids.ts'
import type { UploadRecord, VersionRecord } from './records.ts'

/** Maybe of a time to come: the wall clock was ahead, or a version before it in its key says so. */
export function versionCreatedMs({
  lastModifiedMs,
  order,
}: Pick<VersionRecord, 'lastModifiedMs' | 'order'>): EpochMs {
  return laterOf(lastModifiedMs, epochMs(Math.ceil(order / 1000)))
}

/** As of versions. */
export function uploadCreatedMs({
  initiatedMs,
  uploadId,
}: Pick<UploadRecord, 'initiatedMs' | 'uploadId'>): EpochMs {
  return laterOf(initiatedMs, timeOfId(uploadId))
}
