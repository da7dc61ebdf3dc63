import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { epochMs } from '../../../src/lib/units.ts'
import { accessKeys, rootKey } from '../../../src/s3/auth/access-keys.ts'
import { authenticate } from '../../../src/s3/auth/authenticate.ts'
import { isFramed, openPayload } from '../../../src/s3/auth/payload.ts'
import { presignedPayloadMode } from '../../../src/s3/auth/payload-mode.ts'
import { route } from '../../../src/s3/route.ts'
import { S3Error } from '../../../src/s3/s3-error.ts'
import { signingKeys } from '../../../src/sigv4/keys.ts'
import { createS3Client, type SendOptions, type Wire } from '../../support/s3-client.ts'

const nowMs = Date.UTC(2026, 10, 22)
const root = { accessKeyId: 'ROOTEXAMPLE', secretAccessKey: 'root-secret' }
const client = createS3Client({ endpoint: 'http://h', credentials: root, nowMs: () => nowMs })
const settings = {
  accessKeys: accessKeys([rootKey(root.accessKeyId, root.secretAccessKey)], {
    file: () => new Map(),
    stored: async () => null,
  }),
  expected: { region: 'us-east-1', service: 's3' },
  signingKeys: signingKeys(8),
}

type Taken = {
  readonly bytes: Buffer
  readonly code: string
  readonly trailers: Readonly<Record<string, string>>
}

async function* cut(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let offset = 0
  for (let index = 0; offset < bytes.length; index += 1) {
    const size = sizes[index % sizes.length] ?? bytes.length
    yield bytes.subarray(offset, offset + size)
    offset += size
  }
}

async function bodyOf({ method, target, headers }: Wire, source: AsyncIterable<Uint8Array>) {
  const head = route({ method, target, rawHeaders: Object.entries(headers).flat() }, null)
  const { payload } = await authenticate(head, settings, epochMs(nowMs))
  return openPayload(source, payload, head.headers)
}

/** What leaves the decoder, up to its error. */
async function take(wire: Wire, sizes: readonly number[] = [1 << 30]): Promise<Taken> {
  const pieces: Uint8Array[] = []
  let trailers: Readonly<Record<string, string>> = {}
  let code = 'none'
  try {
    const body = await bodyOf(wire, cut(wire.body, sizes))
    for await (const piece of body.stream()) pieces.push(Buffer.from(piece))
    trailers = { ...body.trailers() }
  } catch (error) {
    if (!(error instanceof S3Error)) throw error
    code = error.code
  }
  return { bytes: Buffer.concat(pieces), code, trailers }
}

const data = Buffer.alloc(200_000, 'holdfast ')
const crc = { 'x-amz-checksum-crc32': 'AAAAAA==' }

function put(options: Partial<SendOptions>): Wire {
  return client.wire({ method: 'PUT', path: '/bucket/key', body: data, ...options })
}

/** The same request with another body on the wire. */
function withBody(wire: Wire, change: (text: string) => string): Wire {
  return { ...wire, body: Buffer.from(change(wire.body.toString('latin1')), 'latin1') }
}

const modes = ['header', 'unsigned-payload', 'chunked', 'chunked-trailer', 'unsigned-trailer'] as const
const trailersOf = (sign: SendOptions['sign']) =>
  sign?.endsWith('trailer') === true ? { trailers: crc } : {}

describe('payload', () => {
  for (const sign of modes) {
    test(`Payload: ${sign}, the bytes in whatever pieces they arrive`, async () => {
      const small = put({ sign, body: data.subarray(0, 300), chunkBytes: 100, ...trailersOf(sign) })
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 }),
          async (sizes) => {
            const taken = await take(small, sizes)
            expect(taken.code).toBe('none')
            expect(taken.bytes.equals(data.subarray(0, 300))).toBe(true)
            expect(taken.trailers).toEqual(sign.endsWith('trailer') ? crc : {})
          },
        ),
        { numRuns: 50 },
      )
      expect((await take(put({ sign, ...trailersOf(sign) }), [65_536])).bytes.equals(data)).toBe(true)
    })

    test(`Payload: ${sign} of no bytes, no bytes`, async () => {
      const taken = await take(put({ sign, body: '', ...trailersOf(sign) }))
      expect([taken.code, taken.bytes.length]).toEqual(['none', 0])
    })
  }

  test('Payload: other bytes than the signed hash, XAmzContentSHA256Mismatch', async () => {
    const wire = put({ body: 'abc' })
    const taken = await take({ ...wire, body: Buffer.from('abd') })
    expect(taken.code).toBe('XAmzContentSHA256Mismatch')
    expect((await take({ ...wire, body: Buffer.from('') })).code).toBe('XAmzContentSHA256Mismatch')
  })
})

// B-65: frames are never data, last chunk and decoded length are checked.
describe('chunked', () => {
  const signed = put({ sign: 'chunked', body: data.subarray(0, 250), chunkBytes: 100 })

  test('B-65 Payload: one changed byte in the second chunk, an error behind it and nothing of the third', async () => {
    const at = signed.body.indexOf('64;', signed.body.indexOf('64;') + 1) + 'NN;chunk-signature='.length + 66
    const body = Buffer.from(signed.body)
    body[at + 5] = (body[at + 5] ?? 0) ^ 1
    const taken = await take({ ...signed, body })
    expect([taken.code, taken.bytes.length]).toEqual(['SignatureDoesNotMatch', 200])
  })

  test('Payload: chunked, at most one piece of the wire is held, however large the chunk', async () => {
    const wire = put({ sign: 'chunked', chunkBytes: data.length })
    const pieceBytes = 1000
    let takenBytes = 0
    async function* source() {
      for await (const piece of cut(wire.body, [pieceBytes])) {
        takenBytes += piece.length
        yield piece
      }
    }
    let leftBytes = 0
    let heldBytes = 0
    for await (const piece of (await bodyOf(wire, source())).stream()) {
      heldBytes = Math.max(heldBytes, takenBytes - leftBytes)
      leftBytes += piece.length
    }
    expect(leftBytes).toBe(data.length)
    // Frames are taken and never leave.
    expect(heldBytes).toBeLessThanOrEqual(pieceBytes + wire.body.length - data.length)
  })

  test('B-65 Payload: chunks in another order, SignatureDoesNotMatch', async () => {
    const text = signed.body.toString('latin1')
    const frame = /64;chunk-signature=\w+\r\n[^\r]{100}\r\n/g
    const [first = '', second = ''] = text.match(frame) ?? []
    const taken = await take(withBody(signed, (whole) => whole.replace(first + second, second + first)))
    expect([taken.code, taken.bytes.length]).toEqual(['SignatureDoesNotMatch', 100])
  })

  test('B-65 Payload: the last chunk with another signature, SignatureDoesNotMatch', async () => {
    const change = (text: string) =>
      text.replace(/\r\n0;chunk-signature=./, (end) => end.slice(0, -1) + (end.endsWith('0') ? '1' : '0'))
    expect((await take(withBody(signed, change))).code).toBe('SignatureDoesNotMatch')
  })

  test('B-65 Payload: cut off before the last chunk, IncompleteBody', async () => {
    const change = (text: string) => text.slice(0, text.lastIndexOf('\r\n0;') + 2)
    expect((await take(withBody(signed, change))).code).toBe('IncompleteBody')
  })

  test('B-65 Payload: cut off anywhere, an error', async () => {
    for (let length = 0; length < signed.body.length; length += 1) {
      expect((await take({ ...signed, body: signed.body.subarray(0, length) })).code).not.toBe('none')
    }
  })

  for (const [name, length] of [
    ['less', '249'],
    ['more', '251'],
  ] as const) {
    test(`B-65 Payload: ${name} declared than sent, IncompleteBody`, async () => {
      const headers = { 'x-amz-decoded-content-length': length }
      const wire = put({ sign: 'chunked', body: data.subarray(0, 250), chunkBytes: 100, headers })
      const taken = await take(wire)
      expect(taken.code).toBe('IncompleteBody')
      // A chunk that goes beyond the declared length does not leave.
      expect(taken.bytes.length).toBeLessThanOrEqual(Number(length))
    })
  }

  test('Payload: bytes after the end, InvalidRequest', async () => {
    expect((await take(withBody(signed, (text) => `${text}x`))).code).toBe('InvalidRequest')
    expect((await take(withBody(signed, (text) => `${text.slice(0, -2)}x:y\r\n\r\n`))).code).not.toBe('none')
  })

  const broken: Readonly<Record<string, (text: string) => string>> = {
    'no signature in a frame': (text) => text.replace(/;chunk-signature=\w+/, ''),
    'another extension': (text) => text.replace('chunk-signature', 'chunk-signatur'),
    'an upper-case signature': (text) => text.replace(/signature=\w+/, (found) => found.toUpperCase()),
    'a size that is no number': (text) => `x${text}`,
    'a negative size': (text) => `-${text}`,
    'an empty frame line': (text) => `\r\n${text}`,
    'a bare line feed': (text) => text.replace('\r\n', '\n'),
    'a carriage return in the line': (text) => `\r${text}`,
    'no CRLF after the data': (text) => text.replace(/\r\n64;/, '64;'),
    'a frame line without end': () => 'a'.repeat(limits.chunkHeaderBytesMax + 2),
    'plain data': () => data.toString('latin1', 0, 250),
  }
  for (const [name, change] of Object.entries(broken)) {
    test(`Payload: ${name}, refused before any of its bytes`, async () => {
      const taken = await take(withBody(signed, change))
      expect(['InvalidRequest', 'SignatureDoesNotMatch', 'IncompleteBody']).toContain(taken.code)
      expect(taken.bytes.length).toBeLessThanOrEqual(100)
    })
  }

  test('Payload: a signed chunk beyond the limit, InvalidChunkSizeError', async () => {
    const headers = { 'x-amz-decoded-content-length': String(limits.chunkBytesMax + 1) }
    const wire = put({ sign: 'chunked', body: 'x', headers })
    const size = (limits.chunkBytesMax + 1).toString(16)
    expect((await take(withBody(wire, (text) => text.replace(/^1;/, `${size};`)))).code).toBe(
      'InvalidChunkSizeError',
    )
  })

  test('Payload: streaming without x-amz-decoded-content-length, MissingContentLength', async () => {
    for (const sign of ['chunked', 'unsigned-trailer'] as const) {
      const wire = put({ sign, ...trailersOf(sign) })
      const { 'x-amz-decoded-content-length': _removed, ...headers } = wire.headers
      const authorization = (headers['authorization'] ?? '').replace('x-amz-decoded-content-length;', '')
      expect((await take({ ...wire, headers: { ...headers, authorization } })).code).toBe(
        'SignatureDoesNotMatch',
      )
      expect(codeOfOpen({})).toBe('MissingContentLength')
    }
  })

  test('Payload: a length that is no number, InvalidArgument', () => {
    for (const length of ['', '-1', '1e3', '0x10', '1 1']) {
      expect(codeOfOpen({ 'x-amz-decoded-content-length': length })).toBe('InvalidArgument')
    }
  })
})

function codeOfOpen(headers: Readonly<Record<string, string>>): string {
  try {
    openPayload(cut(Buffer.alloc(0), [1]), { kind: 'unsignedChunks' }, headers)
  } catch (error) {
    if (error instanceof S3Error) return error.code
    throw error
  }
  return 'none'
}

describe('trailers', () => {
  for (const sign of ['chunked-trailer', 'unsigned-trailer'] as const) {
    const wire = put({ sign, body: 'abc', trailers: crc })

    const cases: Readonly<Record<string, readonly [change: (text: string) => string, code: string]>> = {
      'an announced trailer that does not come': [
        (text) => text.replace(/x-amz-checksum-crc32:[^\r]*\r\n/, ''),
        sign === 'unsigned-trailer' ? 'MalformedTrailerError' : 'SignatureDoesNotMatch',
      ],
      'a trailer twice': [
        (text) => text.replace(/x-amz-checksum-crc32:[^\r]*\r\n/, (line) => line + line),
        sign === 'unsigned-trailer' ? 'MalformedTrailerError' : 'SignatureDoesNotMatch',
      ],
      'a trailer without a colon': [(text) => text.replace('crc32:', 'crc32'), 'MalformedTrailerError'],
      'a line without CR': [(text) => text.replace('==\r\n', '==\n'), 'MalformedTrailerError'],
      'no empty line at the end': [(text) => text.slice(0, -2), 'IncompleteBody'],
      'bytes after the end': [(text) => `${text}\r\n`, 'InvalidRequest'],
      'more trailers than the limit': [
        (text) => text.replace('x-amz-checksum-crc32', `x-${'a'.repeat(limits.trailerBytesMax)}`),
        'MalformedTrailerError',
      ],
    }
    for (const [name, [change, code]] of Object.entries(cases)) {
      test(`Payload: ${sign} with ${name}, ${code}`, async () => {
        expect((await take(withBody(wire, change))).code).toBe(code)
      })
    }
  }

  test('Payload: a trailer that was not announced, MalformedTrailerError', async () => {
    for (const sign of ['chunked-trailer', 'unsigned-trailer'] as const) {
      const wire = put({
        sign,
        trailers: { ...crc, 'x-amz-meta-a': '1' },
        headers: { 'x-amz-trailer': 'x-amz-checksum-crc32' },
      })
      expect((await take(wire)).code).toBe('MalformedTrailerError')
    }
  })

  test('B-54 Payload: a signed trailer that was changed, SignatureDoesNotMatch', async () => {
    const wire = put({ sign: 'chunked-trailer', body: 'abc', trailers: crc })
    expect((await take(withBody(wire, (text) => text.replace('AAAAAA==', 'AAAAAQ==')))).code).toBe(
      'SignatureDoesNotMatch',
    )
  })

  test('B-54 Payload: a signed trailer without its signature, MalformedTrailerError', async () => {
    const wire = put({ sign: 'chunked-trailer', body: 'abc', trailers: crc })
    const change = (text: string) => text.replace(/x-amz-trailer-signature:\w+\r\n/, '')
    expect((await take(withBody(wire, change))).code).toBe('MalformedTrailerError')
    const none = put({ sign: 'chunked-trailer', body: 'abc' })
    expect((await take(withBody(none, change))).code).toBe('MalformedTrailerError')
    expect((await take(none)).code).toBe('none')
  })

  test('B-54 Payload: unsigned chunks with a forged request signature, nothing is read', async () => {
    const wire = put({ sign: 'unsigned-trailer', trailers: crc, key: { ...root, secretAccessKey: 'wrong' } })
    const taken = await take(wire)
    expect([taken.code, taken.bytes.length]).toEqual(['SignatureDoesNotMatch', 0])
  })

  test('Payload: trailers announced where the mode has none, InvalidRequest', async () => {
    const headers = { 'x-amz-trailer': 'x-amz-checksum-crc32' }
    for (const sign of ['header', 'unsigned-payload', 'chunked'] as const) {
      expect((await take(put({ sign, headers }))).code).toBe('InvalidRequest')
    }
  })

  for (const names of ['a,a', 'a b', '', 'a,,b']) {
    test(`Payload: x-amz-trailer "${names}", InvalidRequest`, async () => {
      expect((await take(put({ sign: 'unsigned-trailer', headers: { 'x-amz-trailer': names } }))).code).toBe(
        'InvalidRequest',
      )
    })
  }

  test('Payload: trailers before the end of the payload, an assertion', () => {
    const headers = { 'x-amz-decoded-content-length': '0' }
    const body = openPayload(cut(Buffer.alloc(0), [1]), { kind: 'unsignedChunks' }, headers)
    expect(() => body.trailers()).toThrow('trailers are read after the payload')
    body.stream()
    expect(() => body.stream()).toThrow('a payload is read once')
  })

  test('Payload: a mode that does not exist, an assertion before a byte is read', () => {
    const mode = { kind: 'other' as never }
    expect(() => openPayload(cut(Buffer.alloc(1), [1]), mode, {})).toThrow('every payload mode is verified')
  })

  test('Payload: the modes of a presigned URL, a hash or nothing signed', () => {
    const hex = createHash('sha256').digest('hex')
    expect(presignedPayloadMode(hex)).toEqual({ kind: 'sha256', hex })
    expect(presignedPayloadMode('UNSIGNED-PAYLOAD')).toEqual({ kind: 'unsigned' })
    expect(() => presignedPayloadMode('STREAMING-UNSIGNED-PAYLOAD-TRAILER')).toThrow('InvalidArgument')
  })

  test('Payload: which modes are frames', () => {
    const hex = createHash('sha256').digest('hex')
    expect([
      isFramed({ kind: 'unsigned' }),
      isFramed({ kind: 'sha256', hex }),
      isFramed({ kind: 'unsignedChunks' }),
    ]).toEqual([false, false, true])
  })
})
