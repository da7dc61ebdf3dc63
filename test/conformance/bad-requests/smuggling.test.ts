/** One connection, one reading of it: what follows a request is the next one, and nothing of a body ever is. */
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { conformance, md5 } from '../../support/conformance.ts'
import type { SendOptions } from '../../support/s3-client.ts'
import { type Exchange, openExchange, requestBytes } from './exchange.ts'
import { withHeader } from './runner.ts'

const bench = conformance()
const large = Buffer.alloc(8 * 1024 ** 2, 'large object ')
const open: Exchange[] = []
let bucket = ''

beforeAll(async () => {
  bucket = await bench.bucket('locked')
  await bench.put(bucket, 'key')
  await bench.put(bucket, 'large', { body: large })
})
afterEach(() => {
  for (const each of open.splice(0)) each.close()
})

async function connected(): Promise<Exchange> {
  const made = await openExchange(bench.server().endpoint)
  open.push(made)
  return made
}

const bytesOf = (options: SendOptions, lines: readonly string[] = []): Buffer =>
  requestBytes(bench.server().client.wire(options), lines)
const location = (): SendOptions => ({ method: 'GET', path: `/${bucket}`, query: { location: '' } })
/** What an attacker would like to have read as a request; signed, so that it would succeed. */
const hidden = (): Buffer => bytesOf({ method: 'DELETE', path: `/${bucket}/key` })
const put = (key: string, body: string | Uint8Array): SendOptions => ({
  method: 'PUT',
  path: `/${bucket}/${key}`,
  body,
  headers: { 'content-md5': md5(body) },
})

describe('requests inside of bodies', () => {
  const carriers: Readonly<Record<string, () => SendOptions>> = {
    'a refused upload': () => ({ ...put('new', hidden()), sign: 'none' }),
    'a refused upload to no bucket': () => ({ ...put('new', hidden()), path: '/absent-bucket/new' }),
    'a GET with a body': () => ({ ...location(), body: hidden() }),
    'a DELETE with a body': () => ({
      method: 'DELETE',
      path: `/${bucket}/none`,
      query: { versionId: 'none' },
      body: hidden(),
    }),
    'a broken document': () => ({
      method: 'POST',
      path: `/${bucket}`,
      query: { delete: '' },
      body: hidden(),
    }),
    'frames that are none': () => ({
      ...put('new', 'bytes'),
      sign: 'chunked',
      mutate: (wire) => ({
        ...wire,
        body: hidden(),
        headers: { ...wire.headers, 'content-length': String(hidden().length) },
      }),
    }),
  }
  for (const [name, carrier] of Object.entries(carriers)) {
    test(`Connection: ${name}, nothing inside of it is a request`, async () => {
      await bench.unchanged(bucket, async () => {
        const made = await connected()
        made.write(Buffer.concat([bytesOf(carrier()), bytesOf(location(), ['connection: close'])]))
        expect((await made.answer('PUT'))?.status).toBeLessThan(500)
        const next = await made.answer('GET')
        if (next !== null)
          expect([next.status, next.text]).toEqual([200, expect.stringContaining('Location')])
        expect(await made.ended()).toBe('')
      })
    })
  }

  test('Connection: lengths that contradict each other, what is behind them is never read', async () => {
    await bench.unchanged(bucket, async () => {
      for (const lines of [
        ['transfer-encoding: chunked'],
        ['content-length: 0'],
        ['transfer-encoding: chunked', 'transfer-encoding: identity'],
      ]) {
        const made = await connected()
        const body = Buffer.concat([Buffer.from('0\r\n\r\n'), hidden()])
        made.write(bytesOf(put('new', body), lines))
        const answer = await made.answer('PUT')
        expect([answer?.status, answer?.element('Code')]).toEqual([400, 'BadRequest'])
        expect(await made.ended()).toBe('')
      }
    })
  })
})

describe('bytes behind a request', () => {
  test('Connection: a body longer than its length, the rest is judged as a request of its own', async () => {
    await bench.unchanged(bucket, async () => {
      const made = await connected()
      const rest = `DELETE /${bucket}/key HTTP/1.1\r\nhost: h\r\n\r\n`
      made.write(bytesOf({ ...put('new', `bytes${rest}`), mutate: withHeader('content-length', '5') }))
      expect((await made.answer('PUT'))?.element('Code')).toBe('XAmzContentSHA256Mismatch')
      expect((await made.answer('DELETE'))?.element('Code')).toBe('AccessDenied')
    })
  })

  test('Connection: rubbish behind an upload, the upload has its own answer and the rubbish the next', async () => {
    const made = await connected()
    made.write(Buffer.concat([bytesOf(put('followed', 'bytes')), Buffer.from('rubbish\r\n\r\n')]))
    const first = await made.answer('PUT')
    expect([first?.status, first?.headers['x-amz-version-id']]).toEqual([200, expect.stringMatching(/^\w+$/)])
    const second = await made.answer('GET')
    expect([second?.status, second?.element('Code')]).toEqual([400, 'BadRequest'])
    expect(await made.ended()).toBe('')
    const written = await bench.send({ method: 'GET', path: `/${bucket}/followed` })
    expect(written.text).toBe('bytes')
  })

  test('Connection: rubbish while an object is sent, not a byte of it gets into the object', async () => {
    const made = await connected()
    made.write(
      Buffer.concat([bytesOf({ method: 'GET', path: `/${bucket}/large` }), Buffer.from('rubbish\r\n\r\n')]),
    )
    const answer = await made.answer('GET')
    expect(answer?.status).toBe(200)
    expect(answer?.text === large.toString()).toBe(true)
    expect((await made.answer('GET'))?.element('Code')).toBe('BadRequest')
    expect(await made.ended()).toBe('')
  })

  test('Connection: ten requests at once, answered one by one in their order', async () => {
    const made = await connected()
    const paths = Array.from({ length: 10 }, (_each, index) => `/${bucket}/none-${index}`)
    made.write(Buffer.concat(paths.map((path) => bytesOf({ method: 'GET', path }))))
    for (const path of paths) {
      const answer = await made.answer('GET')
      expect([answer?.status, answer?.element('Resource')]).toEqual([404, path])
    }
  })
})

test('Upload: refused while 32 MiB of it are sent, all of it is taken and the answer is read', async () => {
  const made = await connected()
  await made.writeAll(bytesOf({ ...put('new', Buffer.alloc(32 * 1024 ** 2)), sign: 'none' }))
  expect((await made.answer('PUT'))?.element('Code')).toBe('AccessDenied')
  expect(await made.ended()).toBe('')
})

test('Upload: shorter than its length and silent, RequestTimeout and nothing is there', async () => {
  await bench.unchanged(bucket, async () => {
    const made = await connected()
    made.write(bytesOf({ ...put('new', 'bytes'), mutate: withHeader('content-length', '6') }))
    const answer = await made.answer('PUT')
    expect([answer?.status, answer?.element('Code')]).toEqual([400, 'RequestTimeout'])
    expect(await made.ended()).toBe('')
  })
}, 60_000)
