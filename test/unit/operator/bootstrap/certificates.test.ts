import { execFileSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dayMs, epochMs } from '../../../../src/lib/units.ts'
import {
  createAuthority,
  issueServerCertificate,
  needsRenewal,
} from '../../../../src/operator/bootstrap/certificates.ts'
import * as der from '../../../../src/operator/bootstrap/der.ts'

const now = epochMs(Date.now())
const names = ['holdfast-server.backup.svc', '10.96.0.7', 'fd00::1', '::1']
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-certificates-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function openssl(...given: readonly string[]): string {
  return execFileSync('openssl', given, { cwd: folder, encoding: 'utf8' })
}

describe('createAuthority and issueServerCertificate', () => {
  test('A chain: openssl verifies it strictly, for each name and for no other', () => {
    const authority = createAuthority('Holdfast of backup', now)
    const server = issueServerCertificate(authority, names, now)
    writeFileSync(join(folder, 'ca.crt'), authority.certificate)
    writeFileSync(join(folder, 'server.crt'), server.certificate)
    const verify = ['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', 'ca.crt']
    expect(openssl(...verify, 'server.crt')).toBe('server.crt: OK\n')
    expect(openssl(...verify, '-verify_hostname', names[0] ?? '', 'server.crt')).toBe('server.crt: OK\n')
    for (const address of names.slice(1)) {
      expect(openssl(...verify, '-verify_ip', address, 'server.crt')).toBe('server.crt: OK\n')
    }
    expect(() => openssl(...verify, '-verify_ip', '10.96.0.8', 'server.crt')).toThrow(/IP address mismatch/)
    const printed = openssl('x509', '-in', 'server.crt', '-noout', '-text')
    expect(printed).toContain('CA:FALSE')
    expect(printed).toContain('TLS Web Server Authentication')
    expect(openssl('x509', '-in', 'ca.crt', '-noout', '-text')).toMatch(/critical\s+CA:TRUE, pathlen:0/)
  })

  test('The key: is the key of its certificate', () => {
    const authority = createAuthority('Holdfast', now)
    for (const pair of [authority, issueServerCertificate(authority, names, now)]) {
      expect(new X509Certificate(pair.certificate).checkPrivateKey(createPrivateKey(pair.key))).toBe(true)
    }
  })

  test('A TLS server with it: believed by a client that trusts the authority, not by others', async () => {
    const authority = createAuthority('Holdfast', now)
    const { certificate, key } = issueServerCertificate(authority, ['localhost', '127.0.0.1'], now)
    const server = createServer({ cert: certificate, key })
    server.on('tlsClientError', () => {})
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const handshake = (ca: string) =>
      new Promise<string>((resolve) => {
        const socket = connect({ host: '127.0.0.1', port, ca }, () => {
          resolve('believed')
          socket.end()
        })
        socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
      })
    expect(await handshake(authority.certificate)).toBe('believed')
    expect(await handshake(createAuthority('Holdfast', now).certificate)).not.toBe('believed')
    server.close()
  })

  test('Times: an hour back, ten years and ninety days ahead; beyond 2049 as GeneralizedTime', () => {
    const authority = createAuthority('Holdfast', now)
    const server = issueServerCertificate(authority, names, now)
    const span = (pem: string) => {
      const { validFrom, validTo } = new X509Certificate(pem)
      const atSecond = Math.floor(now / 1000) * 1000
      return [Date.parse(validFrom) - atSecond, Date.parse(validTo) - atSecond]
    }
    expect(span(authority.certificate)).toEqual([-3_600_000, 3650 * dayMs])
    expect(span(server.certificate)).toEqual([-3_600_000, 90 * dayMs])
    const late = createAuthority('Holdfast', epochMs(Date.UTC(2045, 0, 1)))
    expect(new X509Certificate(late.certificate).validTo).toMatch(/2054 GMT$/)
  })
})

describe('needsRenewal', () => {
  const authority = createAuthority('Holdfast', now)
  const served = issueServerCertificate(authority, names, now)

  test('A fresh certificate: no; at two thirds of its time: yes', () => {
    expect(needsRenewal(served, authority, names, now)).toBe(false)
    expect(needsRenewal(served, authority, names, epochMs(now + 59 * dayMs))).toBe(false)
    expect(needsRenewal(served, authority, names, epochMs(now + 61 * dayMs))).toBe(true)
  })

  test('Another authority, or a name that it does not have: yes', () => {
    expect(needsRenewal(served, createAuthority('Holdfast', now), names, now)).toBe(true)
    expect(needsRenewal(served, authority, [...names, 's3.example.com'], now)).toBe(true)
    expect(needsRenewal(served, authority, [...names, '10.0.0.1'], now)).toBe(true)
  })
})

describe('der', () => {
  test('Lengths: short below 128, long from there', () => {
    const lengthOf = (size: number) => der.octetString(Buffer.alloc(size)).subarray(1, -size || undefined)
    expect([...lengthOf(127)]).toEqual([127])
    expect([...lengthOf(128)]).toEqual([0x81, 128])
    expect([...lengthOf(65_536)]).toEqual([0x83, 1, 0, 0])
  })

  test('Numbers: positive and minimal; an object identifier in base 128', () => {
    expect(der.unsigned(Uint8Array.of(0, 0, 0x80)).toString('hex')).toBe('02020080')
    expect(der.unsigned(Uint8Array.of(0)).toString('hex')).toBe('020100')
    expect(der.objectIdentifier('1.2.840.10045.4.3.2').toString('hex')).toBe('06082a8648ce3d040302')
  })
})
