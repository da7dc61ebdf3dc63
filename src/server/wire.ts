/** A request and its answer as the pipeline sees them: of node:http, or of node:http2 in the same shape. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Readable, Writable } from 'node:stream'

export type WireRequest = Readable &
  Pick<IncomingMessage, 'method' | 'url' | 'rawHeaders' | 'headers' | 'complete' | 'socket'> & {
    readonly httpVersionMajor: number
    readonly httpVersionMinor: number
  }

export type WireResponse = Writable &
  Pick<ServerResponse, 'headersSent'> & {
    writeContinue(): void
    writeHead(status: number, headers: OutgoingHttpHeaders): unknown
    /** How long a part of the answer may wait for its client, where others go on beside it; left out: its connection is bounded. */
    readonly stallMsMax?: number
  }
