import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { accessKey, conformance, dayMs, listedVersions, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const foreigner = accessKey('foreigner', null, '222222222222')
const writer = accessKey('writer', ['s3:PutObject'])
const copier = accessKey('copier', ['s3:PutObject', 's3:GetObject'])
const versionCopier = accessKey('version-copier', ['s3:PutObject', 's3:GetObjectVersion'])
const bench = conformance({ accessKeys: [owner, foreigner, writer, copier, versionCopier] })

const mode = 'x-amz-object-lock-mode'
const date = 'x-amz-object-lock-retain-until-date'
const hold = 'x-amz-object-lock-legal-hold'

function copy(source: string, target: string, headers: Record<string, string> = {}, more: object = {}) {
  return bench.send({
    method: 'PUT',
    path: target,
    headers: { 'x-amz-copy-source': source, ...headers },
    key: owner,
    ...more,
  })
}
const get = (path: string, more: object = {}) => bench.send({ method: 'GET', path, key: owner, ...more })

describe('CopyObject: bytes', () => {
  it.each([
    ['inline', 100],
    ['a file', 200_000],
  ])('CopyObject: %s, the same bytes, ETag, headers and metadata', async (_name, size) => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const body = randomBytes(size)
    const headers = { 'content-type': 'text/x', 'x-amz-meta-a': 'b' }
    const versionId = await bench.put(bucket, 'source', { key: owner, body, headers })
    const answer = await copy(`/${bucket}/source`, `/${bucket}/target`)
    const source = await get(`/${bucket}/source`)
    expect([answer.status, answer.element('ETag'), answer.headers['x-amz-copy-source-version-id']]).toEqual([
      200,
      source.headers.etag,
      versionId,
    ])
    const target = await get(`/${bucket}/target`)
    expect([target.headers['content-type'], target.headers['x-amz-meta-a']]).toEqual(['text/x', 'b'])
    expect([target.body.equals(body), target.headers['x-amz-version-id']]).toEqual([
      true,
      answer.headers['x-amz-version-id'],
    ])
  })

  it('CopyObject: the copy outlives its source, and the source its copy', async () => {
    const bucket = await bench.bucket('unversioned', { key: owner })
    const body = randomBytes(200_000)
    await bench.put(bucket, 'source', { key: owner, body })
    await copy(`${bucket}/source`, `/${bucket}/target`)
    await bench.send({ method: 'DELETE', path: `/${bucket}/source`, key: owner })
    expect((await get(`/${bucket}/target`)).body.equals(body)).toBe(true)
    await copy(`${bucket}/target`, `/${bucket}/third`)
    await bench.send({ method: 'DELETE', path: `/${bucket}/third`, key: owner })
    expect((await get(`/${bucket}/target`)).body.equals(body)).toBe(true)
  })

  it('CopyObject: directive REPLACE takes headers and metadata from the request, tags by their own directive', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const headers = { 'x-amz-meta-a': 'b', 'x-amz-tagging': 'old=1' }
    await bench.put(bucket, 'source', { key: owner, headers })
    const replaced = { 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-c': 'd', 'content-type': 'text/y' }
    await copy(`${bucket}/source`, `/${bucket}/target`, replaced)
    const target = await get(`/${bucket}/target`)
    expect([
      target.headers['x-amz-meta-a'],
      target.headers['x-amz-meta-c'],
      target.headers['content-type'],
    ]).toEqual([undefined, 'd', 'text/y'])
    expect((await get(`/${bucket}/target`, { query: { tagging: '' } })).element('Key')).toBe('old')
    const tags = { 'x-amz-tagging-directive': 'REPLACE', 'x-amz-tagging': 'new=2' }
    await copy(`${bucket}/source`, `/${bucket}/target`, tags)
    expect((await get(`/${bucket}/target`, { query: { tagging: '' } })).element('Key')).toBe('new')
  })

  it('CopyObject: another checksum is counted when it is asked for', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'source', { key: owner, body: '123456789' })
    const answer = await copy(`${bucket}/source`, `/${bucket}/target`, {
      'x-amz-checksum-algorithm': 'CRC32',
    })
    expect([answer.element('ChecksumCRC32'), answer.element('ChecksumType')]).toEqual([
      'y/Q5Jg==',
      'FULL_OBJECT',
    ])
  })
})

describe('CopyObject: the source', () => {
  it('CopyObject: a version by ?versionId=, and never by an encoded one (B-62)', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const first = await bench.put(bucket, 'source', { key: owner, body: 'first' })
    await bench.put(bucket, 'source', { key: owner, body: 'second' })
    await copy(`${bucket}/source?versionId=${first}`, `/${bucket}/target`)
    expect((await get(`/${bucket}/target`)).text).toBe('first')
    const encoded = await copy(`${bucket}/source%3FversionId%3D${first}`, `/${bucket}/target`)
    expect([...refusal(encoded), encoded.element('Key')]).toEqual([
      ...refused.noSuchKey,
      `source?versionId=${first}`,
    ])
  })

  it('CopyObject: encoded keys are decoded once', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    for (const key of ['sp ace', 'per%20cent', 'é/ü', '../up']) {
      await bench.put(bucket, key, { key: owner, body: key })
      const encoded = key.split('/').map(encodeURIComponent).join('/')
      expect((await copy(`/${bucket}/${encoded}`, `/${bucket}/target`)).status).toBe(200)
      expect((await get(`/${bucket}/target`)).text).toBe(key)
    }
  })

  it('CopyObject: missing and malformed sources', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'source', { key: owner })
    const marker = await bench.send({ method: 'DELETE', path: `/${bucket}/gone`, key: owner })
    const rows = [
      ['no-such-bucket/source', 404, 'NoSuchBucket'],
      [`${bucket}/none`, 404, 'NoSuchKey'],
      [`${bucket}/gone`, 404, 'NoSuchKey'],
      [`${bucket}/gone?versionId=${marker.headers['x-amz-version-id']}`, 400, 'InvalidRequest'],
      [`${bucket}/source?versionId=ABC`, 404, 'NoSuchVersion'],
      [`${bucket}/source?versionId=`, 400, 'InvalidArgument'],
      [`${bucket}/source?versionId=a-b`, 400, 'InvalidArgument'],
      [`${bucket}/source?other=1`, 400, 'InvalidArgument'],
      [`${bucket}/source%`, 400, 'InvalidArgument'],
      [bucket, 400, 'InvalidArgument'],
      ['', 400, 'InvalidArgument'],
    ] as const
    for (const [source, status, code] of rows) {
      const answer = await bench.unchanged(bucket, () => copy(source, `/${bucket}/target`))
      expect([source, answer.status, answer.code]).toEqual([source, status, code])
    }
  })

  it('CopyObject: conditions on the source are 412', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'source', { key: owner })
    const { etag } = (await get(`/${bucket}/source`)).headers
    const rows = [
      ['x-amz-copy-source-if-match', '"x"', 412],
      ['x-amz-copy-source-if-match', String(etag), 200],
      ['x-amz-copy-source-if-none-match', String(etag), 412],
      ['x-amz-copy-source-if-modified-since', 'Thu, 01 Jan 2099 00:00:00 GMT', 412],
      ['x-amz-copy-source-if-unmodified-since', 'Thu, 01 Jan 2015 00:00:00 GMT', 412],
    ] as const
    for (const [name, value, status] of rows) {
      const answer = await copy(`${bucket}/source`, `/${bucket}/target`, { [name]: value })
      expect([name, answer.status]).toEqual([name, status])
    }
  })

  it('CopyObject: reading the source needs its permission, by version its own', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const versionId = await bench.put(bucket, 'source', { key: owner })
    const byId = `${bucket}/source?versionId=${versionId}`
    const rows = [
      [writer, `${bucket}/source`, 403],
      [copier, `${bucket}/source`, 200],
      [copier, byId, 403],
      [versionCopier, byId, 200],
      [versionCopier, `${bucket}/source`, 403],
    ] as const
    for (const [key, source, status] of rows) {
      const answer = await copy(source, `/${bucket}/target`, {}, { key })
      expect([key.displayName, source, answer.status]).toEqual([key.displayName, source, status])
    }
    const other = await bench.bucket('enabled', { key: foreigner })
    const foreign = await bench.unchanged(other, () =>
      copy(`${bucket}/source`, `/${other}/target`, {}, { key: foreigner }),
    )
    expect(refusal(foreign)).toEqual(refused.forbidden)
  })
})

describe('CopyObject: locks', () => {
  async function lockedSource() {
    const bucket = await bench.bucket('locked', { key: owner })
    const versionId = await bench.put(bucket, 'source', { key: owner })
    const target = { bucket, key: 'source', versionId }
    await bench.retain(target, 'COMPLIANCE', bench.inDays(1), { key: owner })
    await bench.hold(target, 'ON', { key: owner })
    return target
  }
  const lockOf = async (path: string) => {
    const { headers } = await get(path)
    return [headers[mode], headers[date], headers[hold]]
  }

  it('[CopyObject.3] CopyObject: the target does not inherit the lock of the source', async () => {
    const { bucket } = await lockedSource()
    await copy(`${bucket}/source`, `/${bucket}/target`)
    expect(await lockOf(`/${bucket}/target`)).toEqual([undefined, undefined, undefined])
  })

  it('[CopyObject.4] CopyObject: the headers of the request win, else the rule of the target bucket', async () => {
    const { bucket } = await lockedSource()
    const ruled = await bench.bucket('locked', { key: owner, rule: '<Mode>GOVERNANCE</Mode><Days>1</Days>' })
    await copy(`${bucket}/source`, `/${ruled}/target`)
    expect((await lockOf(`/${ruled}/target`))[0]).toBe('GOVERNANCE')
    const until = bench.inDays(3)
    await copy(`${bucket}/source`, `/${ruled}/target`, { [mode]: 'COMPLIANCE', [date]: until, [hold]: 'OFF' })
    expect(await lockOf(`/${ruled}/target`)).toEqual(['COMPLIANCE', until, 'OFF'])
  })

  it('[CopyObject.1] [CopyObject.2] [Choice.12] CopyObject: no checksum is demanded; bad lock headers are refused as on PutObject', async () => {
    const { bucket } = await lockedSource()
    const plain = await bench.bucket('enabled', { key: owner })
    const rows = [
      [bucket, { [mode]: 'GOVERNANCE' }, 'InvalidArgument'],
      [bucket, { [mode]: 'X', [date]: bench.inDays(1) }, 'InvalidArgument'],
      [bucket, { [mode]: 'GOVERNANCE', [date]: bench.inDays(-1) }, 'InvalidArgument'],
      [bucket, { [hold]: 'x' }, 'InvalidArgument'],
      [plain, { [hold]: 'OFF' }, 'InvalidRequest'],
    ] as const
    for (const [target, headers, code] of rows) {
      const attempt = () => copy(`${bucket}/source`, `/${target}/target`, headers as Record<string, string>)
      expect((await bench.unchanged(target, attempt)).code).toBe(code)
    }
  })

  it('[CopyObject.6] CopyObject: lock headers need their permissions (B-36)', async () => {
    const { bucket } = await lockedSource()
    const attempt = () => copy(`${bucket}/source`, `/${bucket}/target`, { [hold]: 'ON' }, { key: copier })
    expect(refusal(await bench.unchanged(bucket, attempt))).toEqual(refused.forbidden)
  })

  it.each(['ON', 'OFF'])(
    '[CopyObject.5] CopyObject: a hold header %s alone and a default rule, both apply',
    async (status) => {
      const { bucket } = await lockedSource()
      const ruled = await bench.bucket('locked', {
        key: owner,
        rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>',
      })
      const before = bench.server().nowMs()
      expect((await copy(`${bucket}/source`, `/${ruled}/target`, { [hold]: status })).status).toBe(200)
      const [storedMode, until, storedHold] = await lockOf(`/${ruled}/target`)
      expect([storedMode, storedHold]).toEqual(['COMPLIANCE', status])
      expect(Date.parse(String(until))).toBeGreaterThanOrEqual(before + 86_400_000)
    },
  )

  it('[CopyObject.9] CopyObject: over a locked version a new one is written, the old one is untouched', async () => {
    const { bucket, versionId } = await lockedSource()
    await bench.put(bucket, 'other', { key: owner, body: 'other bytes' })
    const path = `/${bucket}/source`
    const before = await get(path, { query: { versionId } })
    const answer = await copy(`${bucket}/other`, path)
    expect([answer.status, answer.headers['x-amz-version-id'] === versionId]).toEqual([200, false])
    expect((await get(path)).text).toBe('other bytes')
    const after = await get(path, { query: { versionId } })
    expect([after.text, after.headers[mode], after.headers[date], after.headers[hold]]).toEqual([
      before.text,
      'COMPLIANCE',
      before.headers[date],
      'ON',
    ])
  })

  it('[CopyObject.7] CopyObject: onto itself without a change is InvalidRequest', async () => {
    const { bucket } = await lockedSource()
    const answer = await bench.unchanged(bucket, () => copy(`${bucket}/source`, `/${bucket}/source`))
    expect(refusal(answer)).toEqual([
      400,
      'InvalidRequest',
      'This copy request is illegal because it is trying to copy an object to itself without changing the ' +
        "object's metadata, storage class, website redirect location or encryption attributes.",
    ])
  })

  it('[CopyObject.7] CopyObject: onto itself with a storage class, also its own, is a new version', async () => {
    const { bucket, versionId } = await lockedSource()
    const path = `/${bucket}/source`
    const answer = await copy(`${bucket}/source`, path, { 'x-amz-storage-class': 'STANDARD' })
    expect([answer.status, answer.headers['x-amz-version-id'] === versionId]).toEqual([200, false])
    const [now, before] = [await get(path), await get(path, { query: { versionId } })]
    expect([now.text, now.headers[mode], before.headers[mode]]).toEqual([
      before.text,
      undefined,
      'COMPLIANCE',
    ])
  })

  it('[CopyObject.8] CopyObject: onto itself with REPLACE is a new version, the old one keeps lock and bytes (I12)', async () => {
    const { bucket, versionId } = await lockedSource()
    const path = `/${bucket}/source`
    const before = await get(path, { query: { versionId } })
    const replaced = { 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-new': '1' }
    const answer = await copy(`${bucket}/source`, path, replaced)
    expect([answer.status, answer.headers['x-amz-version-id'] === versionId]).toEqual([200, false])
    const after = await get(path, { query: { versionId } })
    expect([after.text, after.headers[mode], after.headers[date], after.headers[hold]]).toEqual([
      before.text,
      before.headers[mode],
      before.headers[date],
      before.headers[hold],
    ])
    const listed = await get(`/${bucket}`, { query: { versions: '' } })
    expect(listedVersions(listed).length).toBe(2)
    expect((await get(path)).headers['x-amz-meta-new']).toBe('1')
  })

  it('CopyObject: an older version onto its key restores it', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const first = await bench.put(bucket, 'key', { key: owner, body: 'first' })
    await bench.put(bucket, 'key', { key: owner, body: 'second' })
    expect((await copy(`${bucket}/key?versionId=${first}`, `/${bucket}/key`)).status).toBe(200)
    expect((await get(`/${bucket}/key`)).text).toBe('first')
  })

  it('CopyObject: a locked copy keeps its bytes when the source is free and goes', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const body = randomBytes(200_000)
    const versionId = await bench.put(bucket, 'source', { key: owner, body })
    await copy(`${bucket}/source`, `/${bucket}/target`, { [mode]: 'COMPLIANCE', [date]: bench.inDays(30) })
    await bench.send({ method: 'DELETE', path: `/${bucket}/source`, query: { versionId }, key: owner })
    bench.server().advance(dayMs)
    expect((await get(`/${bucket}/target`)).body.equals(body)).toBe(true)
  })
})
