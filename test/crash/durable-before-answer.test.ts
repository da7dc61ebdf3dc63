/**
 * 200 means durable, and so does 403: strace watches the workers, and every sync that belongs to a request must
 * have ended before the first byte of its answer goes to the socket.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Exchange, judgeExchange } from '../support/crash/durable-order.ts'
import {
  type MutationRequest,
  makeMutationsBucket,
  mutations,
  sendMutation,
} from '../support/crash/mutations.ts'
import { until, untilReady, workerPids } from '../support/crash/processes.ts'
import { recordSystemCalls, type SystemCall } from '../support/crash/strace.ts'
import type { Answer, SendOptions } from '../support/s3-client.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const mib = 1024 ** 2
const delayMs = 300
let server: TestServer

beforeAll(async () => {
  server = await startTestServer()
  await makeMutationsBucket(server)
  // Each of these makes its shard of bodies in a worker, once; the recordings begin after it.
  await answered(200, put('first', mib))
})
afterAll(async () => {
  await server.stop()
})

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

/** Sends the request with strace on all workers. */
async function record(status: number, request: MutationRequest): Promise<readonly SystemCall[]> {
  const recording = await recordSystemCalls(workerPids(server))
  try {
    expect((await sendMutation(server, request)).status).toBe(status)
    // On the same connection: what the worker does late for the first request is recorded too.
    if (request.kind === 's3') await answered(200, { method: 'HEAD', path: '/bucket' })
    else await recording.until(({ name, text }) => name.startsWith('write') && text.startsWith('HTTP/1.1'))
  } catch (error) {
    await recording.stop()
    throw error
  }
  return recording.stop()
}

function judge(calls: readonly SystemCall[], { options }: MutationRequest): Exchange {
  return judgeExchange(calls, `${options.method} ${options.path}`, server.dataDirectory)
}

/** Those whose way to the disk differs, or whose loss is worst; every other one is in every-step.test.ts. */
const watched = mutations.filter(({ name }) =>
  [
    'PutObject of 4 KiB',
    'PutObject of 64 KiB',
    'PutObject of 1 MiB',
    'PutObjectLegalHold ON',
    'PutObjectRetention',
    'a refused DeleteObject of a version',
    'an allowed DeleteObject of a version in a file',
    'DeleteObject without version id',
    'CopyObject',
    'UploadPart of 10 bytes',
    'UploadPartCopy',
    'DeleteObjects',
    'CompleteMultipartUpload',
    'DeleteBucket',
    'POST /v1/leadership',
    'PUT /v1/buckets/{name}',
  ].includes(name),
)

describe('syncs and the first byte of the answer', () => {
  it.each(watched)('$name: all that it wrote is durable first', async ({ status, prepare, flushes }) => {
    const request = await prepare(server)
    const exchange = judge(await record(status, request), request)
    expect(exchange.faults).toEqual([])
    // The two directories of a file are flushed side by side; a shard is made once for each worker.
    expect(exchange.syncs.filter((sync) => sync !== 'shard').sort()).toEqual([...flushes].sort())
  })

  it('the watched: every one of the names is a mutation', () => {
    expect(watched).toHaveLength(16)
  })
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
    const refused = mutations.find(({ name }) => name === 'a refused DeleteObject of a version')
    const request = await refused?.prepare(server)
    if (request?.kind !== 's3') throw new Error('a refused DeleteObject is a request to S3')
    expect(await timed(slow('fdatasync'), 403, request.options)).toBeGreaterThanOrEqual(delayMs)
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
  const request: MutationRequest = { kind: 's3', options: put('planted', mib) }

  async function genuine(): Promise<readonly SystemCall[]> {
    const calls = await record(200, request)
    expect(judge(calls, request).faults).toEqual([])
    return calls
  }

  const isAnswer = ({ text }: SystemCall): boolean => text.startsWith('HTTP/1.1 200')
  const isFlush = ({ name }: SystemCall): boolean => name === 'fsync' || name === 'fdatasync'

  it('judgeExchange: the answer moved before any one sync, is a fault', async () => {
    const calls = await genuine()
    const answer = calls.find(isAnswer)
    const syncs = calls.filter((call) => isFlush(call) || call.isSynchronous)
    expect(syncs.length).toBeGreaterThanOrEqual(5)
    for (const sync of syncs) {
      const start = sync.end - 1e-6
      const moved = calls.map((call) => (call === answer ? { ...call, start, end: start } : call))
      expect(judge(moved, request).faults).not.toEqual([])
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
        request,
      )
      expect([flush.target, without.faults.length > 0]).toEqual([flush.target, !isOptional])
      const failed = calls.map((call) => (call === flush ? { ...call, result: -1 } : call))
      expect(judge(failed, request).faults).not.toEqual([])
    }
  })

  it('judgeExchange: the root of the store before its pages or before the body, is a fault', async () => {
    const calls = await genuine()
    const root = calls.find(({ isSynchronous }) => isSynchronous)
    for (const flush of calls.filter(isFlush)) {
      const start = flush.end - 1e-6
      const moved = calls.map((call) => (call === root ? { ...call, start, end: start } : call))
      expect([flush.target, judge(moved, request).faults]).not.toEqual([flush.target, []])
    }
  })
})
