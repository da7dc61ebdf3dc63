/** Headers that contradict themselves, each other, the bucket or the body. */
import { md5 } from '../../support/conformance.ts'
import { checksum, get, type Headers, plain, put } from './requests.ts'
import { type BadRequest, document } from './runner.ts'

const repeated: readonly BadRequest[] = [
  ['Content-MD5: x', 'content-md5'],
  ['x-amz-date: 20260101T000000Z', 'x-amz-date'],
  ['X-Amz-Content-Sha256: UNSIGNED-PAYLOAD', 'x-amz-content-sha256'],
  ['HOST: other.example.com', 'host'],
].map(
  ([line = '', name = '']): BadRequest => ({
    name: `a second ${name}`,
    request: put({}, { lines: [line] }),
    status: 400,
    code: 'InvalidArgument',
    message: `The header ${name} may be given only once.`,
    extra: { ArgumentName: name },
  }),
)

const digests: readonly BadRequest[] = [
  ...['abc', '', md5('bytes').slice(0, -2), `${md5('bytes')}=`, 'AAAA', '*'.repeat(24)].map(
    (value): BadRequest => ({
      name: `Content-MD5 ${JSON.stringify(value)}`,
      request: plain({ 'content-md5': value }),
      status: 400,
      code: 'InvalidDigest',
    }),
  ),
  {
    name: 'Content-MD5 of nothing, with a body',
    request: plain({ 'content-md5': md5('') }),
    status: 400,
    code: 'BadDigest',
  },
  {
    name: 'Content-MD5 of other bytes, on a document',
    request: ({ bucket, key }) =>
      document({
        method: 'PUT',
        path: `/${bucket}/${key}`,
        query: { 'legal-hold': '' },
        body: '<LegalHold><Status>ON</Status></LegalHold>',
        headers: { 'content-md5': md5('') },
      }),
    status: 400,
    code: 'BadDigest',
  },
  {
    name: 'a checksum of other bytes',
    request: plain({ 'x-amz-checksum-crc32': 'AAAAAA==' }),
    status: 400,
    code: 'BadDigest',
  },
  {
    name: 'a checksum of another length',
    request: plain({ 'x-amz-checksum-sha256': 'AAAAAA==' }),
    status: 400,
    code: 'InvalidRequest',
    message: 'Value for x-amz-checksum-sha256 header is invalid.',
  },
  {
    name: 'an empty checksum',
    request: plain({ 'x-amz-checksum-crc32c': '' }),
    status: 400,
    code: 'InvalidRequest',
  },
  {
    name: 'two checksum algorithms',
    request: plain({ 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-checksum-crc32c': 'AAAAAA==' }),
    status: 400,
    code: 'InvalidRequest',
    message: 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
  },
  {
    name: 'a checksum algorithm that nobody knows',
    request: plain({ 'x-amz-checksum-md4': 'AAAAAA==' }),
    status: 400,
    code: 'InvalidRequest',
  },
  {
    name: 'a checksum that is named and not sent',
    request: plain({ 'x-amz-sdk-checksum-algorithm': 'CRC32' }),
    status: 400,
    code: 'InvalidRequest',
  },
  {
    name: 'another checksum than the one that is named',
    request: plain({ 'x-amz-sdk-checksum-algorithm': 'SHA1', 'x-amz-checksum-crc32': 'AAAAAA==' }),
    status: 400,
    code: 'InvalidRequest',
    message: 'Value for x-amz-sdk-checksum-algorithm header is invalid.',
  },
]

const lock = (headers: Headers) =>
  put(
    Object.fromEntries(Object.entries(headers).map(([name, value]) => [`x-amz-object-lock-${name}`, value])),
  )
const modeAlone = 'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied'
const dateHeader = 'x-amz-object-lock-retain-until-date'

const locks: readonly BadRequest[] = [
  {
    name: 'a mode without a date',
    request: lock({ mode: 'COMPLIANCE' }),
    status: 400,
    code: 'InvalidArgument',
    message: modeAlone,
    extra: { ArgumentName: dateHeader },
  },
  {
    name: 'a date without a mode',
    request: lock({ 'retain-until-date': '2040-01-01T00:00:00Z' }),
    status: 400,
    code: 'InvalidArgument',
    message: modeAlone,
    extra: { ArgumentName: 'x-amz-object-lock-mode' },
  },
  ...['compliance', 'GOVERNANCE ,COMPLIANCE', ''].map(
    (mode): BadRequest => ({
      name: `the mode ${JSON.stringify(mode)}`,
      request: lock({ mode, 'retain-until-date': '2040-01-01T00:00:00Z' }),
      status: 400,
      code: 'InvalidArgument',
      message: 'Unknown wormMode directive.',
      extra: { ArgumentName: 'x-amz-object-lock-mode', ArgumentValue: mode },
    }),
  ),
  ...[
    '',
    '2040-02-30T00:00:00Z',
    '2040-01-01',
    '10000-01-01T00:00:00Z',
    '+010000-01-01T00:00:00Z',
    '2208988800000',
    '2040-01-01T25:00:00Z',
    '2040-01-01T00:00:00+99:00',
    '9999-12-31T23:59:59-12:00',
    'Sun, 01 Jan 10000 00:00:00 GMT',
    'tomorrow',
    'Infinity',
  ].map(
    (date): BadRequest => ({
      name: `the date ${JSON.stringify(date)}`,
      request: lock({ mode: 'COMPLIANCE', 'retain-until-date': date }),
      status: 400,
      code: 'InvalidArgument',
      message: 'The retain until date must be provided in ISO 8601 format',
      extra: { ArgumentName: dateHeader, ArgumentValue: date },
    }),
  ),
  {
    name: 'a date of the past',
    request: lock({ mode: 'COMPLIANCE', 'retain-until-date': '2020-01-01T00:00:00Z' }),
    status: 400,
    code: 'InvalidArgument',
    message: 'The retain until date must be in the future!',
    extra: { ArgumentName: dateHeader },
  },
  ...['on', 'TRUE', '', 'ON,ON'].map(
    (status): BadRequest => ({
      name: `the hold ${JSON.stringify(status)}`,
      request: lock({ 'legal-hold': status }),
      status: 400,
      code: 'InvalidArgument',
      message: "Legal Hold must be either of 'ON' or 'OFF'",
    }),
  ),
  {
    name: 'a lock without a checksum',
    request: plain({ 'x-amz-object-lock-legal-hold': 'ON' }),
    status: 400,
    code: 'InvalidRequest',
    message:
      'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters',
  },
  {
    name: 'a lock in a bucket without Object Lock',
    request: ({ plainBucket }) =>
      document({
        method: 'PUT',
        path: `/${plainBucket}/key`,
        body: 'bytes',
        headers: { 'x-amz-object-lock-legal-hold': 'OFF' },
      }),
    status: 400,
    code: 'InvalidRequest',
    message: 'Bucket is missing ObjectLockConfiguration',
  },
]

const promises: readonly BadRequest[] = [
  {
    name: 'user metadata of 2,049 bytes',
    request: put({ 'x-amz-meta-a': 'v'.repeat(2048) }),
    status: 400,
    code: 'MetadataTooLarge',
    extra: { Size: '2049', MaxSizeAllowed: '2048' },
  },
  {
    name: 'user metadata beyond 2 KiB in 300 headers',
    request: put(
      Object.fromEntries(Array.from({ length: 300 }, (_each, index) => [`x-amz-meta-${index}`, 'value'])),
    ),
    status: 400,
    code: 'MetadataTooLarge',
  },
  {
    name: 'encryption',
    request: put({ 'x-amz-server-side-encryption': 'AES256' }),
    status: 501,
    code: 'NotImplemented',
    extra: { Header: 'x-amz-server-side-encryption' },
  },
  {
    name: 'a storage class',
    request: put({ 'x-amz-storage-class': 'GLACIER' }),
    status: 400,
    code: 'InvalidStorageClass',
    extra: { StorageClassRequested: 'GLACIER' },
  },
  {
    name: 'a public ACL',
    request: put({ 'x-amz-acl': 'public-read' }),
    status: 400,
    code: 'AccessControlListNotSupported',
  },
  {
    name: 'a grant',
    request: put({ 'x-amz-grant-read': 'id=1' }),
    status: 400,
    code: 'AccessControlListNotSupported',
  },
  {
    name: 'another owner of the bucket',
    request: put({ 'x-amz-expected-bucket-owner': '999999999999' }),
    status: 403,
    code: 'AccessDenied',
  },
  {
    name: 'If-None-Match on a key that is there',
    request: ({ bucket, key }) => ({
      method: 'PUT',
      path: `/${bucket}/${key}`,
      body: 'bytes',
      headers: { ...checksum, 'if-none-match': '*' },
    }),
    status: 412,
    code: 'PreconditionFailed',
    extra: { Condition: 'If-None-Match' },
  },
  {
    name: 'If-Match with another ETag',
    request: ({ bucket, key }) => ({
      method: 'PUT',
      path: `/${bucket}/${key}`,
      body: 'bytes',
      headers: { ...checksum, 'if-match': '"0"' },
    }),
    status: 412,
    code: 'PreconditionFailed',
  },
  {
    name: 'If-Match on a key that is not there',
    request: put({ 'if-match': '"0"' }),
    status: 404,
    code: 'NoSuchKey',
  },
  {
    name: 'a condition that S3 has not for writes',
    request: put({ 'if-none-match': '"0"' }),
    status: 501,
    code: 'NotImplemented',
  },
  {
    name: 'a delete of another ETag',
    request: ({ bucket, key }) => ({
      method: 'DELETE',
      path: `/${bucket}/${key}`,
      headers: { 'if-match': '"0"' },
    }),
    status: 412,
    code: 'PreconditionFailed',
  },
  {
    name: 'a condition on the delete of a version',
    request: ({ bucket, key, versionId }) => ({
      method: 'DELETE',
      path: `/${bucket}/${key}`,
      query: { versionId },
      headers: { 'if-match': '*' },
    }),
    status: 501,
    code: 'NotImplemented',
    extra: { Header: 'If-Match' },
  },
  {
    name: 'a read that another ETag was asked for',
    request: get({ 'if-match': '"0"' }),
    status: 412,
    code: 'PreconditionFailed',
  },
]

export const headers: readonly BadRequest[] = [...repeated, ...digests, ...locks, ...promises]
