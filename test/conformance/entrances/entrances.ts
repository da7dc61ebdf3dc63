/** Every way by which a version comes into being, as one function: the rows of the matrices of this folder. */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { uriEncodePath } from '../../../src/sigv4/encode.ts'
import type { SigningCredentials } from '../../../src/sigv4/sign.ts'
import { type Bench, md5 } from '../../support/conformance.ts'
import { formRequest } from '../../support/form.ts'
import { completeXml } from '../../support/multipart.ts'
import type { Answer, SendOptions } from '../../support/s3-client.ts'

export type Headers = Readonly<Record<string, string>>

export type Write = {
  readonly bucket: string
  readonly key: string
  readonly body: Buffer
  /** What the client says of the object: lock headers and the like. */
  readonly headers: Headers
  readonly signer: SigningCredentials
  /** Whether the bytes come with a checksum. */
  readonly checksum: 'sent' | 'none'
}

export type Entrance = {
  readonly name: string
  /** The operation that refuses a body without checksum; null: it has no body. */
  readonly checksumSubject: 'Put Object' | 'Put Part' | null
  /** The last answer: of the write, or of the step that was refused. */
  readonly write: (bench: Bench, write: Write) => Promise<Answer>
}

function put({ bucket, key, body, headers, signer, checksum }: Write): SendOptions {
  const proof = checksum === 'sent' ? { 'content-md5': md5(body) } : {}
  return { method: 'PUT', path: `/${bucket}/${key}`, body, headers: { ...proof, ...headers }, key: signer }
}

function base64Crc32(body: Buffer): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32(body))
  return bytes.toString('base64')
}

/** The checksum comes in a trailer. */
function withTrailer(write: Write, sign: 'chunked-trailer' | 'unsigned-trailer'): SendOptions {
  const trailers =
    write.checksum === 'sent' ? { trailers: { 'x-amz-checksum-crc32': base64Crc32(write.body) } } : {}
  return { ...put({ ...write, checksum: 'none' }), sign, ...trailers, chunkBytes: 16_384 }
}

/** As SDKs presign: x-amz-* headers in the query. */
function hoisted(write: Write): SendOptions {
  const request = put(write)
  const entries = Object.entries(request.headers ?? {})
  const isHoisted = ([name]: readonly [string, string]) => name.startsWith('x-amz-')
  return {
    ...request,
    sign: 'presigned',
    headers: Object.fromEntries(entries.filter((entry) => !isHoisted(entry))),
    query: Object.fromEntries(entries.filter(isHoisted)),
  }
}

/** Each x-amz-* header by the name of its twin. */
function inWordsOfObs(write: Write): Write {
  const twins = Object.entries(write.headers).map(([name, value]) => [
    name.replace(/^x-amz-/, 'x-obs-'),
    value,
  ])
  return { ...write, headers: Object.fromEntries(twins) }
}

async function postForm(bench: Bench, write: Write): Promise<Answer> {
  const { bucket, key, body, headers, signer, checksum } = write
  const proof = checksum === 'sent' ? { 'content-md5': md5(body) } : {}
  const fields = { key, ...proof, ...headers }
  const nowMs = bench.server().nowMs()
  return bench.send(formRequest({ bucket, key: signer, nowMs, fields, file: body }))
}

let sources = 0
/** A bucket without lock with one object of these bytes; gives the x-amz-copy-source. */
async function source(bench: Bench, { body, signer }: Write): Promise<string> {
  const bucket = await sourceBucket(bench, signer)
  sources += 1
  const key = `source-${sources}`
  await bench.put(bucket, key, { key: signer, body })
  return `/${bucket}/${key}`
}

const sourceBuckets = new WeakMap<Bench, Promise<string>>()
function sourceBucket(bench: Bench, signer: SigningCredentials): Promise<string> {
  const known = sourceBuckets.get(bench) ?? bench.bucket('enabled', { key: signer })
  sourceBuckets.set(bench, known)
  return known
}

async function copy(bench: Bench, write: Write): Promise<Answer> {
  const { bucket, key, headers, signer } = write
  const more = { 'x-amz-copy-source': await source(bench, write) }
  return bench.send({
    method: 'PUT',
    path: `/${bucket}/${key}`,
    headers: { ...headers, ...more },
    key: signer,
  })
}

async function copyOntoItself(bench: Bench, write: Write): Promise<Answer> {
  const { bucket, key, headers, signer } = write
  const before = await bench.send(put({ ...write, headers: {}, checksum: 'sent' }))
  if (before.status !== 200) return before
  const more = {
    'x-amz-copy-source': uriEncodePath(`/${bucket}/${key}`),
    'x-amz-metadata-directive': 'REPLACE',
  }
  return bench.send({
    method: 'PUT',
    path: `/${bucket}/${key}`,
    headers: { ...headers, ...more },
    key: signer,
  })
}

type PartRequest = (bench: Bench, write: Write) => Promise<Partial<SendOptions>>

const sentPart: PartRequest = async (_bench, { body, checksum }) => ({
  body,
  headers: checksum === 'sent' ? { 'content-md5': md5(body) } : {},
})
const copiedPart: PartRequest = async (bench, write) => ({
  headers: { 'x-amz-copy-source': await source(bench, write) },
})

function multipart(part: PartRequest): Entrance['write'] {
  return async (bench, write) => {
    const { bucket, key, headers, signer } = write
    const path = `/${bucket}/${key}`
    const created = await bench.send({ method: 'POST', path, query: { uploads: '' }, headers, key: signer })
    const uploadId = created.element('UploadId')
    if (created.status !== 200 || uploadId === null) return created
    const query = { partNumber: '1', uploadId }
    const added = await bench.send({ method: 'PUT', path, query, key: signer, ...(await part(bench, write)) })
    const etag = String(added.headers.etag ?? added.element('ETag'))
    if (added.status === 200) {
      const body = completeXml([{ partNumber: 1, etag }])
      return bench.send({ method: 'POST', path, query: { uploadId }, body, key: signer })
    }
    await bench.send({ method: 'DELETE', path, query: { uploadId }, key: signer })
    return added
  }
}

const sending =
  (request: (write: Write) => SendOptions): Entrance['write'] =>
  (bench, write) =>
    bench.send(request(write))

export const entrances: readonly Entrance[] = [
  { name: 'PutObject', checksumSubject: 'Put Object', write: sending(put) },
  {
    name: 'PutObject with an unsigned payload',
    checksumSubject: 'Put Object',
    write: sending((write) => ({ ...put(write), sign: 'unsigned-payload' })),
  },
  {
    name: 'presigned PutObject',
    checksumSubject: 'Put Object',
    write: sending((write) => ({ ...put(write), sign: 'presigned' })),
  },
  {
    name: 'presigned PutObject, headers in the query',
    checksumSubject: 'Put Object',
    write: sending(hoisted),
  },
  {
    name: 'aws-chunked PutObject',
    checksumSubject: 'Put Object',
    write: sending((write) => ({ ...put(write), sign: 'chunked', chunkBytes: 16_384 })),
  },
  {
    name: 'aws-chunked PutObject with a signed trailer',
    checksumSubject: 'Put Object',
    write: sending((write) => withTrailer(write, 'chunked-trailer')),
  },
  {
    name: 'PutObject with an unsigned trailer',
    checksumSubject: 'Put Object',
    write: sending((write) => withTrailer(write, 'unsigned-trailer')),
  },
  { name: 'PostObject', checksumSubject: 'Put Object', write: postForm },
  {
    name: 'PutObject in the headers of OBS',
    checksumSubject: 'Put Object',
    write: sending((write) => put(inWordsOfObs(write))),
  },
  {
    name: 'PostObject in the fields of OBS',
    checksumSubject: 'Put Object',
    write: (bench, write) => postForm(bench, inWordsOfObs(write)),
  },
  { name: 'CopyObject', checksumSubject: null, write: copy },
  { name: 'CopyObject onto itself', checksumSubject: null, write: copyOntoItself },
  { name: 'CompleteMultipartUpload', checksumSubject: 'Put Part', write: multipart(sentPart) },
  { name: 'CompleteMultipartUpload of a copied part', checksumSubject: null, write: multipart(copiedPart) },
]

/** The one part of an unversioned overwrite that a test names. */
export function entranceNamed(name: string): Entrance {
  const found = entrances.find((entrance) => entrance.name === name)
  if (found === undefined) throw new Error(`there is no entrance ${name}`)
  return found
}

export function sha256(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex')
}
