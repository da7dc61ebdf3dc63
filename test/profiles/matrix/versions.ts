/**
 * The rows about one version: its retention, its hold and what deletes it. `after` is the version's lock as `World.lockOf` says
 * it.
 */

import { md5, type Target } from '../../support/conformance.ts'
import type { SendOptions } from '../../support/s3-client.ts'
import {
  type Answers,
  addressed,
  type Lock,
  lockHeaders,
  retention,
  subresource,
  type World,
} from './world.ts'

export type VersionRow = {
  readonly row: string
  readonly title: string
  /** Of the version before the request. */
  readonly lock: Lock
  /** Left out: a bucket with Object Lock and no rule. */
  readonly bucket?: 'rule'
  readonly request: (world: World, target: Target) => SendOptions
  /** Left out: 0, the version is locked at once. Milliseconds the clock goes on after it. */
  readonly answers: Answers
}

const document = (options: SendOptions, body: string, headers: Record<string, string> = {}): SendOptions => ({
  ...options,
  body,
  headers: { 'content-md5': md5(body), ...headers },
})
const retain =
  (mode: string, date: (world: World) => string, headers: Record<string, string> = {}) =>
  (world: World, target: Target): SendOptions =>
    document(subresource('PUT', target, 'retention'), retention(mode, date(world)), headers)
const bypass = { 'x-amz-bypass-governance-retention': 'true' }
const inDays =
  (days: number) =>
  (world: World): string =>
    world.inDays(days)

const preview = (after: string) => [501, 'NotImplemented', after] as const
const malformed = (after: string): Answers => ({
  qstorage: [400, 'InvalidRequest', after],
  yandex: [400, 'InvalidRequest', after],
  obs: [400, 'MalformedObjectLockError', after],
  others: [400, 'MalformedXML', after],
})

export const versionRows: readonly VersionRow[] = [
  {
    row: 'D7',
    title: 'GOVERNANCE in a retention document',
    lock: {},
    request: retain('GOVERNANCE', inDays(5)),
    answers: {
      obs: [400, 'MalformedObjectLockError', 'none'],
      'storj-preview': preview('none'),
      others: [200, null, 'GOVERNANCE 5'],
    },
  },
  {
    row: 'D8',
    title: 'a legal hold',
    lock: {},
    request: (_world, target) =>
      document(subresource('PUT', target, 'legal-hold'), '<LegalHold><Status>ON</Status></LegalHold>'),
    answers: { 'storj-preview': preview('none'), others: [200, null, 'hold'] },
  },
  {
    row: 'D9',
    title: 'lower case in a retention document',
    lock: {},
    request: retain('compliance', inDays(5)),
    answers: {
      ...malformed('none'),
      wasabi: [200, null, 'COMPLIANCE 5'],
      lenient: [200, null, 'COMPLIANCE 5'],
    },
  },
  {
    row: 'D9',
    title: 'lower case in a legal hold document',
    lock: {},
    request: (_world, target) =>
      document(subresource('PUT', target, 'legal-hold'), '<LegalHold><Status>on</Status></LegalHold>'),
    answers: {
      'storj-preview': preview('none'),
      wasabi: [200, null, 'hold'],
      lenient: [200, null, 'hold'],
      others: [400, 'MalformedXML', 'none'],
    },
  },
  {
    row: 'D10',
    title: 'epoch milliseconds in a retention document',
    lock: {},
    request: retain('COMPLIANCE', (world) => String(Date.parse(world.inDays(5)))),
    answers: { others: [200, null, 'COMPLIANCE 5'] },
  },
  {
    row: 'D10',
    title: 'an ISO date with an offset, and one without zone',
    lock: {},
    request: retain('COMPLIANCE', (world) => world.inDays(5).replace('Z', '')),
    answers: { others: [200, null, 'COMPLIANCE 5'] },
  },
  {
    row: 'D12',
    title: 'PutObjectRetention of a version that is not there',
    lock: {},
    request: (world, { bucket, key }) =>
      retain('COMPLIANCE', inDays(5))(world, { bucket, key, versionId: 'unknownversion1' }),
    answers: { obs: [400, 'NoSuchVersion', 'none'], others: [404, 'NoSuchVersion', 'none'] },
  },
  {
    row: 'D12',
    title: 'GetObject of a version that is not there',
    lock: {},
    request: (_world, { bucket, key }) => addressed('GET', { bucket, key, versionId: 'unknownversion1' }),
    answers: { others: [404, 'NoSuchVersion', 'none'] },
  },
  {
    row: 'D13',
    title: 'an unknown mode in a retention document',
    lock: {},
    request: retain('FOREVER', inDays(5)),
    answers: malformed('none'),
  },
  {
    row: 'D13',
    title: 'a retention document that is no XML',
    lock: { mode: 'COMPLIANCE' },
    request: (_world, target) => document(subresource('PUT', target, 'retention'), '<Retention><Mode>'),
    answers: malformed('COMPLIANCE 5'),
  },
  {
    row: 'D13',
    title: 'an empty Retention for a version without one',
    lock: {},
    request: (_world, target) => document(subresource('PUT', target, 'retention'), '<Retention/>'),
    answers: { obs: [400, 'MalformedObjectLockError', 'none'], others: [200, null, 'none'] },
  },
  {
    row: 'D13',
    title: 'an empty Retention for a version under COMPLIANCE',
    lock: { mode: 'COMPLIANCE' },
    request: (_world, target) => document(subresource('PUT', target, 'retention'), '<Retention/>', bypass),
    answers: {
      obs: [400, 'MalformedObjectLockError', 'COMPLIANCE 5'],
      minio: [400, 'InvalidRequest', 'COMPLIANCE 5'],
      others: [403, 'AccessDenied', 'COMPLIANCE 5'],
    },
  },
  {
    row: 'D14',
    title: 'a past date on a locked version',
    lock: { mode: 'COMPLIANCE' },
    request: retain('COMPLIANCE', inDays(-1)),
    answers: {
      obs: [400, 'InvalidRequest', 'COMPLIANCE 5'],
      minio: [400, 'InvalidRequest', 'COMPLIANCE 5'],
      others: [400, 'InvalidArgument', 'COMPLIANCE 5'],
    },
  },
  {
    row: 'D14',
    title: 'an earlier date under COMPLIANCE',
    lock: { mode: 'COMPLIANCE' },
    request: retain('COMPLIANCE', inDays(4), bypass),
    answers: {
      obs: [400, 'InvalidRequest', 'COMPLIANCE 5'],
      minio: [400, 'InvalidRequest', 'COMPLIANCE 5'],
      others: [403, 'AccessDenied', 'COMPLIANCE 5'],
    },
  },
  {
    row: 'D14',
    title: 'a later date under COMPLIANCE',
    lock: { mode: 'COMPLIANCE' },
    request: retain('COMPLIANCE', inDays(6)),
    answers: { others: [200, null, 'COMPLIANCE 6'] },
  },
  {
    row: 'D15',
    title: 'DELETE of a version under COMPLIANCE, with the bypass header',
    lock: { mode: 'COMPLIANCE' },
    request: (_world, target) => ({ ...addressed('DELETE', target), headers: bypass }),
    answers: { others: [403, 'AccessDenied', 'COMPLIANCE 5'] },
  },
  {
    row: 'D15',
    title: 'DELETE of a version that nothing locks',
    lock: {},
    request: (_world, { bucket, key }) => addressed('DELETE', { bucket, key }),
    answers: { others: [204, null, 'none'] },
  },
  {
    row: 'D23',
    title: 'retention for a version with a time to live',
    lock: {},
    request: retain('COMPLIANCE', inDays(5)),
    answers: {
      storj: [400, 'InvalidRequest', 'none'],
      'storj-preview': [400, 'InvalidRequest', 'none'],
      others: [200, null, 'COMPLIANCE 5'],
    },
  },
  {
    row: 'D27',
    title: 'retention without a version id',
    lock: {},
    request: (world, { bucket, key }) => retain('COMPLIANCE', inDays(5))(world, { bucket, key }),
    answers: { others: [200, null, 'COMPLIANCE 5'] },
  },
  {
    row: 'D31',
    title: 'tags of a locked version',
    lock: { mode: 'COMPLIANCE' },
    request: (_world, target) =>
      document(
        subresource('PUT', target, 'tagging'),
        '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>',
      ),
    answers: { others: [200, null, 'COMPLIANCE 5'] },
  },
  {
    row: 'D31',
    title: 'metadata of a locked version, by a copy onto itself',
    lock: { mode: 'COMPLIANCE' },
    request: (_world, { bucket, key }) => ({
      ...addressed('PUT', { bucket, key }),
      headers: {
        'x-amz-copy-source': `/${bucket}/${key}`,
        'x-amz-metadata-directive': 'REPLACE',
        'x-amz-meta-new': 'value',
      },
    }),
    answers: { others: [200, null, 'COMPLIANCE 5'] },
  },
  {
    row: 'D33',
    title: 'a default rule for a version that is older than it',
    lock: {},
    request: (_world, { bucket }) =>
      document(
        { method: 'PUT', path: `/${bucket}`, query: { 'object-lock': '' } },
        '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>' +
          '<Mode>COMPLIANCE</Mode><Days>2</Days></DefaultRetention></Rule></ObjectLockConfiguration>',
      ),
    answers: { 'storj-preview': preview('none'), others: [200, null, 'none'] },
  },
]

/** A request that writes a version: what is stored with it, or nothing at all (`after` is `nothing`). */
export type WriteRow = {
  readonly row: string
  readonly title: string
  readonly bucket: 'locked' | 'rule' | 'unlocked'
  readonly headers: (world: World) => Record<string, string>
  /** Left out: Content-MD5 is sent. */
  readonly checksum?: 'none'
  readonly answers: Answers
}

const refused = (code: string) => [400, code, 'nothing'] as const
const locked = [200, null, 'COMPLIANCE 5'] as const
const compliance = (world: World) => lockHeaders({ mode: 'COMPLIANCE' }, world.inDays)
const obsTwins = (headers: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.replace('x-amz-', 'x-obs-'), value]),
  )
/** What a bucket's rule of one day gives; the preview has no rules. */
const byRule = { 'storj-preview': [200, null, 'none'], others: [200, null, 'COMPLIANCE 1'] } as const
const timeToLive = { 'x-amz-meta-object-expires': '+2h' }

export const writeRows: readonly WriteRow[] = [
  {
    row: 'D7',
    title: 'GOVERNANCE by header',
    bucket: 'locked',
    headers: (world) => lockHeaders({ mode: 'GOVERNANCE' }, world.inDays),
    answers: {
      obs: refused('InvalidArgument'),
      'storj-preview': [501, 'NotImplemented', 'nothing'],
      others: [200, null, 'GOVERNANCE 5'],
    },
  },
  {
    row: 'D8',
    title: 'a legal hold by header',
    bucket: 'locked',
    headers: (world) => lockHeaders({ legalHold: 'ON' }, world.inDays),
    answers: { 'storj-preview': [501, 'NotImplemented', 'nothing'], others: [200, null, 'hold'] },
  },
  {
    row: 'D9',
    title: 'lower case by header',
    bucket: 'locked',
    headers: (world) => ({ ...compliance(world), 'x-amz-object-lock-mode': 'compliance' }),
    answers: {
      aws: refused('InvalidArgument'),
      qstorage: refused('InvalidArgument'),
      yandex: refused('InvalidArgument'),
      obs: refused('InvalidArgument'),
      others: locked,
    },
  },
  {
    row: 'D11',
    title: 'an HTTP date in the header',
    bucket: 'locked',
    headers: (world) => ({
      ...compliance(world),
      'x-amz-object-lock-retain-until-date': new Date(world.inDays(5)).toUTCString(),
    }),
    answers: { others: locked },
  },
  {
    row: 'D11',
    title: 'epoch milliseconds in the header',
    bucket: 'locked',
    headers: (world) => ({
      ...compliance(world),
      'x-amz-object-lock-retain-until-date': String(Date.parse(world.inDays(5))),
    }),
    answers: { others: refused('InvalidArgument') },
  },
  {
    row: 'D19',
    title: 'the x-obs-* family',
    bucket: 'locked',
    headers: (world) => obsTwins(compliance(world)),
    answers: { others: locked },
  },
  {
    row: 'D19',
    title: 'both families, saying the same',
    bucket: 'locked',
    headers: (world) => {
      const headers = compliance(world)
      return { ...headers, ...obsTwins(headers) }
    },
    answers: { others: locked },
  },
  {
    row: 'D19',
    title: 'both families, contradicting each other',
    bucket: 'locked',
    headers: (world) => ({ ...compliance(world), 'x-obs-object-lock-mode': 'GOVERNANCE' }),
    answers: { others: refused('InvalidRequest') },
  },
  {
    row: 'D21',
    title: 'lock headers without a checksum',
    bucket: 'locked',
    checksum: 'none',
    headers: compliance,
    answers: { aws: refused('InvalidRequest'), others: locked },
  },
  {
    row: 'D21',
    title: 'a default rule without a checksum',
    bucket: 'rule',
    checksum: 'none',
    headers: () => ({}),
    answers: { ...byRule, aws: refused('InvalidRequest'), yandex: refused('InvalidRequest') },
  },
  {
    row: 'D21',
    title: 'a default rule and x-amz-checksum-crc32',
    bucket: 'rule',
    checksum: 'none',
    headers: () => ({ 'x-amz-checksum-crc32': 'CRC32' }),
    answers: byRule,
  },
  {
    row: 'D23',
    title: 'a time to live and a lock',
    bucket: 'locked',
    headers: (world) => ({ ...timeToLive, ...compliance(world) }),
    answers: { storj: refused('InvalidRequest'), 'storj-preview': refused('InvalidRequest'), others: locked },
  },
  {
    row: 'D23',
    title: 'a time to live under its other names and a lock',
    bucket: 'locked',
    headers: (world) => ({ 'x-minio-meta-storj-expires': '+2h', ...compliance(world) }),
    answers: { storj: refused('InvalidRequest'), 'storj-preview': refused('InvalidRequest'), others: locked },
  },
  {
    row: 'D23',
    title: 'a time to live in a bucket with a default rule',
    bucket: 'rule',
    headers: () => timeToLive,
    answers: { ...byRule, storj: refused('InvalidRequest') },
  },
  {
    row: 'D23',
    title: 'a time to live and no lock',
    bucket: 'locked',
    headers: () => timeToLive,
    answers: { others: [200, null, 'none'] },
  },
  {
    row: 'D23',
    title: 'x-obs-expires and a lock',
    bucket: 'locked',
    headers: (world) => ({ 'x-obs-expires': '3', ...compliance(world) }),
    answers: { others: refused('InvalidRequest') },
  },
  {
    row: 'D23',
    title: 'x-obs-expires alone, which would be a promise to delete',
    bucket: 'locked',
    headers: () => ({ 'x-obs-expires': '3' }),
    answers: { others: [501, 'NotImplemented', 'nothing'] },
  },
  {
    row: 'D33',
    title: 'a default rule and a new version',
    bucket: 'rule',
    headers: () => ({}),
    answers: byRule,
  },
]
