/** What one request was and what became of it: for the access log and the metrics. Never a header map, a query or a secret. */
import { TLSSocket } from 'node:tls'
import type { WireRequest } from './wire.ts'

/** Filled in while the request goes through the pipeline. */
export type RequestRecord = {
  readonly requestId: string
  readonly startMs: number
  readonly method: string
  readonly remoteIp: string
  readonly host: string | null
  readonly userAgent: string | null
  /** W3C Trace Context, as the client sent it: the log line is a part of that trace. */
  readonly traceparent: string | null
  readonly tlsVersion: string | null
  operation: string | null
  requester: string | null
  accountId: string | null
  bucket: string | null
  key: string | null
  versionId: string | null
  status: number
  errorCode: string | null
  bytesReceived: number
  bytesSent: number
}

const textLengthMax = 256
const traceparentShape = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

/** `startMs` by `performance.now()`. */
export function beginRecord(request: WireRequest, requestId: string): RequestRecord {
  const { headers, socket } = request
  const traceparent = headers['traceparent']
  return {
    requestId,
    startMs: performance.now(),
    method: request.method ?? '',
    remoteIp: socket.remoteAddress ?? '',
    host: shortened(headers.host),
    userAgent: shortened(headers['user-agent']),
    traceparent: typeof traceparent === 'string' && traceparentShape.test(traceparent) ? traceparent : null,
    tlsVersion: socket instanceof TLSSocket ? socket.getProtocol() : null,
    operation: null,
    requester: null,
    accountId: null,
    bucket: null,
    key: null,
    versionId: null,
    status: 0,
    errorCode: null,
    bytesReceived: 0,
    bytesSent: 0,
  }
}

function shortened(text: string | undefined): string | null {
  return text === undefined ? null : text.slice(0, textLengthMax)
}
