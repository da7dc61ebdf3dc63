import type { IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { S3Error } from '../../../src/s3/s3-error.ts'
import { ClientGoneError, requestBytes } from '../../../src/server/request-body.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

type Given = { readonly headers?: Readonly<Record<string, string>>; readonly complete?: boolean }

/** A request whose bytes the test writes, and how often it was invited to send. */
function request({ headers = {}, complete = true }: Given = {}) {
  const stream = Object.assign(new PassThrough(), { headers, complete, httpVersionMinor: 1 })
  let invitations = 0
  const writeContinue = (): void => {
    invitations += 1
  }
  const bytes = requestBytes(
    stream as object as IncomingMessage,
    { writeContinue } as object as ServerResponse,
  )
  return { stream, bytes, invitations: () => invitations }
}

test('Body: a client that is silent for too long, RequestTimeout', async () => {
  const { stream, bytes } = request()
  stream.write('a')
  expect((await bytes.next()).value).toEqual(Buffer.from('a'))
  const next = bytes.next().catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(limits.bodyIdleMsMax)
  const error = await next
  expect(error).toBeInstanceOf(S3Error)
  expect(error).toHaveProperty('code', 'RequestTimeout')
})

test('Body: a client that sends just in time, any number of times, read to its end', async () => {
  const { stream, bytes } = request()
  for (let index = 0; index < 5; index += 1) {
    const next = bytes.next()
    await vi.advanceTimersByTimeAsync(limits.bodyIdleMsMax - 1)
    stream.write('a')
    expect((await next).done).toBe(false)
  }
  stream.end()
  expect((await bytes.next()).done).toBe(true)
  expect(vi.getTimerCount()).toBe(0)
})

test('Body: a connection that breaks, ClientGoneError', async () => {
  const { stream, bytes } = request()
  stream.destroy(new Error('aborted'))
  await expect(bytes.next()).rejects.toBeInstanceOf(ClientGoneError)
})

test('Body: an end before the whole body, ClientGoneError and never a short body', async () => {
  const { stream, bytes } = request({ complete: false })
  stream.end()
  await expect(bytes.next()).rejects.toBeInstanceOf(ClientGoneError)
})

test('Body: Expect 100-continue, invited by the first read and only once', async () => {
  const { stream, bytes, invitations } = request({ headers: { expect: '100-Continue' } })
  expect(invitations()).toBe(0)
  stream.end('ab')
  await bytes.next()
  await bytes.next()
  expect(invitations()).toBe(1)
})

test('Body: a reader that stops early, the stream is not destroyed', async () => {
  const { stream, bytes } = request()
  stream.write('a')
  await bytes.next()
  await bytes.return()
  expect(stream.destroyed).toBe(false)
})
