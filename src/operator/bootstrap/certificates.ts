/**
 * A certificate authority of one release, and server certificates from it: X.509 v3 (RFC 5280) with ECDSA over P-256. Node can
 * sign but makes no certificates; the libraries that do bring more packages than these hundred lines.
 */
import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto'
import { isIP } from 'node:net'
import { dayMs, type EpochMs, epochMs, formatIso } from '../../lib/units.ts'
import * as der from './der.ts'

/** PEM texts. */
export type CertifiedKey = { readonly certificate: string; readonly key: string }

const oid = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAlternativeName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
} as const

const authorityDays = 3650
/** As long as those of public authorities: renewal is the rule, not the exception. */
const serverDays = 90
/** Clocks of a cluster differ a little. */
const backdatedMs = 3_600_000

export function createAuthority(name: string, now: EpochMs): CertifiedKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const ownId = keyId(publicKey)
  const body = {
    subject: name,
    publicKey,
    days: authorityDays,
    extensions: [
      extension(oid.basicConstraints, 'critical', der.sequence(der.truth(), der.unsigned(Uint8Array.of(0)))),
      // keyCertSign and cRLSign.
      extension(oid.keyUsage, 'critical', der.bitString(Uint8Array.of(0x06), 1)),
      extension(oid.subjectKeyIdentifier, 'plain', der.octetString(ownId)),
    ],
  }
  return { certificate: issue(body, { name, key: privateKey }, now), key: pemOf(privateKey) }
}

/** `names`: DNS names and IP addresses of the server, the first one also its common name. */
export function issueServerCertificate(
  authority: CertifiedKey,
  names: readonly string[],
  now: EpochMs,
): CertifiedKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const issuer = new X509Certificate(authority.certificate)
  const body = {
    subject: (names[0] ?? 'holdfast').slice(0, commonNameLengthMax),
    publicKey,
    days: serverDays,
    extensions: [
      extension(oid.basicConstraints, 'critical', der.sequence()),
      // digitalSignature.
      extension(oid.keyUsage, 'critical', der.bitString(Uint8Array.of(0x80), 7)),
      extension(oid.extendedKeyUsage, 'plain', der.sequence(der.objectIdentifier(oid.serverAuth))),
      extension(oid.subjectAlternativeName, 'plain', der.sequence(...names.map(generalName))),
      extension(oid.subjectKeyIdentifier, 'plain', der.octetString(keyId(publicKey))),
      extension(
        oid.authorityKeyIdentifier,
        'plain',
        der.sequence(der.primitiveContext(0, keyId(issuer.publicKey))),
      ),
    ],
  }
  const issuerKey = { name: commonNameOf(issuer), key: createPrivateKey(authority.key) }
  return { certificate: issue(body, issuerKey, now), key: pemOf(privateKey) }
}

/**
 * True when the certificate should be made anew: of another authority, for other names, or in the last third
 * of its time.
 */
export function needsRenewal(
  served: CertifiedKey,
  authority: CertifiedKey,
  names: readonly string[],
  now: EpochMs,
): boolean {
  const certificate = new X509Certificate(served.certificate)
  if (!certificate.verify(new X509Certificate(authority.certificate).publicKey)) return true
  const isNamed = names.every((name) =>
    isIP(name) === 0 ? certificate.checkHost(name) !== undefined : certificate.checkIP(name) !== undefined,
  )
  return !isNamed || Date.parse(certificate.validTo) - now < (serverDays / 3) * dayMs
}

/** RFC 5280: ub-common-name. */
const commonNameLengthMax = 64

type Body = {
  readonly subject: string
  readonly publicKey: KeyObject
  readonly days: number
  readonly extensions: readonly Uint8Array[]
}

function issue(body: Body, issuer: { readonly name: string; readonly key: KeyObject }, now: EpochMs): string {
  const algorithm = der.sequence(der.objectIdentifier(oid.ecdsaWithSha256))
  const version3 = der.constructedContext(0, der.unsigned(Uint8Array.of(2)))
  const toBeSigned = der.sequence(
    version3,
    der.unsigned(randomBytes(16)),
    algorithm,
    distinguishedName(issuer.name),
    der.sequence(time(epochMs(now - backdatedMs)), time(epochMs(now + body.days * dayMs))),
    distinguishedName(body.subject),
    body.publicKey.export({ type: 'spki', format: 'der' }),
    der.constructedContext(3, der.sequence(...body.extensions)),
  )
  const signature = sign('sha256', toBeSigned, issuer.key)
  const certificate = der.sequence(toBeSigned, algorithm, der.bitString(signature))
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function extension(id: string, weight: 'critical' | 'plain', value: Uint8Array): Buffer {
  const flag = weight === 'critical' ? [der.truth()] : []
  return der.sequence(der.objectIdentifier(id), ...flag, der.octetString(value))
}

function distinguishedName(commonName: string): Buffer {
  const attribute = der.sequence(der.objectIdentifier(oid.commonName), der.utf8String(commonName))
  return der.sequence(der.setOf(attribute))
}

/** dNSName is [2], iPAddress [7]. */
function generalName(name: string): Buffer {
  if (isIP(name) === 0) return der.primitiveContext(2, Buffer.from(name, 'latin1'))
  return der.primitiveContext(7, ipBytes(name))
}

function ipBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number))
  // The URL parser writes IPv6 in one form; its groups are filled up from there.
  const written = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = written.split('::')
  const groups = (text: string | undefined): readonly string[] =>
    text === undefined || text === '' ? [] : text.split(':')
  const missing = 8 - groups(head).length - groups(tail).length
  const all = [...groups(head), ...Array.from({ length: missing }, () => '0'), ...groups(tail)]
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex')
}

/** GeneralizedTime serves before 2050 too for readers, but RFC 5280 asks for UTCTime until then. */
function time(instant: EpochMs): Buffer {
  const digits = formatIso(instant).replace(/\.\d+/, '').replace(/[-:T]/g, '')
  return instant < Date.UTC(2050, 0, 1) ? der.utcTime(digits.slice(2)) : der.generalizedTime(digits)
}

/** RFC 5280 4.2.1.2 (1): SHA-1 of the public key's bits: a name for it, no protection. */
function keyId(key: KeyObject): Buffer {
  const spki = key.export({ type: 'spki', format: 'der' })
  // The bits of a P-256 point (65 bytes) end the structure.
  return createHash('sha1')
    .update(spki.subarray(spki.length - 65))
    .digest()
}

function commonNameOf(certificate: X509Certificate): string {
  return /^CN=(.+)$/m.exec(certificate.subject)?.[1] ?? ''
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}
