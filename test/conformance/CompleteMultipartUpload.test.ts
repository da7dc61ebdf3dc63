import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createChecksum, encodeDigest } from '../../src/s3/checksums.ts'
import {
  accessKey,
  conformance,
  dayMs,
  listedVersions,
  lockConfiguration,
  refusal,
  refused,
} from '../support/conformance.ts'
import { addPart, begin, complete, mebibyte, type Part, type Upload } from '../support/multipart.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetObject', 's3:AbortMultipartUpload'])
const bench = conformance({ accessKeys: [owner, reader] })

const mode = 'x-amz-object-lock-mode'
const date = 'x-amz-object-lock-retain-until-date'
const hold = 'x-amz-object-lock-legal-hold'

const large = randomBytes(5 * mebibyte)
const tail = randomBytes(100_000)
const days = (value: string, count: number) => `<Mode>${value}</Mode><Days>${count}</Days>`

async function twoParts(upload: Upload): Promise<readonly Part[]> {
  return [
    await addPart(bench, upload, { partNumber: 2, body: large }),
    await addPart(bench, upload, { partNumber: 7, body: tail }),
  ]
}

async function lockOf(bucket: string) {
  const { headers } = await bench.send({ method: 'HEAD', path: `/${bucket}/key`, key: owner })
  return [headers[mode], headers[date], headers[hold]] as const
}

async function md5Hex(body: Uint8Array) {
  return createHash('md5').update(body).digest()
}

describe('CompleteMultipartUpload: bytes', () => {
  it('CompleteMultipartUpload: the parts in order of their numbers, ETag of ETags, part by part', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const upload = await begin(
      bench,
      { bucket, signer: owner },
      { 'content-type': 'text/x', 'x-amz-meta-a': 'b' },
    )
    const answer = await complete(bench, upload, await twoParts(upload))
    const etag = `"${createHash('md5')
      .update(Buffer.concat([await md5Hex(large), await md5Hex(tail)]))
      .digest('hex')}-2"`
    expect([answer.status, answer.element('ETag'), answer.element('Bucket'), answer.element('Key')]).toEqual([
      200,
      etag,
      bucket,
      'key',
    ])
    expect(answer.element('Location')).toBe(`${bench.server().endpoint}/${bucket}/key`)
    const got = await bench.send({ method: 'GET', path: `/${bucket}/key`, key: owner })
    expect([got.headers.etag, got.headers['content-type'], got.headers['x-amz-meta-a']]).toEqual([
      etag,
      'text/x',
      'b',
    ])
    expect(got.body.equals(Buffer.concat([large, tail]))).toBe(true)
    expect(answer.headers['x-amz-version-id']).toBe(got.headers['x-amz-version-id'])
    const second = await bench.send({
      method: 'GET',
      path: `/${bucket}/key`,
      query: { partNumber: '2' },
      key: owner,
    })
    expect([second.status, second.headers['x-amz-mp-parts-count'], second.headers['content-range']]).toEqual([
      206,
      '2',
      `bytes ${large.length}-${large.length + tail.length - 1}/${large.length + tail.length}`,
    ])
    expect(second.body.equals(tail)).toBe(true)
    const across = { range: `bytes=${large.length - 3}-${large.length + 2}` }
    const ranged = await bench.send({ method: 'GET', path: `/${bucket}/key`, headers: across, key: owner })
    expect(ranged.body.equals(Buffer.concat([large.subarray(-3), tail.subarray(0, 3)]))).toBe(true)
  })

  it('CompleteMultipartUpload: the same request again gives the same version', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const upload = await begin(bench, { bucket, signer: owner })
    const parts = await twoParts(upload)
    const first = await complete(bench, upload, parts)
    const again = await bench.unchanged(bucket, () => complete(bench, upload, parts))
    expect([again.status, again.headers['x-amz-version-id']]).toEqual([
      200,
      first.headers['x-amz-version-id'],
    ])
  })

  it('CompleteMultipartUpload: parts that are not named are left out', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const upload = await begin(bench, { bucket, signer: owner })
    const [, last] = await twoParts(upload)
    if (last === undefined) throw new Error('two parts were sent')
    expect((await complete(bench, upload, [last])).status).toBe(200)
    const got = await bench.send({ method: 'GET', path: `/${bucket}/key`, key: owner })
    expect(got.body.equals(tail)).toBe(true)
  })

  it.each([
    ['CRC32', 'COMPOSITE'],
    ['SHA256', 'COMPOSITE'],
    ['CRC32', 'FULL_OBJECT'],
    ['CRC32C', 'FULL_OBJECT'],
    ['CRC64NVME', 'FULL_OBJECT'],
  ] as const)('CompleteMultipartUpload: %s %s of the object out of its parts', async (algorithm, type) => {
    const checksumOf = async (pieces: readonly Uint8Array[]) => {
      const checksum = await createChecksum(algorithm)
      for (const piece of pieces) checksum.update(piece)
      return checksum.digest()
    }
    const parts = [await checksumOf([large]), await checksumOf([tail])]
    const expected =
      type === 'FULL_OBJECT'
        ? encodeDigest(await checksumOf([large, tail]))
        : `${encodeDigest(await checksumOf(parts))}-2`
    const bucket = await bench.bucket('enabled', { key: owner })
    const plan = { 'x-amz-checksum-algorithm': algorithm, 'x-amz-checksum-type': type }
    const upload = await begin(bench, { bucket, signer: owner }, plan)
    const named = await twoParts(upload)
    const header = `x-amz-checksum-${algorithm.toLowerCase()}`
    const wrongValue =
      type === 'FULL_OBJECT' ? encodeDigest(parts[0] ?? tail) : `${encodeDigest(parts[0] ?? tail)}-2`
    const wrong = await bench.unchanged(bucket, () =>
      complete(bench, upload, named, { headers: { [header]: wrongValue } }),
    )
    expect([wrong.status, wrong.code]).toEqual([400, 'BadDigest'])
    const headers = { [header]: expected, 'x-amz-checksum-type': type }
    const answer = await complete(bench, upload, named, { headers })
    expect([answer.status, answer.element(`Checksum${algorithm}`), answer.element('ChecksumType')]).toEqual([
      200,
      expected,
      type,
    ])
    const asked = { 'x-amz-checksum-mode': 'ENABLED' }
    const head = await bench.send({ method: 'HEAD', path: `/${bucket}/key`, headers: asked, key: owner })
    expect([head.headers[header], head.headers['x-amz-checksum-type']]).toEqual([expected, type])
  })
})

describe('CompleteMultipartUpload: refusals', () => {
  async function ready() {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'key', { key: owner, body: 'before' })
    const upload = await begin(bench, { bucket, signer: owner })
    const [first, second] = await twoParts(upload)
    if (first === undefined || second === undefined) throw new Error('two parts were sent')
    return { bucket, upload, first, second }
  }

  it('CompleteMultipartUpload: wrong order, unknown part, wrong ETag, small part', async () => {
    const { bucket, upload, first, second } = await ready()
    const small = await addPart(bench, upload, { partNumber: 1, body: 'small' })
    const rows = [
      [[second, first], 400, 'InvalidPartOrder'],
      [[first, first], 400, 'InvalidPartOrder'],
      [[first, { ...second, partNumber: 8 }], 400, 'InvalidPart'],
      [[first, { ...second, etag: first.etag }], 400, 'InvalidPart'],
      [[small, first], 400, 'EntityTooSmall'],
    ] as const
    for (const [parts, status, code] of rows) {
      const answer = await bench.unchanged(bucket, () => complete(bench, upload, parts))
      expect([answer.status, answer.code]).toEqual([status, code])
    }
    const tooSmall = await complete(bench, upload, [small, first])
    expect([
      tooSmall.element('ProposedSize'),
      tooSmall.element('MinSizeAllowed'),
      tooSmall.element('PartNumber'),
    ]).toEqual(['5', '5242880', '1'])
  })

  it.each([
    ['no parts', '<CompleteMultipartUpload/>'],
    ['no ETag', '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>'],
    ['no number', '<CompleteMultipartUpload><Part><ETag>x</ETag></Part></CompleteMultipartUpload>'],
    ['no XML', 'parts'],
  ])('CompleteMultipartUpload: %s is MalformedXML', async (_name, body) => {
    const { bucket, upload } = await ready()
    const answer = await bench.unchanged(bucket, () => complete(bench, upload, [], { body }))
    expect(refusal(answer)).toEqual(refused.malformed)
  })

  it('CompleteMultipartUpload: no document at all is InvalidRequest', async () => {
    const { bucket, upload } = await ready()
    const answer = await bench.unchanged(bucket, () => complete(bench, upload, [], { body: '' }))
    expect(refusal(answer)).toEqual([400, 'InvalidRequest', 'You must specify at least one part'])
  })

  it('CompleteMultipartUpload: unknown upload, wrong size, conditions, permission', async () => {
    const { bucket, upload, first, second } = await ready()
    const parts = [first, second]
    const unknown = await complete(bench, { ...upload, uploadId: 'UNKNOWN' }, parts)
    expect([unknown.status, unknown.code]).toEqual([404, 'NoSuchUpload'])
    const size = { 'x-amz-mp-object-size': '5' }
    expect(
      (await bench.unchanged(bucket, () => complete(bench, upload, parts, { headers: size }))).code,
    ).toBe('InvalidRequest')
    const condition = { 'if-none-match': '*' }
    const failed = await bench.unchanged(bucket, () => complete(bench, upload, parts, { headers: condition }))
    expect([failed.status, failed.code]).toEqual([412, 'PreconditionFailed'])
    const foreign = await bench.unchanged(bucket, () => complete(bench, upload, parts, { key: reader }))
    expect(refusal(foreign)).toEqual(refused.forbidden)
    const right = { 'x-amz-mp-object-size': String(large.length + tail.length) }
    expect((await complete(bench, upload, parts, { headers: right })).status).toBe(200)
  })
})

describe('CompleteMultipartUpload: locks', () => {
  const one = async (upload: Upload) => [await addPart(bench, upload, { partNumber: 1, body: 'part' })]

  it('[CompleteMultipartUpload.1] CompleteMultipartUpload: what Create was given is stored (B-14)', async () => {
    const bucket = await bench.bucket('locked', { key: owner, rule: days('COMPLIANCE', 9) })
    const until = bench.inDays(1)
    const upload = await begin(
      bench,
      { bucket, signer: owner },
      { [mode]: 'GOVERNANCE', [date]: until, [hold]: 'ON' },
    )
    await complete(bench, upload, await one(upload))
    expect(await lockOf(bucket)).toEqual(['GOVERNANCE', until, 'ON'])
  })

  it('[CompleteMultipartUpload.4] CompleteMultipartUpload: a date of Create that has passed is stored, and the version is free', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const until = bench.inDays(1)
    const upload = await begin(bench, { bucket, signer: owner }, { [mode]: 'COMPLIANCE', [date]: until })
    bench.server().advance(2 * dayMs)
    const answer = await complete(bench, upload, await one(upload))
    expect([answer.status, await lockOf(bucket)]).toEqual([200, ['COMPLIANCE', until, undefined]])
    const versionId = String(answer.headers['x-amz-version-id'])
    const removed = await bench.send({
      method: 'DELETE',
      path: `/${bucket}/key`,
      query: { versionId },
      key: owner,
    })
    expect(removed.status).toBe(204)
  })

  const rows = [
    [
      '[CompleteMultipartUpload.2] the rule at Complete counts from Complete',
      null,
      days('COMPLIANCE', 2),
      'COMPLIANCE',
      2,
    ],
    [
      '[CompleteMultipartUpload.3] [Choice.15] a rule removed since Create still holds',
      days('COMPLIANCE', 2),
      null,
      'COMPLIANCE',
      2,
    ],
    [
      '[CompleteMultipartUpload.3] a longer rule at Create wins',
      days('COMPLIANCE', 3),
      days('COMPLIANCE', 1),
      'COMPLIANCE',
      3,
    ],
    [
      '[CompleteMultipartUpload.3] a longer rule at Complete wins',
      days('GOVERNANCE', 1),
      days('GOVERNANCE', 3),
      'GOVERNANCE',
      3,
    ],
    [
      '[CompleteMultipartUpload.3] the stronger mode and the later date',
      days('COMPLIANCE', 1),
      days('GOVERNANCE', 3),
      'COMPLIANCE',
      3,
    ],
  ] as const
  it.each(rows)(
    'CompleteMultipartUpload: %s',
    async (_name, atCreate, atComplete, expectedMode, expectedDays) => {
      const bucket = await bench.bucket('locked', {
        key: owner,
        ...(atCreate === null ? {} : { rule: atCreate }),
      })
      const upload = await begin(bench, { bucket, signer: owner })
      const parts = await one(upload)
      bench.server().advance(dayMs / 2)
      const body = lockConfiguration(atComplete)
      await bench.document({ method: 'PUT', path: `/${bucket}`, query: { 'object-lock': '' }, body })
      const before = bench.server().nowMs()
      await complete(bench, upload, parts)
      const [storedMode, storedDate] = await lockOf(bucket)
      const untilMs = Date.parse(String(storedDate))
      expect(storedMode).toBe(expectedMode)
      expect(untilMs).toBeGreaterThanOrEqual(before + expectedDays * dayMs)
      expect(untilMs).toBeLessThanOrEqual(bench.server().nowMs() + expectedDays * dayMs)
    },
  )

  it('[CompleteMultipartUpload.5] CompleteMultipartUpload: a hold at Create and a default rule, both apply', async () => {
    const bucket = await bench.bucket('locked', { key: owner, rule: days('COMPLIANCE', 2) })
    const upload = await begin(bench, { bucket, signer: owner }, { [hold]: 'ON' })
    const parts = await one(upload)
    const before = bench.server().nowMs()
    await complete(bench, upload, parts)
    const [storedMode, storedDate, storedHold] = await lockOf(bucket)
    expect([storedMode, storedHold]).toEqual(['COMPLIANCE', 'ON'])
    expect(Date.parse(String(storedDate))).toBeGreaterThanOrEqual(before + 2 * dayMs)
  })

  it('[CompleteMultipartUpload.6] CompleteMultipartUpload: over a locked version a new one is written, the old one is untouched (B-13)', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const old = await bench.put(bucket, 'key', { key: owner, body: 'old' })
    await bench.retain({ bucket, key: 'key', versionId: old }, 'COMPLIANCE', bench.inDays(1), { key: owner })
    const upload = await begin(bench, { bucket, signer: owner })
    await complete(bench, upload, await one(upload))
    const got = await bench.send({
      method: 'GET',
      path: `/${bucket}/key`,
      query: { versionId: old },
      key: owner,
    })
    expect([got.text, got.headers[mode]]).toEqual(['old', 'COMPLIANCE'])
    const listed = await bench.send({
      method: 'GET',
      path: `/${bucket}`,
      query: { versions: '' },
      key: owner,
    })
    expect(listedVersions(listed).length).toBe(2)
  })

  it('CompleteMultipartUpload: the assembled version cannot be deleted before its time', async () => {
    const bucket = await bench.bucket('locked', { key: owner, rule: days('COMPLIANCE', 1) })
    const upload = await begin(bench, { bucket, signer: owner })
    const answer = await complete(bench, upload, await one(upload))
    const versionId = String(answer.headers['x-amz-version-id'])
    const remove = () =>
      bench.send({ method: 'DELETE', path: `/${bucket}/key`, query: { versionId }, key: owner })
    expect(refusal(await bench.unchanged(bucket, remove))).toEqual(refused.locked)
  })
})
