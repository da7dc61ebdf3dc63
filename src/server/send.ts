import { assert } from '../lib/assert.ts'
import { limits } from '../lib/limits.ts'
import type { BodyStream, S3Response } from '../s3/operation.ts'
import { ClientGoneError, expectsContinue } from './request-body.ts'
import type { WireRequest, WireResponse } from './wire.ts'

/** What is the same on every answer. */
export type AnswerIdentity = {
  readonly requestId: string
  readonly hostId: string
  /** IMF-fixdate. */
  readonly date: string
  /** True while the server drains: the connection ends with this answer. */
  readonly isLast: boolean
}

/**
 * Writes one answer with back pressure. What is left of a refused upload is not read: a little of it is taken
 * so that the client can read the answer, then the connection ends. Errors: ClientGoneError; what the body
 * throws, after which the connection is destroyed, because the client must not take a cut body for a whole
 * one. Resolves to the bytes of the body that were sent.
 */
export async function sendResponse(
  request: WireRequest,
  response: WireResponse,
  answer: S3Response,
  identity: AnswerIdentity,
): Promise<number> {
  const hasRest = await leavesRest(request)
  const body =
    request.method === 'HEAD' || answer.status === 304 || answer.status === 204 ? null : answer.body
  response.writeHead(answer.status, {
    ...lengthHeader(request, answer, body),
    server: 'Holdfast',
    ...answer.headers,
    'x-amz-request-id': identity.requestId,
    'x-amz-id-2': identity.hostId,
    date: identity.date,
    // HTTP/2 has no such header: its connections end by GOAWAY.
    ...((hasRest || identity.isLast) && request.httpVersionMajor === 1 ? { connection: 'close' } : {}),
  })
  try {
    const sentBytes = body === null ? 0 : await writeBody(response, body, answer.headers['content-length'])
    if (hasRest) await takeSomeRest(request, limits.lingerBytesMax)
    response.end()
    if (!response.writableFinished && !response.destroyed) await firstOf('finish', response)
    return sentBytes
  } catch (error) {
    response.destroy()
    throw error
  } finally {
    if (answer.body !== null && isStream(answer.body)) await answer.body[Symbol.asyncIterator]().return?.()
  }
}

type Body = NonNullable<S3Response['body']>

function isStream(body: Body): body is BodyStream {
  return typeof body !== 'string' && !(body instanceof Uint8Array)
}

/** The length of an answer whose operation did not state it. Without one, node would use chunks. */
function lengthHeader(
  request: WireRequest,
  answer: S3Response,
  body: S3Response['body'],
): Readonly<Record<string, string>> {
  if (answer.headers['content-length'] !== undefined || answer.status === 304 || answer.status === 204)
    return {}
  if (request.method === 'HEAD') return {}
  if (body === null) return { 'content-length': '0' }
  return isStream(body) ? {} : { 'content-length': String(Buffer.byteLength(body)) }
}

/**
 * A body of another length than the head said would be read as part of the next answer: the connection
 * breaks.
 */
async function writeBody(
  response: WireResponse,
  body: Body,
  declaredLength: string | undefined,
): Promise<number> {
  if (!isStream(body)) {
    if (response.stallMsMax === undefined) response.write(body)
    else await writePiece(response, Buffer.from(body), () => {})
    return Buffer.byteLength(body)
  }
  let sentBytes = 0
  for await (const piece of body) {
    sentBytes += piece.length
    assert(
      declaredLength === undefined || sentBytes <= Number(declaredLength),
      'a body is no longer than declared',
    )
    await writePiece(response, piece, () => body.recycle?.(piece))
  }
  assert(
    declaredLength === undefined || sentBytes === Number(declaredLength),
    'a body is as long as declared',
  )
  return sentBytes
}

/** Where a client that reads nothing is told by what leaves, in parts so small that one of them leaves in time however slow it reads. */
async function writePiece(response: WireResponse, piece: Uint8Array, onSent: () => void): Promise<void> {
  const partBytes = response.stallMsMax === undefined ? piece.length : limits.bodyBlockBytes
  for (let start = 0; start < piece.length; start += partBytes) {
    if (response.destroyed) throw clientLeft()
    const isLast = start + partBytes >= piece.length
    const hasRoom = response.write(piece.subarray(start, start + partBytes), (error) => {
      // Only here have the bytes left: until then the socket holds them. A stream that was reset says nothing about them.
      if (isLast && !error && !response.destroyed) onSent()
    })
    if (!hasRoom && (await firstOf('drain', response)) === 'gone') throw clientLeft()
  }
}

function clientLeft(): ClientGoneError {
  return new ClientGoneError('the client left during the answer')
}

/** The event of the answer, or that nobody is left to send it to. A client that lets it wait too long is sent nothing more. */
function firstOf(event: 'drain' | 'finish', response: WireResponse): Promise<'came' | 'gone'> {
  return new Promise((resolve) => {
    const { stallMsMax } = response
    const timer = stallMsMax === undefined ? undefined : setTimeout(() => response.destroy(), stallMsMax)
    const end = (outcome: 'came' | 'gone') => (): void => {
      clearTimeout(timer)
      response.off(event, onEvent).off('close', onGone)
      resolve(outcome)
    }
    const onEvent = end('came')
    const onGone = end('gone')
    response.once(event, onEvent).once('close', onGone)
  })
}

/** Whether the client still has body to send that is not worth reading. A small rest is read at once. */
async function leavesRest(request: WireRequest): Promise<boolean> {
  // HTTP/2 ends a stream by itself and keeps the connection (http2.ts).
  if (request.httpVersionMajor > 1) return false
  if (request.complete) return false
  if (expectsContinue(request)) return true
  const length = request.headers['content-length']
  const isChunked = request.headers['transfer-encoding'] !== undefined
  if (length === undefined && !isChunked) return false
  if (isChunked || Number(length) > limits.restBytesMax) return true
  return !(await takeSomeRest(request, limits.restBytesMax))
}

/** Reads and drops what comes, within limits of bytes and time; true when the body has ended. */
function takeSomeRest(request: WireRequest, bytesMax: number): Promise<boolean> {
  return new Promise((resolve) => {
    let takenBytes = 0
    const end = (): void => {
      clearTimeout(timer)
      request.off('data', take).off('end', end).off('close', end)
      request.pause()
      resolve(request.complete)
    }
    const take = (piece: Uint8Array): void => {
      takenBytes += piece.length
      if (takenBytes > bytesMax) end()
    }
    const timer = setTimeout(end, limits.restMsMax)
    request.on('data', take).once('end', end).once('close', end)
    if (request.destroyed || request.readableEnded) end()
    else request.resume()
  })
}
