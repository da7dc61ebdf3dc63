/**
 * Errors of the disk at each kind of step of the requests that write and are not PutObject: what was there stays as it
 * was, and the same request is done when it is sent again.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { md5 } from '../support/conformance.ts'
import { type Faults, prepareFaults } from '../support/crash/faults.ts'
import {
  bodyRows,
  commitRows,
  type InjectedRow,
  type Injection,
  injectionInto,
  rowsNamed,
} from '../support/crash/injected.ts'
import { Ledger } from '../support/crash/ledger.ts'
import { until } from '../support/crash/processes.ts'
import { isTidied, offlineFindings, verifyVolume } from '../support/crash/volume-state.ts'
import { completeXml } from '../support/multipart.ts'
import type { Answer, SendOptions } from '../support/s3-client.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const body = Buffer.alloc(300_000, 'whole ')
const other = Buffer.alloc(300_000, 'other ')
let faults: Faults
let server: TestServer
let injection: Injection
const openUploads: { readonly path: string; readonly uploadId: string }[] = []

beforeAll(async () => {
  faults = prepareFaults()
  server = await startTestServer({ environment: faults.environment })
  injection = injectionInto(server, faults)
  const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
  await send({ method: 'PUT', path: '/bucket', headers })
  await put('/bucket/known')
})
afterAll(async () => {
  faults.disarm()
  await server.stop()
  faults.remove()
})

async function send(options: SendOptions): Promise<Answer> {
  const answer = await server.client.send(options)
  expect([options.path, Math.floor(answer.status / 100), answer.code]).toEqual([options.path, 2, null])
  return answer
}

async function put(path: string): Promise<string> {
  const answer = await send({ method: 'PUT', path, body, headers: { 'content-md5': md5(body) } })
  return String(answer.headers['x-amz-version-id'])
}

/** What is read there: the bytes' name, or the code of the answer. */
async function read(path: string, query: Readonly<Record<string, string>> = {}): Promise<string> {
  const got = await server.client.send({ method: 'GET', path, query })
  if (got.status !== 200) return String(got.code)
  return got.body.equals(body) ? 'body' : got.body.equals(other) ? 'other' : 'something else'
}

type Prepared = {
  readonly request: SendOptions
  /** What a reader sees of it. */
  readonly state: () => Promise<string>
  readonly before: string
  readonly after: string
}

function partRequest(path: string, uploadId: string, bytes: Buffer): SendOptions {
  const query = { partNumber: '1', uploadId }
  return { method: 'PUT', path, query, body: bytes, headers: { 'content-md5': md5(bytes) } }
}

async function beginUpload(path: string): Promise<string> {
  const begun = await send({ method: 'POST', path, query: { uploads: '' } })
  const uploadId = begun.element('UploadId') ?? ''
  openUploads.push({ path, uploadId })
  return uploadId
}

const etagOf = (bytes: Buffer): string => `"${Buffer.from(md5(bytes), 'base64').toString('hex')}"`

/** In the place of another, so that half of it would be seen. */
async function uploadPart(path: string): Promise<Prepared> {
  const uploadId = await beginUpload(path)
  await send(partRequest(path, uploadId, body))
  return {
    request: partRequest(path, uploadId, other),
    state: async () =>
      String((await send({ method: 'GET', path, query: { uploadId } })).element('ETag')).replaceAll(
        '&quot;',
        '"',
      ),
    before: etagOf(body),
    after: etagOf(other),
  }
}

async function completeUpload(path: string): Promise<Prepared> {
  const uploadId = await beginUpload(path)
  const part = await send(partRequest(path, uploadId, body))
  const xml = completeXml([{ partNumber: 1, etag: String(part.headers.etag) }])
  return {
    request: { method: 'POST', path, query: { uploadId }, body: xml },
    state: () => read(path),
    before: 'NoSuchKey',
    after: 'body',
  }
}

async function copyObject(path: string): Promise<Prepared> {
  return {
    request: { method: 'PUT', path, headers: { 'x-amz-copy-source': '/bucket/known' } },
    state: () => read(path),
    before: 'NoSuchKey',
    after: 'body',
  }
}

async function deleteVersion(path: string): Promise<Prepared> {
  const versionId = await put(path)
  return {
    request: { method: 'DELETE', path, query: { versionId } },
    state: () => read(path, { versionId }),
    before: 'body',
    after: 'NoSuchVersion',
  }
}

const eachStepOfACommit = rowsNamed(commitRows, [
  'pages of the commit are not written: ENOSPC, once',
  'pages of the commit are not flushed: EIO, once',
  'the root of the commit is not written: EIO, once',
])
const eachStepOfABody = rowsNamed(bodyRows, [
  'the stage file cannot be opened: EMFILE',
  'bytes are not written: EIO',
  'bytes are not written: ENOSPC',
  'the bytes are not flushed: EIO, once',
  'the body gets no name: EIO',
  'the body gets no name: ENOSPC',
  'the name of the body is not flushed: EIO, once',
  'the name in the stage is not flushed: EIO, once',
])

describe.each([
  { name: 'UploadPart', prepare: uploadPart, rows: [...eachStepOfABody, ...eachStepOfACommit] },
  { name: 'CompleteMultipartUpload', prepare: completeUpload, rows: eachStepOfACommit },
  { name: 'CopyObject', prepare: copyObject, rows: eachStepOfACommit },
  { name: 'DeleteObject of a version', prepare: deleteVersion, rows: eachStepOfACommit },
])('$name', ({ name, prepare, rows }) => {
  it.each(rows)(
    'where $name, nothing is done, the worker $worker, and again it is done',
    async (row: InjectedRow) => {
      const { request, state, before, after } = await prepare(`/bucket/${name}-${rows.indexOf(row)}`)
      expect(await state()).toBe(before)
      const answered = await injection.send(row, request)
      expect([answered.status, answered.code]).toEqual(row.answer)
      expect([await state(), await read('/bucket/known')]).toEqual([before, 'body'])
      await send(request)
      expect([await state(), await read('/bucket/known')]).toEqual([after, 'body'])
    },
  )
})

it('after all of it: no orphan is left, and rows, counters, log and files agree', async () => {
  for (const { path, uploadId } of openUploads) {
    const ended = await server.client.send({ method: 'DELETE', path, query: { uploadId } })
    expect([204, 404]).toContain(ended.status)
  }
  expect(await server.terminate()).toBe(0)
  expect(server.logs()).not.toMatch(/^Node\.js v\d/m)
  await server.start()
  await until('garbage is collected', () => isTidied(server.dataDirectory))
  expect(await verifyVolume(server.dataDirectory, new Ledger())).toEqual([])
  expect(await server.terminate()).toBe(0)
  expect(await offlineFindings(server.dataDirectory)).toEqual([])
})
