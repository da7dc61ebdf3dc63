/**
 * HTTP/2 for clients that ask for it by ALPN. Node's compatibility classes give each stream the shape of an HTTP/1.1
 * request; here its head gets that form too, so that one reader of heads judges both.
 */
import {
  constants,
  createServer,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2'
import type { Socket } from 'node:net'
import { limits } from '../lib/limits.ts'
import type { WireRequest, WireResponse } from './wire.ts'

export type Http2Listener = {
  /** Takes over a connection whose TLS handshake chose h2. */
  readonly accept: (socket: Socket) => void
  /** No new streams; those that run may end. */
  readonly drain: () => void
  /** Ends all connections at once. */
  readonly destroy: () => void
}

export function createHttp2Listener(
  handler: (request: WireRequest, response: WireResponse) => void,
): Http2Listener {
  const sessions = new Set<ServerHttp2Session>()
  const server = createRawServer()
  const answer = (request: Http2ServerRequest, response: Http2ServerResponse): void => {
    // Reset already: nobody waits for an answer.
    if (request.stream.aborted || request.stream.destroyed) return
    handler(asHttp1(request), asWire(response))
    // Nobody reads a body that is not there, and until it has ended node does not tell that the client reset the stream.
    if (request.stream.endAfterHeaders) request.resume()
    // What a refused upload still sends is not wanted: its stream ends, its connection goes on.
    // The response itself says 'finish' only when its stream is closed, and node closes by itself only what was read to its end.
    request.stream.once('finish', () => {
      // After the frame that ends the answer is out.
      setImmediate(() => {
        if (!request.complete) request.stream.close(constants.NGHTTP2_NO_ERROR)
        request.resume()
      })
    })
  }
  server.on('request', answer)
  // Without this node would invite every body before its sender is known.
  server.on('checkContinue', answer)
  server.on('session', (session) => {
    sessions.add(session)
    session.setTimeout(limits.connectionIdleMsMax, () => session.destroy())
    session.once('close', () => sessions.delete(session))
  })
  // A connection that breaks the protocol ends by itself.
  server.on('sessionError', () => {})
  return {
    accept: (socket) => server.emit('connection', socket),
    drain: () => {
      for (const session of sessions) session.close()
    },
    destroy: () => {
      for (const session of sessions) session.destroy()
    },
  }
}

function createRawServer(): Http2Server {
  return createServer({
    maxSessionMemory: limits.http2SessionMegabytesMax,
    settings: {
      maxConcurrentStreams: limits.http2StreamsMax,
      maxHeaderListSize: limits.headerBytesMax,
      initialWindowSize: limits.http2WindowBytes,
      enablePush: false,
    },
  })
}

/**
 * `:authority` becomes Host: one that contradicts a Host header is refused as two of them are. A body
 * without a length is framed by its stream, as by chunks in HTTP/1.1.
 */
function asHttp1(request: Http2ServerRequest): WireRequest {
  const rawHeaders: string[] = []
  let authority: string | null = null
  for (let index = 0; index + 1 < request.rawHeaders.length; index += 2) {
    const name = request.rawHeaders[index] ?? ''
    const value = request.rawHeaders[index + 1] ?? ''
    if (name === ':authority') authority = value
    if (!name.startsWith(':')) rawHeaders.push(name, value)
  }
  const host = request.headers.host
  if (authority !== null && authority !== host) rawHeaders.push('host', authority)
  const isFramed = request.headers['content-length'] === undefined && !request.stream.endAfterHeaders
  if (isFramed) rawHeaders.push('transfer-encoding', 'chunked')
  return Object.defineProperties(request, {
    rawHeaders: { value: rawHeaders },
    // The class says so of a stream that was reset, too, whose body then ends early without an error.
    complete: { get: () => request.readableEnded && !request.stream.aborted },
  })
}

/** What the compatibility class leaves out or has otherwise. */
function asWire(response: Http2ServerResponse): WireResponse {
  const { stream } = response
  return Object.defineProperties(response, {
    destroyed: { get: () => stream.destroyed || stream.aborted },
    // The class's own says NO_ERROR, as of an answer that is whole.
    destroy: { value: () => stream.close(constants.NGHTTP2_CANCEL) },
    // Node's own timeout of a stream begins anew with whatever its connection sends of others.
    stallMsMax: { value: limits.connectionIdleMsMax },
  })
}
