/**
 * I9: a request that was altered, or that proves nothing, changes nothing, whatever its operation and its
 * kind of signature.
 */
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SendOptions, Wire } from '../support/s3-client.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
let version = ''
const bucket = '/matrix-bucket'
const day = 86_400_000

beforeAll(async () => {
  server = await startTestServer()
  const lock = { 'x-amz-bucket-object-lock-enabled': 'true' }
  await server.client.send({ method: 'PUT', path: bucket, headers: lock })
  const put = await server.client.send({ method: 'PUT', path: `${bucket}/key`, body: 'first' })
  version = String(put.headers['x-amz-version-id'])
  await server.client.send(retention('GOVERNANCE', 2))
})
afterAll(() => server.stop())

function retention(mode: string, days: number): SendOptions {
  const until = new Date(server.nowMs() + days * day).toISOString()
  return document(
    'PUT',
    `${bucket}/key`,
    { retention: '', versionId: version },
    `<Retention><Mode>${mode}</Mode><RetainUntilDate>${until}</RetainUntilDate></Retention>`,
  )
}

function document(
  method: string,
  path: string,
  query: Readonly<Record<string, string>>,
  body: string,
): SendOptions {
  return { method, path, query, body, headers: { 'content-md5': md5(body) } }
}

function md5(body: string): string {
  return createHash('md5').update(body).digest('base64')
}

/** Requests that would change something. */
const operations: Readonly<Record<string, () => SendOptions>> = {
  PutObject: () => ({ method: 'PUT', path: `${bucket}/key`, body: 'second' }),
  DeleteObject: () => ({ method: 'DELETE', path: `${bucket}/key` }),
  'DeleteObject of the version': () => ({
    method: 'DELETE',
    path: `${bucket}/key`,
    query: { versionId: version },
  }),
  DeleteObjects: () =>
    document('POST', bucket, { delete: '' }, '<Delete><Object><Key>key</Key></Object></Delete>'),
  PutObjectRetention: () => retention('COMPLIANCE', 5),
  PutObjectLegalHold: () =>
    document('PUT', `${bucket}/key`, { 'legal-hold': '' }, '<LegalHold><Status>ON</Status></LegalHold>'),
  PutObjectLockConfiguration: () =>
    document(
      'PUT',
      bucket,
      { 'object-lock': '' },
      '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>' +
        '<Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>',
    ),
  CreateBucket: () => ({ method: 'PUT', path: '/matrix-other' }),
  DeleteBucket: () => ({ method: 'DELETE', path: bucket }),
}

async function state(): Promise<string> {
  const reads: readonly SendOptions[] = [
    { method: 'GET', path: '/' },
    { method: 'GET', path: bucket, query: { versions: '' } },
    { method: 'GET', path: bucket, query: { 'object-lock': '' } },
    { method: 'GET', path: `${bucket}/key`, query: { retention: '', versionId: version } },
    { method: 'GET', path: `${bucket}/key`, query: { 'legal-hold': '', versionId: version } },
    { method: 'GET', path: `${bucket}/key` },
  ]
  const answers = []
  for (const read of reads) {
    const answer = await server.client.send(read)
    answers.push(answer.status, answer.text.replace(/<(RequestId|HostId)>[^<]*</g, '<'))
  }
  return JSON.stringify(answers)
}

const signs = [
  'header',
  'unsigned-payload',
  'chunked',
  'chunked-trailer',
  'unsigned-trailer',
  'presigned',
] as const

const header = (name: string, value: string) => (wire: Wire) => ({
  ...wire,
  headers: { ...wire.headers, [name]: value },
})

const mutations: Readonly<Record<string, (wire: Wire) => Wire>> = {
  'another signature': (wire) => {
    const flip = (text: string) =>
      text.replace(
        /(Signature=)(.)/,
        (_all, name: string, digit: string) => name + (digit === '0' ? '1' : '0'),
      )
    const authorization = wire.headers['authorization']
    if (authorization === undefined) return { ...wire, target: flip(wire.target) }
    return { ...wire, headers: { ...wire.headers, authorization: flip(authorization) } }
  },
  'no signature': ({ headers: { authorization: _removed, ...headers }, ...wire }) => ({
    ...wire,
    headers,
    target: wire.target.replace(/[?&]X-Amz-[^&]*/g, '').replace(/^([^?&]*)&/, '$1?'),
  }),
  'an unsigned bypass': header('X-Amz-Bypass-Governance-Retention', 'true'),
  'an unsigned lock': header('x-amz-object-lock-legal-hold', 'ON'),
  'an unsigned copy source': header('x-amz-copy-source', '/matrix-bucket/key'),
  'an unsigned replication header': header('x-amz-replication-status', 'REPLICA'),
  'another key': (wire) => ({ ...wire, target: wire.target.replace(/^\/matrix-(\w)/, '/matrix-$1x') }),
  'an added query': (wire) => ({
    ...wire,
    target: `${wire.target}${wire.target.includes('?') ? '&' : '?'}x-id=a`,
  }),
  'a credential in the query too': (wire) => ({
    ...wire,
    target: `${wire.target}${wire.target.includes('?') ? '&' : '?'}X-Amz-Credential=ROOTEXAMPLE`,
  }),
}

describe('altered requests', () => {
  for (const [operation, build] of Object.entries(operations)) {
    test(`B-54 B-55 Matrix: ${operation}, altered or unproven in any way, refused and nothing changed (I9)`, async () => {
      const before = await state()
      for (const sign of signs) {
        for (const [name, mutate] of Object.entries(mutations)) {
          const answer = await server.client.send({ ...build(), sign, mutate })
          expect([400, 403], `${sign}, ${name}: ${answer.text}`).toContain(answer.status)
        }
        const wrong = { ...server.credentials, secretAccessKey: 'wrong-secret' }
        expect((await server.client.send({ ...build(), sign, key: wrong })).code).toBe(
          'SignatureDoesNotMatch',
        )
        const nobody = { accessKeyId: 'NOBODY', secretAccessKey: 'wrong-secret' }
        expect((await server.client.send({ ...build(), sign, key: nobody })).code).toBe('InvalidAccessKeyId')
        const late = await server.client.send({ ...build(), sign, timeMs: server.nowMs() - 3_600_000 })
        expect(late.status).toBe(403)
      }
      expect(await state()).toBe(before)
    })
  }
})

describe('altered bodies', () => {
  const bodyFiles = (): readonly string[] =>
    ['stage', 'bodies'].flatMap((folder) => {
      const path = join(server.dataDirectory, folder)
      const entries = readdirSync(path, { recursive: true, withFileTypes: true })
      return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
    })
  const flipLast = (wire: Wire): Wire => {
    const body = Buffer.from(wire.body)
    const at = body.indexOf('second')
    body[at] = (body[at] ?? 0) ^ 1
    return { ...wire, body }
  }
  for (const sign of ['header', 'chunked', 'chunked-trailer'] as const) {
    test(`Matrix: PutObject with ${sign} and one changed byte, refused and nothing changed`, async () => {
      const before = await state()
      const answer = await server.client.send({
        ...operations['PutObject']?.(),
        method: 'PUT',
        path: `${bucket}/key`,
        sign,
        mutate: flipLast,
      })
      expect(['XAmzContentSHA256Mismatch', 'SignatureDoesNotMatch']).toContain(answer.code)
      expect(await state()).toBe(before)
    })
  }

  test('Matrix: PutObject with chunked and one changed byte in the last of its large chunks, refused and nothing left of it', async () => {
    const before = await state()
    const filesBefore = bodyFiles()
    const answer = await server.client.send({
      ...{ method: 'PUT', path: `${bucket}/key`, sign: 'chunked', chunkBytes: 200_000 },
      body: Buffer.concat([Buffer.alloc(400_000, 'first '), Buffer.from('second')]),
      mutate: flipLast,
    })
    expect(answer.code).toBe('SignatureDoesNotMatch')
    expect(await state()).toBe(before)
    expect(bodyFiles().filter((path) => !filesBefore.includes(path))).toEqual([])
  })

  test('Matrix: PutObject with unsigned chunks and one changed byte, BadDigest by the trailer', async () => {
    const before = await state()
    const trailers = { 'x-amz-checksum-sha256': createHash('sha256').update('second').digest('base64') }
    const put = {
      method: 'PUT',
      path: `${bucket}/key`,
      body: 'second',
      sign: 'unsigned-trailer',
      trailers,
    } as const
    expect((await server.client.send({ ...put, mutate: flipLast })).code).toBe('BadDigest')
    expect(await state()).toBe(before)
  })

  test('Matrix: documents whose bytes are not the signed ones, refused and nothing changed', async () => {
    const before = await state()
    for (const name of [
      'PutObjectRetention',
      'PutObjectLegalHold',
      'PutObjectLockConfiguration',
      'DeleteObjects',
    ]) {
      const build = operations[name]
      if (build === undefined) continue
      const swapped = (wire: Wire): Wire => ({
        ...wire,
        body: Buffer.from(wire.body.toString().replace('>', ' >')),
        headers: { ...wire.headers, 'content-length': String(wire.body.length + 1) },
      })
      expect((await server.client.send({ ...build(), mutate: swapped })).code).toBe(
        'XAmzContentSHA256Mismatch',
      )
      expect((await server.client.send({ ...build(), sign: 'unsigned-payload', mutate: swapped })).code).toBe(
        'BadDigest',
      )
    }
    expect(await state()).toBe(before)
  })
})

test('Matrix: the same requests unaltered, done', async () => {
  for (const sign of signs) {
    const answer = await server.client.send({
      method: 'PUT',
      path: `${bucket}/done-${sign}`,
      body: 'x',
      sign,
    })
    expect(answer.status).toBe(200)
  }
  expect((await server.client.send(retention('GOVERNANCE', 3))).status).toBe(200)
})
