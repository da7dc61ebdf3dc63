import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { expect, it } from 'vitest'
import { accessKey, conformance, elements, refusal, refused } from '../support/conformance.ts'
import { addPart, begin, complete, mebibyte } from '../support/multipart.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetObjectAttributes'])
const bench = conformance({ accessKeys: [owner, reader] })

const all = 'ETag,Checksum,ObjectParts,StorageClass,ObjectSize'
function get(bucket: string, attributes: string | null, more: object = {}) {
  const headers = attributes === null ? {} : { 'x-amz-object-attributes': attributes }
  return bench.send({
    method: 'GET',
    path: `/${bucket}/key`,
    query: { attributes: '' },
    headers,
    key: owner,
    ...more,
  })
}

it('[GetObjectAttributes.1] GetObjectAttributes: what was asked for and nothing else, no lock', async () => {
  const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
  const versionId = await bench.put(bucket, 'key', { key: owner })
  const answer = await get(bucket, all)
  expect([answer.status, answer.headers['x-amz-version-id'], answer.element('ETag')]).toEqual([
    200,
    versionId,
    '4b3a6218bb3e3a7303e8a171a60fcf92',
  ])
  expect([
    answer.element('ObjectSize'),
    answer.element('StorageClass'),
    answer.element('ChecksumType'),
  ]).toEqual(['5', 'STANDARD', 'FULL_OBJECT'])
  expect(answer.text).not.toMatch(/ObjectParts|COMPLIANCE|Retain/)
  const size = await get(bucket, 'ObjectSize')
  expect([size.element('ObjectSize'), size.element('ETag')]).toEqual(['5', null])
})

it('GetObjectAttributes: the parts of a multipart object, by pages', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  const upload = await begin(bench, { bucket, signer: owner }, { 'x-amz-checksum-algorithm': 'CRC32' })
  const parts = [
    await addPart(bench, upload, { partNumber: 1, body: randomBytes(5 * mebibyte) }),
    await addPart(bench, upload, { partNumber: 2, body: 'tail' }),
  ]
  await complete(bench, upload, parts)
  const answer = await get(bucket, 'ObjectParts')
  expect([answer.element('PartsCount'), elements(answer, 'Size')]).toEqual(['2', [String(5 * mebibyte), '4']])
  const headers = {
    'x-amz-object-attributes': 'ObjectParts',
    'x-amz-max-parts': '1',
    'x-amz-part-number-marker': '1',
  }
  const page = await get(bucket, null, { headers })
  expect([elements(page, 'PartNumber'), elements(page, 'Size'), page.element('IsTruncated')]).toEqual([
    ['2'],
    ['4'],
    'false',
  ])
})

it.each([
  ['SHA256', 'COMPOSITE'],
  ['CRC32', 'FULL_OBJECT'],
])('GetObjectAttributes: %s of every part, the type of the object is %s', async (algorithm, type) => {
  const bucket = await bench.bucket('enabled', { key: owner })
  const asked = { 'x-amz-checksum-algorithm': algorithm, 'x-amz-checksum-type': type }
  const upload = await begin(bench, { bucket, signer: owner }, asked)
  const bodies = [randomBytes(5 * mebibyte), Buffer.from('tail')]
  const parts = []
  for (const [index, body] of bodies.entries()) {
    parts.push(await addPart(bench, upload, { partNumber: index + 1, body }))
  }
  await complete(bench, upload, parts)
  const answer = await get(bucket, 'ObjectParts,Checksum')
  const value = (body: Uint8Array) =>
    algorithm === 'SHA256'
      ? createHash('sha256').update(body).digest('base64')
      : Buffer.from(crc32(body).toString(16).padStart(8, '0'), 'hex').toString('base64')
  const [whole, ...each] = elements(answer, `Checksum${algorithm}`)
  expect(each).toEqual(bodies.map(value))
  const composite = createHash('sha256').update(
    Buffer.concat(each.map((text) => Buffer.from(text, 'base64'))),
  )
  expect([whole, answer.element('ChecksumType')]).toEqual([
    type === 'COMPOSITE' ? `${composite.digest('base64')}-2` : value(Buffer.concat(bodies)),
    type,
  ])
  for (const [index, body] of bodies.entries()) {
    const { headers, status } = await bench.send({
      method: 'HEAD',
      path: `/${bucket}/key`,
      query: { partNumber: String(index + 1) },
      headers: { 'x-amz-checksum-mode': 'ENABLED' },
      key: owner,
    })
    expect([
      status,
      headers[`x-amz-checksum-${algorithm.toLowerCase()}`],
      headers['x-amz-mp-parts-count'],
    ]).toEqual([206, value(body), '2'])
  }
})

it('GetObjectAttributes: an upload without checksum tells the number of its parts only', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  const upload = await begin(bench, { bucket, signer: owner })
  await complete(bench, upload, [await addPart(bench, upload, { partNumber: 1, body: 'part' })])
  const answer = await get(bucket, all)
  expect([answer.element('PartsCount'), elements(answer, 'Part'), answer.element('ChecksumType')]).toEqual([
    '1',
    [],
    null,
  ])
})

it('GetObjectAttributes: no or unknown attributes, missing key, permission', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  for (const attributes of [null, 'Lock', 'ETag,Lock']) {
    expect((await get(bucket, attributes)).code).toBe('InvalidArgument')
  }
  expect(refusal(await get(bucket, all))).toEqual(refused.noSuchKey)
  await bench.put(bucket, 'key', { key: owner })
  expect(refusal(await get(bucket, all, { key: reader }))).toEqual(refused.forbidden)
})
