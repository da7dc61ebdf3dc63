/** The errors of Object Lock: status, code, message and every further element, as AWS sends them. */
import { expect, it } from 'vitest'
import { type Bench, conformance, lockConfiguration, md5, type Target } from '../support/conformance.ts'
import type { Answer, SendOptions } from '../support/s3-client.ts'
import { unescapedXml } from '../support/xml-text.ts'

const bench = conformance()
const mode = 'x-amz-object-lock-mode'
const date = 'x-amz-object-lock-retain-until-date'
const hold = 'x-amz-object-lock-legal-hold'
const future = '2099-01-01T00:00:00Z'

/** What every error has besides. */
const common = new Set(['Resource', 'RequestId', 'HostId'])

function elementsOf(answer: Answer): Readonly<Record<string, string>> {
  const inner = /<Error>(.*)<\/Error>/s.exec(answer.text)?.[1] ?? ''
  const found = [...inner.matchAll(/<(\w+)>([^<]*)<\/\1>/g)].map(([, name = '', text = '']) => [
    name,
    unescapedXml(text),
  ])
  return Object.fromEntries(found.filter(([name]) => !common.has(String(name))))
}

type Expected = readonly [status: number, elements: Readonly<Record<string, string>>]
type Given = { readonly bucket: string; readonly plain: string; readonly target: Required<Target> }

/** A locked bucket with one version under COMPLIANCE, and one without lock. */
async function given(): Promise<Given> {
  const bucket = await bench.bucket('locked')
  const plain = await bench.bucket('enabled')
  await bench.put(plain, 'key')
  const target = { bucket, key: 'key', versionId: await bench.put(bucket, 'key') }
  await bench.retain(target, 'COMPLIANCE', bench.inDays(1))
  return { bucket, plain, target }
}

const put = (bucket: string, headers: Record<string, string>): SendOptions => ({
  method: 'PUT',
  path: `/${bucket}/key`,
  body: 'x',
  headers: { 'content-md5': md5('x'), ...headers },
})
const sub = (method: string, bucket: string, query: string, body = ''): SendOptions => ({
  method,
  path: `/${bucket}/key`,
  query: { [query]: '' },
  ...(method === 'GET' ? {} : { body, headers: { 'content-md5': md5(body) } }),
})
const configuration = (bucket: string, body: string): SendOptions => ({
  method: 'PUT',
  path: `/${bucket}`,
  query: { 'object-lock': '' },
  body,
  headers: { 'content-md5': md5(body) },
})
const versioning = '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>'
const period = (text: string) => lockConfiguration(`<Mode>GOVERNANCE</Mode>${text}`)
const malformed = {
  Code: 'MalformedXML',
  Message: 'The XML you provided was not well-formed or did not validate against our published schema',
}
const argument = (name: string, message: string, value?: string) => ({
  Code: 'InvalidArgument',
  Message: message,
  ArgumentName: name,
  ...(value === undefined ? {} : { ArgumentValue: value }),
})
const both = 'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied'
const inFuture = 'The retain until date must be in the future!'
const iso = 'The retain until date must be provided in ISO 8601 format'
const past = '2020-01-01T00:00:00Z'
const retention = (text: string) =>
  `<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>${text}</RetainUntilDate></Retention>`

type Row = readonly [
  name: string,
  request: (given: Given, bench: Bench) => SendOptions | Promise<SendOptions>,
  expected: (given: Given) => Expected,
]

const rows: readonly Row[] = [
  [
    '[E1] a locked version',
    ({ target: { bucket, versionId } }) => ({
      method: 'DELETE',
      path: `/${bucket}/key`,
      query: { versionId },
    }),
    () => [403, { Code: 'AccessDenied', Message: 'Access Denied because object protected by object lock.' }],
  ],
  [
    '[E2] no configuration',
    ({ plain }) => ({ method: 'GET', path: `/${plain}`, query: { 'object-lock': '' } }),
    ({ plain }) => [
      404,
      {
        Code: 'ObjectLockConfigurationNotFoundError',
        Message: 'Object Lock configuration does not exist for this bucket',
        BucketName: plain,
      },
    ],
  ],
  [
    '[E3] a version without hold',
    ({ bucket }) => sub('GET', bucket, 'legal-hold'),
    () => [
      404,
      {
        Code: 'NoSuchObjectLockConfiguration',
        Message: 'The specified object does not have a ObjectLock configuration',
      },
    ],
  ],
  ...['retention', 'legal-hold'].map(
    (query): Row => [
      `[E4] ${query} in a bucket without lock`,
      ({ plain }) => sub('GET', plain, query),
      () => [400, { Code: 'InvalidRequest', Message: 'Bucket is missing Object Lock Configuration' }],
    ],
  ),
  [
    '[E5] lock headers in a bucket without lock',
    ({ plain }) => put(plain, { [hold]: 'OFF' }),
    () => [400, { Code: 'InvalidRequest', Message: 'Bucket is missing ObjectLockConfiguration' }],
  ],
  [
    '[E6] a configuration without versioning',
    async (_given, { bucket }) => configuration(await bucket('unversioned'), lockConfiguration(null)),
    () => [
      409,
      {
        Code: 'InvalidBucketState',
        Message: "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
      },
    ],
  ],
  [
    '[E7] versioning of a lock bucket',
    ({ bucket }) => ({ method: 'PUT', path: `/${bucket}`, query: { versioning: '' }, body: versioning }),
    () => [
      409,
      {
        Code: 'InvalidBucketState',
        Message:
          'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.',
      },
    ],
  ],
  [
    '[E8] a document that is none',
    ({ bucket }) => sub('PUT', bucket, 'retention', '<a'),
    () => [400, malformed],
  ],
  ['[E9] mode without date', ({ bucket }) => put(bucket, { [mode]: 'X' }), () => [400, argument(date, both)]],
  [
    '[E9] date without mode',
    ({ bucket }) => put(bucket, { [date]: future }),
    () => [400, argument(mode, both)],
  ],
  [
    '[E10] an unknown mode',
    ({ bucket }) => put(bucket, { [mode]: 'compliance', [date]: future }),
    () => [400, argument(mode, 'Unknown wormMode directive.', 'compliance')],
  ],
  [
    '[E11] a past date in a header',
    ({ bucket }) => put(bucket, { [mode]: 'GOVERNANCE', [date]: past }),
    () => [400, argument(date, inFuture, past)],
  ],
  [
    '[E11] a past date in a body',
    ({ bucket }) => sub('PUT', bucket, 'retention', retention(past)),
    () => [400, argument('RetainUntilDate', inFuture, past)],
  ],
  [
    '[E12] a date that is none',
    ({ bucket }) => put(bucket, { [mode]: 'GOVERNANCE', [date]: 'tomorrow' }),
    () => [400, argument(date, iso, 'tomorrow')],
  ],
  [
    '[E13] a hold that is none',
    ({ bucket }) => put(bucket, { [hold]: 'on' }),
    () => [400, argument(hold, "Legal Hold must be either of 'ON' or 'OFF'", 'on')],
  ],
  ...['Days', 'Years'].flatMap((unit): readonly Row[] => [
    [
      `[E14] 0 ${unit}`,
      ({ bucket }) => configuration(bucket, period(`<${unit}>0</${unit}>`)),
      () => [400, argument(unit, 'Default retention period must be a positive integer value.', '0')],
    ],
    [
      `[E15] 40000 ${unit}`,
      ({ bucket }) => configuration(bucket, period(`<${unit}>40000</${unit}>`)),
      () => [400, argument(unit, 'Default retention period too large.', '40000')],
    ],
  ]),
  [
    '[E16] PutObject with a hold, without checksum',
    ({ bucket }) => ({ ...put(bucket, {}), headers: { [hold]: 'OFF' } }),
    () => [
      400,
      {
        Code: 'InvalidRequest',
        Message:
          'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters',
      },
    ],
  ],
  [
    '[E17] a lock document without checksum',
    ({ bucket }) => ({ ...sub('PUT', bucket, 'retention', retention(future)), headers: {} }),
    () => [
      400,
      {
        Code: 'InvalidRequest',
        Message: 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
      },
    ],
  ],
  [
    '[E19] a delete marker',
    async ({ bucket }, { send }) => {
      await send({ method: 'DELETE', path: `/${bucket}/key` })
      return sub('PUT', bucket, 'retention', retention(future))
    },
    () => [
      405,
      {
        Code: 'MethodNotAllowed',
        Message: 'The specified method is not allowed against this resource.',
        Method: 'PUT',
        ResourceType: 'DeleteMarker',
      },
    ],
  ],
  [
    '[E20] no such version',
    ({ bucket }) => ({ ...sub('GET', bucket, 'retention'), query: { retention: '', versionId: 'ABC' } }),
    () => [
      404,
      {
        Code: 'NoSuchVersion',
        Message: 'The specified version does not exist.',
        Key: 'key',
        VersionId: 'ABC',
      },
    ],
  ],
  [
    '[E21] a version id that is none',
    ({ bucket }) => ({ method: 'DELETE', path: `/${bucket}/key`, query: { versionId: 'a-b' } }),
    () => [400, argument('versionId', 'Invalid version id specified', 'a-b')],
  ],
  [
    '[E22] no body',
    ({ bucket }) => configuration(bucket, ''),
    () => [400, { Code: 'MissingRequestBodyError', Message: 'Request Body is empty' }],
  ],
  [
    '[E23] a bucket that is not empty',
    ({ bucket }) => ({ method: 'DELETE', path: `/${bucket}` }),
    ({ bucket }) => [
      409,
      {
        Code: 'BucketNotEmpty',
        Message: 'The bucket you tried to delete is not empty. You must delete all versions in the bucket.',
        BucketName: bucket,
      },
    ],
  ],
  [
    '[E24] a wrong Content-MD5',
    ({ bucket }) => put(bucket, { 'content-md5': md5('y') }),
    () => [
      400,
      { Code: 'BadDigest', Message: 'The Content-MD5 you specified did not match what we received.' },
    ],
  ],
  [
    '[E24] an undecodable Content-MD5',
    ({ bucket }) => put(bucket, { 'content-md5': 'none' }),
    () => [
      400,
      {
        Code: 'InvalidDigest',
        Message: 'The Content-MD5 or checksum value that you specified is not valid.',
      },
    ],
  ],
  [
    '[E25] no such bucket',
    () => sub('GET', 'no-such-bucket', 'retention'),
    () => [
      404,
      { Code: 'NoSuchBucket', Message: 'The specified bucket does not exist', BucketName: 'no-such-bucket' },
    ],
  ],
  [
    '[E25] no such key',
    ({ bucket }) => ({ ...sub('GET', bucket, 'retention'), path: `/${bucket}/other` }),
    () => [404, { Code: 'NoSuchKey', Message: 'The specified key does not exist.', Key: 'other' }],
  ],
]

it.each(rows)('Error: %s, all of its elements and nothing changed', async (_name, request, expected) => {
  const place = await given()
  const options = await request(place, bench)
  const answer = await bench.unchanged(place.bucket, () => bench.send(options))
  expect([answer.status, elementsOf(answer)]).toEqual(expected(place))
  expect(answer.headers['content-type']).toBe('application/xml')
})
