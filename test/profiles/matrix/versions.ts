/**
 * The rows about one version: its retention, its hold and what deletes it. `after` is the version's lock as `World.lockOf` says
 * it.
 */

import { md5, type Target } from '../../support/conformance.ts'
import type { SendOptions } from '../../support/s3-client.ts'
import { type Answers, addressed, type Lock, retention, subresource, type World } from './world.ts'

export type VersionRow = {
  readonly row: string
  readonly title: string
  /** Of the version before the request. */
  readonly lock: Lock
  /** Left out: a bucket with Object Lock and no rule. */
  readonly bucket?: 'rule'
  readonly request: (world: World, target: Target) => SendOptions
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
