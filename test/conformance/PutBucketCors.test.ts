import { describe, expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const writer = accessKey('writer', ['s3:PutBucketCORS'])
const other = accessKey('other', ['s3:GetBucketCORS', 's3:PutObject'])
const bench = conformance({ accessKeys: [owner, writer, other] })

const document = (...rules: readonly string[]) =>
  `<CORSConfiguration>${rules.map((rule) => `<CORSRule>${rule}</CORSRule>`).join('')}</CORSConfiguration>`
const minimal = '<AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>'
const put = (bucket: string, body: string, more: object = {}) =>
  bench.document({ method: 'PUT', path: `/${bucket}`, query: { cors: '' }, body, key: owner, ...more })
const get = (bucket: string) =>
  bench.send({ method: 'GET', path: `/${bucket}`, query: { cors: '' }, key: owner })

describe('PutBucketCors', () => {
  it('PutBucketCors: what was put is given back, letters and order kept', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const rules = [
      '<ID>first</ID><AllowedHeader>x-AMZ-*</AllowedHeader><AllowedHeader>Authorization</AllowedHeader>' +
        '<AllowedMethod>PUT</AllowedMethod><AllowedMethod>GET</AllowedMethod><AllowedOrigin>http://a.com:80</AllowedOrigin>' +
        '<AllowedOrigin></AllowedOrigin><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>3000</MaxAgeSeconds>',
      minimal,
    ]
    const answer = await put(bucket, document(...rules))
    expect([answer.status, answer.text]).toEqual([200, ''])
    expect((await get(bucket)).text).toContain(rules.map((rule) => `<CORSRule>${rule}</CORSRule>`).join(''))
  })

  it('PutBucketCors: 100 rules are taken, 101 are not', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const rules = Array.from({ length: 101 }, () => minimal)
    expect(refusal(await put(bucket, document(...rules)))).toEqual(refused.malformed)
    expect((await put(bucket, document(...rules.slice(1)))).status).toBe(200)
  })

  it('PutBucketCors: without a checksum is refused (E17), and without its own permission', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const body = document(minimal)
    const bare = { method: 'PUT', path: `/${bucket}`, query: { cors: '' }, body, key: owner }
    expect(refusal(await bench.send(bare))).toEqual(refused.documentChecksum)
    expect(refusal(await put(bucket, body, { key: other }))).toEqual(refused.forbidden)
    expect((await put(bucket, body, { key: writer })).status).toBe(200)
  })

  const request = (message: string) => [400, 'InvalidRequest', message] as const
  it.each<[string, string, readonly [number, string, string]]>([
    ['no rules', document(), refused.malformed],
    ['a rule without origin', document('<AllowedMethod>GET</AllowedMethod>'), refused.malformed],
    ['a rule without method', document('<AllowedOrigin>*</AllowedOrigin>'), refused.malformed],
    [
      'an element that is not known',
      document(`${minimal}<AllowCredentials>true</AllowCredentials>`),
      refused.malformed,
    ],
    ['MaxAgeSeconds below 0', document(`${minimal}<MaxAgeSeconds>-1</MaxAgeSeconds>`), refused.malformed],
    [
      'two MaxAgeSeconds',
      document(`${minimal}<MaxAgeSeconds>1</MaxAgeSeconds><MaxAgeSeconds>2</MaxAgeSeconds>`),
      refused.malformed,
    ],
    [
      'a method of its own',
      document(`${minimal}<AllowedMethod>PATCH</AllowedMethod>`),
      request('Found unsupported HTTP method in CORS config. Unsupported method is PATCH'),
    ],
    [
      'an empty method',
      document('<AllowedMethod></AllowedMethod><AllowedOrigin>*</AllowedOrigin>'),
      request('Found unsupported HTTP method in CORS config. Unsupported method is '),
    ],
    [
      'two wildcards in an origin',
      document(`${minimal}<AllowedOrigin>*a*</AllowedOrigin>`),
      request('AllowedOrigin "*a*" can not have more than one wildcard.'),
    ],
    [
      'two wildcards in a header',
      document(`${minimal}<AllowedHeader>x-*-*</AllowedHeader>`),
      request('AllowedHeader "x-*-*" can not have more than one wildcard.'),
    ],
    [
      'a wildcard in ExposeHeader',
      document(`${minimal}<ExposeHeader>*</ExposeHeader>`),
      request('ExposeHeader "*" contains wildcard. We currently do not support wildcard for ExposeHeader.'),
    ],
    [
      'an ExposeHeader that would break a header',
      document(`${minimal}<ExposeHeader>a&#13;&#10;set-cookie: b</ExposeHeader>`),
      request('ExposeHeader "a\r\nset-cookie: b" is not the name of a header.'),
    ],
    [
      'an ID of 256 characters',
      document(`<ID>${'i'.repeat(256)}</ID>${minimal}`),
      [400, 'InvalidArgument', 'ID length should not exceed allowed limit of 255'],
    ],
  ])('PutBucketCors: %s is refused', async (_title, body, expected) => {
    const bucket = await bench.bucket('enabled', { key: owner })
    expect(refusal(await put(bucket, body))).toEqual(expected)
    expect((await get(bucket)).code).toBe('NoSuchCORSConfiguration')
  })
})
