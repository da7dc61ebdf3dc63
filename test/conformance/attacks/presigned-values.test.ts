/** What a presigned query carries becomes headers: text that no header can carry must not be stored. */
import { describe, expect, test } from 'vitest'
import { conformance, md5 } from '../../support/conformance.ts'

const { send, bucket, put, server } = conformance()

function presigned(name: string, query: Readonly<Record<string, string>>) {
  const headers = { 'content-md5': md5('bytes') }
  return send({ method: 'PUT', path: `/${name}/key`, query, sign: 'presigned', body: 'bytes', headers })
}

describe('x-amz-* in a presigned query', () => {
  test.each([
    ['a line break', { 'x-amz-meta-note': 'a\r\nset-cookie: b' }],
    ['a control character', { 'x-amz-meta-note': 'a\u0001b' }],
    ['a name that is none', { 'x-amz-meta-no te': 'a' }],
    ['a name with a line break', { 'x-amz-meta-a\r\nset-cookie': 'a' }],
  ])('PutObject: %s, then 400 and nothing is stored', async (_what, query) => {
    const name = await bucket('enabled')
    const put = await presigned(name, query)
    expect([put.status, put.code]).toEqual([400, 'InvalidArgument'])
    expect((await send({ method: 'GET', path: `/${name}/key` })).status).toBe(404)
  })

  test('PutObject: metadata beyond latin1, then it comes back as its UTF-8 bytes', async () => {
    const name = await bucket('enabled')
    expect((await presigned(name, { 'x-amz-meta-note': '中文' })).status).toBe(200)
    const read = await send({ method: 'GET', path: `/${name}/key` })
    const note = Buffer.from(String(read.headers['x-amz-meta-note']), 'latin1').toString('utf8')
    expect([read.status, read.text, note]).toEqual([200, 'bytes', '中文'])
    const ready = await fetch(new URL('/readyz', server().metricsEndpoint))
    expect(ready.status).toBe(200)
  })

  test('CopyObject: a source key beyond latin1, then that key is copied and no other', async () => {
    const name = await bucket('enabled')
    // The low byte of U+4E2D is a hyphen.
    await put(name, '-', { body: 'wrong' })
    await put(name, '中', { body: 'right' })
    const query = { 'x-amz-copy-source': `${name}/中` }
    const target = { method: 'PUT', path: `/${name}/copy`, query, sign: 'presigned' } as const
    expect((await send(target)).status).toBe(200)
    expect((await send({ method: 'GET', path: `/${name}/copy` })).text).toBe('right')
  })
})
