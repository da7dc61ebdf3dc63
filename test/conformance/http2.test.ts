import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestAuthority, type TestAuthority } from '../support/certificate.ts'
import { untilNoBodyIsOpen } from '../support/open-bodies.ts'
import { createS3Client, type S3TestClient, type SendOptions, type Wire } from '../support/s3-client.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

let folder: string
let authority: TestAuthority
let server: TestServer
/** Signs for the HTTPS endpoint; `send` goes by HTTP/1.1. */
let client: S3TestClient
let session: ClientHttp2Session

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-http2-'))
  authority = createTestAuthority(folder)
  server = await startTestServer({ certificate: authority.issue('server') })
  const endpoint = server.tlsEndpoint ?? ''
  const { credentials, nowMs } = server
  client = createS3Client({ endpoint, credentials, ca: authority.caPem, nowMs })
  session = connect(endpoint, { ca: authority.caPem })
  const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
  expect((await over(session, { method: 'PUT', path: '/multiplexed', headers })).status).toBe(200)
})
afterAll(async () => {
  session.close()
  client.close()
  await server.stop()
  rmSync(folder, { recursive: true })
})

type Answer = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: Buffer }

/** One stream. */
function exchange(on: ClientHttp2Session, wire: Wire, events: string[] = []): Promise<Answer> {
  const { host, connection: _connection, ...headers } = wire.headers
  const isInvited = headers['expect'] !== undefined
  const endStream = wire.body.length === 0 && !isInvited
  const authority = host === undefined ? {} : { ':authority': host }
  const head = { ':method': wire.method, ':path': wire.target, ...authority, ...headers }
  const stream = on.request(head, { endStream })
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = []
    let answered: IncomingHttpHeaders & { ':status'?: number | undefined } = {}
    stream.on('continue', () => {
      events.push('continue')
      stream.end(wire.body)
    })
    stream.on('response', (received) => {
      answered = received
    })
    stream.on('data', (piece: Buffer) => pieces.push(piece))
    stream.on('error', reject)
    stream.on('end', () => {
      resolve({ status: answered[':status'] ?? 0, headers: answered, body: Buffer.concat(pieces) })
    })
    if (!endStream && !isInvited) stream.end(wire.body)
  })
}

function over(on: ClientHttp2Session, options: SendOptions, events?: string[]): Promise<Answer> {
  return exchange(on, client.wire(options), events)
}

/** A PutObject whose body is still to come. */
function openUpload(on: ClientHttp2Session, path: string, sizeBytes: number): ClientHttp2Stream {
  const wire = client.wire({ method: 'PUT', path, body: '', sign: 'unsigned-payload' })
  const { host, 'content-length': _length, ...headers } = wire.headers
  return on.request({
    ':method': 'PUT',
    ':path': wire.target,
    ':authority': String(host),
    ...headers,
    'content-length': String(sizeBytes),
  })
}

const codeOf = ({ body }: Answer) => /<Code>(.*)<\/Code>/.exec(body.toString())?.[1] ?? null
const md5 = (body: Uint8Array) => createHash('md5').update(body).digest('base64')

describe('S3 over HTTP/2', () => {
  test('GetObject: reset in the middle of the answer, with any code, nothing of it stays', async () => {
    const path = '/multiplexed/reset'
    const body = randomBytes(8 * 1024 ** 2)
    expect((await server.client.send({ method: 'PUT', path, body })).status).toBe(200)
    const wire = client.wire({ method: 'GET', path })
    const { host, connection: _connection, ...headers } = wire.headers
    const head = { ':method': 'GET', ':path': wire.target, ':authority': String(host), ...headers }
    for (const code of [constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_CANCEL]) {
      for (let count = 0; count < 10; count += 1) {
        const stream = session.request(head, { endStream: true })
        await once(stream, 'response')
        stream.pause()
        stream.on('error', () => {})
        stream.close(code)
      }
    }
    await untilNoBodyIsOpen(server)
    expect((await over(session, { method: 'GET', path })).body.equals(body)).toBe(true)
  })

  test('GetObject: large answers at once over HTTP/2, TLS and plain HTTP/1.1, each has its own bytes', async () => {
    const bodies = Array.from({ length: 4 }, () => randomBytes(3 * 1024 ** 2 + 17))
    for (const [index, body] of bodies.entries()) {
      const put = await server.client.send({ method: 'PUT', path: `/multiplexed/large-${index}`, body })
      expect(put.status).toBe(200)
    }
    const get = (index: number) => ({ method: 'GET', path: `/multiplexed/large-${index}` }) as const
    const all = bodies.flatMap((body, index) => [
      { body, wire: 'HTTP/2', answer: () => over(session, get(index)) },
      { body, wire: 'HTTP/1.1 with TLS', answer: () => client.send(get(index)) },
      { body, wire: 'HTTP/1.1', answer: () => server.client.send(get(index)) },
    ])
    // Buffers of the first round are used again by the others.
    for (let round = 0; round < 3; round += 1) {
      const read = await Promise.all(
        all.map(async ({ body, wire, answer }) => [wire, (await answer()).body.equals(body)]),
      )
      expect(read).toEqual(all.map(({ wire }) => [wire, true]))
    }
  })

  test('ALPN: h2 is chosen by a client that offers it, HTTP/1.1 goes on for the others', async () => {
    expect(session.alpnProtocol).toBe('h2')
    expect((await client.send({ method: 'GET', path: '/multiplexed' })).status).toBe(200)
  })

  test('PutObject and GetObject: the same bytes, in every way of signing, inline and large', async () => {
    for (const sign of ['header', 'unsigned-payload', 'chunked', 'unsigned-trailer', 'presigned'] as const) {
      for (const sizeBytes of [0, 1000, 300_000]) {
        const body = Buffer.alloc(sizeBytes, sign)
        const path = `/multiplexed/${sign}-${sizeBytes}`
        const put = await over(session, { method: 'PUT', path, body, sign })
        expect([path, put.status, put.body.toString()]).toEqual([path, 200, ''])
        const got = await over(session, { method: 'GET', path })
        expect(got.body.equals(body)).toBe(true)
        expect(got.headers['content-length']).toBe(String(sizeBytes))
        const plain = await server.client.send({ method: 'GET', path })
        expect([plain.body.equals(body), plain.headers.etag]).toEqual([true, got.headers.etag])
      }
    }
  })

  test('A hundred streams at once: each its own answer', async () => {
    const puts = Array.from({ length: 100 }, (_each, index) =>
      over(session, { method: 'PUT', path: `/multiplexed/at-once-${index}`, body: `body ${index}` }),
    )
    expect(new Set((await Promise.all(puts)).map(({ status }) => status))).toEqual(new Set([200]))
    const gets = Array.from({ length: 100 }, (_each, index) =>
      over(session, { method: 'GET', path: `/multiplexed/at-once-${index}` }),
    )
    const bodies = (await Promise.all(gets)).map(({ body }) => body.toString())
    expect(bodies).toEqual(Array.from({ length: 100 }, (_each, index) => `body ${index}`))
  })

  test('A locked version: refused over HTTP/2 as everywhere, bytes unchanged', async () => {
    const body = Buffer.alloc(100_000, 'locked')
    const put = await over(session, {
      method: 'PUT',
      path: '/multiplexed/locked',
      body,
      headers: {
        'content-md5': md5(body),
        'x-amz-object-lock-mode': 'COMPLIANCE',
        'x-amz-object-lock-retain-until-date': '2140-01-01T00:00:00Z',
      },
    })
    const query = { versionId: String(put.headers['x-amz-version-id']) }
    const bypass = { 'x-amz-bypass-governance-retention': 'true' }
    const refused = await over(session, {
      method: 'DELETE',
      path: '/multiplexed/locked',
      query,
      headers: bypass,
    })
    expect([refused.status, codeOf(refused)]).toEqual([403, 'AccessDenied'])
    const got = await over(session, { method: 'GET', path: '/multiplexed/locked', query })
    expect(got.body.equals(body)).toBe(true)
  })

  test('HEAD and an error: the same headers and document as over HTTP/1.1, no connection header', async () => {
    const head = await over(session, { method: 'HEAD', path: '/multiplexed/header-1000' })
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '1000', 0])
    expect(head.headers.connection).toBeUndefined()
    const missing = await over(session, { method: 'GET', path: '/multiplexed/none' })
    expect([missing.status, codeOf(missing)]).toEqual([404, 'NoSuchKey'])
    expect(missing.headers['x-amz-request-id']).toMatch(/^[0-9A-F]{16}$/)
  })
})

describe('what is refused', () => {
  /** Requests that some worker still answers. */
  async function inFlight(): Promise<number> {
    const metrics = await (await fetch(new URL('/metrics', server.metricsEndpoint))).text()
    const series = [...metrics.matchAll(/^holdfast_s3_requests_in_flight\{.*\} (\d+)$/gm)]
    return series.reduce((sum, [, count]) => sum + Number(count), 0)
  }

  async function versions(): Promise<string> {
    const listed = await client.send({ method: 'GET', path: '/multiplexed', query: { versions: '' } })
    return listed.text
  }

  test('A changed header, a body of another hash, no signature: nothing is stored', async () => {
    const before = await versions()
    const wire = client.wire({ method: 'PUT', path: '/multiplexed/forged', body: 'as signed' })
    const added = { ...wire.headers, 'x-amz-meta-added': 'later' }
    const refusals = [
      await exchange(session, { ...wire, headers: added }),
      await exchange(session, { ...wire, body: Buffer.from('as forged') }),
      await over(session, { method: 'PUT', path: '/multiplexed/forged', body: 'x', sign: 'none' }),
    ]
    expect(refusals.map((answer) => [answer.status, codeOf(answer)])).toEqual([
      [403, 'AccessDenied'],
      [400, 'XAmzContentSHA256Mismatch'],
      [403, 'AccessDenied'],
    ])
    expect(await versions()).toBe(before)
  })

  test('PutObject without a length: 411 as over HTTP/1.1 with chunks', async () => {
    const wire = client.wire({
      method: 'PUT',
      path: '/multiplexed/unsized',
      body: 'x',
      sign: 'unsigned-payload',
    })
    const { 'content-length': _length, ...headers } = wire.headers
    const refused = await exchange(session, { ...wire, headers })
    expect([refused.status, codeOf(refused)]).toEqual([411, 'MissingContentLength'])
  })

  test('A Host header that contradicts :authority: 400, whichever of them was signed', async () => {
    const { target, headers } = client.wire({ method: 'GET', path: '/multiplexed' })
    const { host, ...others } = headers
    const stream = session.request({
      ':path': target,
      ':authority': String(host),
      host: 'other.example',
      ...others,
    })
    const status = await new Promise((resolve) => stream.on('response', (head) => resolve(head[':status'])))
    stream.close()
    expect(status).toBe(400)
  })

  test('Expect: 100-continue: invited only after the signature was verified', async () => {
    const invited: string[] = []
    const request = { method: 'PUT', path: '/multiplexed/invited', body: 'invited' }
    const put = await over(session, { ...request, headers: { expect: '100-continue' } }, invited)
    expect([put.status, invited]).toEqual([200, ['continue']])
    const uninvited: string[] = []
    const forged = client.wire({ ...request, headers: { expect: '100-continue' } })
    const authorization = String(forged.headers['authorization']).replace(/Signature=..../, 'Signature=0000')
    const refused = await exchange(
      session,
      { ...forged, headers: { ...forged.headers, authorization } },
      uninvited,
    )
    expect([refused.status, uninvited]).toEqual([403, []])
  })

  test('A refused upload that goes on sending: its stream is ended, the connection serves on', async () => {
    const stream = openUpload(session, '/no-such-bucket/large', 2 ** 30)
    stream.on('error', () => {})
    const closed = new Promise((resolve) => stream.once('close', () => resolve(stream.rstCode)))
    const block = Buffer.alloc(65_536)
    const send = (): void => {
      while (!stream.destroyed && !stream.writableEnded && stream.write(block)) {}
    }
    stream.on('drain', send)
    send()
    stream.resume()
    const status = await new Promise((resolve) => stream.once('response', (head) => resolve(head[':status'])))
    expect(status).toBe(404)
    expect(await closed).toBe(constants.NGHTTP2_NO_ERROR)
    expect((await over(session, { method: 'GET', path: '/multiplexed' })).status).toBe(200)
  })

  test.each([10, 700_000])(
    'A body that is refused at byte %i, once some of it was read: answered, and its stream ends',
    async (at) => {
      const before = await versions()
      // Node counts what its client never sent of a stream that ended, until its own limit refuses new ones.
      const other = connect(server.tlsEndpoint ?? '', { ca: authority.caPem, maxSessionMemory: 1000 })
      const forged = client.wire({
        method: 'PUT',
        path: '/multiplexed/half-read',
        body: randomBytes(2_500_000),
        sign: 'chunked',
        chunkBytes: 65_536,
      })
      const body = Buffer.from(forged.body)
      body[at] = (body[at] ?? 0) ^ 1
      const { host, connection: _connection, ...headers } = forged.headers
      const target = { ':method': 'PUT', ':path': forged.target, ':authority': String(host) }
      for (let count = 0; count < 4; count += 1) {
        const stream = other.request({ ...target, ...headers })
        stream.on('error', () => {})
        const head = once(stream, 'response')
        const closed = once(stream.resume(), 'close')
        stream.end(body)
        const [[{ ':status': status }]] = await Promise.all([head, closed])
        expect([[400, 403].includes(status), stream.rstCode]).toEqual([true, constants.NGHTTP2_NO_ERROR])
      }
      other.close()
      await expect.poll(inFlight, { timeout: 60_000 }).toBe(0)
      expect(await versions()).toBe(before)
    },
  )

  test.each([0, 1000])(
    'Uploads that are reset before the server reads them, %i bytes sent: nothing is stored',
    async (sentBytes) => {
      const before = await versions()
      const other = connect(server.tlsEndpoint ?? '', { ca: authority.caPem })
      await once(other, 'connect')
      const ended = Array.from({ length: 20 }, (_, number) => {
        const stream = openUpload(other, `/multiplexed/reset-${number}`, 600_000)
        stream.on('error', () => {})
        if (sentBytes > 0) stream.write(Buffer.alloc(sentBytes, 1))
        stream.close(constants.NGHTTP2_CANCEL)
        return once(stream, 'close')
      })
      await Promise.all(ended)
      // On the same connection, after them: the server has met all of it.
      const last = await over(other, { method: 'GET', path: '/multiplexed' })
      other.close()
      await expect.poll(inFlight, { timeout: 60_000 }).toBe(0)
      expect([last.status, await versions()]).toEqual([200, before])
    },
  )

  test('A client that leaves in the middle of its body: nothing is stored', async () => {
    const before = await versions()
    const other = connect(server.tlsEndpoint ?? '', { ca: authority.caPem })
    const stream = openUpload(other, '/multiplexed/cut', 600_000)
    stream.on('error', () => {})
    stream.write(Buffer.alloc(500_000, 1))
    await new Promise((resolve) => setImmediate(resolve))
    const gone = new Promise((resolve) => other.once('close', resolve))
    other.destroy()
    await gone
    // The server has noticed when its next answer comes.
    expect((await over(session, { method: 'GET', path: '/multiplexed' })).status).toBe(200)
    expect(await versions()).toBe(before)
  })
})

test('SIGTERM: the running stream ends, then the connection does, and the server exits cleanly', async () => {
  const other = await startTestServer({ certificate: authority.issue('other') })
  const credentials = {
    endpoint: other.tlsEndpoint ?? '',
    credentials: other.credentials,
    ca: authority.caPem,
  }
  const signer = createS3Client({ ...credentials, nowMs: other.nowMs })
  const held = connect(other.tlsEndpoint ?? '', { ca: authority.caPem })
  expect((await exchange(held, signer.wire({ method: 'PUT', path: '/draining' }))).status).toBe(200)
  const closed = new Promise((resolve) => held.once('close', () => resolve('closed')))
  expect(await other.terminate()).toBe(0)
  expect(await closed).toBe('closed')
  signer.close()
  await other.stop()
})
