import { expect, test } from 'vitest'
import { epochMs } from '../../../src/lib/units.ts'
import { canonicalRequest, emptySha256, sha256Hex, stringToSign } from '../../../src/sigv4/canonical.ts'
import { chunkSignature, trailerSignature } from '../../../src/sigv4/chunks.ts'
import { uriEncode, uriEncodePath } from '../../../src/sigv4/encode.ts'
import { sameSignature, signature, signingKey, signingKeys } from '../../../src/sigv4/keys.ts'
import { presignRequest, signRequest } from '../../../src/sigv4/sign.ts'

// The worked examples of the Amazon S3 API reference, all of Fri, 24 May 2013 in us-east-1.
const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
}
const context = {
  credentials,
  region: 'us-east-1',
  service: 's3',
  timeMs: epochMs(Date.UTC(2013, 4, 24)),
  keys: signingKeys(4),
}
const scope = { date: '20130524', region: 'us-east-1', service: 's3' }
const host = 'examplebucket.s3.amazonaws.com'

test('SigV4: GET object of the AWS documentation, its published signature', () => {
  const signed = signRequest(
    {
      method: 'GET',
      path: '/test.txt',
      query: [],
      headers: { host, range: 'bytes=0-9' },
      payloadHash: emptySha256,
    },
    context,
  )
  expect(signed.signature).toBe('f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41')
  expect(signed.headers['authorization']).toBe(
    'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,' +
      'SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,' +
      'Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  )
})

test('SigV4: PUT object of the AWS documentation, its published signature', () => {
  const signed = signRequest(
    {
      method: 'PUT',
      path: '/test$file.text',
      query: [],
      headers: { host, date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
      payloadHash: sha256Hex('Welcome to Amazon S3.'),
    },
    context,
  )
  expect(signed.signature).toBe('98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd')
})

test('SigV4: GET bucket lifecycle of the AWS documentation, its published signature', () => {
  const request = { method: 'GET', path: '/', query: [['lifecycle', '']] as const, headers: { host } }
  const signed = signRequest({ ...request, payloadHash: emptySha256 }, context)
  expect(signed.signature).toBe('fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543')
})

test('SigV4: list objects of the AWS documentation, its published signature', () => {
  const query = [
    ['prefix', 'J'],
    ['max-keys', '2'],
  ] as const
  const signed = signRequest(
    { method: 'GET', path: '/', query, headers: { host }, payloadHash: emptySha256 },
    context,
  )
  expect(signed.signature).toBe('34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7')
})

test('SigV4: presigned GET of the AWS documentation, its published signature', () => {
  const query = presignRequest(
    { method: 'GET', path: '/test.txt', query: [], headers: { host } },
    context,
    86_400,
  )
  expect(query.at(-1)).toEqual([
    'X-Amz-Signature',
    'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
  ])
})

// "Transferring Payload in Multiple Chunks": 65 KiB of 'a' in chunks of 64 KiB, 1 KiB and the empty one.
const chunkContext = {
  key: signingKey(credentials.secretAccessKey, scope),
  amzDate: '20130524T000000Z',
  scope,
}
const chunkedHeaders = {
  host: 's3.amazonaws.com',
  'x-amz-storage-class': 'REDUCED_REDUNDANCY',
  'content-encoding': 'aws-chunked',
  'x-amz-decoded-content-length': '66560',
  'content-length': '66824',
}

test('SigV4: chunked upload of the AWS documentation, its published seed and chunk signatures', () => {
  const seed = signRequest(
    {
      method: 'PUT',
      path: '/examplebucket/chunkObject.txt',
      query: [],
      headers: chunkedHeaders,
      payloadHash: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    },
    context,
  ).signature
  expect(seed).toBe('4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9')
  const first = chunkSignature(chunkContext, seed, sha256Hex('a'.repeat(65_536)))
  expect(first).toBe('ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648')
  const second = chunkSignature(chunkContext, first, sha256Hex('a'.repeat(1024)))
  expect(second).toBe('0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497')
  expect(chunkSignature(chunkContext, second, emptySha256)).toBe(
    'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
  )
})

test('SigV4: chunked upload with a trailer of the AWS documentation, the published signatures', () => {
  const { 'content-length': _length, ...headers } = chunkedHeaders
  const seed = signRequest(
    {
      method: 'PUT',
      path: '/examplebucket/chunkObject.txt',
      query: [],
      headers: { ...headers, 'x-amz-trailer': 'x-amz-checksum-crc32c' },
      payloadHash: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
    },
    context,
  ).signature
  expect(seed).toBe('106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e')
  const first = chunkSignature(chunkContext, seed, sha256Hex('a'.repeat(65_536)))
  expect(first).toBe('b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2')
  const second = chunkSignature(chunkContext, first, sha256Hex('a'.repeat(1024)))
  expect(second).toBe('1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7')
  const last = chunkSignature(chunkContext, second, emptySha256)
  expect(last).toBe('2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992')
  expect(trailerSignature(chunkContext, last, 'x-amz-checksum-crc32c:sOO8/Q==\n')).toBe(
    'd81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435',
  )
})

test('SigV4: characters that encodeURIComponent leaves, encoded as AWS does', () => {
  expect(uriEncode("a b/~-._!'()*+é")).toBe('a%20b%2F~-._%21%27%28%29%2A%2B%C3%A9')
  expect(uriEncodePath('//a/../b c/')).toBe('//a/../b%20c/')
})

test('SigV4: query pairs, sorted by encoded name and then value', () => {
  const canonical = canonicalRequest({
    method: 'GET',
    path: '/',
    query: [
      ['b', '2'],
      ['a', '2'],
      ['a', '1'],
      ['a', '1'],
      ['B', ''],
      ['ä', '/'],
    ],
    headers: { host: '  a   b ' },
    signedHeaders: ['host', 'absent'],
    payloadHash: 'X',
  })
  expect(canonical).toBe('GET\n/\n%C3%A4=%2F&B=&a=1&a=1&a=2&b=2\nhost:a b\nabsent:\n\nhost;absent\nX')
  expect(stringToSign('20130524T000000Z', scope, canonical)).toContain(
    `aws4_request\n${sha256Hex(canonical)}`,
  )
})

test('SigV4: the key cache, bounded and the same key for the same scope', () => {
  const keys = signingKeys(2)
  const first = keys.of('s', scope)
  expect(keys.of('s', scope)).toBe(first)
  keys.of('s', { ...scope, date: '20130525' })
  expect(keys.of('s', scope)).toBe(first)
  keys.of('s', { ...scope, date: '20130526' })
  const again = keys.of('s', scope)
  expect(again).not.toBe(first)
  expect(signature(again, 'x')).toBe(signature(first, 'x'))
})

test('SigV4: signatures of other length or content, not the same', () => {
  expect(sameSignature('abcd', 'abcd')).toBe(true)
  expect(sameSignature('abcd', 'abce')).toBe(false)
  expect(sameSignature('abcd', 'abc')).toBe(false)
  expect(sameSignature('abcd', '')).toBe(false)
})

test('SigV4: bytes of UTF-8 at the end of a value are no white space', () => {
  const title = Buffer.from('voilà').toString('latin1')
  const input = {
    method: 'PUT',
    path: '/a',
    query: [],
    headers: { host, 'x-amz-meta-title': ` \t${title}  x ${title} ` },
    signedHeaders: ['host', 'x-amz-meta-title'],
    payloadHash: emptySha256,
  }
  expect(canonicalRequest(input)).toContain(`\nx-amz-meta-title:${title} x ${title}\n`)
})
