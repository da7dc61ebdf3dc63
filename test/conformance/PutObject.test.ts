import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { createChecksum, encodeDigest } from '../../src/s3/checksums.ts'
import { accessKey, conformance, listedVersions, md5, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const bench = conformance({ accessKeys: [owner] })

const mode = 'x-amz-object-lock-mode'
const date = 'x-amz-object-lock-retain-until-date'
const hold = 'x-amz-object-lock-legal-hold'

function put(bucket: string, headers: Record<string, string> = {}, more: object = {}) {
  const withMd5 = { 'content-md5': md5('bytes'), ...headers }
  return bench.send({
    method: 'PUT',
    path: `/${bucket}/key`,
    body: 'bytes',
    headers: withMd5,
    key: owner,
    ...more,
  })
}

function crc(body: string | Uint8Array): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32(body))
  return bytes.toString('base64')
}

describe('PutObject: bytes', () => {
  it.each([
    ['empty', 0],
    ['one byte', 1],
    ['the largest inline body', 65_536],
    ['the smallest file', 65_537],
    ['several blocks', 300_001],
  ])('PutObject: %s, read back byte for byte with its ETag', async (_name, size) => {
    const bucket = await bench.bucket('locked', { key: owner })
    const body = randomBytes(size)
    const answer = await bench.send({ method: 'PUT', path: `/${bucket}/key`, body, key: owner })
    const etag = `"${createHash('md5').update(body).digest('hex')}"`
    expect([answer.status, answer.headers.etag, answer.text]).toEqual([200, etag, ''])
    const got = await bench.send({ method: 'GET', path: `/${bucket}/key`, key: owner })
    expect([got.status, got.headers.etag, got.headers['content-length']]).toEqual([200, etag, String(size)])
    expect(got.body.equals(body)).toBe(true)
  })

  it.each(['unsigned-payload', 'chunked', 'chunked-trailer', 'unsigned-trailer'] as const)(
    'PutObject: %s gives the same object (I7)',
    async (sign) => {
      const bucket = await bench.bucket('locked', { key: owner })
      const body = randomBytes(200_000)
      const trailers = sign.endsWith('trailer') ? { 'x-amz-checksum-crc32': crc(body) } : {}
      const answer = await bench.send({
        method: 'PUT',
        path: `/${bucket}/key`,
        body,
        sign,
        trailers,
        key: owner,
      })
      expect([answer.status, answer.text]).toEqual([200, ''])
      const got = await bench.send({ method: 'GET', path: `/${bucket}/key`, key: owner })
      expect(got.body.equals(body)).toBe(true)
      expect(got.headers['content-encoding']).toBeUndefined()
    },
  )

  it('PutObject: a version id where versioning is or was on', async () => {
    const unversioned = await put(await bench.bucket('unversioned', { key: owner }))
    expect(unversioned.headers['x-amz-version-id']).toBeUndefined()
    const enabled = await put(await bench.bucket('enabled', { key: owner }))
    expect(enabled.headers['x-amz-version-id']).toMatch(/^[A-Za-z0-9]+$/)
    const suspended = await put(await bench.bucket('suspended', { key: owner }))
    expect(suspended.headers['x-amz-version-id']).toBe('null')
  })

  it('PutObject: an unversioned bucket keeps only the last bytes', async () => {
    const bucket = await bench.bucket('unversioned', { key: owner })
    await bench.put(bucket, 'key', { key: owner, body: 'old' })
    await bench.put(bucket, 'key', { key: owner, body: 'new' })
    const listed = await bench.send({ method: 'GET', path: `/${bucket}`, query: { versions: '' } })
    expect(listedVersions(listed).map(({ versionId }) => versionId)).toEqual(['null'])
    expect((await bench.send({ method: 'GET', path: `/${bucket}/key` })).text).toBe('new')
  })

  it('PutObject: headers and user metadata are stored and given back', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const stored = {
      'content-type': 'text/x-test',
      'cache-control': 'no-store',
      'content-disposition': 'attachment; filename="a"',
      'content-language': 'de',
      expires: 'Thu, 01 Dec 2050 16:00:00 GMT',
      'x-amz-meta-name': 'value',
      'x-amz-meta-rfc2047': '=?UTF-8?B?w6k=?=',
      'x-amz-meta-__proto__': 'plain',
    }
    await put(bucket, { ...stored, 'content-encoding': 'gzip' })
    const got = await bench.send({ method: 'HEAD', path: `/${bucket}/key`, key: owner })
    expect(got.headers).toMatchObject({ ...stored, 'content-encoding': 'gzip' })
    const bare = await bench.bucket('enabled', { key: owner })
    await put(bare)
    const plain = await bench.send({ method: 'HEAD', path: `/${bare}/key`, key: owner })
    expect(plain.headers['content-type']).toBe('binary/octet-stream')
  })

  it.each(['a//b', '../x', './x', 'dir/', 'sp ace+plus', 'é%41', 'Key', 'key', '\u0001', 'k'.repeat(1024)])(
    'B-63 PutObject: the key %j is stored as it is (I10)',
    async (key) => {
      const bucket = await bench.bucket('enabled', { key: owner })
      await bench.put(bucket, key, { key: owner, body: key })
      const got = await bench.send({ method: 'GET', path: `/${bucket}/${key}`, key: owner })
      expect(got.text).toBe(key)
      const listed = await bench.send({
        method: 'GET',
        path: `/${bucket}`,
        query: { 'list-type': '2' },
        key: owner,
      })
      expect(listed.element('Key')).toBe(key)
    },
  )

  it.each([
    ['PutObject', 'PUT', {}, {}],
    ['CopyObject', 'PUT', {}, { 'x-amz-copy-source': '/none/key' }],
    ['CreateMultipartUpload', 'POST', { uploads: '' }, {}],
    ['UploadPart', 'PUT', { uploadId: 'x', partNumber: '1' }, {}],
    ['CompleteMultipartUpload', 'POST', { uploadId: 'x' }, {}],
  ] as const)(
    'PutObject and %s: a version id is refused, no version is replaced',
    async (_name, method, query, headers) => {
      const bucket = await bench.bucket('enabled', { key: owner })
      const versionId = await bench.put(bucket, 'key', { key: owner })
      for (const given of [versionId, 'null', '']) {
        const all = { 'content-md5': md5('x'), ...headers }
        const request = {
          method,
          path: `/${bucket}/key`,
          query: { ...query, versionId: given },
          body: 'x',
          key: owner,
        }
        const answer = await bench.unchanged(bucket, () => bench.send({ ...request, headers: all }))
        expect(refusal(answer)).toEqual([
          400,
          'InvalidArgument',
          'This operation does not accept a version-id.',
        ])
      }
    },
  )

  it('PutObject: a key of 1,025 bytes is KeyTooLongError, a missing bucket NoSuchBucket', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const long = await bench.send({
      method: 'PUT',
      path: `/${bucket}/${'k'.repeat(1025)}`,
      body: 'x',
      key: owner,
    })
    expect([long.status, long.code]).toEqual([400, 'KeyTooLongError'])
    expect(refusal(await put('no-such-bucket'))).toEqual(refused.noSuchBucket)
  })
})

describe('PutObject: checksums', () => {
  it('[Choice.13] [E24] PutObject: a wrong Content-MD5 is BadDigest, an undecodable one InvalidDigest; nothing changed', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const wrong = await bench.unchanged(bucket, () => put(bucket, { 'content-md5': md5('other') }))
    expect([wrong.status, wrong.code]).toEqual([400, 'BadDigest'])
    const bad = await bench.unchanged(bucket, () => put(bucket, { 'content-md5': 'x' }))
    expect([bad.status, bad.code]).toEqual([400, 'InvalidDigest'])
  })

  it.each(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const)(
    'PutObject: a %s is verified, stored and shown on demand',
    async (algorithm) => {
      const checksumOf = async (body: string) => {
        const checksum = await createChecksum(algorithm)
        checksum.update(Buffer.from(body))
        return encodeDigest(checksum.digest())
      }
      const bucket = await bench.bucket('locked', { key: owner })
      const header = `x-amz-checksum-${algorithm.toLowerCase()}`
      const wrong = await checksumOf('other')
      const denied = await bench.unchanged(bucket, () => put(bucket, { [header]: wrong }))
      expect([denied.status, denied.code]).toEqual([400, 'BadDigest'])
      const right = await checksumOf('bytes')
      const { status, headers } = await put(bucket, { [header]: right })
      expect([status, headers[header], headers['x-amz-checksum-type']]).toEqual([200, right, 'FULL_OBJECT'])
      const request = { method: 'GET', path: `/${bucket}/key`, key: owner }
      const shown = await bench.send({ ...request, headers: { 'x-amz-checksum-mode': 'ENABLED' } })
      expect(shown.headers[header]).toBe(right)
      expect((await bench.send(request)).headers[header]).toBeUndefined()
    },
  )

  it('PutObject: no checksum declared, a CRC64NVME is counted', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const answer = await bench.send({ method: 'PUT', path: `/${bucket}/key`, body: '123456789', key: owner })
    expect(answer.headers['x-amz-checksum-crc64nvme']).toBe(
      Buffer.from('ae8b14860a799888', 'hex').toString('base64'),
    )
  })

  it('[Choice.13] PutObject: a wrong trailer is BadDigest and nothing is written', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    for (const sign of ['unsigned-trailer', 'chunked-trailer'] as const) {
      const trailers = { 'x-amz-checksum-crc32': crc('other') }
      const answer = await bench.unchanged(bucket, () =>
        bench.send({ method: 'PUT', path: `/${bucket}/key`, body: 'bytes', sign, trailers, key: owner }),
      )
      expect([answer.status, answer.code]).toEqual([400, 'BadDigest'])
    }
  })

  const message =
    'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters'
  it.each([
    ['mode and date', { [mode]: 'GOVERNANCE', [date]: '2099-01-01T00:00:00Z' }, undefined],
    ['hold ON', { [hold]: 'ON' }, undefined],
    ['hold OFF', { [hold]: 'OFF' }, undefined],
    ['a default rule', {}, '<Mode>GOVERNANCE</Mode><Days>1</Days>'],
  ])('[PutObject.8] [Choice.12] PutObject: %s without any checksum is E16', async (_name, headers, rule) => {
    const bucket = await bench.bucket('locked', { key: owner, ...(rule === undefined ? {} : { rule }) })
    const request = { method: 'PUT', path: `/${bucket}/key`, body: 'bytes', headers, key: owner }
    const answer = await bench.unchanged(bucket, () => bench.send(request))
    expect(refusal(answer)).toEqual([400, 'InvalidRequest', message])
    const trailers = { 'x-amz-checksum-crc32': crc('bytes') }
    expect((await bench.send({ ...request, sign: 'unsigned-trailer', trailers })).status).toBe(200)
  })
})

describe('PutObject: conditions', () => {
  it('PutObject: If-None-Match: * writes only where nothing is', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    expect((await put(bucket, { 'if-none-match': '*' })).status).toBe(200)
    const answer = await bench.unchanged(bucket, () => put(bucket, { 'if-none-match': '*' }))
    expect([...refusal(answer), answer.element('Condition')]).toEqual([
      412,
      'PreconditionFailed',
      'At least one of the pre-conditions you specified did not hold',
      'If-None-Match',
    ])
    await bench.send({ method: 'DELETE', path: `/${bucket}/key`, key: owner })
    expect((await put(bucket, { 'if-none-match': '*' })).status).toBe(200)
  })

  it('PutObject: If-Match writes only over that ETag', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    expect(refusal(await put(bucket, { 'if-match': '"x"' }))).toEqual(refused.noSuchKey)
    const first = await put(bucket)
    const wrong = await bench.unchanged(bucket, () => put(bucket, { 'if-match': '"x"' }))
    expect([wrong.status, wrong.code]).toEqual([412, 'PreconditionFailed'])
    expect((await put(bucket, { 'if-match': String(first.headers.etag) })).status).toBe(200)
  })

  it.each([
    ['if-none-match', '"x"'],
    ['if-match', '*'],
    ['if-unmodified-since', 'Thu, 01 Jan 2099 00:00:00 GMT'],
    ['x-amz-server-side-encryption', 'AES256'],
    ['x-amz-website-redirect-location', '/x'],
  ])('PutObject: %s: %s is NotImplemented and not ignored', async (name, value) => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const answer = await bench.unchanged(bucket, () => put(bucket, { [name]: value }))
    expect([answer.status, answer.code]).toEqual([501, 'NotImplemented'])
    expect(answer.element('Header')?.toLowerCase()).toBe(name)
  })

  it('PutObject: user metadata beyond 2 KiB is MetadataTooLarge', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const answer = await bench.unchanged(bucket, () => put(bucket, { 'x-amz-meta-a': 'v'.repeat(2048) }))
    expect([answer.status, answer.code]).toEqual([400, 'MetadataTooLarge'])
  })
})
