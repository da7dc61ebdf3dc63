/**
 * 200 means durable, and so does 403: strace watches the workers, and every sync that belongs to a request must
 * have ended before the first byte of its answer goes to the socket.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyDocument, sendAdmin } from '../support/admin.ts'
import { type Exchange, judgeExchange } from '../support/crash/durable-order.ts'
import { until, untilReady, workerPids } from '../support/crash/processes.ts'
import { recordSystemCalls, type SystemCall } from '../support/crash/strace.ts'
import type { Answer, SendOptions } from '../support/s3-client.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const mib = 1024 ** 2
const delayMs = 300
/** One commit: its pages, then the root that makes them the store's state. */
const commit = ['store pages', 'store root']
const file = ['body bytes', 'body name', 'stage name', ...commit]
let server: TestServer

beforeAll(async () => {
  server = await startTestServer()
  const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
  await answered(200, { method: 'PUT', path: '/bucket', headers })
  // Each of these makes its shard of bodies in a worker, once; the recordings begin after it.
  await answered(200, { method: 'PUT', path: '/bucket/first', body: Buffer.alloc(mib) })
})
afterAll(async () => {
  await server.stop()
})

function document(options: SendOptions & { readonly body: string | Uint8Array }): SendOptions {
  const digest = createHash('md5').update(options.body).digest('base64')
  return { ...options, headers: { 'content-md5': digest, ...options.headers } }
}

async function answered(status: number, options: SendOptions): Promise<Answer> {
  const answer = await server.client.send(options)
  expect([answer.status, options.method, options.path, answer.text]).toEqual([
    status,
    options.method,
    options.path,
    expect.any(String),
  ])
  return answer
}

function put(key: string, sizeBytes: number): SendOptions {
  return { method: 'PUT', path: `/bucket/${key}`, body: Buffer.alloc(sizeBytes, key) }
}

function inAnHour(): string {
  return new Date(server.nowMs() + 3_600_000).toISOString()
}

async function version(key: string, sizeBytes = 100): Promise<string> {
  return String((await answered(200, put(key, sizeBytes))).headers['x-amz-version-id'])
}

function hold(key: string, versionId: string): SendOptions {
  const body = '<LegalHold><Status>ON</Status></LegalHold>'
  return document({
    method: 'PUT',
    path: `/bucket/${key}`,
    query: { 'legal-hold': '', versionId },
    body,
  })
}

function retain(key: string, versionId: string): SendOptions {
  const date = inAnHour()
  const body = `<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>${date}</RetainUntilDate></Retention>`
  return document({ method: 'PUT', path: `/bucket/${key}`, query: { retention: '', versionId }, body })
}

async function begun(key: string): Promise<{ readonly uploadId: string }> {
  const created = await answered(200, { method: 'POST', path: `/bucket/${key}`, query: { uploads: '' } })
  return { uploadId: created.element('UploadId') ?? '' }
}

function remove(key: string, versionId: string): SendOptions {
  return { method: 'DELETE', path: `/bucket/${key}`, query: { versionId } }
}

/** Sends the request with strace on all workers. */
async function record(status: number, request: SendOptions): Promise<readonly SystemCall[]> {
  const recording = await recordSystemCalls(workerPids(server))
  try {
    await answered(status, request)
    // On the same connection: what the worker does late for the first request is recorded too.
    await answered(200, { method: 'HEAD', path: '/bucket' })
  } catch (error) {
    await recording.stop()
    throw error
  }
  return recording.stop()
}

function judge(calls: readonly SystemCall[], request: SendOptions): Exchange {
  return judgeExchange(calls, `${request.method} ${request.path}`, server.dataDirectory)
}

type Row = {
  readonly name: string
  readonly status: number
  /** Prepares what the request needs, unrecorded. */
  readonly request: () => Promise<SendOptions>
  readonly syncs: readonly string[]
}

const rows: readonly Row[] = [
  { name: 'PutObject of 4 KiB', status: 200, request: async () => put('four', 4096), syncs: commit },
  { name: 'PutObject of 64 KiB', status: 200, request: async () => put('inline', 65_536), syncs: commit },
  {
    name: 'PutObject of 1 MiB',
    status: 200,
    request: async () => put('file', mib),
    syncs: file,
  },
  {
    name: 'PutObjectLegalHold ON',
    status: 200,
    request: async () => hold('held', await version('held')),
    syncs: commit,
  },
  {
    name: 'PutObjectRetention',
    status: 200,
    request: async () => retain('retained', await version('retained')),
    syncs: commit,
  },
  {
    name: 'a refused DeleteObject of a version',
    status: 403,
    request: async () => {
      const versionId = await version('refused')
      await answered(200, retain('refused', versionId))
      return remove('refused', versionId)
    },
    syncs: commit,
  },
  {
    name: 'an allowed DeleteObject of a version in a file',
    status: 204,
    request: async () => remove('free', await version('free', mib)),
    syncs: commit,
  },
  {
    name: 'DeleteObject without version id',
    status: 204,
    request: async () => ({ method: 'DELETE', path: '/bucket/marked' }),
    syncs: commit,
  },
  {
    name: 'CopyObject',
    status: 200,
    request: async () => {
      await version('source', mib)
      return { method: 'PUT', path: '/bucket/copy', headers: { 'x-amz-copy-source': '/bucket/source' } }
    },
    syncs: commit,
  },
  {
    name: 'UploadPart of 10 bytes',
    status: 200,
    request: async () => {
      return { ...put('upload', 10), query: { partNumber: '1', ...(await begun('upload')) } }
    },
    syncs: file,
  },
  {
    name: 'CreateBucket',
    status: 200,
    request: async () => ({ method: 'PUT', path: '/another-bucket' }),
    syncs: commit,
  },
  {
    name: 'PutObjectTagging',
    status: 200,
    request: async () => {
      const body = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>'
      const query = { tagging: '', versionId: await version('tagged') }
      return document({ method: 'PUT', path: '/bucket/tagged', query, body })
    },
    syncs: commit,
  },
  {
    name: 'DeleteObjects',
    status: 200,
    request: async () => {
      const versionId = await version('many')
      const body = `<Delete><Object><Key>many</Key><VersionId>${versionId}</VersionId></Object></Delete>`
      return document({ method: 'POST', path: '/bucket', query: { delete: '' }, body })
    },
    syncs: commit,
  },
  {
    name: 'CreateMultipartUpload',
    status: 200,
    request: async () => ({ method: 'POST', path: '/bucket/begun', query: { uploads: '' } }),
    syncs: commit,
  },
  {
    name: 'AbortMultipartUpload',
    status: 204,
    request: async () => ({ method: 'DELETE', path: '/bucket/ended', query: await begun('ended') }),
    syncs: commit,
  },
  {
    name: 'CompleteMultipartUpload',
    status: 200,
    request: async () => {
      const query = await begun('complete')
      const part = await answered(200, { ...put('complete', 10), query: { ...query, partNumber: '1' } })
      const etag = String(part.headers['etag'])
      const body =
        '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>' +
        `<ETag>${etag}</ETag></Part></CompleteMultipartUpload>`
      return { method: 'POST', path: '/bucket/complete', query, body }
    },
    syncs: commit,
  },
  {
    name: 'DeleteBucket',
    status: 204,
    request: async () => {
      await answered(200, { method: 'PUT', path: '/short-lived' })
      return { method: 'DELETE', path: '/short-lived' }
    },
    syncs: commit,
  },
]

const lead = { method: 'POST', path: '/v1/leadership', document: { holder: 'test' } }

const adminRows = [
  {
    ...{ name: 'POST /v1/leadership', status: 200, line: 'POST /v1/leadership', syncs: commit },
    request: async () => lead,
  },
  {
    ...{ name: 'PUT /v1/buckets/{name}', status: 200, line: 'PUT /v1/buckets/managed', syncs: commit },
    request: async () => {
      const epoch = Number((await sendAdmin(server, lead)).document['epoch'])
      return { method: 'PUT', path: '/v1/buckets/managed', document: applyDocument({}), epoch }
    },
  },
]

describe('syncs and the first byte of the answer', () => {
  it.each(rows)('$name: all that it wrote is durable first', async ({ status, request, syncs }) => {
    const options = await request()
    const exchange = judge(await record(status, options), options)
    expect(exchange.faults).toEqual([])
    // The two directories of a file are flushed side by side; a shard is made once for each worker.
    expect(exchange.syncs.filter((sync) => sync !== 'shard').sort()).toEqual([...syncs].sort())
  })
})

describe('the admin API', () => {
  it.each(adminRows)(
    '$name: all that it wrote is durable first',
    async ({ status, line, request, syncs }) => {
      const send = await request()
      const recording = await recordSystemCalls(workerPids(server))
      const answer = await sendAdmin(server, send).catch(() => null)
      const calls = await recording.stop()
      expect(answer).toMatchObject({ status })
      const exchange = judgeExchange(calls, line, server.dataDirectory)
      expect(exchange.faults).toEqual([])
      expect(exchange.syncs).toEqual(syncs)
    },
  )
})

it('docs/RELIABILITY.md: its table of requests is the one that is tested', () => {
  const text = readFileSync(new URL('../../docs/RELIABILITY.md', import.meta.url), 'utf8')
  const table = [...rows, ...adminRows].map(({ name, syncs }) => `| ${name} | ${syncs.join(', ')} |`)
  expect(text).toContain(`| request | flushes |\n|---|---|\n${table.join('\n')}\n`)
})

describe('a disk that flushes slowly', () => {
  const slow = (name: string) => `${name}:delay_exit=${delayMs * 1000}`

  async function timed(inject: string, status: number, request: SendOptions): Promise<number> {
    const recording = await recordSystemCalls(workerPids(server), [inject])
    try {
      const startMs = performance.now()
      await answered(status, request)
      return performance.now() - startMs
    } finally {
      await recording.stop()
    }
  }

  it('PutObject: the answer waits for the flush of the store', async () => {
    expect(await timed(slow('fdatasync'), 200, put('slow', 4096))).toBeGreaterThanOrEqual(delayMs)
  })

  it('PutObject of a file: the answer waits for the flush of the bytes and for that of the names', async () => {
    expect(await timed(slow('fsync'), 200, put('slow', mib))).toBeGreaterThanOrEqual(2 * delayMs)
  })

  it('a refused DeleteObject: the answer waits for the record of the refusal', async () => {
    const versionId = await version('slowly-refused')
    await answered(200, hold('slowly-refused', versionId))
    const request = remove('slowly-refused', versionId)
    expect(await timed(slow('fdatasync'), 403, request)).toBeGreaterThanOrEqual(delayMs)
  })
})

describe('a disk that fails to flush', () => {
  it.each([
    ['the store', 'fdatasync', 4096],
    ['the bytes of a body', 'fsync', mib],
  ])(
    'PutObject: the flush of %s fails, the answer is not 200 and a new worker serves',
    async (_, name, size) => {
      const key = `failed-${name}`
      const before = workerPids(server)
      const recording = await recordSystemCalls(workerPids(server), [`${name}:error=EIO`])
      let answer: Answer | null
      try {
        answer = await server.client.send(put(key, size)).catch(() => null)
      } finally {
        await recording.stop()
      }
      expect(answer?.status ?? 503).toBe(503)
      await until('a worker has ended', () => before.some((pid) => !workerPids(server).includes(pid)))
      await untilReady(server)
      const got = await server.client.send({ method: 'GET', path: `/bucket/${key}` })
      // Nobody was told that it is there; if it is, then whole.
      if (got.status === 200) expect(got.body.equals(Buffer.alloc(size, key))).toBe(true)
      else expect([got.status, got.code]).toEqual([404, 'NoSuchKey'])
    },
  )
})

describe('the judge of recordings', () => {
  const options = (): SendOptions => put('planted', mib)

  async function genuine(): Promise<readonly SystemCall[]> {
    const calls = await record(200, options())
    expect(judge(calls, options()).faults).toEqual([])
    return calls
  }

  const isAnswer = ({ text }: SystemCall): boolean => text.startsWith('HTTP/1.1 200')
  const isFlush = ({ name }: SystemCall): boolean => name === 'fsync' || name === 'fdatasync'

  it('judgeExchange: the answer moved before any one sync, is a fault', async () => {
    const calls = await genuine()
    const answer = calls.find(isAnswer)
    const syncs = calls.filter((call) => isFlush(call) || call.isSynchronous)
    expect(syncs.length).toBeGreaterThanOrEqual(file.length)
    for (const sync of syncs) {
      const start = sync.end - 1e-6
      const moved = calls.map((call) => (call === answer ? { ...call, start, end: start } : call))
      expect(judge(moved, options()).faults).not.toEqual([])
    }
  })

  it('judgeExchange: any one flush left out or failed, is a fault', async () => {
    const calls = await genuine()
    for (const flush of calls.filter(isFlush)) {
      // On the stage's directory only the trace for recovery depends, a shard may be durable already: these
      // two are held by the list of syncs above.
      const isOptional = /\/(stage\/[^/]+|bodies|bodies\/[^/]+)$/.test(flush.target)
      const without = judge(
        calls.filter((call) => call !== flush),
        options(),
      )
      expect([flush.target, without.faults.length > 0]).toEqual([flush.target, !isOptional])
      const failed = calls.map((call) => (call === flush ? { ...call, result: -1 } : call))
      expect(judge(failed, options()).faults).not.toEqual([])
    }
  })

  it('judgeExchange: the root of the store before its pages or before the body, is a fault', async () => {
    const calls = await genuine()
    const root = calls.find(({ isSynchronous }) => isSynchronous)
    for (const flush of calls.filter(isFlush)) {
      const start = flush.end - 1e-6
      const moved = calls.map((call) => (call === root ? { ...call, start, end: start } : call))
      expect([flush.target, judge(moved, options()).faults]).not.toEqual([flush.target, []])
    }
  })
})
