import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { limits } from '../../src/lib/limits.ts'
import { headText, openConnection, type RawConnection } from '../support/raw-http.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
const open: RawConnection[] = []

beforeAll(async () => {
  server = await startTestServer({ domain: 's3.example.com' })
  await server.client.send({ method: 'PUT', path: '/http-tests' })
})
afterAll(async () => {
  for (const connection of open) connection.close()
  await server.stop()
})

async function connection(): Promise<RawConnection> {
  const made = await openConnection(server.endpoint)
  open.push(made)
  return made
}

async function keys(): Promise<string> {
  return (await server.client.send({ method: 'GET', path: '/http-tests', query: { versions: '' } })).text
}

describe('answers', () => {
  test('Answer: any of them, request ids, the date of the server and no other Date', async () => {
    for (const sign of ['header', 'none'] as const) {
      const answer = await server.client.send({
        method: 'GET',
        path: '/http-tests',
        query: { 'list-type': '2' },
        sign,
      })
      expect(answer.headers['x-amz-request-id']).toMatch(/^[0-9A-F]{16}$/)
      expect(answer.headers['x-amz-id-2']).toMatch(/^[A-Za-z0-9+/]{32}$/)
      expect(Math.abs(Date.parse(answer.headers.date ?? '') - server.nowMs())).toBeLessThan(30_000)
    }
  })

  test('Answer: an error, its document names the request and the resource', async () => {
    const answer = await server.client.send({ method: 'GET', path: '/http-tests/no key' })
    expect([answer.status, answer.code]).toEqual([404, 'NoSuchKey'])
    expect(answer.element('Resource')).toBe('/http-tests/no key')
    expect(answer.element('RequestId')).toBe(answer.headers['x-amz-request-id'])
    expect(answer.element('HostId')).toBe(answer.headers['x-amz-id-2'])
    expect(answer.headers['content-type']).toBe('application/xml')
  })

  test('Answer: HEAD, never a body', async () => {
    const made = await connection()
    const wire = server.client.wire({ method: 'HEAD', path: '/http-tests/none' })
    made.write(headText(wire, { connection: 'close' }))
    const text = await made.ended()
    expect(text).toMatch(/^HTTP\/1\.1 404 /)
    expect(text.endsWith('\r\n\r\n')).toBe(true)
    expect(text).toMatch(/x-amz-request-id: [0-9A-F]{16}/)
  })

  test('Answer: a bucket that does not exist, NoSuchBucket and AccessDenied for the anonymous', async () => {
    const known = await server.client.send({ method: 'GET', path: '/absent-bucket' })
    expect([known.status, known.code, known.element('BucketName')]).toEqual([
      404,
      'NoSuchBucket',
      'absent-bucket',
    ])
    const anonymous = await server.client.send({ method: 'GET', path: '/absent-bucket', sign: 'none' })
    expect([anonymous.status, anonymous.code]).toEqual([403, 'AccessDenied'])
  })

  test('Answer: an operation that is not there, NotImplemented by name after authentication', async () => {
    const request = { method: 'GET', path: '/http-tests', query: { website: '' } }
    const answer = await server.client.send(request)
    expect([answer.status, answer.element('Message')]).toEqual([
      501,
      'GetBucketWebsite is not implemented by this server.',
    ])
    expect((await server.client.send({ ...request, sign: 'none' })).code).toBe('AccessDenied')
  })

  test('Answer: virtual-host style, the same bucket', async () => {
    const host = 'http-tests.s3.example.com'
    const put = await server.client.send({ method: 'PUT', path: '/virtual key', body: 'v', host })
    expect(put.status).toBe(200)
    const get = await server.client.send({ method: 'GET', path: '/http-tests/virtual key' })
    expect(get.text).toBe('v')
    const denied = await server.client.send({
      method: 'GET',
      path: '/virtual key',
      host,
      mutate: (wire) => ({ ...wire, headers: { ...wire.headers, host: 'other.s3.example.com' } }),
    })
    expect(denied.code).toBe('SignatureDoesNotMatch')
  })

  test('Answer: an absolute-form target, as its path', async () => {
    const made = await connection()
    const wire = server.client.wire({ method: 'GET', path: '/http-tests', query: { location: '' } })
    made.write(headText({ ...wire, target: `${server.endpoint}${wire.target}` }, { connection: 'close' }))
    expect(await made.ended()).toMatch(/^HTTP\/1\.1 200 /)
  })
})

describe('bodies', () => {
  const put = { method: 'PUT', path: '/http-tests/upload', sign: 'unsigned-payload', body: 'hello' } as const

  test('100-continue: an upload that may be, invited and stored', async () => {
    const made = await connection()
    const wire = server.client.wire(put)
    made.write(headText(wire, { expect: '100-continue' }))
    await made.until(/HTTP\/1\.1 100 Continue\r\n\r\n/)
    made.write(wire.body)
    expect(await made.until(/\r\n\r\n.*\r\n\r\n/s)).toMatch(/HTTP\/1\.1 200 /)
    expect((await server.client.send({ method: 'GET', path: '/http-tests/upload' })).text).toBe('hello')
    made.close()
  })

  const refusals: Readonly<Record<string, () => ReturnType<typeof server.client.wire>>> = {
    'a wrong signature': () =>
      server.client.wire({ ...put, key: { ...server.credentials, secretAccessKey: 'wrong-secret' } }),
    'no signature': () => server.client.wire({ ...put, sign: 'none' }),
    'a bucket that does not exist': () => server.client.wire({ ...put, path: '/absent-bucket/upload' }),
    'lock headers on a bucket without lock': () =>
      server.client.wire({
        ...put,
        path: '/http-tests/refused',
        headers: { 'x-amz-object-lock-legal-hold': 'ON' },
      }),
  }
  for (const [name, wireOf] of Object.entries(refusals)) {
    test(`100-continue: ${name}, refused without an invitation and the connection ends`, async () => {
      const made = await connection()
      made.write(headText(wireOf(), { expect: '100-continue' }))
      const text = await made.ended()
      expect(text).toMatch(/^HTTP\/1\.1 [34]\d\d /)
      expect(text).toMatch(/connection: close/i)
      expect(text).not.toContain('100 Continue')
    })
  }

  test('Upload: refused before its GiBs are sent, answered and the connection ended', async () => {
    const made = await connection()
    const wire = server.client.wire({
      ...put,
      key: { ...server.credentials, secretAccessKey: 'wrong-secret' },
    })
    made.write(headText(wire, { 'content-length': String(4 * 1024 ** 3) }))
    const block = Buffer.alloc(256 * 1024)
    const sent = setInterval(() => made.write(block), 1)
    try {
      const text = await made.ended()
      expect(text).toMatch(/^HTTP\/1\.1 403 /)
      expect(text).toContain('SignatureDoesNotMatch')
      expect(text).toMatch(/connection: close/i)
    } finally {
      clearInterval(sent)
    }
  })

  test('Upload: refused with a small body, the connection serves the next request', async () => {
    const made = await connection()
    const wire = server.client.wire({ ...put, path: '/absent-bucket/upload' })
    made.write(headText(wire))
    made.write(wire.body)
    await made.until(/<\/Error>/)
    made.write(headText(server.client.wire({ method: 'GET', path: '/http-tests', query: { location: '' } })))
    expect(await made.until(/LocationConstraint/)).toMatch(/HTTP\/1\.1 404 .*HTTP\/1\.1 200 /s)
    made.close()
  })

  test('Upload: broken off by the client, nothing is there', async () => {
    const before = await keys()
    for (const sign of ['header', 'chunked'] as const) {
      const made = await connection()
      const wire = server.client.wire({ ...put, path: '/http-tests/broken', body: 'x'.repeat(300_000), sign })
      made.write(headText(wire))
      await new Promise((resolve) => made.socket.write(wire.body.subarray(0, 200_000), resolve))
      made.close()
      await made.ended()
    }
    expect(await keys()).toBe(before)
  })

  test('Upload: without a length, MissingContentLength', async () => {
    const made = await connection()
    const wire = server.client.wire({ ...put, body: '', method: 'PUT' })
    const { 'content-length': _length, ...headers } = wire.headers
    made.write(headText({ ...wire, headers }, { 'transfer-encoding': 'chunked', connection: 'close' }))
    made.write('5\r\nhello\r\n0\r\n\r\n')
    const text = await made.ended()
    expect(text).toMatch(/^HTTP\/1\.1 411 /)
    expect(text).toContain('MissingContentLength')
  })
})

describe('broken requests', () => {
  const refused: Readonly<Record<string, readonly [bytes: string, status: number, code: string]>> = {
    'no HTTP': ['hello\r\n\r\n', 400, 'BadRequest'],
    'two lengths': [
      'PUT /b/k HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
      400,
      'BadRequest',
    ],
    'length and chunks': [
      'PUT /b/k HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'BadRequest',
    ],
    'an unknown transfer coding': [
      'PUT /b/k HTTP/1.1\r\nhost: h\r\ntransfer-encoding: gzip\r\n\r\n',
      400,
      'BadRequest',
    ],
    'a space in a header name': ['GET / HTTP/1.1\r\nhost : h\r\n\r\n', 400, 'BadRequest'],
    'a folded header': ['GET / HTTP/1.1\r\nhost: h\r\nx-amz-meta-a: 1\r\n 2\r\n\r\n', 400, 'BadRequest'],
    'a negative length': ['PUT /b/k HTTP/1.1\r\nhost: h\r\ncontent-length: -1\r\n\r\n', 400, 'BadRequest'],
    'an unknown method': ['BREW /b HTTP/1.1\r\nhost: h\r\n\r\n', 400, 'BadRequest'],
    'headers beyond the limit': [
      `GET / HTTP/1.1\r\nhost: h\r\nx-amz-meta-a: ${'a'.repeat(limits.headerBytesMax)}\r\n\r\n`,
      400,
      'RequestHeaderSectionTooLarge',
    ],
    'no host': ['GET / HTTP/1.1\r\nconnection: close\r\n\r\n', 400, 'InvalidRequest'],
    'an asterisk': ['OPTIONS * HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n', 400, 'InvalidURI'],
    'broken percent-encoding': [
      'GET /b/%zz HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n',
      400,
      'InvalidURI',
    ],
    'a method that S3 has not': [
      'PATCH /bucket HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n',
      405,
      'MethodNotAllowed',
    ],
    'two authorizations': [
      'GET / HTTP/1.1\r\nhost: h\r\nauthorization: a\r\nauthorization: b\r\nconnection: close\r\n\r\n',
      400,
      'InvalidArgument',
    ],
    'another expectation': [
      'GET / HTTP/1.1\r\nhost: h\r\nexpect: tea\r\nconnection: close\r\n\r\n',
      403,
      'AccessDenied',
    ],
    'an upgrade': [
      'GET / HTTP/1.1\r\nhost: h\r\nupgrade: h2c\r\nconnection: upgrade, close\r\n\r\n',
      403,
      'AccessDenied',
    ],
  }
  for (const [name, [bytes, status, code]] of Object.entries(refused)) {
    test(`HTTP: ${name}, ${status} ${code} with a request id and the server lives`, async () => {
      const made = await connection()
      made.write(bytes)
      const text = await made.ended()
      expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
      expect(text).toContain(`<Code>${code}</Code>`)
      expect(text).toMatch(/x-amz-request-id: [0-9A-F]{16}/)
      expect((await server.client.send({ method: 'GET', path: '/' })).status).toBe(200)
    })
  }

  test('HTTP: a CONNECT, the connection ends and the server lives', async () => {
    const made = await connection()
    made.write('CONNECT h:1 HTTP/1.1\r\nhost: h\r\n\r\n')
    await made.ended()
    expect((await server.client.send({ method: 'GET', path: '/' })).status).toBe(200)
  })
})
