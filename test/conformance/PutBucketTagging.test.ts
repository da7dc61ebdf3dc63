import { expect, it } from 'vitest'
import { accessKey, conformance, elements, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const writer = accessKey('writer', ['s3:PutBucketTagging'])
const other = accessKey('other', ['s3:PutObjectTagging', 's3:GetBucketTagging'])
const bench = conformance({ accessKeys: [owner, writer, other] })

type Tag = readonly [key: string, value: string]
const xml = (tags: readonly Tag[]) =>
  `<Tagging><TagSet>${tags.map(([key, value]) => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`).join('')}</TagSet></Tagging>`
const put = (bucket: string, body: string, more: object = {}) =>
  bench.document({ method: 'PUT', path: `/${bucket}`, query: { tagging: '' }, body, key: owner, ...more })
const get = (bucket: string) =>
  bench.send({ method: 'GET', path: `/${bucket}`, query: { tagging: '' }, key: owner })
const numbered = (count: number) => Array.from({ length: count }, (_, index): Tag => [`k${index}`, 'v'])

it('PutBucketTagging: 204, and all tags are replaced', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  expect((await put(bucket, xml([['a', '1']]))).status).toBe(204)
  const answer = await put(
    bucket,
    xml([
      ['team', 'ledger + co'],
      ['__proto__', ''],
    ]),
  )
  expect([answer.status, answer.text]).toEqual([204, ''])
  expect(elements(await get(bucket), 'Key')).toEqual(['team', '__proto__'])
  expect(elements(await get(bucket), 'Value')).toEqual(['ledger + co', ''])
})

it('PutBucketTagging: 50 tags are taken, 51 are not and change nothing', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  expect((await put(bucket, xml(numbered(50)))).status).toBe(204)
  expect(refusal(await put(bucket, xml(numbered(51))))).toEqual([
    400,
    'BadRequest',
    'Bucket tag count cannot be greater than 50',
  ])
  expect(elements(await get(bucket), 'Key')).toHaveLength(50)
})

it('PutBucketTagging: an empty set leaves none', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  await put(bucket, xml([['a', '1']]))
  expect((await put(bucket, xml([]))).status).toBe(204)
  expect((await get(bucket)).code).toBe('NoSuchTagSet')
})

it.each<[string, string, readonly [number, string, string]]>([
  [
    'the same key twice',
    xml([
      ['a', '1'],
      ['a', '2'],
    ]),
    [400, 'InvalidTag', 'Cannot provide multiple Tags with the same key'],
  ],
  [
    'a key of the system',
    xml([['aws:x', '1']]),
    [400, 'InvalidTag', 'System tags cannot be added/updated by requester'],
  ],
  ['an empty key', xml([['', '1']]), [400, 'InvalidTag', 'The TagKey you have provided is invalid']],
  [
    'a value of 257 characters',
    xml([['a', 'v'.repeat(257)]]),
    [400, 'InvalidTag', 'The TagValue you have provided is invalid'],
  ],
  ['no TagSet', '<Tagging></Tagging>', refused.malformed],
  ['another root', '<TagSet></TagSet>', refused.malformed],
])('PutBucketTagging: %s is refused', async (_title, body, expected) => {
  const bucket = await bench.bucket('enabled', { key: owner })
  expect(refusal(await put(bucket, body))).toEqual(expected)
  expect((await get(bucket)).code).toBe('NoSuchTagSet')
})

it('PutBucketTagging: without a checksum is refused (E17), and without its own permission', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  const bare = { method: 'PUT', path: `/${bucket}`, query: { tagging: '' }, body: xml([['a', '1']]) }
  expect(refusal(await bench.send({ ...bare, key: owner }))).toEqual(refused.documentChecksum)
  expect(refusal(await put(bucket, bare.body, { key: other }))).toEqual(refused.forbidden)
  expect((await put(bucket, bare.body, { key: writer })).status).toBe(204)
})

it('PutBucketTagging: objects and their tags stay as they are', async () => {
  const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
  await bench.put(bucket, 'key', { key: owner, headers: { 'x-amz-tagging': 'a=1' } })
  await bench.unchanged(bucket, () => put(bucket, xml([['b', '2']])))
})
