/**
 * The pipeline on a real HTTP server, with operations of the test's own: what no well-behaved store would do.
 */
import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { AssertionError } from '../../../src/lib/assert.ts'
import type { Log } from '../../../src/lib/log.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import { accessKeys, rootKey } from '../../../src/s3/auth/access-keys.ts'
import { defineOperation, type Operation, type S3Response } from '../../../src/s3/operation.ts'
import { createPipeline } from '../../../src/server/pipeline.ts'
import type { RequestRecord } from '../../../src/server/request-record.ts'
import { createHttpServer, type HttpServer } from '../../../src/server/server.ts'
import { signingKeys } from '../../../src/sigv4/keys.ts'
import { BodyCorruptError } from '../../../src/store/bodies/contract.ts'
import { StoreFailedError } from '../../../src/store/kv/contract.ts'
import type { Store } from '../../../src/store/store.ts'
import { headText, openConnection } from '../../support/raw-http.ts'
import { createS3Client, type S3TestClient } from '../../support/s3-client.ts'

const credentials = { accessKeyId: 'ROOTEXAMPLE', secretAccessKey: 'root-secret-for-tests' }

let handle: () => Promise<S3Response>
let parsedDocuments: string[]
let faults: string[]
let logged: string
let isDraining: boolean
let records: RequestRecord[]
let server: HttpServer
let client: S3TestClient
let endpoint: string

const operation: Operation = defineOperation({
  name: 'TestOperation',
  match: { method: 'POST', level: 'service' },
  permission: 's3:ListAllMyBuckets',
  body: { kind: 'document', bytesMax: 64 },
  parse: ({ document }) => {
    parsedDocuments.push(document)
    return null
  },
  handle: () => handle(),
})

function record(fields: Readonly<Record<string, unknown>>, message: string): void {
  logged += `${message} ${JSON.stringify(fields)}\n`
}
const log: Log = { debug: record, info: record, warn: record, error: record }

beforeEach(async () => {
  handle = async () => ({ status: 200, headers: {}, body: 'done' })
  parsedDocuments = []
  faults = []
  logged = ''
  isDraining = false
  records = []
  const pipeline = createPipeline({
    store: {} as object as Store,
    clock: systemClock(),
    log,
    facts: { region: 'us-east-1', publicEndpoint: '', domain: null, defaultProfile: 'aws' },
    authentication: {
      accessKeys: accessKeys([rootKey(credentials.accessKeyId, credentials.secretAccessKey)], {
        file: () => new Map(),
        stored: async () => null,
      }),
      expected: { region: 'us-east-1', service: 's3' },
      signingKeys: signingKeys(4),
    },
    policies: { of: async () => ({ kind: 'none' }) },
    choose: () => operation,
    hostId: 'HOST',
    isDraining: () => isDraining,
    observer: { begin: () => {}, end: (record) => records.push(record) },
    onFault: (consequence, error) =>
      faults.push(`${consequence} ${error instanceof Error ? error.name : ''}`),
  })
  server = createHttpServer({
    http1: (request, response) => void pipeline(request, response),
    http2: null,
    certificate: null,
  })
  const port = await server.listen({ host: '127.0.0.1', port: 0 })
  endpoint = `http://127.0.0.1:${port}`
  client = createS3Client({ endpoint, credentials })
})
afterEach(async () => {
  client.close()
  await server.drain(100)
})

const post = { method: 'POST', path: '/', body: 'document' } as const

describe('consequences', () => {
  test('Pipeline: an assertion that fails, InternalError, told to the supervisor and served on', async () => {
    handle = async () => {
      throw new AssertionError('a secret detail')
    }
    const answer = await client.send(post)
    expect([answer.status, answer.code, answer.text.includes('secret')]).toEqual([
      500,
      'InternalError',
      false,
    ])
    expect(faults).toEqual(['fault AssertionError'])
    handle = async () => ({ status: 200, headers: {}, body: 'done' })
    expect((await client.send(post)).text).toBe('done')
  })

  test('Pipeline: a store that failed, ServiceUnavailable and a restart', async () => {
    handle = async () => {
      throw new StoreFailedError('x')
    }
    expect((await client.send(post)).code).toBe('ServiceUnavailable')
    expect(faults).toEqual(['restart StoreFailedError'])
  })

  test('Pipeline: what a client did wrong, no line in the log and never a secret', async () => {
    await client.send({ ...post, key: { ...credentials, secretAccessKey: 'wrong-secret' } })
    await client.send({ ...post, body: 'x'.repeat(65) })
    expect([logged, faults]).toEqual(['', []])
  })
})

describe('answers', () => {
  test('Pipeline: a body that fails after its first bytes, the connection breaks', async () => {
    const { promise: seen, resolve: sawFirst } = Promise.withResolvers<void>()
    handle = async () => ({
      status: 200,
      headers: { 'content-length': '6' },
      body: (async function* () {
        yield Buffer.from('abc')
        await seen
        throw new BodyCorruptError('damaged')
      })(),
    })
    const connection = await openConnection(endpoint)
    const wire = client.wire(post)
    connection.write(headText(wire))
    connection.write(wire.body)
    await connection.until(/abc/)
    sawFirst()
    const text = await connection.ended()
    expect(text).toMatch(/^HTTP\/1\.1 200 .*\r\n\r\nabc$/s)
    expect(logged).toContain('an answer was broken off')
  })

  for (const declared of ['2', '4']) {
    test(`Pipeline: a body of 3 bytes that was declared as ${declared}, the connection breaks`, async () => {
      handle = async () => ({
        status: 200,
        headers: { 'content-length': declared },
        body: (async function* () {
          yield Buffer.from('abc')
        })(),
      })
      await expect(client.send(post)).rejects.toThrow()
      expect(faults).toEqual(['fault AssertionError'])
    })
  }

  test('Pipeline: a body that nobody reads to its end, its source is closed', async () => {
    let isClosed = false
    handle = async () => ({
      status: 200,
      headers: {},
      body: (async function* () {
        try {
          for (;;) yield Buffer.alloc(65_536)
        } finally {
          isClosed = true
        }
      })(),
    })
    const connection = await openConnection(endpoint)
    const wire = client.wire(post)
    connection.write(headText(wire))
    connection.write(wire.body)
    await connection.until(/\r\n\r\n/)
    connection.close()
    while (!isClosed) await new Promise((resolve) => setTimeout(resolve, 10))
    expect(faults).toEqual([])
  })

  test('Pipeline: while draining, each answer ends its connection', async () => {
    expect((await client.send(post)).headers.connection).toBe('keep-alive')
    isDraining = true
    expect((await client.send(post)).headers.connection).toBe('close')
  })
})

describe('documents', () => {
  test('Pipeline: a document up to its limit, parsed; one byte more, MaxMessageLengthExceeded', async () => {
    expect((await client.send({ ...post, body: 'x'.repeat(64) })).status).toBe(200)
    const long = await client.send({ ...post, body: 'x'.repeat(65) })
    expect([long.status, long.code, long.element('MaxMessageLengthBytes')]).toEqual([
      400,
      'MaxMessageLengthExceeded',
      '64',
    ])
    expect(parsedDocuments).toEqual(['x'.repeat(64)])
  })

  test('Pipeline: a document without a length that goes on too long, MaxMessageLengthExceeded', async () => {
    const wire = client.wire({ ...post, sign: 'unsigned-payload' })
    const { 'content-length': _length, ...headers } = wire.headers
    const connection = await openConnection(endpoint)
    connection.write(headText({ ...wire, headers }, { 'transfer-encoding': 'chunked' }))
    connection.write(`41\r\n${'x'.repeat(65)}\r\n`)
    expect(await connection.ended()).toContain('MaxMessageLengthExceeded')
    expect(parsedDocuments).toEqual([])
  })

  test('Pipeline: a document that is no UTF-8, MalformedXML', async () => {
    expect((await client.send({ ...post, body: Buffer.from([0x3c, 0xff]) })).code).toBe('MalformedXML')
  })

  test('Pipeline: a document whose checksum is wrong, BadDigest unparsed', async () => {
    const headers = { 'x-amz-checksum-crc32': 'AAAAAA==' }
    expect((await client.send({ ...post, headers })).code).toBe('BadDigest')
    expect(parsedDocuments).toEqual([])
  })

  test('Pipeline: a document in signed and unsigned chunks, its decoded bytes', async () => {
    for (const sign of ['chunked', 'chunked-trailer', 'unsigned-trailer'] as const) {
      const trailers = sign === 'chunked' ? {} : { 'x-amz-checksum-sha256': sha256('document') }
      expect((await client.send({ ...post, sign, trailers, chunkBytes: 3 })).status).toBe(200)
    }
    expect(parsedDocuments).toEqual(['document', 'document', 'document'])
  })
})

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}
