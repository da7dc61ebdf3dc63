import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareBytes } from '../../../src/lib/bytes.ts'
import {
  bucketKey,
  currentKey,
  currentPrefix,
  expiryFrom,
  expiryKey,
  fileKey,
  garbageKey,
  histogramKey,
  keyAfter,
  listKey,
  listRefKey,
  metaKey,
  nullKey,
  parseBucketKey,
  parseCurrentKey,
  parseExpiryKey,
  parseFileKey,
  parseGarbageKey,
  parseHistogramKey,
  parseListRefKey,
  parsePartKey,
  parseUploadKey,
  parseVersionKey,
  partKey,
  rangeOf,
  statKey,
  uploadKey,
  versionKey,
  versionPrefix,
  versionsPrefix,
} from '../../../src/store/keys.ts'

const bucketId = 'ffeeddccbbaa0099'
/** Dense in the bytes that escaping is about. */
const hardText = fc.oneof(
  fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed()),
  fc.string({ unit: fc.constantFrom('\u0000', '\u0001', 'a', 'ÿ', '\u{10ffff}') }),
)
const order = fc.maxSafeNat()

function utf8Order(a: string, b: string): number {
  return Math.sign(compareBytes(Buffer.from(a), Buffer.from(b)))
}

describe('keys', () => {
  test('currentKey: any two keys, row order is the byte order of their UTF-8', () => {
    fc.assert(
      fc.property(hardText, hardText, (a, b) => {
        const rows = compareBytes(currentKey(bucketId, a), currentKey(bucketId, b))
        expect(Math.sign(rows)).toBe(utf8Order(a, b))
      }),
      { numRuns: 2000 },
    )
  })

  test('versionKey: any two versions, sorted by key and then newest first', () => {
    fc.assert(
      fc.property(hardText, hardText, order, order, (a, b, orderA, orderB) => {
        const rows = compareBytes(versionKey(bucketId, a, orderA, 'x'), versionKey(bucketId, b, orderB, 'x'))
        const expected = utf8Order(a, b) || Math.sign(orderB - orderA)
        expect(Math.sign(rows)).toBe(expected)
      }),
      { numRuns: 2000 },
    )
  })

  test('parse: every key, gives its parts back', () => {
    fc.assert(
      fc.property(hardText, hardText, order, fc.nat(), (key, other, number, small) => {
        expect(parseBucketKey(bucketKey(key))).toBe(key)
        expect(parseCurrentKey(currentKey(bucketId, key))).toEqual({ bucketId, key })
        const version = { bucketId, key, order: number, versionId: other }
        expect(parseVersionKey(versionKey(bucketId, key, number, other))).toEqual(version)
        const expiry = { retainUntilMs: number, versionId: other }
        expect(parseExpiryKey(expiryKey(bucketId, number, other))).toEqual(expiry)
        expect(parseUploadKey(uploadKey(bucketId, key, other))).toEqual({ bucketId, key, uploadId: other })
        expect(parsePartKey(partKey(key, small))).toEqual({ uploadId: key, partNumber: small })
        expect(parseListRefKey(listRefKey(key, other))).toEqual({ listId: key, versionId: other })
        expect(parseFileKey(fileKey(key, small))).toEqual({ bodyId: key, chunkIndex: small })
        expect(parseGarbageKey(garbageKey(key))).toBe(key)
        const day = { dayIndex: small, mode: 'COMPLIANCE', measure: 'held' }
        expect(parseHistogramKey(histogramKey(bucketId, small, 'COMPLIANCE', 'held'))).toEqual(day)
      }),
    )
  })

  test('currentPrefix: a prefix, its range holds exactly the keys that begin with it', () => {
    fc.assert(
      fc.property(hardText, hardText, (prefix, key) => {
        const { from, to } = rangeOf(currentPrefix(bucketId, prefix))
        const row = currentKey(bucketId, key)
        const isInside = compareBytes(row, from) >= 0 && compareBytes(row, to) < 0
        expect(isInside).toBe(key.startsWith(prefix))
        const longer = currentKey(bucketId, prefix + key)
        expect(compareBytes(longer, from) >= 0 && compareBytes(longer, to) < 0).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  test('versionPrefix: a key that begins another, the longer key lies outside', () => {
    const { from, to } = rangeOf(versionPrefix(bucketId, 'a'))
    const inside = versionKey(bucketId, 'a', 5, 'x')
    expect(compareBytes(inside, from) > 0 && compareBytes(inside, to) < 0).toBe(true)
    for (const key of ['', 'A', 'a\u0000', 'a\u0001', 'ab', 'a/']) {
      const row = versionKey(bucketId, key, 5, 'x')
      expect(compareBytes(row, from) < 0 || compareBytes(row, to) >= 0).toBe(true)
    }
  })

  test('tables: the same parts in different tables, different rows', () => {
    const rows = [
      bucketKey('x'),
      nullKey(bucketId, 'x'),
      currentKey(bucketId, 'x'),
      versionPrefix(bucketId, 'x'),
      versionsPrefix(bucketId, 'x'),
      statKey(bucketId, 'versionCount'),
      expiryFrom(bucketId, 1),
      listKey('x', 0),
      fileKey('x', 0),
      partKey('x', 0),
      garbageKey('x'),
      metaKey('x'),
      metaKey('x', 'y'),
      metaKey('xy'),
    ]
    expect(new Set(rows.map((row) => Buffer.from(row).toString('hex'))).size).toBe(rows.length)
    // The engine's hash chains own the tag `a`.
    for (const row of rows) expect(row[0]).not.toBe(0x61)
  })

  test('expiryKey: ordered by date', () => {
    const early = expiryKey(bucketId, 255, 'Z')
    const late = expiryKey(bucketId, 256, 'A')
    expect(compareBytes(early, late)).toBeLessThan(0)
    expect(compareBytes(expiryFrom(bucketId, 256), late)).toBeLessThan(0)
    expect(compareBytes(expiryFrom(bucketId, 256), early)).toBeGreaterThan(0)
  })

  test('keyAfter: the smallest key that is greater', () => {
    const key = currentKey(bucketId, 'k')
    expect(compareBytes(keyAfter(key), key)).toBeGreaterThan(0)
    expect(keyAfter(key).length).toBe(key.length + 1)
  })

  test('encoding: a lone surrogate, refused because it would share a row', () => {
    expect(() => currentKey(bucketId, '\ud800')).toThrow('well-formed')
  })

  test('encoding: a number or bucket id out of bounds, refused', () => {
    expect(() => listKey('x', -1)).toThrow('32 bits')
    expect(() => listKey('x', 2 ** 32)).toThrow('32 bits')
    expect(() => versionKey(bucketId, 'k', 2 ** 53, 'x')).toThrow('order')
    expect(() => currentKey('xyz', 'k')).toThrow('bucket id')
  })

  test('parse: cut, lengthened or foreign rows, refused', () => {
    const row = currentKey(bucketId, 'key')
    expect(() => parseCurrentKey(row.slice(0, -1))).toThrow()
    expect(() => parseCurrentKey(keyAfter(row))).toThrow('nothing after')
    expect(() => parseBucketKey(row)).toThrow('tag')
  })
})
