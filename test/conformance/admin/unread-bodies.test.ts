/** The admin port reads no body of a sender who is not proven, or may not do what is asked: the head alone is answered. */
import { expect, onTestFinished, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { type AdminSend, adminWire, sendAdmin } from '../../support/admin.ts'
import { conformance } from '../../support/conformance.ts'
import { headText, openConnection, type RawConnection } from '../../support/raw-http.ts'

const user = { accessKeyId: 'USEREXAMPLE', secretAccessKey: 'user-secret-for-tests-only' }
const bench = conformance({ accessKeys: [{ ...user, accountId: '123456789012', displayName: 'user' }] })
/** Most that may be sent. */
const document = JSON.stringify({ holder: 'x'.repeat(limits.adminDocumentBytesMax - 20) })
const leadership: AdminSend = { method: 'POST', path: '/v1/leadership', document }

/** The connection after the head, with what would come next. */
async function sendHead(
  send: AdminSend,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly connection: RawConnection; readonly body: string }> {
  const { method, url, headers: signed, body } = adminWire(bench.server(), send)
  const length = String(Buffer.byteLength(body))
  const wire = { method, target: url.pathname, headers: { ...signed, 'content-length': length } }
  const connection = await openConnection(bench.server().adminEndpoint)
  onTestFinished(() => connection.close())
  connection.write(headText({ ...wire, body: Buffer.alloc(0) }, headers))
  return { connection, body }
}

const rows: readonly (readonly [string, Partial<AdminSend>, number, string])[] = [
  ['no signature', { spoil: ({ headers }) => delete headers['authorization'] }, 403, 'AccessDenied'],
  ['a wrong secret', { key: { ...user, secretAccessKey: 'wrong' } }, 403, 'AccessDenied'],
  ['an unknown key', { key: { accessKeyId: 'NOBODY', secretAccessKey: 'x' } }, 403, 'AccessDenied'],
  ['a signature made for S3', { service: 's3' }, 403, 'AccessDenied'],
  ['a date of long ago', { timeMs: Date.UTC(2020, 0, 1) }, 403, 'RequestTimeTooSkewed'],
  [
    'a hash that was not signed',
    { spoil: ({ headers }) => Object.assign(headers, { 'x-amz-content-sha256': '0'.repeat(64) }) },
    403,
    'AccessDenied',
  ],
  [
    'no hash of its body',
    { spoil: ({ headers }) => Object.assign(headers, { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }) },
    403,
    'AccessDenied',
  ],
  ['a key that may not do it', { key: user }, 403, 'AccessDenied'],
  ['a path that is not there', { path: '/v1/nowhere' }, 404, 'NotFound'],
  ['more than may be sent', { document: `${document}${' '.repeat(64)}` }, 413, 'DocumentTooLarge'],
]

test.each(rows)('%s: answered by the head, while the body is awaited', async (_, change, status, code) => {
  const { connection } = await sendHead({ ...leadership, ...change })
  const text = await connection.until(/\r\n\r\n\{.*\}/)
  expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  expect(text).toContain(`"code":"${code}"`)
  expect(text.toLowerCase()).toContain('connection: close')
})

test('Expect: 100-continue: only the sender whose head is proven is asked for its body', async () => {
  const stranger = await sendHead({ ...leadership, key: { ...user, secretAccessKey: 'wrong' } }, expectation)
  expect(await stranger.connection.until(/\}$/)).toMatch(/^HTTP\/1.1 403 /)
  const operator = await sendHead({ ...leadership, document: { holder: 'a' } }, expectation)
  await operator.connection.until(/^HTTP\/1.1 100 Continue\r\n\r\n$/)
  operator.connection.write(operator.body)
  expect(await operator.connection.until(/"epoch":\d+/)).toContain('HTTP/1.1 200 OK')
})

const expectation = { expect: '100-continue' }

test('a proven head with another body of the same length: refused, nothing is done', async () => {
  const before = await sendAdmin(bench.server(), { method: 'GET', path: '/v1/server' })
  const { connection, body } = await sendHead({ ...leadership, document: { holder: 'b' } })
  connection.write(body.replace('b', 'c'))
  expect(await connection.until(/"message":"[^"]+"/)).toContain('is not the SHA-256 of the body')
  const after = await sendAdmin(bench.server(), { method: 'GET', path: '/v1/server' })
  expect(after.document['epoch']).toBe(before.document['epoch'])
})
