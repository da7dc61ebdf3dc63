/**
 * Errors of the disk where a body is read: they concern that body, or that moment, alone. The server stays ready, other
 * reads go on meanwhile, and afterwards everything is read as before without a hand's help.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { md5 } from '../support/conformance.ts'
import { type FaultAction, type Faults, prepareFaults } from '../support/crash/faults.ts'
import { Ledger } from '../support/crash/ledger.ts'
import { until, untilReady, workerPids } from '../support/crash/processes.ts'
import { isTidied, offlineFindings, verifyVolume } from '../support/crash/volume-state.ts'
import { healthOf, sound } from '../support/health.ts'
import { completeXml } from '../support/multipart.ts'
import type { Answer, SendOptions } from '../support/s3-client.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const body = Buffer.alloc(2 * 1024 ** 2 + 17, 'whole ')
const firstPart = Buffer.alloc(5 * 1024 ** 2, 'first ')
const lastPart = Buffer.alloc(300_000, 'last ')
let faults: Faults
let server: TestServer
/** The file of `/bucket/hurt`, and that of the last part of `/bucket/parts`. */
let hurtFile: string
let lastPartFile: string

beforeAll(async () => {
  faults = prepareFaults()
  server = await startTestServer({ environment: faults.environment })
  await send({ method: 'PUT', path: '/bucket' })
  await send({ method: 'PUT', path: '/bucket/other', body })
  hurtFile = await fileOf(() => send({ method: 'PUT', path: '/bucket/hurt', body }))
  const begun = await send({ method: 'POST', path: '/bucket/parts', query: { uploads: '' } })
  const uploadId = begun.element('UploadId') ?? ''
  const part = async (partNumber: number, bytes: Buffer) => {
    const query = { partNumber: String(partNumber), uploadId }
    const sent = await send({ method: 'PUT', path: '/bucket/parts', query, body: bytes })
    return { partNumber, etag: String(sent.headers.etag) }
  }
  const parts = [await part(1, firstPart)]
  lastPartFile = await fileOf(async () => {
    parts.push(await part(2, lastPart))
  })
  await send({ method: 'POST', path: '/bucket/parts', query: { uploadId }, body: completeXml(parts) })
})
afterAll(async () => {
  faults.disarm()
  await server.stop()
  faults.remove()
})

async function send(options: SendOptions): Promise<Answer> {
  const answer = await server.client.send(options)
  expect([options.method, options.path, answer.status, answer.code]).toEqual([
    options.method,
    options.path,
    200,
    null,
  ])
  return answer
}

/** The body that `put` made. */
async function fileOf(put: () => Promise<unknown>): Promise<string> {
  const root = join(server.dataDirectory, 'bodies')
  const files = () =>
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
  const before = new Set(files())
  await put()
  const made = files().filter((path) => !before.has(path))
  expect(made).toHaveLength(1)
  return made[0] ?? ''
}

const get = (key: string): SendOptions => ({ method: 'GET', path: `/bucket/${key}` })
const copyTo = (key: string): SendOptions => ({
  ...{ method: 'PUT', path: `/bucket/${key}` },
  headers: { 'x-amz-copy-source': '/bucket/hurt', 'x-amz-checksum-algorithm': 'SHA256' },
})

async function copyPart(): Promise<SendOptions> {
  const begun = await send({ method: 'POST', path: '/bucket/copied', query: { uploads: '' } })
  const uploadId = begun.element('UploadId') ?? ''
  return { ...copyTo('copied'), query: { partNumber: '1', uploadId } }
}

/** What the client sees: status and code, or that the answer broke off. */
async function outcome(options: SendOptions): Promise<string> {
  try {
    const { status, code } = await server.client.send(options)
    return `${status} ${code}`
  } catch {
    return 'broken off'
  }
}

type Row = {
  readonly name: string
  readonly call: 'open' | 'read'
  readonly action: FaultAction
  readonly place: () => string
  readonly request: () => SendOptions | Promise<SendOptions>
  /** How many calls; all of them if left out. */
  readonly faulted?: number
  readonly seen: string
}
const fail = (error: 'EIO' | 'EMFILE' | 'ENFILE') => ({ kind: 'fail', error }) as const
const ofHurt = { place: () => hurtFile, request: () => get('hurt') }
const damaged = '500 InternalError'
const busy = '503 SlowDown'

const rows: readonly Row[] = [
  { ...ofHurt, name: 'GetObject, open: EIO', call: 'open', action: fail('EIO'), seen: damaged },
  { ...ofHurt, name: 'GetObject, open: EMFILE', call: 'open', action: fail('EMFILE'), seen: busy },
  { ...ofHurt, name: 'GetObject, open: ENFILE', call: 'open', action: fail('ENFILE'), seen: busy },
  { ...ofHurt, name: 'GetObject, read: EIO', call: 'read', action: fail('EIO'), seen: damaged },
  {
    ...{ ...ofHurt, name: 'GetObject, half of what was asked for is read', call: 'read' },
    ...{ action: { kind: 'shorten' }, faulted: 3, seen: '200 null' },
  },
  {
    ...{ name: 'GetObject, open of the second of two bodies: EIO', call: 'open', action: fail('EIO') },
    ...{ place: () => lastPartFile, request: () => get('parts'), seen: 'broken off' },
  },
  {
    ...{ name: 'GetObject, open of the second of two bodies: EMFILE', call: 'open', action: fail('EMFILE') },
    ...{ place: () => lastPartFile, request: () => get('parts'), seen: 'broken off' },
  },
  {
    ...{ name: 'GetObject, read of the second of two bodies: EIO', call: 'read', action: fail('EIO') },
    ...{ place: () => lastPartFile, request: () => get('parts'), seen: 'broken off' },
  },
  {
    ...{ ...ofHurt, name: 'UploadPartCopy, open of the source: EIO', call: 'open', action: fail('EIO') },
    ...{ request: copyPart, seen: damaged },
  },
  {
    ...{ ...ofHurt, name: 'UploadPartCopy, open of the source: EMFILE', call: 'open' },
    ...{ action: fail('EMFILE'), request: copyPart, seen: busy },
  },
  {
    ...{ ...ofHurt, name: 'UploadPartCopy, read of the source: EIO', call: 'read', action: fail('EIO') },
    ...{ request: copyPart, seen: damaged },
  },
]

it.each(rows)('$name: $seen, and the server is as it was', async (row) => {
  const workers = workerPids(server)
  const request = await row.request()
  const { call, action, faulted = 2 ** 31 - 1 } = row
  faults.arm({ call, place: row.place(), action, faulted })
  expect(await outcome(request)).toBe(row.seen)
  expect(faults.hits()).toBeGreaterThan(0)
  // While it lasts: another body, and a new one.
  expect((await send(get('other'))).body.equals(body)).toBe(true)
  await send({ method: 'PUT', path: '/bucket/new', body, headers: { 'content-md5': md5(body) } })
  expect(await healthOf(server)).toBe(sound)
  faults.disarm()
  expect((await send(get('hurt'))).body.equals(body)).toBe(true)
  expect((await send(get('parts'))).body.equals(Buffer.concat([firstPart, lastPart]))).toBe(true)
  expect(await healthOf(server)).toBe(sound)
  expect(workerPids(server)).toEqual(workers)
})

it('CopyObject with another checksum, read of the source: EIO, no copy is there', async () => {
  faults.arm({ call: 'read', place: hurtFile, action: fail('EIO') })
  expect(await outcome(copyTo('copy'))).toBe(damaged)
  expect(faults.hits()).toBeGreaterThan(0)
  faults.disarm()
  expect(await outcome(get('copy'))).toBe('404 NoSuchKey')
  expect(await healthOf(server)).toBe(sound)
})

it('after all of it: rows, counters, log and files agree', async () => {
  const uploads = await send({ method: 'GET', path: '/bucket', query: { uploads: '' } })
  for (const [, uploadId = ''] of uploads.text.matchAll(/<UploadId>([^<]+)</g)) {
    const abort = { method: 'DELETE', path: '/bucket/copied', query: { uploadId } }
    expect((await server.client.send(abort)).status).toBe(204)
  }
  expect(await server.terminate()).toBe(0)
  await server.start()
  await untilReady(server)
  await until('garbage is collected', () => isTidied(server.dataDirectory))
  expect(await verifyVolume(server.dataDirectory, new Ledger())).toEqual([])
  expect(await server.terminate()).toBe(0)
  expect(await offlineFindings(server.dataDirectory)).toEqual([])
})
