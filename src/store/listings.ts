/** ListObjects and ListObjectVersions, a page from one snapshot, keys in the byte order of their UTF-8. */
import { compareBytes } from '../lib/bytes.ts'
import { limits } from '../lib/limits.ts'
import { decodeCurrent, decodeVersion } from './codec.ts'
import {
  currentKey,
  currentPrefix,
  keyAfter,
  nullKey,
  parseCurrentKey,
  parseVersionKey,
  rangeOf,
  versionKey,
  versionPrefix,
  versionsPrefix,
} from './keys.ts'
import type { Entry, KeyValue, KeyValueReader } from './kv/contract.ts'
import { collectPage, commonPrefixOf, type PageItem, type WalkedPage } from './page-walk.ts'
import type { BucketId, CurrentRecord, VersionRecord } from './records.ts'
import type { ListCurrent, ListCurrentResult, ListVersions, ListVersionsResult } from './requests.ts'
import { clientVersionId, nullVersionId, orderOfVersionId } from './version-id.ts'
import { nullVersionRow, readBucket } from './version-rows.ts'

/** Rows of the table of current versions are small, those of versions carry metadata. */
const currentChunkRowsMax = 1001
const versionChunkRowsMax = 256

type ListedVersion = { readonly version: VersionRecord; readonly isLatest: boolean }

/** Throws CorruptRecordError. */
export function listCurrent(kv: KeyValue, input: ListCurrent): Promise<ListCurrentResult> {
  return kv.snapshot(async (reader) => {
    const bucket = await readBucket(reader, input.bucket)
    if (bucket === null) return { kind: 'noSuchBucket' }
    const page = await walkCurrent(reader, bucket.id, input)
    return {
      kind: 'page',
      objects: rowsOf(page.items).map(({ key, row }) => ({ key, current: row })),
      commonPrefixes: commonPrefixesOf(page.items),
      isTruncated: page.isTruncated,
      last: page.stoppedAfter ?? lastName(page.items),
    }
  })
}

/** Throws CorruptRecordError. */
export function listVersions(kv: KeyValue, input: ListVersions): Promise<ListVersionsResult> {
  return kv.snapshot(async (reader) => {
    const bucket = await readBucket(reader, input.bucket)
    if (bucket === null) return { kind: 'noSuchBucket' }
    const page = await walkVersions(reader, bucket.id, input)
    // A page that passed over too many rows ended behind a version that it lists: nothing that is not listed needs a marker.
    const last = page.isTruncated ? (page.items.at(-1) ?? null) : null
    return {
      kind: 'page',
      versions: rowsOf(page.items).map(({ row }) => row),
      commonPrefixes: commonPrefixesOf(page.items),
      isTruncated: page.isTruncated,
      nextKeyMarker: page.isTruncated ? lastName(page.items) : null,
      nextVersionIdMarker: last?.kind === 'row' ? clientVersionId(last.row.version) : null,
    }
  })
}

async function walkCurrent(
  reader: KeyValueReader,
  bucketId: BucketId,
  input: ListCurrent,
): Promise<WalkedPage<CurrentRecord>> {
  const groupEnd = (commonPrefix: string) => rangeOf(currentPrefix(bucketId, commonPrefix)).to
  const endOfKey = (key: string) => keyAfter(currentKey(bucketId, key))
  if (isLongerThanKeys(input.prefix)) return { items: [], isTruncated: false, stoppedAfter: null }
  const { from, to } = rangeOf(currentPrefix(bucketId, input.prefix))
  const after = input.after === null ? from : startAfter(input, input.after, groupEnd, endOfKey)
  return collectPage({
    ...input,
    reader,
    from: laterRow(from, after),
    to,
    keyOf: (row) => parseCurrentKey(row).key,
    accept: ({ key: row, value }: Entry) => {
      const current = decodeCurrent(row, value)
      return current.isDeleteMarker ? null : current
    },
    groupEnd,
    chunkRowsMax: currentChunkRowsMax,
  })
}

async function walkVersions(
  reader: KeyValueReader,
  bucketId: BucketId,
  input: ListVersions,
): Promise<WalkedPage<ListedVersion>> {
  if (isLongerThanKeys(input.prefix)) return { items: [], isTruncated: false, stoppedAfter: null }
  const groupEnd = (commonPrefix: string) => rangeOf(versionsPrefix(bucketId, commonPrefix)).to
  const { from, to } = rangeOf(versionsPrefix(bucketId, input.prefix))
  const resume = await resumeVersions(reader, bucketId, input, groupEnd)
  let latestSeenKey = resume.latestSeenKey
  return collectPage({
    ...input,
    reader,
    from: laterRow(from, resume.from),
    to,
    keyOf: (row) => parseVersionKey(row).key,
    accept: ({ key: row, value }: Entry) => {
      const version = decodeVersion(row, value)
      const isLatest = version.key !== latestSeenKey
      latestSeenKey = version.key
      return { version, isLatest }
    },
    groupEnd,
    chunkRowsMax: versionChunkRowsMax,
  })
}

/** `latestSeenKey`: the key whose newest version lies before `from`. */
type Resume = { readonly from: Uint8Array; readonly latestSeenKey: string | null }

async function resumeVersions(
  reader: KeyValueReader,
  bucketId: BucketId,
  input: ListVersions,
  groupEnd: (commonPrefix: string) => Uint8Array,
): Promise<Resume> {
  const { keyMarker, versionIdMarker } = input
  if (keyMarker === null) return { from: new Uint8Array(0), latestSeenKey: null }
  if (versionIdMarker === null || isLongerThanKeys(keyMarker)) {
    const endOfKey = (key: string) => rangeOf(versionPrefix(bucketId, key)).to
    return { from: startAfter(input, keyMarker, groupEnd, endOfKey), latestSeenKey: null }
  }
  const row = await markedRow(reader, bucketId, keyMarker, versionIdMarker)
  const { from: first, to } = rangeOf(versionPrefix(bucketId, keyMarker))
  // A marker without a place (the null version has gone): the key once more, rather than versions left out.
  if (row === null) return { from: first, latestSeenKey: null }
  const [newest] = await reader.range({ from: first, to, limit: 1 })
  const isLatestPassed = newest !== undefined && compareBytes(newest.key, row) <= 0
  return { from: keyAfter(row), latestSeenKey: isLatestPassed ? keyMarker : null }
}

async function markedRow(
  reader: KeyValueReader,
  bucketId: BucketId,
  key: string,
  versionId: string,
): Promise<Uint8Array | null> {
  if (versionId === nullVersionId) {
    const value = await reader.get(nullKey(bucketId, key))
    return value === null ? null : nullVersionRow(bucketId, key, value)
  }
  const order = orderOfVersionId(versionId)
  return order === null ? null : versionKey(bucketId, key, order, versionId)
}

/** A marker that is a common prefix of this listing was shown as one: it is passed over whole. */
export function startAfter(
  input: Pick<ListCurrent, 'prefix' | 'delimiter'>,
  marker: string,
  groupEnd: (commonPrefix: string) => Uint8Array,
  endOfKey: (key: string) => Uint8Array,
): Uint8Array {
  const isGroup = commonPrefixOf(marker, input) === marker
  const row = isGroup ? groupEnd(marker) : endOfKey(marker)
  // Cut, it still stands between the same keys: no stored row is that long.
  return row.length > limits.storeKeyBytesMax ? row.slice(0, limits.storeKeyBytesMax) : row
}

/** No key begins with more bytes than a key can have. */
export function isLongerThanKeys(text: string): boolean {
  return Buffer.byteLength(text) > limits.objectKeyBytesMax
}

export function laterRow(a: Uint8Array, b: Uint8Array): Uint8Array {
  return compareBytes(a, b) >= 0 ? a : b
}

export function rowsOf<Row>(
  items: readonly PageItem<Row>[],
): readonly { readonly key: string; readonly row: Row }[] {
  return items.flatMap((item) => (item.kind === 'row' ? [{ key: item.key, row: item.row }] : []))
}

export function commonPrefixesOf<Row>(items: readonly PageItem<Row>[]): readonly string[] {
  return items.flatMap((item) => (item.kind === 'commonPrefix' ? [item.commonPrefix] : []))
}

export function lastName<Row>(items: readonly PageItem<Row>[]): string | null {
  const last = items.at(-1)
  if (last === undefined) return null
  return last.kind === 'row' ? last.key : last.commonPrefix
}
