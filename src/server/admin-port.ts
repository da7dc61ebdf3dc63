/** The admin API on its port: bodies are read and answers are sent as those of S3. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AdminHandler } from '../admin/handler.ts'
import { AdminError } from '../admin/operation.ts'
import type { Clock } from '../lib/clock.ts'
import { formatHttpDate } from '../s3/dates.ts'
import { S3Error } from '../s3/s3-error.ts'
import { ClientGoneError, requestBytes } from './request-body.ts'
import { sendResponse } from './send.ts'
import type { Http1Handler } from './server.ts'

export type AdminPortParts = {
  readonly handler: AdminHandler
  readonly clock: Clock
  readonly hostId: string
  readonly isDraining: () => boolean
}

export function adminPort(parts: AdminPortParts): Http1Handler {
  return (request, response) => {
    exchange(parts, request, response).catch((error: unknown) =>
      response.destroy(error instanceof Error ? error : undefined),
    )
  }
}

async function exchange(
  { handler, clock, hostId, isDraining }: AdminPortParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { status, document, requestId } = await handler(request, documentBytes(request, response))
  if (response.destroyed) return
  const headers = { 'content-type': 'application/json' }
  const date = formatHttpDate(clock.wallMs())
  const identity = { requestId, hostId, date, isLast: isDraining() }
  await sendResponse(request, response, { status, headers, body: JSON.stringify(document) }, identity)
}

async function* documentBytes(
  request: IncomingMessage,
  response: ServerResponse,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* requestBytes(request, response)
  } catch (error) {
    if (error instanceof ClientGoneError) throw new AdminError(400, 'IncompleteBody', error.message)
    if (error instanceof S3Error) throw new AdminError(error.detail.status, error.code, error.message)
    throw error
  }
}
