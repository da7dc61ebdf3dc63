/** Certificates of a test's own authority, made by openssl in a temporary folder. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CertificateFiles } from '../../src/server/certificate.ts'

export type TestAuthority = {
  readonly caPath: string
  readonly caPem: string
  /** A new pair for 127.0.0.1 and localhost, written over the last one of that name. */
  readonly issue: (name: string) => CertificateFiles
}

export function createTestAuthority(folder: string): TestAuthority {
  const path = (name: string): string => join(folder, name)
  const openssl = (...given: readonly string[]): void => {
    execFileSync('openssl', given, { stdio: ['ignore', 'ignore', 'pipe'] })
  }
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl(
    'req',
    '-x509',
    ...curve,
    '-days',
    '2',
    '-subj',
    '/CN=Test Authority',
    '-keyout',
    path('ca.key'),
    '-out',
    path('ca.crt'),
  )
  let serial = 0
  return {
    caPath: path('ca.crt'),
    caPem: readFileSync(path('ca.crt'), 'utf8'),
    issue: (name) => {
      serial += 1
      const files = { certificate: path(`${name}.crt`), key: path(`${name}.key`) }
      openssl(
        'req',
        ...curve,
        '-subj',
        `/CN=${name}-${serial}`,
        '-keyout',
        files.key,
        '-out',
        path(`${name}.csr`),
      )
      writeFileSync(path('san.cnf'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
      const signed = ['-CA', path('ca.crt'), '-CAkey', path('ca.key'), '-set_serial', String(serial)]
      openssl(
        'x509',
        '-req',
        '-days',
        '2',
        '-in',
        path(`${name}.csr`),
        ...signed,
        '-extfile',
        path('san.cnf'),
        '-out',
        files.certificate,
      )
      return files
    },
  }
}
