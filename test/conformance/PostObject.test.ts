import { describe, expect, it } from 'vitest'
import { accessKey, conformance, elements, md5, refusal, refused } from '../support/conformance.ts'
import { formBoundary, formRequest, type PostForm } from '../support/form.ts'

const owner = accessKey('owner', null)
const writer = accessKey('writer', ['s3:PutObject'])
const bench = conformance({ accessKeys: [owner, writer], domain: 's3.example.org' })

/** Stands for the name of the file. */
const variable = ['$', '{filename}'].join('')

type Change = Partial<PostForm> & { readonly bucket: string }

/** A form of the owner with the key `key` and the file `bytes`. */
function form({ fields, ...change }: Change): PostForm {
  return {
    key: owner,
    nowMs: bench.server().nowMs(),
    fields: { key: 'key', ...fields },
    file: 'bytes',
    ...change,
  }
}

function post(change: Change) {
  return bench.send(formRequest(form(change)))
}

function get(bucket: string, key = 'key') {
  return bench.send({ method: 'GET', path: `/${bucket}/${key}`, key: owner })
}

describe('PostObject: what is stored', () => {
  it('PostObject: the file under the key of the form, 204 with ETag, Location and version id', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const answer = await post({ bucket, fields: { key: 'a/b c' } })
    const stored = await get(bucket, 'a/b c')
    expect([answer.status, answer.text, stored.status, stored.text]).toEqual([204, '', 200, 'bytes'])
    expect(answer.headers).toMatchObject({
      etag: stored.headers.etag,
      location: `${bench.server().endpoint}/${bucket}/a%2Fb%20c`,
      'x-amz-version-id': stored.headers['x-amz-version-id'],
      'x-amz-checksum-type': 'FULL_OBJECT',
    })
  })

  it('PostObject: headers, metadata and tags of the form are those of the object', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const tagging = '<Tagging><TagSet><Tag><Key>a b</Key><Value>c&amp;d</Value></Tag></TagSet></Tagging>'
      .replace('&amp;', '+')
      .replace('c+d', 'c+d=')
    const properties = {
      'Content-Type': 'text/plain; charset=utf-8',
      'Cache-Control': 'max-age=60',
      'Content-Disposition': 'attachment',
      'Content-Encoding': 'identity',
      Expires: 'Wed, 21 Oct 2037 07:28:00 GMT',
      'x-amz-meta-Color': 'grün',
      'x-amz-storage-class': 'STANDARD',
      acl: 'private',
    }
    expect((await post({ bucket, fields: { ...properties, tagging } })).status).toBe(204)
    const stored = await get(bucket)
    expect(stored.headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'max-age=60',
      'content-disposition': 'attachment',
      'content-encoding': 'identity',
      expires: 'Wed, 21 Oct 2037 07:28:00 GMT',
      'x-amz-meta-color': Buffer.from('grün').toString('latin1'),
      'x-amz-tagging-count': '1',
    })
    const tags = await bench.send({
      method: 'GET',
      path: `/${bucket}/key`,
      query: { tagging: '' },
      key: owner,
    })
    expect([elements(tags, 'Key'), elements(tags, 'Value')]).toEqual([['a b'], ['c+d=']])
  })

  it('PostObject: headers of the HTTP request are not those of the object', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const request = formRequest(form({ bucket }))
    const headers = {
      ...request.headers,
      'cache-control': 'no-store',
      'content-language': 'de',
      expires: 'x',
    }
    expect((await bench.send({ ...request, headers })).status).toBe(204)
    const stored = await get(bucket)
    expect(stored.headers['content-type']).toBe('binary/octet-stream')
    expect([
      stored.headers['cache-control'],
      stored.headers['content-language'],
      stored.headers.expires,
    ]).toEqual([undefined, undefined, undefined])
  })

  it('PostObject: bytes are stored as they are, whatever looks like a boundary', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const files = [
      '',
      '\r\n',
      `--${formBoundary}`,
      `--${formBoundary}--\r\n`,
      `\n--${formBoundary}\r\n`,
      `\r\n--${formBoundary.slice(0, -1)}`,
      `\r\n\r\n--${formBoundary.slice(0, -1)}\r\n`,
      '\r\n-',
      'x'.repeat(300_000),
      Buffer.from(Array.from({ length: 70_000 }, (_none, index) => index % 256)),
    ]
    for (const file of files) {
      const fields = { 'content-md5': md5(file) }
      const answer = await post({ bucket, file, fields })
      expect([answer.status, answer.text]).toEqual([204, ''])
      expect((await get(bucket)).body).toEqual(Buffer.from(file))
    }
  })

  it('PostObject: a virtual host addresses the bucket like a path', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const host = `${bucket}.s3.example.org`
    expect((await bench.send({ ...formRequest(form({ bucket })), path: '/', host })).status).toBe(204)
    expect((await get(bucket)).text).toBe('bytes')
  })

  it('PostObject: names of fields and conditions in any case, values in theirs', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const fields = { kEy: 'user/eric', 'X-AMZ-META-A': '1' }
    const conditions = [
      ['StArTs-WiTh', '$KeY', 'user/'],
      ['EQ', '$x-amz-Meta-a', '1'],
    ]
    const made = form({ bucket, conditions })
    expect((await bench.send(formRequest({ ...made, fields }))).status).toBe(204)
    expect((await get(bucket, 'user/eric')).headers['x-amz-meta-a']).toBe('1')
    const wrong = await bench.unchanged(bucket, () =>
      bench.send(formRequest({ ...made, fields: { ...fields, kEy: 'User/eric' } })),
    )
    expect(refusal(wrong)).toEqual([
      403,
      'AccessDenied',
      'Invalid according to Policy: Policy Condition failed: ["StArTs-WiTh", "$KeY", "user/"]',
    ])
  })

  it.each([
    ['report.pdf', 'in/report.pdf'],
    ['C:\\Program Files\\directory1\\file.txt', 'in/file.txt'],
    ['a/b\\c.txt', 'in/c.txt'],
    ['übergröße.txt', 'in/übergröße.txt'],
    ['$&$1.txt', 'in/$&$1.txt'],
    ['', 'in/'],
    [null, `in/${variable}`],
  ])('PostObject: the file name %j, the key is %s in the policy and in the bucket', async (fileName, key) => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const fields = { key: `in/${variable}`, 'x-amz-meta-name': `${variable},${variable}` }
    const conditions = [{ key }, ['starts-with', '$x-amz-meta-name', '']]
    const answer = await post({ bucket, fields, conditions, fileName })
    expect([answer.status, answer.text]).toEqual([204, ''])
    const listed = await bench.send({ method: 'GET', path: `/${bucket}`, key: owner })
    expect(elements(listed, 'Key')).toEqual([key.replaceAll('&', '&amp;')])
  })

  it('PostObject: a repeated x-amz-meta field is a list, for its condition too', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const conditions = [{ key: 'key' }, { 'x-amz-meta-tag': 'Ninja,Stallman' }]
    const answer = await post({
      bucket,
      conditions,
      fields: { 'x-amz-meta-tag': 'Ninja' },
      mutate: (parts) =>
        [{ name: 'x-amz-meta-tag', value: 'Ninja' }, ...parts].map((part, index) =>
          index > 0 && part.name === 'x-amz-meta-tag' ? { ...part, value: 'Stallman' } : part,
        ),
    })
    expect([answer.status, answer.text]).toEqual([204, ''])
    expect((await get(bucket)).headers['x-amz-meta-tag']).toBe('Ninja,Stallman')
  })

  it('PostObject: fields behind the file mean nothing', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const answer = await post({
      bucket,
      mutate: (parts) => [
        ...parts,
        { name: 'key', value: 'other' },
        { name: 'x-amz-object-lock-legal-hold', value: 'ON' },
        { name: 'submit', value: 'Upload' },
      ],
    })
    expect(answer.status).toBe(204)
    const listed = await bench.send({ method: 'GET', path: `/${bucket}`, key: owner })
    expect(elements(listed, 'Key')).toEqual(['key'])
  })

  it('PostObject: x-ignore- fields need no condition and are not stored', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    expect((await post({ bucket, uncovered: { 'X-Ignore-Flash': '1' } })).status).toBe(204)
  })

  it('PostObject: into an unversioned bucket the object is replaced and no version id told', async () => {
    const bucket = await bench.bucket('unversioned', { key: owner })
    await bench.put(bucket, 'key', { key: owner, body: 'before' })
    const answer = await post({ bucket })
    expect([answer.status, answer.headers['x-amz-version-id']]).toEqual([204, undefined])
    expect((await get(bucket)).text).toBe('bytes')
  })
})

describe('PostObject: answers', () => {
  it('PostObject: success_action_status 201 is a PostResponse', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const answer = await post({ bucket, fields: { key: 'a/<é>', success_action_status: '201' } })
    const location = `${bench.server().endpoint}/${bucket}/a%2F%3C%C3%A9%3E`
    expect([answer.status, answer.headers['content-type'], answer.headers.location]).toEqual([
      201,
      'application/xml',
      location,
    ])
    expect(answer.text).toBe(
      `<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse><Location>${location}</Location>` +
        `<Bucket>${bucket}</Bucket><Key>a/&lt;é&gt;</Key>` +
        `<ETag>${String(answer.headers.etag).replaceAll('"', '&quot;')}</ETag></PostResponse>`,
    )
  })

  it.each([
    ['200', 200],
    ['204', 204],
    ['404', 204],
    ['', 204],
  ])('PostObject: success_action_status %j is %i without a body', async (status, expected) => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const answer = await post({ bucket, fields: { success_action_status: status } })
    expect([answer.status, answer.text]).toEqual([expected, ''])
  })

  it.each([
    ['https://example.com/done', 'https://example.com/done?'],
    ['http://example.com/done?a=b', 'http://example.com/done?a=b&'],
    ['http://example.com/done?#part', 'http://example.com/done?'],
  ])('PostObject: success_action_redirect %s is 303 with bucket, key and etag', async (target, prefix) => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const fields = { key: 'a/b c', success_action_redirect: target, success_action_status: '201' }
    const answer = await post({ bucket, fields })
    const etag = String(answer.headers.etag).replaceAll('"', '%22')
    const hash = target.includes('#') ? '#part' : ''
    expect([answer.status, answer.headers.location, answer.text]).toEqual([
      303,
      `${prefix}bucket=${bucket}&key=a%2Fb+c&etag=${etag}${hash}`,
      '',
    ])
  })

  it.each(['/relative', 'ftp://example.com/', 'javascript:alert(1)', 'not a url'])(
    'PostObject: success_action_redirect %s is as if it were not there',
    async (target) => {
      const bucket = await bench.bucket('enabled', { key: owner })
      expect((await post({ bucket, fields: { success_action_redirect: target } })).status).toBe(204)
    },
  )
})

describe('PostObject: refusals of PutObject', () => {
  it.each([
    [{ acl: 'public-read' }, 400, 'AccessControlListNotSupported'],
    [{ 'x-amz-storage-class': 'GLACIER' }, 400, 'InvalidStorageClass'],
    [{ 'x-amz-server-side-encryption': 'AES256' }, 501, 'NotImplemented'],
    [{ 'x-amz-website-redirect-location': '/x' }, 501, 'NotImplemented'],
    [{ 'content-md5': md5('other') }, 400, 'BadDigest'],
    [{ 'content-md5': 'x' }, 400, 'InvalidDigest'],
    [{ 'x-amz-checksum-sha256': 'x' }, 400, 'InvalidRequest'],
    [{ 'x-amz-checksum-algorithm': 'SHA256' }, 400, 'InvalidRequest'],
    [{ 'x-amz-checksum-crc32': 'AAAAAA==' }, 400, 'BadDigest'],
    [{ tagging: 'not-xml' }, 400, 'MalformedXML'],
    [{ 'x-amz-meta-a': 'v'.repeat(2048) }, 400, 'MetadataTooLarge'],
    [{ 'x-amz-meta-a': 'a\u0001b' }, 400, 'InvalidArgument'],
    [{ 'x-amz-copy-source': '/other/key' }, 400, 'InvalidArgument'],
    [{ 'x-amz-trailer': 'x-amz-checksum-crc32' }, 400, 'InvalidArgument'],
    [{ 'x-amz-acl': 'private', acl: 'private' }, 400, 'InvalidArgument'],
    [{ 'if-none-match': '*' }, 412, 'PreconditionFailed'],
    [{ 'x-amz-expected-bucket-owner': '999999999999' }, 403, 'AccessDenied'],
    [{ key: '' }, 400, 'InvalidArgument'],
    [{ key: 'k'.repeat(1025) }, 400, 'KeyTooLongError'],
    [{ key: 'a\0b' }, 400, 'InvalidArgument'],
  ])('PostObject: %j is refused as in headers, and nothing changes', async (fields, status, code) => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'key', { key: owner, body: 'before' })
    const answer = await bench.unchanged(bucket, () => post({ bucket, fields }))
    expect([answer.status, answer.code]).toEqual([status, code])
  })

  it('PostObject: a bucket that is not there, and one of another account', async () => {
    expect(refusal(await post({ bucket: 'no-such-bucket' }))).toEqual(refused.noSuchBucket)
    const stranger = accessKey('stranger', null, '222222222222')
    const bucket = await bench.bucket('enabled', { key: owner })
    bench.server().writeAccessKeys(JSON.stringify([owner, writer, stranger]))
    expect(refusal(await bench.unchanged(bucket, () => post({ bucket, key: stranger })))).toEqual(
      refused.forbidden,
    )
  })

  it('PostObject: a tag needs its own permission', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const tagging = '<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>'
    expect((await post({ bucket, key: writer })).status).toBe(204)
    const answer = await bench.unchanged(bucket, () => post({ bucket, key: writer, fields: { tagging } }))
    expect(refusal(answer)).toEqual(refused.forbidden)
  })
})
