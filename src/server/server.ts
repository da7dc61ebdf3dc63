/**
 * The only door to fastify: listening, timeouts, orderly closing. Its router, parsers and replies are not
 * used: an S3 target must reach the pipeline byte for byte, so every request is hijacked before anything
 * looks at it. node:http alone could replace it.
 */
import {
  createServer,
  type ServerOptions as HttpServerOptions,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { Socket } from 'node:net'
import type { SecureContextOptions, TLSSocket } from 'node:tls'
import { fastify } from 'fastify'
import { limits } from '../lib/limits.ts'
import { renderError } from '../s3/error-document.ts'
import { S3Error } from '../s3/s3-error.ts'
import { newRequestId } from '../store/random-ids.ts'
import type { FollowedCertificate } from './certificate.ts'
import { createHttp2Listener, type Http2Listener } from './http2.ts'
import type { WireRequest, WireResponse } from './wire.ts'

export type ListenAddress = { readonly host: string; readonly port: number }

export type HttpServer = {
  /** Resolves to the port, also when 0 was asked for. */
  readonly listen: (address: ListenAddress) => Promise<number>
  /** Stops accepting; running requests may end within `graceMs`, then their connections are destroyed. */
  readonly drain: (graceMs: number) => Promise<void>
}

/** Gives the certificate of new connections, and another whenever it changes. */
export type CertificateSource = (renew: (options: SecureContextOptions) => void) => FollowedCertificate

export type Http2Handler = (request: WireRequest, response: WireResponse) => void
export type Http1Handler = (request: IncomingMessage, response: ServerResponse) => void

export type HttpServerParts = {
  readonly http1: Http1Handler
  /** Where it is there, clients may choose HTTP/2 by ALPN: over TLS only. */
  readonly http2: Http2Handler | null
  /** null: plain HTTP/1.1. */
  readonly certificate: CertificateSource | null
}

export function createHttpServer({ http1, http2, certificate }: HttpServerParts): HttpServer {
  let server: Server | null = null
  const streams = http2 === null ? null : createHttp2Listener(http2)
  const targets = new WeakMap<IncomingMessage, string>()
  // The answer that each connection is working on or has given last.
  const answers = new WeakMap<Socket, ServerResponse>()
  const application = fastify({
    serverFactory: (route) => {
      server = createRawServer(
        (request, response) => {
          answers.set(request.socket, response)
          route(request, response)
        },
        certificate,
        streams,
      )
      return server
    },
    // Not by an event of our own: fastify's handler would run too and destroy the socket under our answer.
    clientErrorHandler: (error, socket) => {
      whenItsTurn(answers.get(socket), socket, () => answerBrokenRequest(error, socket))
    },
    // The router sees one path only; the target is put back before anybody reads it.
    rewriteUrl: (request) => {
      targets.set(request as IncomingMessage, request.url ?? '')
      return '/'
    },
    exposeHeadRoutes: false,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
  })
  application.addHook('onRequest', (request, reply) => {
    reply.hijack()
    request.raw.url = targets.get(request.raw) ?? ''
    http1(request.raw, reply.raw)
  })
  return {
    listen: async ({ host, port }) => {
      await application.listen({ host, port })
      const address = server?.address()
      return typeof address === 'object' && address !== null ? address.port : port
    },
    drain: async (graceMs) => {
      const timer = setTimeout(() => {
        server?.closeAllConnections()
        streams?.destroy()
      }, graceMs)
      streams?.drain()
      try {
        await application.close()
      } finally {
        clearTimeout(timer)
      }
    },
  }
}

const httpOptions: HttpServerOptions = {
  maxHeaderSize: limits.headerBytesMax,
  // A 5 GiB upload takes as long as it takes: silence is bounded instead (request-body.ts, server.timeout).
  requestTimeout: 0,
  headersTimeout: limits.headerMsMax,
  keepAliveTimeout: limits.keepAliveMs,
  // Missing hosts get an answer with a request id from the pipeline.
  requireHostHeader: false,
  insecureHTTPParser: false,
  noDelay: true,
}

function createRawServer(
  route: Http1Handler,
  certificate: CertificateSource | null,
  streams: Http2Listener | null,
): Server {
  const server =
    certificate === null ? createServer(httpOptions, route) : createTlsServer(route, certificate, streams)
  server.timeout = limits.connectionIdleMsMax
  server.maxConnections = limits.connectionsMax
  // In a worker node would otherwise hand what is too many back to the supervisor, which hands it to a worker again, for ever.
  Object.assign(server, { dropMaxConnection: true })
  server.on('checkContinue', route)
  // An unknown expectation is ignored, as S3 does; node would answer 417 without a request id.
  server.on('checkExpectation', route)
  return server
}

function createTlsServer(
  route: Http1Handler,
  certificate: CertificateSource,
  streams: Http2Listener | null,
): Server {
  const ALPNProtocols = streams === null ? ['http/1.1'] : ['h2', 'http/1.1']
  const server = createSecureServer(
    { ...httpOptions, handshakeTimeout: limits.headerMsMax, ALPNProtocols },
    route,
  )
  if (streams !== null) dealByProtocol(server, streams)
  const { options, stop } = certificate((renewed) => server.setSecureContext(renewed))
  server.setSecureContext(options)
  server.on('close', stop)
  return server
}

/** What the handshake chose: h2 connections never reach the parser of HTTP/1.1. */
function dealByProtocol(server: Server, streams: Http2Listener): void {
  const listeners = server.listeners('secureConnection')
  server.removeAllListeners('secureConnection')
  server.on('secureConnection', (socket: TLSSocket) => {
    if (socket.alpnProtocol === 'h2') streams.accept(socket)
    else for (const listener of listeners) listener.call(server, socket)
  })
}

type BrokenRequestError = Error & { readonly code?: string }

/**
 * Bytes that are no request come behind the answer to the whole request before them, never in its place; a
 * request that breaks off inside its body is answered at once, unless its answer has begun: then nothing may
 * be put into it.
 */
function whenItsTurn(current: ServerResponse | undefined, socket: Socket, answer: () => void): void {
  if (current === undefined || current.writableFinished) answer()
  else if (current.req.complete) current.once('finish', answer)
  else if (current.headersSent) socket.destroy()
  else answer()
}

/** What node could not parse never becomes a request: answered here, and the connection ends. */
function answerBrokenRequest(error: BrokenRequestError, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const answer = new S3Error(brokenRequestCode(error.code))
  const requestId = newRequestId()
  const body = renderError(answer, { resource: '/', requestId, hostId: requestId })
  socket.end(
    `HTTP/1.1 ${answer.detail.status} Bad Request\r\ncontent-type: application/xml\r\nconnection: close\r\n` +
      `x-amz-request-id: ${requestId}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

function brokenRequestCode(
  code: string | undefined,
): 'BadRequest' | 'IncompleteBody' | 'RequestHeaderSectionTooLarge' | 'RequestTimeout' {
  if (code === 'HPE_HEADER_OVERFLOW') return 'RequestHeaderSectionTooLarge'
  if (code === 'HPE_INVALID_EOF_STATE') return 'IncompleteBody'
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'RequestTimeout' : 'BadRequest'
}
