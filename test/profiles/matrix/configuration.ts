/**
 * The rows about a bucket's configuration: what PutObjectLockConfiguration makes of the same bytes in each profile. `after` is the
 * stored status and rule; every bucket that had a lock before has a version whose lock must outlast the request.
 */
import type { BucketKind } from '../../support/conformance.ts'
import type { SendOptions } from '../../support/s3-client.ts'
import { type Answers, documentOf, enabled, ruleOf } from './world.ts'

export type ConfigurationRow = {
  readonly row: string
  readonly title: string
  readonly bucket: BucketKind | 'rule'
  readonly body: string
  readonly more?: Partial<SendOptions>
  /** Left out: Content-MD5 is sent. */
  readonly checksum?: 'none'
  readonly answers: Answers
}

const root = (inner: string): string => documentOf('ObjectLockConfiguration', inner)
const oneDay = 'Enabled COMPLIANCE 1 DAYS'
const preview = [501, 'NotImplemented', 'Enabled'] as const
const previewNone = [501, 'NotImplemented', 'none'] as const
const malformed = [400, 'MalformedXML', oneDay] as const
const invalid = [400, 'InvalidRequest', oneDay] as const
const obsMalformed = [400, 'MalformedObjectLockError', oneDay] as const
const cleared = [200, null, 'Enabled'] as const
const twoDays = [200, null, 'Enabled COMPLIANCE 2 DAYS'] as const
const rule = (inner: string): string => root(`${enabled}${ruleOf(inner)}`)
const refusedEverywhere: Answers = {
  'storj-preview': preview,
  qstorage: invalid,
  yandex: invalid,
  obs: obsMalformed,
  others: malformed,
}

export const configurationRows: readonly ConfigurationRow[] = [
  {
    row: 'D1',
    title: 'an empty root',
    bucket: 'rule',
    body: '<ObjectLockConfiguration/>',
    answers: {
      'storj-preview': preview,
      qstorage: invalid,
      yandex: [200, null, 'Frozen COMPLIANCE 1 DAYS'],
      obs: cleared,
      lenient: cleared,
      others: malformed,
    },
  },
  {
    row: 'D1',
    title: 'an empty root with a namespace and white space',
    bucket: 'rule',
    body: '<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">\n</ObjectLockConfiguration>',
    answers: {
      'storj-preview': preview,
      qstorage: invalid,
      yandex: [200, null, 'Frozen COMPLIANCE 1 DAYS'],
      obs: cleared,
      lenient: cleared,
      others: malformed,
    },
  },
  {
    row: 'D1',
    title: 'an empty root on a bucket that never had Object Lock',
    bucket: 'enabled',
    body: '<ObjectLockConfiguration/>',
    answers: {
      'storj-preview': previewNone,
      qstorage: [400, 'InvalidRequest', 'none'],
      yandex: [200, null, 'none'],
      obs: [400, 'InvalidRequest', 'none'],
      lenient: [404, 'ObjectLockConfigurationNotFoundError', 'none'],
      others: [400, 'MalformedXML', 'none'],
    },
  },
  {
    row: 'D2',
    title: 'Enabled with empty Mode and Days',
    bucket: 'rule',
    body: rule('<Mode></Mode><Days></Days>'),
    answers: { ...refusedEverywhere, wasabi: cleared, lenient: cleared },
  },
  {
    row: 'D2',
    title: 'only the Mode is empty',
    bucket: 'rule',
    body: rule('<Mode></Mode><Days>1</Days>'),
    answers: refusedEverywhere,
  },
  {
    row: 'D2',
    title: 'only the period is empty',
    bucket: 'rule',
    body: rule('<Mode>COMPLIANCE</Mode><Days></Days>'),
    answers: refusedEverywhere,
  },
  {
    row: 'D3',
    title: 'no body',
    bucket: 'rule',
    body: '',
    answers: {
      'storj-preview': preview,
      wasabi: cleared,
      qstorage: invalid,
      yandex: invalid,
      obs: obsMalformed,
      others: [400, 'MissingRequestBodyError', oneDay],
    },
  },
  {
    row: 'D3',
    title: 'no body on a bucket that never had Object Lock',
    bucket: 'enabled',
    body: '',
    answers: {
      'storj-preview': previewNone,
      wasabi: [404, 'ObjectLockConfigurationNotFoundError', 'none'],
      qstorage: [400, 'InvalidRequest', 'none'],
      yandex: [400, 'InvalidRequest', 'none'],
      obs: [400, 'MalformedObjectLockError', 'none'],
      others: [400, 'MissingRequestBodyError', 'none'],
    },
  },
  {
    row: 'D4',
    title: 'ObjectLockEnabled left out',
    bucket: 'rule',
    body: root(ruleOf('<Mode>COMPLIANCE</Mode><Days>2</Days>')),
    answers: {
      'storj-preview': preview,
      qstorage: twoDays,
      yandex: invalid,
      obs: twoDays,
      others: malformed,
    },
  },
  {
    row: 'D4',
    title: 'ObjectLockEnabled is Disabled',
    bucket: 'rule',
    body: root(
      `<ObjectLockEnabled>Disabled</ObjectLockEnabled>${ruleOf('<Mode>COMPLIANCE</Mode><Days>2</Days>')}`,
    ),
    answers: refusedEverywhere,
  },
  {
    row: 'D5',
    title: 'Enabled without Rule',
    bucket: 'rule',
    body: root(enabled),
    answers: { 'storj-preview': preview, others: cleared },
  },
  {
    row: 'D6',
    title: 'Object Lock on a versioned bucket that was made without it',
    bucket: 'enabled',
    body: rule('<Mode>COMPLIANCE</Mode><Days>2</Days>'),
    answers: {
      'storj-preview': previewNone,
      qstorage: [400, 'InvalidRequest', 'none'],
      obs: [400, 'InvalidRequest', 'none'],
      minio: [409, 'InvalidBucketState', 'none'],
      others: twoDays,
    },
  },
  {
    row: 'D6',
    title: 'Object Lock on an unversioned bucket',
    bucket: 'unversioned',
    body: rule('<Mode>COMPLIANCE</Mode><Days>2</Days>'),
    answers: {
      'storj-preview': previewNone,
      qstorage: [400, 'InvalidRequest', 'none'],
      obs: [400, 'InvalidRequest', 'none'],
      others: [409, 'InvalidBucketState', 'none'],
    },
  },
  {
    row: 'D7',
    title: 'GOVERNANCE in the rule',
    bucket: 'rule',
    body: rule('<Mode>GOVERNANCE</Mode><Days>2</Days>'),
    answers: {
      'storj-preview': preview,
      obs: obsMalformed,
      others: [200, null, 'Enabled GOVERNANCE 2 DAYS'],
    },
  },
  {
    row: 'D9',
    title: 'lower case in the rule',
    bucket: 'rule',
    body: rule('<Mode>compliance</Mode><Days>2</Days>'),
    answers: { ...refusedEverywhere, lenient: twoDays },
  },
  {
    row: 'D18',
    title: 'a document without namespace, and one with another',
    bucket: 'rule',
    body: `<ObjectLockConfiguration xmlns="http://obs.region.example.com/doc/2015-06-30/">${enabled}${ruleOf(
      '<Mode>COMPLIANCE</Mode><Days>2</Days>',
    )}</ObjectLockConfiguration>`,
    answers: { 'storj-preview': preview, others: twoDays },
  },
  {
    row: 'D20',
    title: 'neither Content-MD5 nor x-amz-checksum-*',
    bucket: 'rule',
    checksum: 'none',
    body: rule('<Mode>COMPLIANCE</Mode><Days>2</Days>'),
    answers: {
      'storj-preview': preview,
      aws: invalid,
      qstorage: invalid,
      others: twoDays,
    },
  },
  {
    row: 'D20',
    title: 'x-amz-checksum-crc32 instead of Content-MD5',
    bucket: 'rule',
    checksum: 'none',
    body: root(enabled),
    more: { headers: { 'x-amz-checksum-crc32': 'pTa3Kw==' } },
    answers: { 'storj-preview': preview, others: cleared },
  },
  {
    row: 'D20',
    title: 'a wrong Content-MD5',
    bucket: 'rule',
    checksum: 'none',
    body: rule('<Mode>COMPLIANCE</Mode><Days>2</Days>'),
    more: { headers: { 'content-md5': '1B2M2Y8AsgTpgAmY7PhCfg==' } },
    answers: { 'storj-preview': [400, 'BadDigest', 'Enabled'], others: [400, 'BadDigest', oneDay] },
  },
  {
    row: 'D22',
    title: 'another bucket owner is expected',
    bucket: 'rule',
    body: root(enabled),
    more: { headers: { 'x-amz-expected-bucket-owner': '999999999999' } },
    answers: {
      'storj-preview': [403, 'AccessDenied', 'Enabled'],
      others: [403, 'AccessDenied', oneDay],
    },
  },
  {
    row: 'D22',
    title: 'the owner is expected, a requester pays and a token is sent',
    bucket: 'rule',
    body: root(enabled),
    more: {
      headers: {
        'x-amz-expected-bucket-owner': '000000000000',
        'x-amz-request-payer': 'requester',
        'x-amz-bucket-object-lock-token': 'token-that-nobody-may-read',
      },
    },
    answers: { 'storj-preview': preview, others: cleared },
  },
  {
    row: 'D29',
    title: 'eleven Years',
    bucket: 'rule',
    body: rule('<Mode>COMPLIANCE</Mode><Years>11</Years>'),
    answers: {
      storj: [400, 'InvalidArgument', oneDay],
      'storj-preview': preview,
      others: [200, null, 'Enabled COMPLIANCE 11 YEARS'],
    },
  },
  {
    row: 'D29',
    title: 'a hundred and one Years',
    bucket: 'rule',
    body: rule('<Mode>COMPLIANCE</Mode><Years>101</Years>'),
    answers: {
      'storj-preview': preview,
      qstorage: invalid,
      yandex: invalid,
      others: [400, 'InvalidArgument', oneDay],
    },
  },
  {
    row: 'D29',
    title: 'no Days at all',
    bucket: 'rule',
    body: rule('<Mode>COMPLIANCE</Mode><Days>0</Days>'),
    answers: {
      'storj-preview': preview,
      qstorage: invalid,
      yandex: invalid,
      others: [400, 'InvalidArgument', oneDay],
    },
  },
]
