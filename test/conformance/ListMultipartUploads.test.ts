import { expect, it } from 'vitest'
import { accessKey, conformance, elements, refusal, refused } from '../support/conformance.ts'
import { begin } from '../support/multipart.ts'

const owner = accessKey('owner', null)
const lister = accessKey('lister', ['s3:ListBucket', 's3:ListMultipartUploadParts'])
const bench = conformance({ accessKeys: [owner, lister] })

async function uploads(keys: readonly string[]) {
  const bucket = await bench.bucket('enabled', { key: owner })
  const ids = []
  for (const key of keys) ids.push((await begin(bench, { bucket, key, signer: owner })).uploadId)
  return { bucket, ids }
}
function list(bucket: string, query: Record<string, string> = {}, key = owner) {
  return bench.send({ method: 'GET', path: `/${bucket}`, query: { uploads: '', ...query }, key })
}

it('ListMultipartUploads: keys in byte order, uploads of one key all of them', async () => {
  const { bucket, ids } = await uploads(['b', 'a', 'b', 'dir/c'])
  const answer = await list(bucket)
  expect([answer.status, elements(answer, 'Key'), answer.element('IsTruncated')]).toEqual([
    200,
    ['a', 'b', 'b', 'dir/c'],
    'false',
  ])
  expect(elements(answer, 'UploadId').toSorted()).toEqual(ids.toSorted())
})

it('ListMultipartUploads: prefix, delimiter and encoding', async () => {
  const { bucket } = await uploads(['a b', 'dir/1', 'dir/2', 'x'])
  expect(elements(await list(bucket, { prefix: 'dir/' }), 'Key')).toEqual(['dir/1', 'dir/2'])
  const grouped = await list(bucket, { delimiter: '/', 'encoding-type': 'url' })
  expect([elements(grouped, 'Key'), grouped.text.includes('<CommonPrefixes><Prefix>dir/</Prefix>')]).toEqual([
    ['a+b', 'x'],
    true,
  ])
})

it.each([1, 2, 3])('ListMultipartUploads: pages of %i join to the whole listing', async (size) => {
  const { bucket, ids } = await uploads(['a', 'b', 'b', 'c'])
  const seen: string[] = []
  let query: Record<string, string> = {}
  for (;;) {
    const answer = await list(bucket, { 'max-uploads': String(size), ...query })
    const found = elements(answer, 'UploadId')
    expect(found.length).toBeLessThanOrEqual(size)
    seen.push(...found)
    if (answer.element('IsTruncated') === 'false') break
    query = {
      'key-marker': answer.element('NextKeyMarker') ?? '',
      'upload-id-marker': answer.element('NextUploadIdMarker') ?? '',
    }
  }
  expect(seen.toSorted()).toEqual(ids.toSorted())
})

it('ListMultipartUploads: needs its own permission', async () => {
  const { bucket } = await uploads([])
  expect(refusal(await list(bucket, {}, lister))).toEqual(refused.forbidden)
})
