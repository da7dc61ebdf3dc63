/** Answers over HTTP/2 to clients that do not read them. The clock is the test's. */
import { once } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import type { S3Response } from '../../../src/s3/operation.ts'
import { createHttp2Listener, type Http2Listener } from '../../../src/server/http2.ts'
import { ClientGoneError } from '../../../src/server/request-body.ts'
import { sendResponse } from '../../../src/server/send.ts'

const pieceBytes = 512 * 1024
const pieceCount = 4
const sizeBytes = pieceCount * pieceBytes
const identity = { requestId: 'r', hostId: 'h', date: 'd', isLast: false }
const stallMs = limits.connectionIdleMsMax

let listener: Http2Listener
let server: Server
let session: ClientHttp2Session
/** By path: how the sending of its answer ended. */
let outcomes: Map<string, unknown>
/** Paths whose body is open, as a file is. */
let open: Set<string>

/** `fails`: in its second piece. */
async function* pieces(path: string): AsyncGenerator<Uint8Array> {
  open.add(path)
  try {
    for (let index = 0; index < pieceCount; index += 1) {
      if (path.includes('fails') && index === 1) throw new Error('damaged')
      yield Buffer.alloc(pieceBytes, index)
    }
  } finally {
    open.delete(path)
  }
}

function answerTo(path: string): S3Response {
  if (path.includes('document')) return { status: 200, headers: {}, body: 'a'.repeat(sizeBytes) }
  if (path.includes('short')) return { status: 200, headers: {}, body: 'a'.repeat(1000) }
  return { status: 200, headers: {}, body: pieces(path) }
}

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  outcomes = new Map()
  open = new Set()
  listener = createHttp2Listener((request, response) => {
    const path = request.url ?? ''
    sendResponse(request, response, answerTo(path), identity).then(
      (sentBytes) => outcomes.set(path, sentBytes),
      (error: unknown) => outcomes.set(path, error),
    )
  })
  server = createServer((socket) => listener.accept(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const settings = { initialWindowSize: 500 }
  session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { settings })
})
afterEach(async () => {
  session.destroy()
  listener.destroy()
  server.close()
  await once(server, 'close')
  vi.useRealTimers()
})

/** Reads nothing. */
async function begin(path: string): Promise<ClientHttp2Stream> {
  const stream = session.request({ ':path': path })
  await once(stream, 'response')
  return stream
}

async function readAll(stream: ClientHttp2Stream): Promise<number> {
  let count = 0
  stream.on('data', (piece: Buffer) => {
    count += piece.length
  })
  await once(stream, 'close')
  return count
}

/** `vi.waitUntil` would let the test's clock go on. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
}

const untilOneWaits = () => until(() => vi.getTimerCount() === 1)

describe('an answer over HTTP/2', () => {
  it.each(['/pieces', '/document', '/short'])(
    '%s that its client does not read is cancelled in time, however much others read beside it',
    async (path) => {
      const stalled = await begin(path)
      await untilOneWaits()
      vi.advanceTimersByTime(stallMs - 1)
      expect(await readAll(await begin('/other'))).toBe(sizeBytes)
      expect(stalled.closed).toBe(false)
      const closed = once(stalled, 'close')
      vi.advanceTimersByTime(1)
      await closed
      expect(stalled.rstCode).toBe(constants.NGHTTP2_CANCEL)
      await until(() => outcomes.has(path))
      expect(open).toEqual(new Set())
      expect(await readAll(await begin('/after'))).toBe(sizeBytes)
      expect([outcomes.get('/other'), outcomes.get('/after')]).toEqual([sizeBytes, sizeBytes])
      if (path !== '/short') expect(outcomes.get(path)).toBeInstanceOf(ClientGoneError)
    },
  )

  it('that is read slowly goes on', async () => {
    const stream = await begin('/slow')
    await untilOneWaits()
    let count = 0
    for (let part = 1; part <= 5; part += 1) {
      vi.advanceTimersByTime(stallMs - 1)
      // So much is there only when the part before has left.
      while (count <= part * limits.bodyBlockBytes) {
        const piece: Buffer | null = stream.read()
        if (piece === null) await once(stream, 'readable')
        else count += piece.length
      }
    }
    expect(count + (await readAll(stream))).toBe(sizeBytes)
    expect([stream.rstCode, outcomes.get('/slow')]).toEqual([constants.NGHTTP2_NO_ERROR, sizeBytes])
  })

  it('whose bytes turn out to be damaged is cancelled: it cannot be taken for a whole one', async () => {
    const stream = await begin('/fails')
    expect(await readAll(stream)).toBeLessThan(sizeBytes)
    expect(stream.rstCode).toBe(constants.NGHTTP2_CANCEL)
    expect([outcomes.get('/fails'), open.size]).toEqual([new Error('damaged'), 0])
  })
})
