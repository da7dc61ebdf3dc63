/** Runs a table of bad requests against one real server: what each is answered, and all that must not happen. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { accessKey, type Bench, conformance, md5, type TestKey } from '../../support/conformance.ts'
import { healthOf, sound } from '../../support/health.ts'
import type { SendOptions, Wire } from '../../support/s3-client.ts'
import { operatorCredentials, rootCredentials } from '../../support/server.ts'
import { openExchange, type RawAnswer, requestBytes } from './exchange.ts'

/** What the requests of a table are about: made once, and the same after every one of them. */
export type Place = {
  /** With Object Lock; of `owner`. */
  readonly bucket: string
  /** An object of 20 bytes under COMPLIANCE, its only version. */
  readonly key: string
  readonly versionId: string
  /** A key whose current version is a delete marker, and the marker's id. */
  readonly goneKey: string
  readonly markerId: string
  /** Of another account, with the same key. */
  readonly foreignBucket: string
  /** Of `owner`, without versioning. */
  readonly plainBucket: string
  /** An upload to the key `upload` with parts 1 and 2 of 5 bytes. */
  readonly uploadId: string
  readonly etags: readonly string[]
  readonly owner: TestKey
  readonly nowMs: number
  readonly endpoint: string
  /** Signs as root. */
  readonly wire: (options: SendOptions) => Wire
}

/** Bytes that no client would send, or a signed request with lines added to its head after it was signed. */
export type Outgoing =
  | { readonly raw: string | Uint8Array; readonly method?: string }
  | (SendOptions & { readonly lines?: readonly string[] })

export type BadRequest = {
  readonly name: string
  readonly request: (place: Place) => Outgoing
  readonly status: number
  /** null: an answer without a document (HEAD), or one of `text`. */
  readonly code: string | null
  readonly message?: string
  /** Elements of the error beyond Code and Message. */
  readonly extra?: Readonly<Record<string, string>>
  /** What the answer's body contains, where it is no error document. */
  readonly text?: string
  /** The client stops sending after the request. */
  readonly finishes?: true
}

export const longBody = 'twenty bytes of it!!'

export function describeBadRequests(title: string, rows: readonly BadRequest[]): void {
  const owner = accessKey('owner', null)
  const stranger = accessKey('stranger', null, '222222222222')
  const bench = conformance({ accessKeys: [owner, stranger] })
  let place: Place
  let workers: string
  beforeAll(async () => {
    place = await preparePlace(bench, owner, stranger)
    workers = workersOf(bench)
  })
  afterAll(async () => {
    expect(bench.server().logs()).not.toContain('InternalError')
    expect(await healthOf(bench.server())).toBe(sound)
  })

  describe(title, () => {
    test('Table: the names are told apart', () => {
      expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length)
    })

    test.each(rows.map((row) => [row.name, row.status, row.code, row] as const))(
      'Bad request: %s, %s %s and nothing changed',
      async (_name, _status, _code, row) => {
        await stays(bench, place, async () => {
          const answer = await exchange(bench, place, row)
          expectRefusal(answer, row)
        })
        expect(workersOf(bench)).toBe(workers)
      },
    )
  })
}

async function preparePlace(bench: Bench, owner: TestKey, stranger: TestKey): Promise<Place> {
  const bucket = await bench.bucket('locked', { key: owner })
  const foreignBucket = await bench.bucket('locked', { key: stranger })
  const plainBucket = await bench.bucket('unversioned', { key: owner })
  const lock = {
    'x-amz-object-lock-mode': 'COMPLIANCE',
    'x-amz-object-lock-retain-until-date': bench.inDays(2),
  }
  const key = 'key'
  const versionId = await bench.put(bucket, key, { body: longBody, headers: lock })
  await bench.put(foreignBucket, key)
  await bench.put(plainBucket, key)
  const goneKey = 'gone'
  await bench.put(bucket, goneKey)
  const deleted = await bench.send({ method: 'DELETE', path: `/${bucket}/${goneKey}` })
  const created = await bench.send({ method: 'POST', path: `/${bucket}/upload`, query: { uploads: '' } })
  const uploadId = created.element('UploadId') ?? ''
  const etags: string[] = []
  for (const partNumber of ['1', '2']) {
    const part = await bench.send({
      method: 'PUT',
      path: `/${bucket}/upload`,
      query: { partNumber, uploadId },
      body: `part${partNumber}`,
    })
    expect(part.status).toBe(200)
    etags.push(String(part.headers.etag))
  }
  return {
    bucket,
    key,
    versionId,
    goneKey,
    markerId: String(deleted.headers['x-amz-version-id']),
    foreignBucket,
    plainBucket,
    uploadId,
    etags,
    owner,
    nowMs: bench.server().nowMs(),
    endpoint: bench.server().endpoint,
    wire: (options) => bench.server().client.wire(options),
  }
}

/** The bucket with all its versions and locks, its upload's parts, and the list of buckets. */
async function stays<Result>(bench: Bench, place: Place, work: () => Promise<Result>): Promise<Result> {
  const others = async () => {
    const { bucket, uploadId } = place
    const reads: readonly SendOptions[] = [
      { method: 'GET', path: '/' },
      { method: 'GET', path: `/${bucket}/upload`, query: { uploadId } },
      { method: 'GET', path: `/${bucket}/${place.key}`, query: { tagging: '' } },
      { method: 'GET', path: `/${place.plainBucket}`, query: { versions: '' } },
      { method: 'GET', path: `/${place.foreignBucket}`, query: { versions: '' } },
    ]
    const answers = []
    for (const read of reads) answers.push((await bench.send(read)).text)
    return answers
  }
  const before = await others()
  const result = await bench.unchanged(place.bucket, work)
  expect(await others()).toEqual(before)
  return result
}

/**
 * Sends the request on a connection of its own. Afterwards the connection serves a good request and nothing else came, or the
 * server has said that it ends and has ended it: what is left of a bad request is never read as another one.
 */
async function exchange(bench: Bench, place: Place, row: BadRequest): Promise<RawAnswer> {
  const outgoing = row.request(place)
  const made = await openExchange(bench.server().endpoint)
  try {
    made.write(bytesOf(outgoing, place))
    if (row.finishes === true) made.finish()
    const answer = await made.answer(outgoing.method ?? 'GET')
    if (answer === null) throw new Error('the connection ended without an answer')
    if (answer.headers['connection'] === 'close') {
      expect(await made.ended()).toBe('')
      return answer
    }
    const good = place.wire({ method: 'GET', path: `/${place.bucket}`, query: { location: '' } })
    made.write(requestBytes(good, ['connection: close']))
    const next = await made.answer('GET')
    expect([next?.status, next?.text]).toEqual([200, expect.stringContaining('<LocationConstraint')])
    expect(await made.ended()).toBe('')
    return answer
  } finally {
    made.close()
  }
}

export function bytesOf(outgoing: Outgoing, place: Place): Buffer {
  if (!('raw' in outgoing)) return requestBytes(place.wire(outgoing), outgoing.lines)
  return typeof outgoing.raw === 'string' ? Buffer.from(outgoing.raw, 'latin1') : Buffer.from(outgoing.raw)
}

function expectRefusal(answer: RawAnswer, row: BadRequest): void {
  const { status, code, message, extra = {}, text } = row
  expect([answer.status, answer.element('Code')], answer.text).toEqual([status, code])
  expect(answer.headers['x-amz-request-id']).toMatch(/^[0-9A-F]{16}$/)
  if (code !== null && status >= 400) {
    expect(answer.headers['content-type']).toBe('application/xml')
    expect(answer.element('RequestId')).toBe(answer.headers['x-amz-request-id'])
    expect(answer.element('Message')).not.toBe('')
    expect(answer.element('HostId')).not.toBe(null)
  }
  if (message !== undefined) expect(answer.element('Message')).toBe(message)
  for (const [name, value] of Object.entries(extra))
    expect([name, answer.element(name)]).toEqual([name, value])
  if (text !== undefined) expect(answer.text).toContain(text)
  expectDiscreet(answer.all)
}

/** No secret, no place of the machine, no line of a program. */
export function expectDiscreet(text: string): void {
  for (const { secretAccessKey } of [rootCredentials, operatorCredentials]) {
    expect(text).not.toContain(secretAccessKey)
  }
  expect(text).not.toMatch(/secret-of-|node_modules|\.[tj]s:\d|\n\s+at |holdfast-server-|data\.mdb|ENOENT/)
  expect(text).not.toContain(process.cwd())
}

/** The worker processes of the server, as the kernel counts them. */
export function workersOf(bench: Bench): string {
  const pid = bench.server().pid()
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
}

/** A document with its Content-MD5, as it is signed. */
export function document(options: SendOptions): SendOptions {
  return { ...options, headers: { 'content-md5': md5(options.body ?? ''), ...options.headers } }
}

export function withHeader(name: string, value: string) {
  return (wire: Wire): Wire => ({ ...wire, headers: { ...wire.headers, [name]: value } })
}

export function withoutHeader(name: string) {
  return (wire: Wire): Wire => {
    const { [name]: _removed, ...headers } = wire.headers
    return { ...wire, headers }
  }
}
