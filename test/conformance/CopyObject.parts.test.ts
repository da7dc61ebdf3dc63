/** A copy shares bytes and shape of its source: every answer says the same of both. */
import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { accessKey, conformance } from '../support/conformance.ts'
import { addPart, begin, complete, mebibyte } from '../support/multipart.ts'

const owner = accessKey('owner', null)
const bench = conformance({ accessKeys: [owner] })

const get = (path: string, more: object = {}) => bench.send({ method: 'GET', path, key: owner, ...more })
function copy(source: string, path: string, headers: Record<string, string> = {}) {
  return bench.send({ method: 'PUT', path, headers: { 'x-amz-copy-source': source, ...headers }, key: owner })
}

describe('CopyObject: an object of parts', () => {
  /** What every operation says about its ETag, size, checksum and parts. */
  async function described(bucket: string, key: string) {
    const path = `/${bucket}/${key}`
    const mode = { 'x-amz-checksum-mode': 'ENABLED' }
    const whole = await get(path, { headers: mode })
    const headed = await bench.send({ method: 'HEAD', path, headers: mode, key: owner })
    const listed = await bench.send({
      method: 'GET',
      path: `/${bucket}`,
      query: { 'list-type': '2', prefix: key },
      key: owner,
    })
    const attributes = await bench.send({
      method: 'GET',
      path,
      query: { attributes: '' },
      headers: { 'x-amz-object-attributes': 'ETag,Checksum,ObjectParts,ObjectSize' },
      key: owner,
    })
    const second = await get(path, { query: { partNumber: '2' }, headers: mode })
    const names = [
      'etag',
      'content-length',
      'x-amz-checksum-crc32',
      'x-amz-checksum-sha256',
      'x-amz-checksum-type',
    ]
    const pick = ({ headers }: { headers: Record<string, unknown> }) => names.map((name) => headers[name])
    expect(pick(headed)).toEqual(pick(whole))
    expect([`"${attributes.element('ETag')}"`, listed.element('ETag')]).toEqual([
      whole.headers.etag,
      whole.headers.etag,
    ])
    return {
      whole: pick(whole),
      attributes: attributes.text,
      second: [second.status, second.text, second.headers['x-amz-mp-parts-count'], ...pick(second)],
    }
  }

  async function partsSource(bucket: string) {
    const headers = { 'x-amz-checksum-algorithm': 'CRC32' }
    const upload = await begin(bench, { bucket, key: 'source', signer: owner }, headers)
    const bodies = [randomBytes(5 * mebibyte), Buffer.from('tail')]
    const parts = []
    for (const [index, body] of bodies.entries()) {
      parts.push(await addPart(bench, upload, { partNumber: index + 1, body }))
    }
    await complete(bench, upload, parts)
    return Buffer.concat(bodies)
  }

  it('CopyObject: keeps parts, ETag and checksum of its source, in every answer the same', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const bytes = await partsSource(bucket)
    const answer = await copy(`${bucket}/source`, `/${bucket}/target`)
    const [source, target] = [await described(bucket, 'source'), await described(bucket, 'target')]
    expect(target).toEqual(source)
    expect([answer.element('ETag'), answer.element('ChecksumType')]).toEqual([target.whole[0], 'COMPOSITE'])
    expect(String(target.whole[0])).toMatch(/^"[0-9a-f]{32}-2"$/)
    expect((await get(`/${bucket}/target`)).body.equals(bytes)).toBe(true)
  })

  it('CopyObject: another checksum is of the whole object, and its parts show none', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const bytes = await partsSource(bucket)
    await copy(`${bucket}/source`, `/${bucket}/target`, { 'x-amz-checksum-algorithm': 'SHA256' })
    const { whole, attributes, second } = await described(bucket, 'target')
    const sha256 = createHash('sha256').update(bytes).digest('base64')
    expect(whole.slice(2)).toEqual([undefined, sha256, 'FULL_OBJECT'])
    expect(attributes.match(/<Checksum(?:CRC32|SHA256)>/g)).toEqual(['<ChecksumSHA256>'])
    expect(second.slice(0, 3)).toEqual([206, 'tail', '2'])
    expect(second.slice(5)).toEqual([undefined, undefined, undefined])
  })
})
