/** PostObject: which requests a form can prove, which bytes are a form, and what its signer needs. */
import { describe, expect, it } from 'vitest'
import { accessKey, conformance, md5, refusal, refused } from '../support/conformance.ts'
import { encodeForm, formBoundary, formParts, formRequest, type PostForm } from '../support/form.ts'
import { openConnection } from '../support/raw-http.ts'
import type { SendOptions } from '../support/s3-client.ts'

const owner = accessKey('owner', null)
const writer = accessKey('writer', ['s3:PutObject'])
const retainer = accessKey('retainer', ['s3:PutObject', 's3:PutObjectRetention'])
const holder = accessKey('holder', ['s3:PutObject', 's3:PutObjectLegalHold'])
const lockOnly = accessKey('lock-only', ['s3:PutObjectRetention', 's3:PutObjectLegalHold'])
const bench = conformance({ accessKeys: [owner, writer, retainer, holder, lockOnly] })

type Change = Partial<PostForm> & { readonly bucket: string }

function form({ fields, ...change }: Change): PostForm {
  return {
    key: owner,
    nowMs: bench.server().nowMs(),
    fields: { key: 'key', ...fields },
    file: 'bytes',
    ...change,
  }
}

function post(change: Change, more: Partial<SendOptions> = {}) {
  return bench.send({ ...formRequest(form(change)), ...more })
}

/** Sends it and asserts that it changed nothing. */
function refusedPost(change: Change, more: Partial<SendOptions> = {}) {
  return bench.unchanged(change.bucket, () => post(change, more))
}

describe('PostObject: what else a request may carry', () => {
  it('B-58 PostObject: a form proves no other operation', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const versionId = await bench.put(bucket, 'key', { key: owner })
    const paths: readonly Partial<SendOptions>[] = [
      { query: { delete: '' } },
      { query: { uploads: '' } },
      { query: { versionId } },
      { query: { 'X-Amz-Expires': '900' } },
      { query: { 'x-id': 'PostObject' } },
      { path: `/${bucket}/key` },
      { path: `/${bucket}/key`, query: { uploads: '' } },
      { path: `/${bucket}/key`, query: { uploadId: 'x' } },
      { path: '/' },
      { method: 'PUT' },
      { method: 'PUT', path: `/${bucket}/key` },
      { method: 'DELETE', path: `/${bucket}/key` },
      { method: 'PUT', path: '/another-bucket' },
    ]
    for (const path of paths) {
      const answer = await refusedPost({ bucket }, path)
      expect([path, answer.status]).toEqual([path, path.query?.['X-Amz-Expires'] === undefined ? 403 : 400])
    }
  })

  it.each([
    ['application/x-www-form-urlencoded', 'key=a&file=b'],
    ['text/plain', 'x'],
    ['multipart/mixed', encodeForm([])],
    ['multipart/form-dataX', encodeForm([])],
  ])('PostObject: an unsigned POST of %s stays AccessDenied, a signed one is no form', async (type, body) => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const headers = { 'content-type': `${type}; boundary=${formBoundary}` }
    const request = { method: 'POST', path: `/${bucket}`, body, headers }
    const unsigned = await bench.unchanged(bucket, () => bench.send({ ...request, sign: 'none' }))
    expect(refusal(unsigned)).toEqual(refused.forbidden)
    const signed = await bench.unchanged(bucket, () => bench.send({ ...request, key: owner }))
    expect([...refusal(signed), signed.element('Condition')]).toEqual([
      412,
      'PreconditionFailed',
      'At least one of the pre-conditions you specified did not hold',
      'Bucket POST must be of the enclosure-type multipart/form-data',
    ])
  })

  it('PostObject: a form below a signature in the header or the query is not read', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    for (const sign of ['header', 'presigned'] as const) {
      const answer = await refusedPost({ bucket }, { sign, key: owner })
      expect([sign, answer.status, answer.code]).toEqual([sign, 412, 'PreconditionFailed'])
    }
  })

  it.each([
    'x-amz-object-lock-legal-hold',
    'x-amz-bypass-governance-retention',
    'x-amz-copy-source',
    'x-amz-meta-a',
    'x-amz-request-route',
    'x-amz-security-token',
    'if-none-match',
    'if-match',
  ])('PostObject: the header %s is not signed by anybody and refused', async (name) => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const { headers } = formRequest(form({ bucket }))
    const answer = await refusedPost({ bucket }, { headers: { ...headers, [name]: 'ON' } })
    expect([...refusal(answer), answer.element('HeadersNotSigned')]).toEqual([
      403,
      'AccessDenied',
      'There were headers present in the request which were not signed',
      name,
    ])
  })

  it('PostObject: a form that is cut, too large or malformed stores nothing', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const whole = encodeForm(formParts(form({ bucket, file: 'x'.repeat(100_000) })))
    const bodies: readonly (readonly [Buffer, string])[] = [
      [whole.subarray(0, -4), 'MalformedPOSTRequest'],
      [whole.subarray(0, -1000), 'MalformedPOSTRequest'],
      [Buffer.concat([whole, Buffer.from('x')]), 'MalformedPOSTRequest'],
      [Buffer.from(whole.toString().replace(`\r\n--${formBoundary}--`, '')), 'MalformedPOSTRequest'],
      [encodeForm([{ name: 'x', value: 'v'.repeat(21_000) }]), 'MaxPostPreDataLengthExceeded'],
      [encodeForm([{ name: 'key', value: 'a' }]), 'InvalidArgument'],
      [Buffer.alloc(0), 'MalformedPOSTRequest'],
    ]
    for (const [body, code] of bodies) expect((await refusedPost({ bucket }, { body })).code).toBe(code)
  })

  it('PostObject: a connection that breaks inside the file stores nothing', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const request = formRequest(form({ bucket, file: 'x'.repeat(300_000) }))
    await bench.unchanged(bucket, async () => {
      const connection = await openConnection(bench.server().endpoint)
      const body = Buffer.from(request.body ?? '')
      const head = `POST /${bucket} HTTP/1.1\r\nhost: h\r\ncontent-type: ${request.headers?.['content-type']}\r\n`
      connection.write(`${head}content-length: ${body.length}\r\n\r\n`)
      connection.write(body.subarray(0, 150_000))
      connection.socket.end()
      await connection.ended()
    })
  })

  it('PostObject: a form without a length is MissingContentLength', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const connection = await openConnection(bench.server().endpoint)
    const type = `content-type: multipart/form-data; boundary=${formBoundary}`
    connection.write(
      `POST /${bucket} HTTP/1.1\r\nhost: h\r\n${type}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    )
    expect(await connection.until(/<\/Error>/)).toContain('<Code>MissingContentLength</Code>')
    connection.close()
  })

  it('PostObject: a refused form does not cost its connection', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const answer = await refusedPost({ bucket, key: lockOnly, file: 'x'.repeat(100_000) })
    expect([answer.status, answer.headers.connection]).toEqual([403, 'keep-alive'])
  })
})

describe('PostObject: permissions', () => {
  const retention = () => ({
    'content-md5': md5('bytes'),
    'x-amz-object-lock-mode': 'GOVERNANCE',
    'x-amz-object-lock-retain-until-date': bench.inDays(1),
  })
  const hold = { 'content-md5': md5('bytes'), 'x-amz-object-lock-legal-hold': 'OFF' }

  it('[PostObject.2] B-36 B-60 PostObject: lock fields need the permissions of their own', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const may: readonly (readonly [typeof owner, boolean, boolean, boolean])[] = [
      [owner, true, true, true],
      [writer, true, false, false],
      [retainer, true, true, false],
      [holder, true, false, true],
      [lockOnly, false, false, false],
    ]
    for (const [key, ...allowed] of may) {
      const forms = [{ 'content-md5': md5('bytes') }, retention(), hold]
      for (const [index, fields] of forms.entries()) {
        if (allowed[index]) expect((await post({ bucket, key, fields })).status).toBe(204)
        else expect(refusal(await refusedPost({ bucket, key, fields }))).toEqual(refused.forbidden)
      }
    }
  })
})
