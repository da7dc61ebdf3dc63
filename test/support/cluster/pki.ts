import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Paths of PEM files. */
export type Pki = {
  readonly caPath: string
  readonly serverCertificatePath: string
  readonly serverKeyPath: string
  /** Of cluster-admin, for what takes certificates only: the API server's calls of the kubelet. */
  readonly clientCertificatePath: string
  readonly clientKeyPath: string
  readonly serviceAccountPublicKeyPath: string
  readonly serviceAccountPrivateKeyPath: string
}

/** Its own extensions only: the distribution's openssl.cnf would make the server's certificate a CA. */
const opensslConfiguration = (address: string) => `
[req]
distinguished_name = subject
prompt = no
[subject]
CN = holdfast-test
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, digitalSignature
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1, IP:${address}, IP:10.96.0.1, DNS:localhost, DNS:kubernetes, DNS:kubernetes.default.svc
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
`

const DAYS = '30'

/**
 * Makes the certificates and keys of a test control plane in `directory`: a CA, the API server's certificate (for
 * 127.0.0.1, `address`, the first Service address and the usual names), a client's, and the pair of keys for
 * ServiceAccount tokens.
 */
export async function createPki(openssl: string, directory: string, address: string): Promise<Pki> {
  const at = (name: string) => join(directory, name)
  const pki: Pki = {
    caPath: at('ca.crt'),
    serverCertificatePath: at('server.crt'),
    serverKeyPath: at('server.key'),
    clientCertificatePath: at('client.crt'),
    clientKeyPath: at('client.key'),
    serviceAccountPublicKeyPath: at('service-account.pub'),
    serviceAccountPrivateKeyPath: at('service-account.key'),
  }
  writeFileSync(at('openssl.cnf'), opensslConfiguration(address))
  const certificate = ['req', '-x509', '-config', at('openssl.cnf'), '-days', DAYS, '-nodes']
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
  const authority = ['-extensions', 'authority', '-subj', '/CN=holdfast-test-ca']
  const authorityOut = ['-keyout', at('ca.key'), '-out', pki.caPath]
  await run(openssl, [...certificate, ...newKey, ...authority, ...authorityOut])
  const signed = ['-CA', pki.caPath, '-CAkey', at('ca.key')]
  const server = ['-extensions', 'server', '-subj', '/CN=kube-apiserver', ...signed]
  const serverOut = ['-keyout', pki.serverKeyPath, '-out', pki.serverCertificatePath]
  await run(openssl, [...certificate, ...newKey, ...server, ...serverOut])
  const client = ['-extensions', 'client', '-subj', '/O=system:masters/CN=cluster-admin', ...signed]
  const clientOut = ['-keyout', pki.clientKeyPath, '-out', pki.clientCertificatePath]
  await run(openssl, [...certificate, ...newKey, ...client, ...clientOut])
  writeServiceAccountKeys(pki)
  return pki
}

async function run(openssl: string, args: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)(openssl, args)
  } catch (cause) {
    throw new Error(`${openssl} ${args.join(' ')} failed; openssl 3.0 or later is needed`, { cause })
  }
}

function writeServiceAccountKeys(pki: Pki): void {
  const { publicKey, privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'prime256v1',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'sec1', format: 'pem' },
  })
  writeFileSync(pki.serviceAccountPublicKeyPath, publicKey)
  writeFileSync(pki.serviceAccountPrivateKeyPath, privateKey, { mode: 0o600 })
}
