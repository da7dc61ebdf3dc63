/**
 * Where every row of the store lies. A key is a one-byte table tag and a tuple: byte order of the keys is the
 * order of the tuples, and no two tuples share a key. The tag `a` belongs to the engine's hash chains
 * (kv/contract.ts); how a tuple is spelled is tuple.ts'.
 */
import { assert } from '../lib/assert.ts'
import { concatBytes, prefixEnd } from '../lib/bytes.ts'
import type { RetentionMode } from '../lock/types.ts'
import type { BucketDocumentKind, BucketId, BucketStat, VersionId } from './records.ts'
import { demand, descending, id, TupleReader, text, textPrefix, uint32, uint64 } from './tuple.ts'

const tags = {
  bucket: 0x62, // b
  current: 0x63, // c
  document: 0x64, // d
  expiry: 0x65, // e
  file: 0x66, // f
  garbage: 0x67, // g
  histogram: 0x68, // h
  lifecycle: 0x69, // i
  list: 0x6c, // l
  meta: 0x6d, // m
  null: 0x6e, // n
  part: 0x70, // p
  listRef: 0x72, // r
  stat: 0x73, // s
  upload: 0x75, // u
  version: 0x76, // v
  existing: 0x78, // x
} as const

/** A table of rows, for tests and tools that walk all of one kind. */
export type Table = keyof typeof tags

/** What a histogram row of a UTC day counts: versions, their bytes, or those also under a legal hold. */
export type HistogramMeasure = 'count' | 'bytes' | 'held'

/** Every table, in the order of their names. */
export const tables: readonly Table[] = Object.keys(tags) as Table[]

export function tablePrefix(table: Table): Uint8Array {
  return Uint8Array.of(tags[table])
}

/** All keys that begin with `prefix`; every prefix of this file begins with a tag, so the end exists. */
export function rangeOf(prefix: Uint8Array): { readonly from: Uint8Array; readonly to: Uint8Array } {
  const to = prefixEnd(prefix)
  assert(to !== null, 'a key prefix begins with a tag below 0xff')
  return { from: prefix, to }
}

/** The smallest key greater than `key`. */
export function keyAfter(key: Uint8Array): Uint8Array {
  return concatBytes([key, Uint8Array.of(0)])
}

export function bucketKey(name: string): Uint8Array {
  return tuple('bucket', text(name))
}

export function parseBucketKey(row: Uint8Array): string {
  const reader = new TupleReader(row, tags.bucket)
  return reader.end(reader.text())
}

export function documentKey(bucketId: BucketId, kind: BucketDocumentKind): Uint8Array {
  return tuple('document', id(bucketId), text(kind))
}

/** How far the bucket's lifecycle has come, and what its last run did. */
export function lifecycleKey(bucketId: BucketId): Uint8Array {
  return tuple('lifecycle', id(bucketId))
}

/** The newest version of a key first. */
export function versionKey(bucketId: BucketId, key: string, order: number, versionId: VersionId): Uint8Array {
  return tuple('version', id(bucketId), text(key), descending(order), text(versionId))
}

/** All versions of exactly this key. */
export function versionPrefix(bucketId: BucketId, key: string): Uint8Array {
  return tuple('version', id(bucketId), text(key))
}

/** All versions of a bucket whose key begins with `keyPrefix`. */
export function versionsPrefix(bucketId: BucketId, keyPrefix: string): Uint8Array {
  return tuple('version', id(bucketId), textPrefix(keyPrefix))
}

export type VersionKeyParts = {
  readonly bucketId: BucketId
  readonly key: string
  readonly order: number
  readonly versionId: VersionId
}

export function parseVersionKey(row: Uint8Array): VersionKeyParts {
  const reader = new TupleReader(row, tags.version)
  const object = { bucketId: reader.id(), key: reader.text() }
  return reader.end({ ...object, order: reader.descending(), versionId: reader.text() })
}

/** Holds the version id of the key's null version. */
export function nullKey(bucketId: BucketId, key: string): Uint8Array {
  return tuple('null', id(bucketId), text(key))
}

export function parseNullKey(row: Uint8Array): { readonly bucketId: BucketId; readonly key: string } {
  const reader = new TupleReader(row, tags.null)
  return reader.end({ bucketId: reader.id(), key: reader.text() })
}

export function currentKey(bucketId: BucketId, key: string): Uint8Array {
  return tuple('current', id(bucketId), text(key))
}

/** All keys of a bucket that begin with `keyPrefix`. */
export function currentPrefix(bucketId: BucketId, keyPrefix: string): Uint8Array {
  return tuple('current', id(bucketId), textPrefix(keyPrefix))
}

export function parseCurrentKey(row: Uint8Array): { readonly bucketId: BucketId; readonly key: string } {
  const reader = new TupleReader(row, tags.current)
  return reader.end({ bucketId: reader.id(), key: reader.text() })
}

/** One row per version with a retention, expired or not. */
export function expiryKey(bucketId: BucketId, retainUntilMs: number, versionId: VersionId): Uint8Array {
  return tuple('expiry', id(bucketId), uint64(retainUntilMs), text(versionId))
}

export function expiryPrefix(bucketId: BucketId): Uint8Array {
  return tuple('expiry', id(bucketId))
}

/** Where the retentions begin that end at `retainUntilMs` or later. */
export function expiryFrom(bucketId: BucketId, retainUntilMs: number): Uint8Array {
  return tuple('expiry', id(bucketId), uint64(retainUntilMs))
}

export type ExpiryKeyParts = { readonly retainUntilMs: number; readonly versionId: VersionId }

export function parseExpiryKey(row: Uint8Array): ExpiryKeyParts {
  const reader = new TupleReader(row, tags.expiry)
  reader.id()
  return reader.end({ retainUntilMs: reader.uint64(), versionId: reader.text() })
}

/** `dayIndex`: whole UTC days since 1970-01-01 of the retain-until date. */
export function histogramKey(
  bucketId: BucketId,
  dayIndex: number,
  mode: RetentionMode,
  measure: HistogramMeasure,
): Uint8Array {
  return tuple('histogram', id(bucketId), uint32(dayIndex), text(mode), text(measure))
}

export function histogramPrefix(bucketId: BucketId): Uint8Array {
  return tuple('histogram', id(bucketId))
}

/** Where the days from `dayIndex` on begin. */
export function histogramFrom(bucketId: BucketId, dayIndex: number): Uint8Array {
  return tuple('histogram', id(bucketId), uint32(dayIndex))
}

export type HistogramKeyParts = {
  readonly dayIndex: number
  readonly mode: RetentionMode
  readonly measure: HistogramMeasure
}

export function parseHistogramKey(row: Uint8Array): HistogramKeyParts {
  const reader = new TupleReader(row, tags.histogram)
  reader.id()
  const dayIndex = reader.uint32()
  const mode = reader.text()
  const measure = reader.text()
  demand(mode === 'GOVERNANCE' || mode === 'COMPLIANCE', 'a histogram row names a retention mode')
  const isMeasure = measure === 'count' || measure === 'bytes' || measure === 'held'
  demand(isMeasure, 'a histogram row names its measure')
  return reader.end({ dayIndex, mode, measure })
}

/** A counter of BucketStat. */
export function statKey(bucketId: BucketId, name: keyof BucketStat): Uint8Array {
  return tuple('stat', id(bucketId), text(name))
}

export function statPrefix(bucketId: BucketId): Uint8Array {
  return tuple('stat', id(bucketId))
}

export function parseStatKey(row: Uint8Array): { readonly bucketId: BucketId; readonly name: string } {
  const reader = new TupleReader(row, tags.stat)
  return reader.end({ bucketId: reader.id(), name: reader.text() })
}

export function listKey(listId: string, chunkIndex: number): Uint8Array {
  return tuple('list', text(listId), uint32(chunkIndex))
}

export function parseListKey(row: Uint8Array): { readonly listId: string; readonly chunkIndex: number } {
  const reader = new TupleReader(row, tags.list)
  return reader.end({ listId: reader.text(), chunkIndex: reader.uint32() })
}

export function listRefKey(listId: string, versionId: VersionId): Uint8Array {
  return tuple('listRef', text(listId), text(versionId))
}

export function listRefPrefix(listId: string): Uint8Array {
  return tuple('listRef', text(listId))
}

export function parseListRefKey(row: Uint8Array): { readonly listId: string; readonly versionId: VersionId } {
  const reader = new TupleReader(row, tags.listRef)
  return reader.end({ listId: reader.text(), versionId: reader.text() })
}

export function fileKey(bodyId: string, chunkIndex: number): Uint8Array {
  return tuple('file', text(bodyId), uint32(chunkIndex))
}

export function parseFileKey(row: Uint8Array): { readonly bodyId: string; readonly chunkIndex: number } {
  const reader = new TupleReader(row, tags.file)
  return reader.end({ bodyId: reader.text(), chunkIndex: reader.uint32() })
}

export function uploadKey(bucketId: BucketId, key: string, uploadId: string): Uint8Array {
  return tuple('upload', id(bucketId), text(key), text(uploadId))
}

/** All uploads of a bucket whose key begins with `keyPrefix`. */
export function uploadsPrefix(bucketId: BucketId, keyPrefix: string): Uint8Array {
  return tuple('upload', id(bucketId), textPrefix(keyPrefix))
}

/** All uploads to exactly this key. */
export function uploadPrefix(bucketId: BucketId, key: string): Uint8Array {
  return tuple('upload', id(bucketId), text(key))
}

export type UploadKeyParts = { readonly bucketId: BucketId; readonly key: string; readonly uploadId: string }

export function parseUploadKey(row: Uint8Array): UploadKeyParts {
  const reader = new TupleReader(row, tags.upload)
  return reader.end({ bucketId: reader.id(), key: reader.text(), uploadId: reader.text() })
}

export function partKey(uploadId: string, partNumber: number): Uint8Array {
  return tuple('part', text(uploadId), uint32(partNumber))
}

export function parsePartKey(row: Uint8Array): { readonly uploadId: string; readonly partNumber: number } {
  const reader = new TupleReader(row, tags.part)
  return reader.end({ uploadId: reader.text(), partNumber: reader.uint32() })
}

export function garbageKey(listId: string): Uint8Array {
  return tuple('garbage', text(listId))
}

export function parseGarbageKey(row: Uint8Array): string {
  const reader = new TupleReader(row, tags.garbage)
  return reader.end(reader.text())
}

export function metaKey(...names: readonly string[]): Uint8Array {
  assert(names.length > 0, 'a meta row has a name')
  return tuple('meta', ...names.map(text))
}

/** How far the bucket's applyToExisting has come. */
export function existingKey(bucketId: BucketId): Uint8Array {
  return tuple('existing', id(bucketId))
}

export function parseMetaKey(row: Uint8Array): readonly string[] {
  const reader = new TupleReader(row, tags.meta)
  const names: string[] = []
  while (!reader.isAtEnd()) names.push(reader.text())
  return names
}

function tuple(table: Table, ...parts: readonly Uint8Array[]): Uint8Array {
  return concatBytes([tablePrefix(table), ...parts])
}
