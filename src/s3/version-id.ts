import type { BucketRecord, VersionRecord } from '../store/records.ts'
import { invalidArgument, type S3Error } from './s3-error.ts'

/** Ours are letters and digits only; `null` is the null version. AWS ids are at most 1,024 bytes. */
const wellFormed = /^[A-Za-z0-9]{1,1024}$/

/**
 * The version id of a request; null when it names none. Errors: InvalidArgument for an empty id and for one that is no
 * version id at all (E21); an id that is well-formed but unknown is the store's answer.
 */
export function versionIdOf(query: URLSearchParams): string | null {
  const value = query.get('versionId')
  if (value === null) return null
  const error = versionIdError(value, 'versionId')
  if (error !== null) throw error
  return value
}

/** null: the id may be looked up. An empty id never means the null version or the current one. */
export function versionIdError(value: string, argumentName: string): S3Error | null {
  if (value === '') return invalidArgument('Version id cannot be the empty string', argumentName, '')
  if (!wellFormed.test(value)) return invalidArgument('Invalid version id specified', argumentName, value)
  return null
}

/** The version id as clients see it. */
export function shownVersionId(version: Pick<VersionRecord, 'isNull' | 'versionId'>): string {
  return version.isNull ? 'null' : version.versionId
}

/** `x-amz-version-id`, which S3 sends as soon as the bucket has ever been versioned. */
export function versionIdHeader(
  bucket: Pick<BucketRecord, 'versioning'>,
  version: Pick<VersionRecord, 'isNull' | 'versionId'>,
): Readonly<Record<string, string>> {
  if (bucket.versioning === 'Unversioned') return {}
  return { 'x-amz-version-id': shownVersionId(version) }
}
