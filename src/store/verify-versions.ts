/** Versions, open uploads, and the rows by which keys find their versions. */
import { isDeepStrictEqual } from 'node:util'
import { equalBytes } from '../lib/bytes.ts'
import { limits } from '../lib/limits.ts'
import { decodeCurrent, decodePart, decodeUpload, decodeVersion } from './codec.ts'
import { corrupt } from './fields.ts'
import { currentOf } from './gate.ts'
import {
  currentKey,
  listRefKey,
  listRefPrefix,
  nullKey,
  parseCurrentKey,
  parseListRefKey,
  parseNullKey,
  parseVersionKey,
  partKey,
  rangeOf,
  tablePrefix,
  versionPrefix,
} from './keys.ts'
import type { KeyValueReader } from './kv/contract.ts'
import type { UploadRecord, VersionRecord } from './records.ts'
import { unsealRow } from './row-codec.ts'
import { walk, walkRange } from './stats.ts'
import { bodyProblem, type ContentSource, contentProblem, problemOf } from './verify-content.ts'
import type { Verification } from './verify-finding.ts'
import { nullVersionRow } from './version-rows.ts'

/** What cannot be read at all is told where the rows are looked at; here it is left out. */
export async function verifyVersions(verification: Verification): Promise<void> {
  const { reader, counts } = verification
  let place = ''
  let hasNull = false
  for await (const { key: row, value } of walk(reader, tablePrefix('version'))) {
    counts.versionCount += 1
    const own = await decoded(async () => placeOf(row))
    const version = await decoded(async () => decodeVersion(row, value))
    if (own === null) continue
    const isNewest = own !== place
    if (isNewest) hasNull = false
    place = own
    if (version === null) continue
    await verifyVersion(verification, version, { row, isNewest, hasNull })
    hasNull ||= version.isNull
  }
  await verifyPlaces(verification)
}

/** `hasNull`: a newer version of the key is its null version. */
type Place = { readonly row: Uint8Array; readonly isNewest: boolean; readonly hasNull: boolean }

async function verifyVersion(
  verification: Verification,
  version: VersionRecord,
  { row, isNewest, hasNull }: Place,
): Promise<void> {
  const { reader } = verification
  const report = reporter(verification, version)
  if (version.lock.kind === 'unknown') report(`its lock cannot be read: ${version.lock.cause}`)
  if (isNewest) await check(report, () => checkCurrent(reader, version))
  if (version.isNull && hasNull) report('its key has a second null version')
  if (version.isNull && !hasNull) await check(report, () => checkNull(reader, version, row))
  await verifyContent(verification, version, report)
}

/** Bytes of parts that no version has yet. */
export async function verifyUploads(verification: Verification): Promise<void> {
  const { reader, buckets, report } = verification
  for await (const { key, value } of walk(reader, tablePrefix('upload'))) {
    const upload = await decoded(async () => decodeUpload(key, value))
    if (upload === null) continue
    const bucket = buckets.get(upload.bucketId) ?? null
    await verifyParts(verification, upload, (problem) => report({ bucket, key: upload.key, problem }))
  }
}

type Report = (problem: string) => void

function reporter({ report, buckets }: Verification, version: VersionRecord): Report {
  const { bucketId, key, versionId } = version
  return (problem) => report({ bucket: buckets.get(bucketId) ?? null, key, versionId, problem })
}

async function check(report: Report, work: () => Promise<void>): Promise<void> {
  const problem = await problemOf(work)
  if (problem !== null) report(problem)
}

/** null: damaged. */
async function decoded<T>(read: () => Promise<T>): Promise<T | null> {
  const found: T[] = []
  await problemOf(async () => {
    found.push(await read())
  })
  return found[0] ?? null
}

function placeOf(row: Uint8Array): string {
  const { bucketId, key } = parseVersionKey(row)
  return `${bucketId} ${key}`
}

async function checkCurrent(reader: KeyValueReader, version: VersionRecord): Promise<void> {
  const row = currentKey(version.bucketId, version.key)
  const value = await reader.get(row)
  if (value === null) return corrupt('the current row of its key', 'there')
  const isOwn = isDeepStrictEqual(decodeCurrent(row, value), currentOf(version))
  if (!isOwn) corrupt('the current row of its key', 'what this version, its newest, says')
}

async function checkNull(reader: KeyValueReader, version: VersionRecord, row: Uint8Array): Promise<void> {
  const value = await reader.get(nullKey(version.bucketId, version.key))
  if (value === null) return corrupt('the null row of its key', 'there')
  const isOwn = equalBytes(nullVersionRow(version.bucketId, version.key, value), row)
  if (!isOwn) corrupt('the null row of its key', 'naming this version')
}

/** A list that several versions share is read once, for the first of them. */
async function verifyContent(
  verification: Verification,
  version: VersionRecord,
  report: Report,
): Promise<void> {
  const { reader } = verification
  const { object, versionId } = version
  if (object === null) return
  const { listId } = object.content
  await check(report, async () => {
    const row = listRefKey(listId, versionId)
    unsealRow('listRef', row, await reader.get(row))
  })
  const [first, ...others] = await sharers(reader, listId)
  // Without a reference of its own it is nobody's but this version's to look at.
  if (first !== undefined && first !== versionId) return
  const problem = await contentProblem(contentSource(verification), object)
  if (problem === null) return
  const shared = others.length === 0 ? '' : ` (the same bytes are those of version ${others.join(', ')})`
  report(`${problem}${shared}`)
}

/** The first versions that have the list, enough to say which they are. */
async function sharers(reader: KeyValueReader, listId: string): Promise<readonly string[]> {
  const rows = await reader.range({ ...rangeOf(listRefPrefix(listId)), limit: limits.verifySharersNamedMax })
  return rows.map(({ key }) => parseListRefKey(key).versionId)
}

function contentSource({ reader, bodies, counts }: Verification): ContentSource {
  return {
    reader,
    bodies,
    onRead: async (byteCount) => {
      counts.readBytes += byteCount
    },
  }
}

async function verifyParts(verification: Verification, upload: UploadRecord, report: Report): Promise<void> {
  const { uploadId } = upload
  const span = { from: partKey(uploadId, 1), to: partKey(uploadId, limits.partNumberMax + 1) }
  for await (const { key, value } of walkRange(verification.reader, span)) {
    const part = await decoded(async () => decodePart(key, value))
    if (part === null) continue
    const problem = await bodyProblem(contentSource(verification), part)
    if (problem !== null) report(`part ${part.partNumber} of upload ${uploadId}: ${problem}`)
  }
}

/** Every key that is listed, or has a null version, has a version. */
async function verifyPlaces({ reader, buckets, report }: Verification): Promise<void> {
  for await (const { key: row } of walk(reader, tablePrefix('current'))) {
    const place = await decoded(async () => parseCurrentKey(row))
    if (place === null) continue
    const { bucketId, key } = place
    const [version] = await reader.range({ ...rangeOf(versionPrefix(bucketId, key)), limit: 1 })
    if (version !== undefined) continue
    report({ bucket: buckets.get(bucketId) ?? null, key, problem: 'the key is listed but has no version' })
  }
  for await (const { key: row, value } of walk(reader, tablePrefix('null'))) {
    const place = await decoded(async () => parseNullKey(row))
    if (place === null) continue
    const { bucketId, key } = place
    const versionRow = await decoded(async () => nullVersionRow(bucketId, key, value))
    if (versionRow === null || (await reader.get(versionRow)) !== null) continue
    report({ bucket: buckets.get(bucketId) ?? null, key, problem: 'the null version of the key is missing' })
  }
}
