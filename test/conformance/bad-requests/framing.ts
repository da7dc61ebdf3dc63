/** Lengths, transfer encodings and lines that are no HTTP, or two things at once. */
import { limits } from '../../../src/lib/limits.ts'
import { put, raw } from './requests.ts'
import { type BadRequest, withHeader, withoutHeader } from './runner.ts'

const putHead = 'PUT /BUCKET/new HTTP/1.1\r\nhost: h\r\n'

const lengths: readonly BadRequest[] = [
  ...['abc', '-1', '+5', '5 5', '0x5', '1e1', '5,5', '', '99999999999999999999999'].map(
    (value): BadRequest => ({
      name: `Content-Length ${JSON.stringify(value)}`,
      request: put({}, { mutate: withHeader('content-length', value) }),
      status: 400,
      code: 'BadRequest',
    }),
  ),
  {
    name: 'Content-Length of 5 GiB and a byte',
    request: put(
      {},
      { sign: 'unsigned-payload', mutate: withHeader('content-length', String(5 * 1024 ** 3 + 1)) },
    ),
    status: 400,
    code: 'EntityTooLarge',
    extra: { ProposedSize: '5368709121', MaxSizeAllowed: '5368709120' },
  },
  {
    name: 'Content-Length of 18 digits',
    request: put({}, { mutate: withHeader('content-length', '9'.repeat(18)) }),
    status: 400,
    code: 'EntityTooLarge',
  },
  {
    name: 'no Content-Length',
    request: put({}, { sign: 'unsigned-payload', body: '', mutate: withoutHeader('content-length') }),
    status: 411,
    code: 'MissingContentLength',
  },
  {
    name: 'chunks of HTTP and no length',
    request: put(
      {},
      {
        sign: 'unsigned-payload',
        mutate: (wire) => ({
          ...withoutHeader('content-length')(wire),
          headers: { ...withoutHeader('content-length')(wire).headers, 'transfer-encoding': 'chunked' },
          body: Buffer.from('5\r\nbytes\r\n0\r\n\r\n'),
        }),
      },
    ),
    status: 411,
    code: 'MissingContentLength',
  },
  {
    name: 'headers beyond 16 KiB',
    request: put({ 'x-amz-meta-a': 'a'.repeat(limits.headerBytesMax) }),
    status: 400,
    code: 'RequestHeaderSectionTooLarge',
  },
]

const lines: readonly BadRequest[] = (
  [
    ['two lengths', `${putHead}content-length: 5\r\ncontent-length: 6\r\n\r\nbytes`],
    ['two equal lengths', `${putHead}content-length: 5\r\ncontent-length: 5\r\n\r\nbytes`],
    ['a length and chunks', `${putHead}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['chunks and a length', `${putHead}transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n`],
    ['chunked twice', `${putHead}transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n`],
    ['chunked before identity', `${putHead}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
    [
      'two transfer encodings',
      `${putHead}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n`,
    ],
    ['the transfer encoding identity', `${putHead}transfer-encoding: identity\r\n\r\nbytes`],
    ['a transfer encoding that nobody knows', `${putHead}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n`],
    ['chunked behind a vertical tab', `${putHead}transfer-encoding: \vchunked\r\n\r\n0\r\n\r\n`],
    ['a space before the colon', `${putHead}transfer-encoding : chunked\r\n\r\n0\r\n\r\n`],
    ['a folded header', `${putHead}content-length: 0\r\nx-amz-meta-a: 1\r\n 2\r\n\r\n`],
    ['a header without a colon', `${putHead}content-length\r\n\r\n`],
    ['a header without a name', `${putHead}: 5\r\n\r\n`],
    ['a header with NUL', `${putHead}x-amz-meta-a: a\0b\r\n\r\n`],
    ['a header with a bare CR', `${putHead}x-amz-meta-a: a\rcontent-length: 5\r\n\r\n`],
    ['lines that end in LF', 'GET /BUCKET HTTP/1.1\nhost: h\n\n'],
    ['a chunk that is no size', `${putHead}transfer-encoding: chunked\r\n\r\nzz\r\n`],
    ['HTTP/2 without TLS', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['HTTP/1.2', 'GET /BUCKET HTTP/1.2\r\nhost: h\r\n\r\n'],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['no HTTP at all', '\0\0\0\0\r\n\r\n'],
  ] as const
).map(([name, text]) => ({ name, request: raw(text), status: 400, code: 'BadRequest' }))

const hosts: readonly BadRequest[] = [
  {
    name: 'no version of HTTP',
    request: raw('GET /BUCKET\r\n\r\n', 'GET'),
    status: 400,
    code: 'InvalidRequest',
  },
  {
    name: 'no Host',
    request: raw('GET /BUCKET HTTP/1.1\r\n\r\n', 'GET'),
    status: 400,
    code: 'InvalidRequest',
  },
  {
    name: 'an expectation that nobody knows',
    request: ({ bucket, key }) => ({
      method: 'HEAD',
      path: `/${bucket}/${key}`,
      sign: 'none',
      lines: ['expect: tea'],
    }),
    status: 403,
    code: null,
  },
  {
    name: 'an upload that waits to be invited and is refused',
    request: ({ bucket }) => ({
      method: 'PUT',
      path: `/${bucket}/new`,
      sign: 'none',
      body: 'bytes',
      lines: ['expect: 100-continue'],
    }),
    status: 403,
    code: 'AccessDenied',
  },
]

export const framing: readonly BadRequest[] = [...lengths, ...lines, ...hosts]
