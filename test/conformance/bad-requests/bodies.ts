/** Bodies that are cut, stretched or framed wrongly (B-65): what was staged of them is gone. */
import { createHash } from 'node:crypto'
import { limits } from '../../../src/lib/limits.ts'
import { md5 } from '../../support/conformance.ts'
import type { SendOptions, SignMode, Wire } from '../../support/s3-client.ts'
import { type BadRequest, type Outgoing, type Place, withHeader, withoutHeader } from './runner.ts'

const payload = 'x'.repeat(100)
const sha256 = (text: string) => createHash('sha256').update(text).digest('base64')

type Change = Partial<SendOptions>

const upload =
  (sign: SignMode, change: Change = {}) =>
  ({ bucket }: Place): Outgoing => ({
    method: 'PUT',
    path: `/${bucket}/new`,
    body: payload,
    sign,
    chunkBytes: 64,
    ...change,
  })
/** Changes the framed body; the wire's length follows. */
const reframed =
  (change: (body: string) => string) =>
  (wire: Wire): Wire => {
    const body = Buffer.from(change(wire.body.toString('latin1')), 'latin1')
    return { ...wire, body, headers: { ...wire.headers, 'content-length': String(body.length) } }
  }
const signed = (change: (body: string) => string) => upload('chunked', { mutate: reframed(change) })
const unsigned = (change: (body: string) => string, more: Change = {}) =>
  upload('unsigned-trailer', { mutate: reframed(change), ...more })

const malformed = {
  status: 400,
  code: 'InvalidRequest',
  message: 'The aws-chunked encoding of the body is not well-formed.',
}
const forged = {
  status: 403,
  code: 'SignatureDoesNotMatch',
  message: 'The chunk or trailer signature we calculated does not match the signature you provided.',
}
const incomplete = { status: 400, code: 'IncompleteBody' }
const badTrailer = { status: 400, code: 'MalformedTrailerError' }

const signedFrames: readonly BadRequest[] = [
  ...['zz', '-40', '0x40', ' 40', '40 ', '', '4_0', '\uff14', 'ffffffffffffff'].map(
    (size): BadRequest => ({
      name: `signed chunks, the size ${JSON.stringify(size)}`,
      request: signed((body) => body.replace(/^40;/, `${Buffer.from(size).toString('latin1')};`)),
      ...malformed,
    }),
  ),
  {
    name: 'signed chunks, a size without a signature',
    request: signed((body) => body.replace(/^40;[^\r]*/, '40')),
    ...malformed,
  },
  {
    name: 'signed chunks, another extension',
    request: signed((body) => body.replace('chunk-signature', 'chunk-checksum')),
    ...malformed,
  },
  {
    name: 'signed chunks, lines that end in LF',
    request: signed((body) => body.replace('\r\n', '\n')),
    ...malformed,
  },
  {
    name: 'signed chunks, a line that does not end',
    request: signed((body) => `${'4'.repeat(2000)}${body}`),
    ...malformed,
  },
  {
    name: 'signed chunks, a chunk longer than its size',
    request: signed((body) => body.replace(/^40;/, '3f;')),
    ...forged,
  },
  { name: 'signed chunks, another byte', request: signed((body) => body.replace('xxx', 'xyx')), ...forged },
  {
    name: 'signed chunks, the signature of another',
    request: signed((body) => body.replace(/=[0-9a-f]{64}/, `=${'0'.repeat(64)}`)),
    ...forged,
  },
  {
    name: 'signed chunks, in another order',
    request: signed((body) => {
      const [first, firstBytes, second, secondBytes, ...rest] = body.split('\r\n')
      return [second, secondBytes, first, firstBytes, ...rest].join('\r\n')
    }),
    ...forged,
  },
  {
    name: 'signed chunks, the first twice',
    request: signed((body) => body.replace(/^(40;[^\r]*\r\nx{64}\r\n)/, '$1$1')),
    ...incomplete,
  },
  {
    name: 'signed chunks, another signature at the end',
    request: signed((body) => body.replace(/(\r\n0;chunk-signature=)[0-9a-f]{64}/, `$1${'0'.repeat(64)}`)),
    ...forged,
  },
  {
    name: 'signed chunks, no last one',
    request: signed((body) => body.replace(/0;chunk-signature=[^\r]*\r\n\r\n$/, '')),
    ...incomplete,
  },
  { name: 'signed chunks, the end cut off', request: signed((body) => body.slice(0, -2)), ...incomplete },
  { name: 'signed chunks, a byte after the last', request: signed((body) => `${body}x`), ...malformed },
  {
    name: 'signed chunks, a second body after the last',
    request: signed((body) => `${body}${body}`),
    ...malformed,
  },
  {
    name: 'signed chunks, a trailer that was not asked for',
    request: signed((body) => body.replace(/\r\n$/, 'x-amz-checksum-crc32:AAAAAA==\r\n\r\n')),
    ...malformed,
  },
  { name: 'signed chunks, a body without frames', request: signed(() => payload), ...incomplete },
  { name: 'signed chunks, nothing', request: signed(() => ''), ...incomplete },
  {
    name: 'signed chunks, a decoded length that is too small',
    request: upload('chunked', { headers: { 'x-amz-decoded-content-length': '99' } }),
    ...incomplete,
  },
  {
    name: 'signed chunks, a decoded length that is too large',
    request: upload('chunked', { headers: { 'x-amz-decoded-content-length': '101' } }),
    ...incomplete,
  },
  {
    name: 'signed chunks, a decoded length that is no number',
    request: upload('chunked', { headers: { 'x-amz-decoded-content-length': '1e2' } }),
    status: 400,
    code: 'InvalidArgument',
    extra: { ArgumentName: 'x-amz-decoded-content-length', ArgumentValue: '1e2' },
  },
  {
    name: 'signed chunks, a decoded length of 5 GiB and a byte',
    request: upload('chunked', { headers: { 'x-amz-decoded-content-length': '5368709121' } }),
    status: 400,
    code: 'EntityTooLarge',
  },
  {
    name: 'signed chunks, no decoded length',
    request: upload('chunked', { mutate: withoutHeader('x-amz-decoded-content-length') }),
    status: 403,
    code: 'SignatureDoesNotMatch',
  },
  {
    name: 'signed chunks, one beyond the limit',
    request: upload('chunked', {
      headers: { 'x-amz-decoded-content-length': String(limits.chunkBytesMax + 1) },
      mutate: reframed((body) => body.replace(/^40;/, `${(limits.chunkBytesMax + 1).toString(16)};`)),
    }),
    status: 400,
    code: 'InvalidChunkSizeError',
  },
  {
    name: 'signed chunks, a trailer announced without the mode',
    request: upload('chunked', { headers: { 'x-amz-trailer': 'x-amz-checksum-crc32' } }),
    status: 400,
    code: 'InvalidRequest',
  },
]

const trailers = { 'x-amz-checksum-sha256': sha256(payload) }
const trailed = (change: (body: string) => string) =>
  upload('chunked-trailer', { trailers, mutate: reframed(change) })

const signedTrailers: readonly BadRequest[] = [
  {
    name: 'signed trailer, of other bytes',
    request: upload('chunked-trailer', { trailers: { 'x-amz-checksum-sha256': sha256('other') } }),
    status: 400,
    code: 'BadDigest',
  },
  {
    name: 'signed trailer, changed',
    request: trailed((body) => body.replace('sha256:', 'sha256:A')),
    ...forged,
  },
  {
    name: 'signed trailer, another signature',
    request: trailed((body) => body.replace(/(trailer-signature:)[0-9a-f]{64}/, `$1${'0'.repeat(64)}`)),
    ...forged,
  },
  {
    name: 'signed trailer, no signature',
    request: trailed((body) => body.replace(/x-amz-trailer-signature[^\r]*\r\n/, '')),
    ...badTrailer,
  },
  {
    name: 'signed trailer, left out',
    request: trailed((body) => body.replace(/x-amz-checksum-sha256[^\r]*\r\n/, '')),
    ...forged,
  },
  {
    name: 'signed trailer, another behind the signature',
    request: trailed((body) => body.replace(/\r\n$/, 'x-amz-meta-a:1\r\n\r\n')),
    ...badTrailer,
  },
  {
    name: 'signed trailer, no value of its algorithm',
    request: upload('chunked-trailer', { trailers: { 'x-amz-checksum-sha256': 'AAAA' } }),
    ...badTrailer,
  },
  {
    name: 'signed trailer, a value in the header too',
    request: upload('chunked-trailer', { trailers, headers: trailers }),
    status: 400,
    code: 'InvalidRequest',
  },
  {
    name: 'signed trailer, of two algorithms',
    request: upload('chunked-trailer', { trailers: { ...trailers, 'x-amz-checksum-crc32': 'AAAAAA==' } }),
    status: 400,
    code: 'InvalidRequest',
  },
]

const unsignedTrailers: readonly BadRequest[] = [
  ...['zz', '-64', '0x64', '64 ', ''].map(
    (size): BadRequest => ({
      name: `unsigned chunks, the size ${JSON.stringify(size)}`,
      request: unsigned((body) => body.replace(/^40/, size)),
      ...malformed,
    }),
  ),
  {
    name: 'unsigned chunks, a size below the bytes',
    request: unsigned((body) => body.replace(/^40/, '20')),
    ...malformed,
  },
  {
    name: 'unsigned chunks, a size beyond the bytes',
    request: unsigned((body) => body.replace(/^40/, '41')),
    ...malformed,
  },
  {
    name: 'unsigned chunks, no last one',
    request: unsigned((body) => body.replace(/0\r\n\r\n$/, '')),
    ...incomplete,
  },
  {
    name: 'unsigned chunks, bytes after the last',
    request: unsigned((body) => `${body}GET / HTTP/1.1\r\n\r\n`),
    ...malformed,
  },
  {
    name: 'unsigned chunks, another byte than the trailer counts',
    request: unsigned((body) => body.replace('xxx', 'xyx'), { trailers }),
    status: 400,
    code: 'BadDigest',
  },
  {
    name: 'unsigned chunks, a trailer that was not announced',
    request: unsigned((body) => body.replace(/\r\n$/, 'x-amz-checksum-crc32:AAAAAA==\r\n\r\n')),
    ...badTrailer,
  },
  {
    name: 'unsigned chunks, a lock as a trailer',
    request: unsigned((body) => body.replace(/\r\n$/, 'x-amz-object-lock-legal-hold:ON\r\n\r\n')),
    ...badTrailer,
  },
  {
    name: 'unsigned chunks, an announced trailer that does not come',
    request: unsigned((body) => body.replace(/x-amz-checksum[^\r]*\r\n/, ''), { trailers }),
    ...badTrailer,
  },
  {
    name: 'unsigned chunks, a trailer twice',
    request: unsigned((body) => body.replace(/(x-amz-checksum[^\r]*\r\n)/, '$1$1'), { trailers }),
    ...badTrailer,
  },
  {
    name: 'unsigned chunks, a trailer without a colon',
    request: unsigned((body) => body.replace(/\r\n$/, 'trailer\r\n\r\n')),
    ...badTrailer,
  },
  {
    name: 'unsigned chunks, a trailer of 5 KiB',
    request: unsigned((body) => body.replace(/\r\n$/, `a:${'b'.repeat(5120)}\r\n\r\n`)),
    ...badTrailer,
  },
  {
    name: 'unsigned chunks, an announced trailer that is no name',
    request: upload('unsigned-trailer', { headers: { 'x-amz-trailer': 'a b' } }),
    status: 400,
    code: 'InvalidRequest',
  },
  {
    name: 'unsigned chunks, no decoded length',
    request: ({ bucket }) => ({
      method: 'PUT',
      path: `/${bucket}/new`,
      sign: 'unsigned-trailer',
      mutate: withoutHeader('x-amz-decoded-content-length'),
    }),
    status: 403,
    code: 'SignatureDoesNotMatch',
  },
]

const lengths: readonly BadRequest[] = [
  {
    name: 'a body that ends before its length',
    request: upload('unsigned-payload', { mutate: withHeader('content-length', '101') }),
    ...incomplete,
    finishes: true,
  },
  {
    name: 'chunks of HTTP that end before the last',
    request: upload('chunked', {
      mutate: (wire) => {
        const { headers, ...rest } = withoutHeader('content-length')(wire)
        const body = Buffer.concat([Buffer.from(`${wire.body.length.toString(16)}\r\n`), wire.body])
        return { ...rest, body, headers: { ...headers, 'transfer-encoding': 'chunked' } }
      },
    }),
    ...incomplete,
    finishes: true,
  },
  {
    name: 'a document that ends before its length',
    request: ({ bucket, key }) => {
      const body = '<LegalHold><Status>ON</Status></LegalHold>'
      return {
        method: 'PUT',
        path: `/${bucket}/${key}`,
        query: { 'legal-hold': '' },
        body,
        headers: { 'content-md5': md5(body) },
        mutate: withHeader('content-length', String(body.length + 1)),
      }
    },
    ...incomplete,
    finishes: true,
  },
  {
    name: 'an upload of 16 MiB that nobody signed',
    request: upload('none', { body: Buffer.alloc(16 * 1024 ** 2) }),
    status: 403,
    code: 'AccessDenied',
  },
  {
    name: 'a document of 9 MiB',
    request: ({ bucket }) => ({
      method: 'POST',
      path: `/${bucket}`,
      query: { delete: '' },
      body: `<Delete>${' '.repeat(9 * 1024 ** 2)}</Delete>`,
    }),
    status: 400,
    code: 'MaxMessageLengthExceeded',
    extra: { MaxMessageLengthBytes: String(limits.deleteDocumentBytesMax) },
  },
  {
    name: 'a retention of 8 MiB',
    request: ({ bucket, key }) => ({
      method: 'PUT',
      path: `/${bucket}/${key}`,
      query: { retention: '' },
      body: `<Retention>${'<!-- -->'.repeat(1024 ** 2)}</Retention>`,
    }),
    status: 400,
    code: 'MaxMessageLengthExceeded',
    extra: { MaxMessageLengthBytes: String(limits.lockDocumentBytesMax) },
  },
  {
    name: 'a document of 9 KiB in frames that say less',
    request: ({ bucket, key }) => ({
      method: 'PUT',
      path: `/${bucket}/${key}`,
      query: { retention: '' },
      body: ' '.repeat(9 * 1024),
      sign: 'chunked',
      headers: { 'x-amz-decoded-content-length': '10' },
    }),
    status: 400,
    code: 'IncompleteBody',
  },
]

export const bodies: readonly BadRequest[] = [
  ...signedFrames,
  ...signedTrailers,
  ...unsignedTrailers,
  ...lengths,
]
