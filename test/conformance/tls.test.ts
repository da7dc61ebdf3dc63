import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { connectLockServer } from '../../src/client/connect.ts'
import type { ServerTrust } from '../../src/client/trust.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { CertificateError, loadCertificate } from '../../src/server/certificate.ts'
import { createTestAuthority, type TestAuthority } from '../support/certificate.ts'
import { createS3Client, type S3TestClient } from '../support/s3-client.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

let folder: string
let authority: TestAuthority
let server: TestServer
let client: S3TestClient

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-tls-'))
  authority = createTestAuthority(folder)
  server = await startTestServer({ certificate: authority.issue('server') })
  client = createS3Client({
    endpoint: server.tlsEndpoint ?? '',
    credentials: server.credentials,
    ca: authority.caPem,
    nowMs: server.nowMs,
  })
})
afterAll(async () => {
  client.close()
  await server.stop()
  rmSync(folder, { recursive: true })
})

type Handshake = { readonly protocol: string | null; readonly name: string }

function handshake(
  endpoint: string,
  options: { maxVersion?: 'TLSv1.1' | 'TLSv1.2' } = {},
): Promise<Handshake> {
  const { hostname, port } = new URL(endpoint)
  // Old versions need the lower security level on the client's side to be offered at all.
  const old =
    options.maxVersion === 'TLSv1.1' ? { ciphers: 'DEFAULT@SECLEVEL=0', minVersion: 'TLSv1' as const } : {}
  return new Promise((resolve, reject) => {
    const socket = connectTls(
      { host: hostname, port: Number(port), ca: authority.caPem, ...old, ...options },
      () => {
        resolve({ protocol: socket.getProtocol(), name: String(socket.getPeerCertificate().subject.CN) })
        socket.destroy()
      },
    )
    socket.on('error', reject)
  })
}

function lockServer(trust: ServerTrust) {
  return connectLockServer({
    adminEndpoint: server.adminEndpoint,
    s3Endpoint: server.tlsEndpoint ?? '',
    region: server.region,
    ...server.operator,
    timeoutMs: 10_000,
    trust,
    clock: systemClock(),
  })
}

describe('S3 over HTTPS', () => {
  test('PutObject: over TLS, the same object as over plain HTTP', async () => {
    expect((await client.send({ method: 'PUT', path: '/over-tls' })).status).toBe(200)
    const body = Buffer.alloc(200_000, 'tls')
    for (const sign of ['header', 'chunked', 'unsigned-trailer', 'presigned'] as const) {
      const put = await client.send({ method: 'PUT', path: `/over-tls/${sign}`, body, sign })
      expect([put.status, put.text]).toEqual([200, ''])
      const got = await server.client.send({ method: 'GET', path: `/over-tls/${sign}` })
      expect(got.body.equals(body)).toBe(true)
    }
  })

  test('A wrong signature: over TLS, SignatureDoesNotMatch and nothing stored', async () => {
    const refused = await client.send({
      method: 'PUT',
      path: '/over-tls/forged',
      body: 'x',
      mutate: (wire) => ({ ...wire, headers: { ...wire.headers, 'x-amz-meta-added': 'later' } }),
    })
    expect(refused.status).toBe(403)
    expect((await client.send({ method: 'GET', path: '/over-tls/forged' })).code).toBe('NoSuchKey')
  })

  test('TLS 1.1: refused at the handshake; 1.2 and 1.3 are served', async () => {
    const endpoint = server.tlsEndpoint ?? ''
    await expect(handshake(endpoint, { maxVersion: 'TLSv1.1' })).rejects.toMatchObject({
      code: expect.stringMatching(/^(ERR_SSL_|ECONNRESET)/),
    })
    expect((await handshake(endpoint, { maxVersion: 'TLSv1.2' })).protocol).toBe('TLSv1.2')
    expect((await handshake(endpoint)).protocol).toBe('TLSv1.3')
  })

  test('Plain HTTP sent to the HTTPS port: no answer is given, the server goes on', async () => {
    const plain = (server.tlsEndpoint ?? '').replace('https:', 'http:')
    await expect(fetch(plain)).rejects.toThrow()
    expect((await client.send({ method: 'GET', path: '/over-tls/header' })).status).toBe(200)
  })
})

describe('the admin API', () => {
  test('GetServer: where a certificate is, HTTPS only, and the endpoint it tells is HTTPS', async () => {
    expect(server.adminEndpoint).toMatch(/^https:/)
    await expect(fetch(server.adminEndpoint.replace('https:', 'http:'))).rejects.toThrow()
    const connection = lockServer({ kind: 'authorities', pem: () => authority.caPem })
    const info = await connection.info()
    expect([info.volumeId, info.s3Endpoint]).toEqual([server.volumeId, server.tlsEndpoint])
    await connection.close()
  })

  test('Evidence: read over HTTPS by the SDK, with the same authority', async () => {
    const connection = lockServer({ kind: 'authorities', pem: () => authority.caPem })
    expect(await connection.observeObjectLock('no-such-bucket')).toBeNull()
    await connection.close()
  })

  test('A server of an unknown authority: not believed, neither by the admin client nor by the SDK', async () => {
    const connection = lockServer({ kind: 'system' })
    await expect(connection.info()).rejects.toThrow(/certificate/)
    await expect(connection.observeObjectLock('over-tls')).rejects.toThrow(/certificate/)
    await connection.close()
  })
})

describe('a replaced authority', () => {
  test('An authority that is known later: believed by the next connection, of admin client and SDK', async () => {
    const otherFolder = mkdtempSync(join(tmpdir(), 'holdfast-tls-'))
    onTestFinished(() => rmSync(otherFolder, { recursive: true }))
    let known = createTestAuthority(otherFolder).caPem
    const connection = lockServer({ kind: 'authorities', pem: () => known })
    await expect(connection.info()).rejects.toThrow(/certificate/)
    await expect(connection.observeObjectLock('no-such-bucket')).rejects.toThrow(/certificate/)
    known = authority.caPem
    expect((await connection.info()).volumeId).toBe(server.volumeId)
    expect(await connection.observeObjectLock('no-such-bucket')).toBeNull()
    await connection.close()
  })
})

describe('a renewed certificate', () => {
  test('New files: served to new connections of every worker without a restart', async () => {
    const endpoint = server.tlsEndpoint ?? ''
    const before = (await handshake(endpoint)).name
    authority.issue('server')
    // Both workers follow the files by themselves; connections are dealt to them in turn.
    await expect
      .poll(async () => [(await handshake(endpoint)).name, (await handshake(endpoint)).name], {
        timeout: 20_000,
      })
      .toEqual(expect.not.arrayContaining([before]))
    expect((await client.send({ method: 'GET', path: '/over-tls/header' })).status).toBe(200)
  })

  test('A key of another certificate: never served, the last good pair stays', async () => {
    const endpoint = server.tlsEndpoint ?? ''
    const before = (await handshake(endpoint)).name
    const other = authority.issue('other')
    const own = readFileSync(join(folder, 'server.key'))
    execFileSync('cp', [other.key, join(folder, 'server.key')])
    await expect.poll(() => server.logs(), { timeout: 20_000 }).toContain('the last good one is served')
    expect((await handshake(endpoint)).name).toBe(before)
    // With that pair no server would start again.
    writeFileSync(join(folder, 'server.key'), own)
  })

  test('Files that cannot be looked at: no worker ends, the last good pair stays', async () => {
    const endpoint = server.tlsEndpoint ?? ''
    const before = (await handshake(endpoint)).name
    const path = join(folder, 'server.key')
    const own = readFileSync(path)
    rmSync(path)
    symlinkSync(path, path)
    await expect.poll(() => server.logs(), { timeout: 20_000 }).toMatch(/server\.key cannot be read: ELOOP/)
    expect((await handshake(endpoint)).name).toBe(before)
    rmSync(path)
    writeFileSync(path, own)
    expect(server.logs()).not.toContain('Node.js v')
  })
})

describe('loadCertificate', () => {
  test('A key of another type than the certificate: CertificateError, though OpenSSL takes them', () => {
    const { certificate } = authority.issue('elliptic')
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const key = join(folder, 'rsa.key')
    writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }))
    expect(() => loadCertificate({ certificate, key })).toThrow(/the key is of another certificate/)
  })

  test('A missing file: CertificateError that names it', () => {
    const files = { certificate: join(folder, 'none.crt'), key: join(folder, 'none.key') }
    expect(() => loadCertificate(files)).toThrow(CertificateError)
    expect(() => loadCertificate(files)).toThrow(/none\.crt cannot be read/)
  })

  test('Text that is no PEM: CertificateError', () => {
    const file = join(folder, 'text.crt')
    writeFileSync(file, 'hello')
    expect(() => loadCertificate({ certificate: file, key: file })).toThrow(/no certificate and its key/)
  })
})
