import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { epochMs } from '../../../src/lib/units.ts'
import {
  decodeBucket,
  decodeCurrent,
  decodePart,
  decodeUpload,
  decodeVersion,
  encodeBucket,
  encodeCurrent,
  encodePart,
  encodeUpload,
  encodeVersion,
} from '../../../src/store/codec.ts'
import { CorruptRecordError } from '../../../src/store/fields.ts'
import { bucketKey, currentKey, partKey, uploadKey, versionKey } from '../../../src/store/keys.ts'
import type {
  BucketRecord,
  CurrentRecord,
  PartRecord,
  UploadRecord,
  VersionRecord,
} from '../../../src/store/records.ts'
import { versionIdOf } from '../../../src/store/version-id.ts'
import { sealed } from '../base/support.ts'
import { readVersionRow, sealedVersion } from './rows.ts'

const order = 1_795_000_000_000_000
const versionId = versionIdOf(order, '0123456789ABCDEFGHJ')
const bucketId = '00112233445566ff'

const version: VersionRecord = {
  bucketId,
  key: 'a/ü\u0000',
  versionId,
  isNull: false,
  order,
  bucketRevision: 3,
  lastModifiedMs: epochMs(1_795_000_000_000),
  accountId: '123456789012',
  change: 1,
  lock: {
    kind: 'known',
    retention: { mode: 'COMPLIANCE', retainUntilMs: epochMs(1_900_000_000_000) },
    legalHold: 'ON',
  },
  object: {
    content: { listId: 'L', bodyCount: 1, storage: 'inline' },
    sizeBytes: 3,
    etag: 'e',
    headers: { 'content-type': 'text/plain' },
    userMetadata: JSON.parse('{"__proto__":"x","constructor":"y","10":"b","9":"a"}'),
    checksum: { algorithm: 'CRC32', type: 'FULL_OBJECT', value: 'AAAAAA==' },
    partCount: null,
    tags: {},
  },
}
const versionRow = versionKey(bucketId, version.key, order, versionId)

const bucket: BucketRecord = {
  id: bucketId,
  name: 'records',
  accountId: '123456789012',
  region: 'us-east-1',
  createdMs: epochMs(1),
  createdTrustedMs: epochMs(1),
  revision: 3,
  versioning: 'Enabled',
  objectLock: {
    status: 'Enabled',
    retention: {
      defaultRetention: { mode: 'COMPLIANCE', period: { unit: 'YEARS', count: 7 } },
      prefixRules: [{ prefix: 'a/', period: { unit: 'DAYS', count: 3000 } }],
    },
  },
  owner: { clusterId: 'c', namespace: 'n', name: 'b', uid: 'u' },
  policy: {
    namespace: 'n',
    name: 'p',
    uid: 'u',
    generation: 2,
    mode: 'COMPLIANCE',
    bounds: { minimum: { unit: 'DAYS', count: 1 }, maximum: null },
    floor: { defaultRetention: { mode: 'COMPLIANCE', period: { unit: 'YEARS', count: 7 } }, prefixRules: [] },
  },
  profile: 'aws',
  requireChecksum: true,
  quotaBytes: null,
  documents: [],
}
const bucketRow = bucketKey('records')

/** A bucket row with a true checksum. */
function bytes(value: unknown): Uint8Array {
  return sealed(bucketRow, JSON.stringify(value))
}

function json(value: Uint8Array): Record<string, unknown> {
  return JSON.parse(Buffer.from(value).toString('utf8').slice(8))
}

function versionBytes(fields: Readonly<Record<string, unknown>>): Uint8Array {
  return sealedVersion(versionRow, fields)
}

describe('codec', () => {
  test('version: written and read, the same record', () => {
    expect(decodeVersion(versionRow, encodeVersion(version))).toEqual(version)
    const marker: VersionRecord = {
      ...version,
      object: null,
      lock: { kind: 'known', retention: null, legalHold: null },
    }
    expect(decodeVersion(versionRow, encodeVersion(marker))).toEqual(marker)
  })

  test('version: user metadata named __proto__, kept as a name', () => {
    const read = decodeVersion(versionRow, encodeVersion(version))
    expect(Object.keys(read.object?.userMetadata ?? {})).toContain('__proto__')
  })

  test('B-47 B-50 version: a lock that does not parse, unknown and never "no lock" (I21)', () => {
    const stored = readVersionRow(encodeVersion(version))
    const locks: unknown[] = [
      undefined,
      null,
      {},
      [],
      'ON',
      { retention: null },
      { legalHold: null },
      { retention: undefined, legalHold: null },
      { retention: null, legalHold: 'on' },
      { retention: null, legalHold: false },
      { retention: null, legalHold: null, extra: 1 },
      { retention: {}, legalHold: null },
      { retention: { mode: 'compliance', retainUntilMs: 1 }, legalHold: null },
      { retention: { mode: 'COMPLIANCE', retainUntilMs: '2031-01-01' }, legalHold: null },
      { retention: { mode: 'COMPLIANCE', retainUntilMs: 1.5 }, legalHold: null },
      { retention: { mode: 'COMPLIANCE', retainUntilMs: -1 }, legalHold: null },
      { retention: { mode: 'COMPLIANCE', retainUntilMs: 1e18 }, legalHold: null },
      { retention: { mode: 'COMPLIANCE', retainUntilMs: 1, days: 1 }, legalHold: null },
      { kind: 'known', retention: null, legalHold: null },
    ]
    for (const lock of locks) {
      const read = decodeVersion(versionRow, versionBytes({ ...stored, lock }))
      expect(read.lock.kind, JSON.stringify(lock)).toBe('unknown')
      expect(read.object).toEqual(version.object)
    }
  })

  test('version: another date, mode or hold in the stored bytes, unknown', () => {
    const written = Buffer.from(encodeVersion(version)).toString('utf8')
    const changes: [string, string][] = [
      ['1900000000000', '1100000000000'],
      ['"COMPLIANCE"', '"GOVERNANCE"'],
      ['"legalHold":"ON"', '"legalHold":"OFF"'],
      ['"legalHold":"ON"', '"legalHold":null'],
    ]
    for (const [from, to] of changes) {
      expect(written).toContain(from)
      const damaged = new Uint8Array(Buffer.from(written.replace(from, to)))
      expect(decodeVersion(versionRow, damaged).lock.kind, to).toBe('unknown')
    }
  })

  test('version: the lock of another version, unknown', () => {
    const otherId = versionIdOf(order, 'ZZZZZZZZZZZZZZZZZZZ')
    const other = { ...version, versionId: otherId }
    const otherLock = Buffer.from(encodeVersion(other)).toString('latin1').split('\n')[1] ?? ''
    const own = Buffer.from(encodeVersion(version)).toString('latin1').split('\n')[0] ?? ''
    const value = new Uint8Array(Buffer.from(`${own}\n${otherLock}`, 'latin1'))
    expect(decodeVersion(versionRow, value)).toMatchObject({ versionId, lock: { kind: 'unknown' } })
  })

  test('version: an unknown lock, not written again', () => {
    expect(() => encodeVersion({ ...version, lock: { kind: 'unknown', cause: 'x' } })).toThrow(
      CorruptRecordError,
    )
  })

  test('version: a row of a release that noted no revision of the bucket, null', () => {
    const { bucketRevision: _absent, ...rest } = readVersionRow(encodeVersion(version))
    expect(decodeVersion(versionRow, versionBytes(rest))).toEqual({ ...version, bucketRevision: null })
  })

  test('version: any other damage, CorruptRecordError', () => {
    const stored = readVersionRow(encodeVersion(version))
    for (const name of Object.keys(stored).filter((field) => field !== 'lock')) {
      const { [name]: _removed, ...rest } = stored
      expect(() => decodeVersion(versionRow, versionBytes({ ...stored, [name]: [] })), name).toThrow(
        CorruptRecordError,
      )
      // Rows of earlier releases have none.
      if (name === 'bucketRevision') continue
      expect(() => decodeVersion(versionRow, versionBytes(rest)), name).toThrow(CorruptRecordError)
    }
    expect(() => decodeVersion(versionRow, versionBytes({ ...stored, lock2: {} }))).toThrow(
      CorruptRecordError,
    )
    expect(() => decodeVersion(versionRow, versionBytes({ ...stored, format: 2 }))).toThrow(
      CorruptRecordError,
    )
    for (const text of ['[{}]', 'null', '{}', '']) {
      const value = Buffer.concat([sealed(versionRow, text), Buffer.from('\n'), sealed(versionRow, '{}')])
      expect(() => decodeVersion(versionRow, value), text).toThrow(CorruptRecordError)
    }
  })

  test('version: a record in the row of another, CorruptRecordError', () => {
    const value = encodeVersion(version)
    const rows = [
      versionKey(bucketId, 'other', order, versionId),
      versionKey(bucketId, version.key, order + 1, versionId),
      versionKey('ff00000000000000', version.key, order, versionId),
    ]
    for (const row of rows) expect(() => decodeVersion(row, value)).toThrow(CorruptRecordError)
  })

  test('version: any byte changed or cut, corrupt or the same record with an unknown lock', () => {
    const value = encodeVersion(version)
    fc.assert(
      fc.property(fc.nat(value.length - 1), fc.nat(255), (index, byte) => {
        const changed = value.slice()
        changed[index] = byte
        for (const damaged of [changed, value.slice(0, index)]) {
          try {
            const read = decodeVersion(versionRow, damaged)
            if (read.lock.kind === 'known') expect(read).toEqual(version)
            expect({ ...read, lock: version.lock }).toEqual(version)
          } catch (error) {
            expect(error).toBeInstanceOf(CorruptRecordError)
          }
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('bucket: written and read, the same record and canonical bytes', () => {
    const value = encodeBucket(bucket)
    expect(decodeBucket(bucketRow, value)).toEqual(bucket)
    const shuffled = Object.fromEntries(Object.entries(bucket).reverse()) as BucketRecord
    expect(encodeBucket(shuffled)).toEqual(value)
  })

  test('bucket: damage of any field, CorruptRecordError', () => {
    const stored = json(encodeBucket(bucket))
    for (const name of Object.keys(stored)) {
      const { [name]: _removed, ...rest } = stored
      expect(() => decodeBucket(bucketRow, bytes({ ...stored, [name]: [[]] })), name).toThrow(
        CorruptRecordError,
      )
      // Rows of earlier releases have none.
      if (name === 'createdTrustedMs') continue
      expect(() => decodeBucket(bucketRow, bytes(rest)), name).toThrow(CorruptRecordError)
    }
    expect(() => decodeBucket(bucketKey('other'), bytes(stored))).toThrow(CorruptRecordError)
  })

  test('bucket: Object Lock without versioning, or a policy without lock or floor, CorruptRecordError', () => {
    const policy = { ...bucket.policy, floor: null } as BucketRecord['policy']
    const damaged: BucketRecord[] = [
      { ...bucket, versioning: 'Suspended' },
      { ...bucket, versioning: 'Unversioned' },
      { ...bucket, objectLock: null },
      { ...bucket, policy },
    ]
    for (const record of damaged) {
      const { format } = json(encodeBucket(bucket))
      expect(() => decodeBucket(bucketRow, bytes({ format, ...record }))).toThrow(CorruptRecordError)
      expect(() => encodeBucket(record)).toThrow(CorruptRecordError)
    }
  })

  test('current, upload and part: written and read, the same records', () => {
    const current: CurrentRecord = {
      versionId,
      isNull: true,
      order,
      isDeleteMarker: false,
      lastModifiedMs: epochMs(5),
      accountId: '123456789012',
      sizeBytes: 9,
      etag: 'e',
      checksum: null,
    }
    const currentRow = currentKey(bucketId, 'k')
    expect(decodeCurrent(currentRow, encodeCurrent(currentRow, current))).toEqual(current)
    expect(() => decodeCurrent(currentKey(bucketId, 'l'), encodeCurrent(currentRow, current))).toThrow(
      CorruptRecordError,
    )
    const uploadId = '0123456789abcdef0123456789abcdef'
    const upload: UploadRecord = {
      uploadId,
      bucketId,
      key: 'k',
      initiatedMs: epochMs(7),
      accountId: '123456789012',
      headers: {},
      userMetadata: {},
      tags: { a: 'b' },
      explicitRetention: { mode: 'GOVERNANCE', retainUntilMs: epochMs(9) },
      explicitLegalHold: 'OFF',
      bucketRetentionAtCreate: { defaultRetention: null, prefixRules: [] },
      checksumAlgorithm: 'SHA256',
      checksumType: 'COMPOSITE',
    }
    expect(decodeUpload(uploadKey(bucketId, 'k', uploadId), encodeUpload(upload))).toEqual(upload)
    expect(() => decodeUpload(uploadKey(bucketId, 'k', 'V'), encodeUpload(upload))).toThrow(
      CorruptRecordError,
    )
    const part: PartRecord = {
      partNumber: 3,
      bodyId: 'B',
      sizeBytes: 1,
      etag: 'e',
      sha256: 's',
      checksum: null,
      lastModifiedMs: epochMs(2),
    }
    const partRow = partKey('U', 3)
    expect(decodePart(partRow, encodePart(partRow, part))).toEqual(part)
    expect(() => decodePart(partKey('U', 4), encodePart(partRow, part))).toThrow(CorruptRecordError)
    expect(() => decodePart(partKey('U', 4), encodePart(partKey('U', 4), part))).toThrow(CorruptRecordError)
  })
})
