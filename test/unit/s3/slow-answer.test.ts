import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import type { S3Request, S3Response } from '../../../src/s3/operation.ts'
import { aws } from '../../../src/s3/profiles/aws.ts'
import { minio } from '../../../src/s3/profiles/minio.ts'
import { obs } from '../../../src/s3/profiles/obs.ts'
import { S3Error } from '../../../src/s3/s3-error.ts'
import { slowAnswer } from '../../../src/s3/slow-answer.ts'

const request: S3Request = {
  requestId: 'REQUEST',
  method: 'POST',
  bucket: 'bucket',
  key: 'key',
  query: new URLSearchParams(),
  headers: {},
  resource: '/bucket/key',
  secure: false,
  sourceIp: '127.0.0.1',
}
const context = { request, profile: aws, actor: { operation: 'CopyObject' } }
const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
const done: S3Response = {
  status: 200,
  headers: { 'x-amz-version-id': 'V' },
  body: `${declaration}<Result></Result>`,
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

async function textOf(answer: S3Response): Promise<string> {
  if (answer.body === null || typeof answer.body === 'string' || answer.body instanceof Uint8Array) {
    throw new Error('the answer is a stream')
  }
  const pieces: Uint8Array[] = []
  for await (const piece of answer.body) pieces.push(piece)
  return Buffer.concat(pieces).toString('utf8')
}

describe('slow answers', () => {
  it('work that ends soon is answered as it is, an error is thrown with its status', async () => {
    expect(await slowAnswer(context, Promise.resolve(done))).toBe(done)
    const error = new S3Error('InvalidPart')
    await expect(slowAnswer(context, Promise.reject(error))).rejects.toBe(error)
  })

  it('work that does not end is 200 with white space, then the document', async () => {
    const { promise, resolve } = Promise.withResolvers<S3Response>()
    const pending = slowAnswer(context, promise)
    await vi.advanceTimersByTimeAsync(limits.answerPatienceMs)
    const answer = await pending
    expect([answer.status, answer.headers]).toEqual([200, { 'content-type': 'application/xml' }])
    const text = textOf(answer)
    await vi.advanceTimersByTimeAsync(limits.answerPatienceMs * 2)
    resolve(done)
    expect(await text).toBe(`${declaration}  <Result></Result>`)
  })

  it('the document is in the namespace of the profile, and of who sends the headers of OBS', async () => {
    const document = `${declaration}<Result xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></Result>`
    const late = async (asked: Parameters<typeof slowAnswer>[0]) => {
      const { promise, resolve } = Promise.withResolvers<S3Response>()
      const pending = slowAnswer(asked, promise)
      await vi.advanceTimersByTimeAsync(limits.answerPatienceMs)
      const answer = await pending
      resolve({ ...done, body: document })
      return textOf(answer)
    }
    expect(await late(context)).toBe(document)
    const ofObs = document.replace('http://s3.amazonaws.com/doc/2006-03-01/', obs.answers.namespace)
    expect(await late({ ...context, profile: obs })).toBe(ofObs)
    const headers = { 'x-obs-copy-source': '/a/b' }
    expect(await late({ ...context, request: { ...request, headers } })).toBe(ofObs)
  })

  async function lateFailure(thrown: Error, asked = context): Promise<AsyncIterable<Uint8Array>> {
    const { promise, reject } = Promise.withResolvers<S3Response>()
    const pending = slowAnswer(asked, promise)
    await vi.advanceTimersByTimeAsync(limits.answerPatienceMs)
    const { body } = await pending
    reject(thrown)
    if (body === null || typeof body === 'string' || body instanceof Uint8Array) throw new Error('no stream')
    return body
  }

  it('an error after the patience is a document below the 200', async () => {
    const pieces: Uint8Array[] = []
    for await (const piece of await lateFailure(new S3Error('InvalidPart'))) pieces.push(piece)
    expect(Buffer.concat(pieces).toString('utf8')).toContain(`${declaration}<Error><Code>InvalidPart</Code>`)
  })

  it('an error after the patience is in the words of the profile, for that operation', async () => {
    const wordsOf = async (thrown: S3Error, asked: typeof context) => {
      const pieces: Uint8Array[] = []
      for await (const piece of await lateFailure(thrown, asked)) pieces.push(piece)
      const text = Buffer.concat(pieces).toString('utf8')
      return [/<Code>(.*?)</.exec(text)?.[1], /<Message>(.*?)</.exec(text)?.[1]]
    }
    const locked = new S3Error('AccessDenied', { situation: 'ComplianceRetention' })
    const ofMinio = ['AccessDenied', 'Object is WORM protected and cannot be overwritten']
    expect(await wordsOf(locked, { ...context, profile: minio })).toEqual(ofMinio)
    const missing = new S3Error('NoSuchVersion')
    const retention = { operation: 'PutObjectRetention' }
    const malformed = new S3Error('MalformedXML')
    expect((await wordsOf(malformed, { ...context, profile: obs, actor: retention }))[0]).toBe(
      'MalformedObjectLockError',
    )
    expect((await wordsOf(malformed, { ...context, profile: obs }))[0]).toBe('MalformedXML')
    expect((await wordsOf(missing, { ...context, profile: obs }))[0]).toBe('NoSuchVersion')
  })

  it('an unexpected error tells nothing to the client and reaches the pipeline', async () => {
    const failure = new Error('secret')
    let text = ''
    const reading = async () => {
      for await (const piece of await lateFailure(failure)) text += Buffer.from(piece).toString('utf8')
    }
    await expect(reading()).rejects.toBe(failure)
    expect(text).toContain(`${declaration}<Error><Code>InternalError</Code>`)
    expect(text).not.toContain('secret')
  })
})
