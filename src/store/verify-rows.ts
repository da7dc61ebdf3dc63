/** Whether each row can be read: one check a table. What rows say of each other is verify-versions.ts' and verify-lists.ts'. */

import { decodeBucket, decodeCurrent, decodePart, decodeUpload, decodeVersion } from './codec.ts'
import { garbageCodec } from './garbage-rows.ts'
import {
  parseCurrentKey,
  parseExpiryKey,
  parseFileKey,
  parseGarbageKey,
  parseHistogramKey,
  parseListKey,
  parseListRefKey,
  parseMetaKey,
  parseNullKey,
  parsePartKey,
  parseStatKey,
  type Table,
} from './keys.ts'
import { parseCounter } from './kv/counter.ts'
import { parseRow, unsealRow } from './row-codec.ts'
import { expiryCodec } from './stats.ts'
import { demand } from './tuple.ts'
import { nullVersionRow } from './version-rows.ts'

type CheckRow = (row: Uint8Array, value: Uint8Array) => void

/** Each throws CorruptRecordError for a row that cannot be read. */
export const rowChecks: Readonly<Record<Table, CheckRow>> = {
  bucket: decodeBucket,
  current: (row, value) => {
    parseCurrentKey(row)
    decodeCurrent(row, value)
  },
  document: (row, value) => checkJson('document', row, value),
  existing: (row, value) => checkJson('applyToExisting', row, value),
  expiry: (row, value) => {
    parseExpiryKey(row)
    expiryCodec.decode(row, value)
  },
  file: (row, value) => {
    parseFileKey(row)
    unsealRow('file', row, value)
  },
  garbage: (row, value) => {
    parseGarbageKey(row)
    garbageCodec.decode(row, value)
  },
  histogram: (row, value) => {
    parseHistogramKey(row)
    checkCounter(value)
  },
  lifecycle: (row, value) => checkJson('lifecycle', row, value),
  // Its seal is that of its first part only: the version that has it reads all of it.
  list: (row) => {
    parseListKey(row)
  },
  listRef: (row, value) => {
    parseListRefKey(row)
    unsealRow('listRef', row, value)
  },
  meta: (row, value) => {
    parseMetaKey(row)
    unsealRow('meta', row, value)
  },
  null: (row, value) => {
    const { bucketId, key } = parseNullKey(row)
    nullVersionRow(bucketId, key, value)
  },
  part: (row, value) => {
    // Part 0 counts the changes of the others.
    if (parsePartKey(row).partNumber === 0) checkCounter(value)
    else decodePart(row, value)
  },
  stat: (row, value) => {
    parseStatKey(row)
    checkCounter(value)
  },
  upload: decodeUpload,
  version: decodeVersion,
}

/** Tables whose rows lie under the id of a bucket, the eight bytes after the tag. */
export const tablesOfBuckets: ReadonlySet<Table> = new Set<Table>([
  'current',
  'document',
  'existing',
  'expiry',
  'histogram',
  'lifecycle',
  'null',
  'stat',
  'upload',
  'version',
])

function checkJson(name: string, row: Uint8Array, value: Uint8Array): void {
  parseRow(name, row, value)
}

function checkCounter(value: Uint8Array): void {
  demand(parseCounter(value) > 0, 'a counter that is there is above 0')
}
