import { limits } from '../lib/limits.ts'
import { S3Error } from '../s3/s3-error.ts'
import type { WireRequest, WireResponse } from './wire.ts'

/** The client broke its connection off: nobody is there to answer. */
export class ClientGoneError extends Error {
  override readonly name = 'ClientGoneError'
}

/**
 * The wire's bytes of a request, with back pressure. The first read invites a client that sent `Expect:
 * 100-continue`, so that nothing is sent by clients that are refused before. Errors: RequestTimeout after
 * limits.bodyIdleMsMax of silence, ClientGoneError.
 */
export async function* requestBytes(
  request: WireRequest,
  response: WireResponse,
): AsyncGenerator<Uint8Array, void, void> {
  if (expectsContinue(request)) response.writeContinue()
  let count = 0
  // Not destroyed when the reader stops: the answer still has to go out on this socket.
  const iterator: AsyncIterator<Uint8Array> = request.iterator({ destroyOnReturn: false })
  try {
    for (;;) {
      const next = await nextInTime(iterator)
      if (next.done === true) break
      count += next.value.length
      yield next.value
    }
  } finally {
    // Whoever reads away the rest must be the only reader. Not awaited: a read that is still open ends with its connection.
    iterator.return?.().catch(() => {})
  }
  if (!request.complete || isCut(request, count))
    throw new ClientGoneError('the request ended before its body')
}

/** Whatever the library says of its end: a body of another length than was declared is not the client's. */
function isCut({ headers }: WireRequest, count: number): boolean {
  const declared = headers['content-length']
  return declared !== undefined && Number(declared) !== count
}

export function expectsContinue(request: WireRequest): boolean {
  const isKnown = request.httpVersionMajor > 1 || request.httpVersionMinor >= 1
  return request.headers.expect?.toLowerCase() === '100-continue' && isKnown
}

async function nextInTime(iterator: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
  const next = iterator.next().catch((cause: unknown) => {
    throw new ClientGoneError('the connection broke while its body was read', { cause })
  })
  return inTime(next, limits.bodyIdleMsMax)
}

/** Errors: those of `work`, RequestTimeout after `msMax`. */
export async function inTime<Result>(work: Promise<Result>, msMax: number): Promise<Result> {
  let timer: NodeJS.Timeout | null = null
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new S3Error('RequestTimeout')), msMax)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    if (timer !== null) clearTimeout(timer)
    // When the timer won, the work goes on and may fail later with nobody waiting.
    work.catch(() => {})
  }
}
