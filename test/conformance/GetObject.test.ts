import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetObject', 's3:ListBucket'])
const versionReader = accessKey('version-reader', ['s3:GetObjectVersion', 's3:ListBucket'])
const blind = accessKey('blind', ['s3:GetObject', 's3:GetObjectVersion'])
const lockReader = accessKey('lock-reader', ['s3:GetObject', 's3:GetObjectRetention'])
const holdReader = accessKey('hold-reader', ['s3:GetObject', 's3:GetObjectLegalHold'])
const bench = conformance({ accessKeys: [owner, reader, versionReader, blind, lockReader, holdReader] })

function get(bucket: string, more: object = {}) {
  return bench.send({ method: 'GET', path: `/${bucket}/key`, key: owner, ...more })
}
const ranged = (range: string) => ({ headers: { range } })

describe('GetObject: versions', () => {
  it('GetObject: the current version, and every version by its id', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const first = await bench.put(bucket, 'key', { key: owner, body: 'first' })
    const second = await bench.put(bucket, 'key', { key: owner, body: 'second' })
    const current = await get(bucket)
    expect([current.text, current.headers['x-amz-version-id']]).toEqual(['second', second])
    const old = await get(bucket, { query: { versionId: first } })
    expect([old.text, old.headers['x-amz-version-id']]).toEqual(['first', first])
  })

  it('GetObject: an unversioned bucket tells no version id, versionId=null is its object', async () => {
    const bucket = await bench.bucket('unversioned', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    expect((await get(bucket)).headers['x-amz-version-id']).toBeUndefined()
    expect((await get(bucket, { query: { versionId: 'null' } })).text).toBe('bytes')
  })

  it('GetObject: missing bucket, key and version; malformed and empty ids', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    expect(refusal(await get('no-such-bucket'))).toEqual(refused.noSuchBucket)
    const missing = await get(bucket)
    expect([...refusal(missing), missing.element('Key')]).toEqual([...refused.noSuchKey, 'key'])
    await bench.put(bucket, 'key', { key: owner })
    const unknown = await get(bucket, { query: { versionId: 'ABC' } })
    expect([...refusal(unknown), unknown.element('VersionId')]).toEqual([...refused.noSuchVersion, 'ABC'])
    expect(refusal(await get(bucket, { query: { versionId: '*' } }))).toEqual(refused.badVersionId)
    expect(refusal(await get(bucket, { query: { versionId: '' } }))).toEqual(refused.emptyVersionId)
  })

  it('[GetObject.3] GetObject: a delete marker is 404 as current version and 405 by its id, and says what it is', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    const marker = await bench.send({ method: 'DELETE', path: `/${bucket}/key`, key: owner })
    const versionId = String(marker.headers['x-amz-version-id'])
    const current = await get(bucket)
    expect(refusal(current)).toEqual(refused.noSuchKey)
    expect([current.headers['x-amz-delete-marker'], current.headers['x-amz-version-id']]).toEqual([
      'true',
      versionId,
    ])
    const byId = await get(bucket, { query: { versionId } })
    expect([...refusal(byId), byId.headers['x-amz-delete-marker'], byId.headers.allow]).toEqual([
      ...refused.deleteMarker,
      'true',
      'DELETE',
    ])
  })

  it('GetObject: reading by version id needs s3:GetObjectVersion and nothing else (B-61)', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const versionId = await bench.put(bucket, 'key', { key: owner })
    expect((await get(bucket, { key: reader })).status).toBe(200)
    expect(refusal(await get(bucket, { key: reader, query: { versionId } }))).toEqual(refused.forbidden)
    expect((await get(bucket, { key: versionReader, query: { versionId } })).status).toBe(200)
    expect(refusal(await get(bucket, { key: versionReader }))).toEqual(refused.forbidden)
  })

  it('GetObject: who may not list does not learn which keys exist', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    expect(refusal(await get(bucket, { key: blind }))).toEqual(refused.forbidden)
    expect(refusal(await get(bucket, { key: blind, query: { versionId: 'ABC' } }))).toEqual(refused.forbidden)
    await bench.put(bucket, 'key', { key: owner })
    expect((await get(bucket, { key: blind })).status).toBe(200)
  })
})

describe('GetObject: lock headers', () => {
  it('[GetObject.1] [GetObject.2] [Choice.9] GetObject: mode, date and hold are shown only with their permissions', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    const target = { bucket, key: 'key' }
    await bench.retain(target, 'GOVERNANCE', '2099-01-01T00:00:00Z', { key: owner })
    await bench.hold(target, 'OFF', { key: owner })
    const shown = async (key: typeof owner) => {
      const { headers } = await get(bucket, { key })
      return [
        headers['x-amz-object-lock-mode'],
        headers['x-amz-object-lock-retain-until-date'],
        headers['x-amz-object-lock-legal-hold'],
      ]
    }
    const [mode, date] = ['GOVERNANCE', '2099-01-01T00:00:00.000Z']
    expect(await shown(owner)).toEqual([mode, date, 'OFF'])
    expect(await shown(lockReader)).toEqual([mode, date, undefined])
    expect(await shown(holdReader)).toEqual([undefined, undefined, 'OFF'])
    expect(await shown(reader)).toEqual([undefined, undefined, undefined])
  })
})

describe('GetObject: ranges', () => {
  it.each([
    ['bytes=0-0', 0, 1],
    ['bytes=10-19', 10, 20],
    ['bytes=65530-65545', 65_530, 65_546],
    ['bytes=199990-', 199_990, 200_000],
    ['bytes=-5', 199_995, 200_000],
    ['bytes=199990-999999', 199_990, 200_000],
  ])('GetObject: %s of 200,000 bytes', async (range, startByte, endByte) => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const body = randomBytes(200_000)
    await bench.put(bucket, 'key', { key: owner, body })
    const answer = await get(bucket, ranged(range))
    expect([answer.status, answer.headers['content-range'], answer.headers['content-length']]).toEqual([
      206,
      `bytes ${startByte}-${endByte - 1}/200000`,
      String(endByte - startByte),
    ])
    expect(answer.body.equals(body.subarray(startByte, endByte))).toBe(true)
  })

  it('GetObject: no byte of the range exists, 416 with the size', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    const answer = await get(bucket, ranged('bytes=5-'))
    expect([
      ...refusal(answer),
      answer.element('ActualObjectSize'),
      answer.element('RangeRequested'),
    ]).toEqual([416, 'InvalidRange', 'The requested range is not satisfiable', '5', 'bytes=5-'])
  })

  it.each(['bytes=3-1', 'bytes=0-1,3-4', 'items=0-1'])('GetObject: %s is the whole object', async (range) => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    const answer = await get(bucket, ranged(range))
    expect([answer.status, answer.text]).toEqual([200, 'bytes'])
  })

  it('GetObject: If-Range with another ETag is the whole object', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    const { etag } = (await get(bucket)).headers
    const same = await get(bucket, { headers: { range: 'bytes=0-0', 'if-range': String(etag) } })
    expect([same.status, same.text]).toEqual([206, 'b'])
    const other = await get(bucket, { headers: { range: 'bytes=0-0', 'if-range': '"x"' } })
    expect([other.status, other.text]).toEqual([200, 'bytes'])
  })

  it('GetObject: partNumber=1 of a plain object is all of it, 2 is 416', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    const first = await get(bucket, { query: { partNumber: '1' } })
    expect([first.status, first.headers['content-range'], first.text]).toEqual([206, 'bytes 0-4/5', 'bytes'])
    const asked = { query: { partNumber: '1' }, headers: { 'x-amz-checksum-mode': 'ENABLED' } }
    expect((await get(bucket, asked)).headers['x-amz-checksum-type']).toBe('FULL_OBJECT')
    const second = await get(bucket, { query: { partNumber: '2' } })
    expect([second.status, second.code]).toEqual([416, 'InvalidPartNumber'])
    const both = await get(bucket, { query: { partNumber: '1' }, ...ranged('bytes=0-0') })
    expect([both.status, both.code]).toEqual([400, 'InvalidRequest'])
  })
})

describe('GetObject: conditions and overrides', () => {
  it('GetObject: 304 without a body, 412 with the condition', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    const { etag, 'last-modified': modified } = (await get(bucket)).headers
    const notModified = await get(bucket, { headers: { 'if-none-match': String(etag) } })
    expect([notModified.status, notModified.headers.etag, notModified.text]).toEqual([304, etag, ''])
    const since = await get(bucket, { headers: { 'if-modified-since': String(modified) } })
    expect([since.status, since.text]).toEqual([304, ''])
    const failed = await get(bucket, { headers: { 'if-match': '"x"' } })
    expect([failed.status, failed.code, failed.element('Condition')]).toEqual([
      412,
      'PreconditionFailed',
      'If-Match',
    ])
    const unmodified = await get(bucket, {
      headers: { 'if-unmodified-since': 'Thu, 01 Jan 2015 00:00:00 GMT' },
    })
    expect([unmodified.status, unmodified.element('Condition')]).toEqual([412, 'If-Unmodified-Since'])
    const both = { 'if-match': String(etag), 'if-unmodified-since': 'Thu, 01 Jan 2015 00:00:00 GMT' }
    expect((await get(bucket, { headers: both })).status).toBe(200)
  })

  it('GetObject: response-* overrides what is stored', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'key', { key: owner, headers: { 'content-type': 'text/plain' } })
    const query = {
      'response-content-type': 'text/html',
      'response-cache-control': 'no-cache',
      'response-content-disposition': 'attachment; filename="é"',
    }
    const { headers } = await get(bucket, { query })
    expect([headers['content-type'], headers['cache-control']]).toEqual(['text/html', 'no-cache'])
    expect(Buffer.from(String(headers['content-disposition']), 'latin1').toString('utf8')).toBe(
      'attachment; filename="é"',
    )
  })

  it('GetObject: a response-* value with a line break is refused', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    const answer = await get(bucket, {
      query: { 'response-content-type': 'a\r\nx-amz-object-lock-mode: NONE' },
    })
    expect([answer.status, answer.code]).toEqual([400, 'InvalidArgument'])
  })
})
