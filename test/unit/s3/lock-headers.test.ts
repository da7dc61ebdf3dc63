import { describe, expect, it } from 'vitest'
import { epochMs } from '../../../src/lib/units.ts'
import {
  asksBypassGovernance,
  demandChecksum,
  demandDocumentChecksum,
  judgeLockHeaders,
  lockHeaderPermissions,
  parseLockHeaders,
} from '../../../src/s3/lock-headers.ts'
import { aws } from '../../../src/s3/profiles/aws.ts'
import type { S3Error } from '../../../src/s3/s3-error.ts'
import type { BucketRecord } from '../../../src/store/records.ts'
import { bucketRecord, caught } from '../../support/records.ts'

const mode = 'x-amz-object-lock-mode'
const date = 'x-amz-object-lock-retain-until-date'
const hold = 'x-amz-object-lock-legal-hold'
const future = '2031-01-01T00:00:00Z'
const nowMs = epochMs(Date.parse('2030-01-01T00:00:00.000Z'))
const readHeaders = (headers: Record<string, string>) => parseLockHeaders(headers, aws)
const locked = bucketRecord({ objectLock: 'Enabled' })

function errorOf(headers: Record<string, string>): S3Error {
  return caught(() => readHeaders(headers))
}

describe('lock headers', () => {
  const onlyOne = 'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied'
  const notIso = 'The retain until date must be provided in ISO 8601 format'
  const rows: readonly [string, Record<string, string>, string, Record<string, string>][] = [
    ['E9: mode alone', { [mode]: 'GOVERNANCE' }, onlyOne, { ArgumentName: date }],
    ['E9: date alone', { [date]: future }, onlyOne, { ArgumentName: mode }],
    ['E9 before E10: unknown mode without date', { [mode]: 'BAD' }, onlyOne, { ArgumentName: date }],
    [
      'E10: unknown mode',
      { [mode]: 'BAD', [date]: future },
      'Unknown wormMode directive.',
      { ArgumentName: mode, ArgumentValue: 'BAD' },
    ],
    [
      'E10: lower-case mode',
      { [mode]: 'governance', [date]: future },
      'Unknown wormMode directive.',
      { ArgumentName: mode, ArgumentValue: 'governance' },
    ],
    [
      'E10 before E12: unknown mode and no date',
      { [mode]: 'BAD', [date]: 'tomorrow' },
      'Unknown wormMode directive.',
      { ArgumentName: mode, ArgumentValue: 'BAD' },
    ],
    [
      'E12: no date',
      { [mode]: 'COMPLIANCE', [date]: 'tomorrow' },
      notIso,
      { ArgumentName: date, ArgumentValue: 'tomorrow' },
    ],
    [
      'E12: empty date',
      { [mode]: 'COMPLIANCE', [date]: '' },
      notIso,
      { ArgumentName: date, ArgumentValue: '' },
    ],
    [
      'E12: epoch milliseconds are for documents',
      { [mode]: 'COMPLIANCE', [date]: '1924992000000' },
      notIso,
      { ArgumentName: date, ArgumentValue: '1924992000000' },
    ],
    [
      'E12: beyond the year 9999',
      { [mode]: 'COMPLIANCE', [date]: '9999-12-31T23:59:59.999999999Z' },
      notIso,
      { ArgumentName: date, ArgumentValue: '9999-12-31T23:59:59.999999999Z' },
    ],
    [
      'E13: lower-case hold',
      { [hold]: 'on' },
      "Legal Hold must be either of 'ON' or 'OFF'",
      { ArgumentName: hold, ArgumentValue: 'on' },
    ],
    [
      'E13: empty hold',
      { [hold]: '' },
      "Legal Hold must be either of 'ON' or 'OFF'",
      { ArgumentName: hold, ArgumentValue: '' },
    ],
  ]
  it.each(rows)('%s', (_name, headers, message, extra) => {
    const error = errorOf(headers)
    expect([error.code, error.detail.status, error.detail.message]).toEqual(['InvalidArgument', 400, message])
    expect(error.detail.extra).toEqual(extra)
  })

  it('lock headers: ISO and HTTP dates, the same instant', () => {
    const iso = readHeaders({ [mode]: 'COMPLIANCE', [date]: '2031-01-01T01:00:00+01:00' })
    const http = readHeaders({ [mode]: 'COMPLIANCE', [date]: 'Wed, 01 Jan 2031 00:00:00 GMT' })
    expect(iso.retention).toEqual({ mode: 'COMPLIANCE', retainUntilMs: Date.parse(future) })
    expect(http.retention).toEqual(iso.retention)
  })

  it('lock headers: none, nothing is sent and no permission is needed', () => {
    const none = readHeaders({ 'x-amz-meta-a': 'b' })
    expect(none).toEqual({ sent: false, retention: null, legalHold: null, retainUntilText: null })
    expect(lockHeaderPermissions(none)).toEqual([])
  })

  it('lock headers: each kind needs its own permission (B-36)', () => {
    const retention = { [mode]: 'GOVERNANCE', [date]: future }
    expect(lockHeaderPermissions(readHeaders(retention))).toEqual(['s3:PutObjectRetention'])
    expect(lockHeaderPermissions(readHeaders({ [hold]: 'OFF' }))).toEqual(['s3:PutObjectLegalHold'])
    expect(lockHeaderPermissions(readHeaders({ ...retention, [hold]: 'ON' }))).toEqual([
      's3:PutObjectRetention',
      's3:PutObjectLegalHold',
    ])
  })
})

describe('judgement of lock headers', () => {
  const dated = (value: string) => readHeaders({ [mode]: 'GOVERNANCE', [date]: value })

  it('E11: the request instant itself is not in the future, one millisecond later is', () => {
    const error = caught(() => judgeLockHeaders(dated('2030-01-01T00:00:00.000Z'), locked, nowMs))
    expect(error.detail.message).toBe('The retain until date must be in the future!')
    expect(error.detail.extra).toEqual({ ArgumentName: date, ArgumentValue: '2030-01-01T00:00:00.000Z' })
    const lock = judgeLockHeaders(dated('2030-01-01T00:00:00.001Z'), locked, nowMs)
    expect(lock.retention).toEqual({ mode: 'GOVERNANCE', retainUntilMs: nowMs + 1 })
  })

  it.each([
    ['mode and date', { [mode]: 'GOVERNANCE', [date]: future }],
    ['hold ON', { [hold]: 'ON' }],
    ['hold OFF', { [hold]: 'OFF' }],
  ])('E5: a bucket without Object Lock and %s', (_name, headers) => {
    const error = caught(() => judgeLockHeaders(readHeaders(headers), bucketRecord({}), nowMs))
    expect([error.code, error.detail.message]).toEqual([
      'InvalidRequest',
      'Bucket is missing ObjectLockConfiguration',
    ])
  })

  it('E11 comes before E5', () => {
    const error = caught(() => judgeLockHeaders(dated('2020-01-01T00:00:00Z'), bucketRecord({}), nowMs))
    expect(error.code).toBe('InvalidArgument')
  })
})

describe('checksum demands', () => {
  const rule = bucketRecord({ objectLock: 'Enabled', days: 1 })
  const demand = (bucket: BucketRecord, lockHeaders: 'sent' | 'none', checksum: 'sent' | 'none') => () =>
    demandChecksum({ bucket, profile: aws, lockHeaders, checksum, subject: 'Put Object' })

  const demandDocument = (headers: Record<string, string>) =>
    demandDocumentChecksum({ request: { headers }, bucket: locked, profile: aws }, 'other')

  it('E16: lock headers or a default rule without a checksum', () => {
    const message =
      'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters'
    expect(caught(demand(locked, 'sent', 'none')).detail.message).toBe(message)
    expect(caught(demand(rule, 'none', 'none')).detail.message).toBe(message)
  })

  it('E16: not where nothing gets locked, where a checksum came, or where the bucket does not ask', () => {
    expect(demand(locked, 'none', 'none')).not.toThrow()
    expect(demand(rule, 'sent', 'sent')).not.toThrow()
    expect(demand({ ...rule, requireChecksum: false }, 'sent', 'none')).not.toThrow()
  })

  it('E17: a document without Content-MD5 and x-amz-checksum-*; the hash of the signature is none', () => {
    const error = caught(() => demandDocument({ 'x-amz-content-sha256': 'a'.repeat(64) }))
    expect([error.code, error.detail.message]).toEqual([
      'InvalidRequest',
      'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
    ])
  })

  it.each([
    ['content-md5', { 'content-md5': '1B2M2Y8AsgTpgAmY7PhCfg==' }],
    ['x-amz-checksum-crc32', { 'x-amz-checksum-crc32': 'AAAAAA==' }],
    ['a trailer', { 'x-amz-trailer': 'x-amz-checksum-crc32c' }],
  ])('E17: %s is enough', (_name, headers) => {
    expect(() => demandDocument(headers)).not.toThrow()
  })
})

describe('bypass header', () => {
  it.each([
    ['true', true],
    ['True', true],
    ['TRUE', true],
    ['false', false],
    ['1', false],
    ['yes', false],
    ['', false],
    [' true', false],
  ])('%j asks for the bypass: %s', (value, asks) => {
    expect(asksBypassGovernance({ 'x-amz-bypass-governance-retention': value })).toBe(asks)
  })

  it('other headers never ask for it (I20)', () => {
    const headers = { 'x-minio-source-mtime': '1', 'x-amz-replication-status': 'REPLICA' }
    expect(asksBypassGovernance(headers)).toBe(false)
  })
})
