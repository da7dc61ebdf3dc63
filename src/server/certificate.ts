/**
 * The server's TLS certificate from two PEM files, followed as they change: cert-manager and Secrets replace them while
 * the server runs. A pair that cannot be used is never served: the last good one stays.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { fileStamp } from '../platform/files.ts'

export type CertificateFiles = { readonly certificate: string; readonly key: string }

export class CertificateError extends Error {
  override readonly name = 'CertificateError'
}

export type FollowedCertificate = {
  /** What new connections get. */
  readonly options: SecureContextOptions
  readonly stop: () => void
}

/**
 * Reads the pair, then looks for a new one every limits.certificateLookMs and hands it to `renew`. Errors at
 * start only: CertificateError, with the file's name and what is wrong.
 */
export function followCertificate(
  files: CertificateFiles,
  log: Log,
  renew: (options: SecureContextOptions) => void,
): FollowedCertificate {
  const options = loadCertificate(files)
  let stamp = stampOf(files)
  const timer = setInterval(() => {
    const current = stampOf(files)
    if (current === stamp) return
    stamp = current
    try {
      renew(loadCertificate(files))
      log.info({ file: files.certificate }, 'the TLS certificate was read again')
    } catch (error) {
      log.error({ error }, 'the new TLS certificate is not usable; the last good one is served')
    }
  }, limits.certificateLookMs)
  timer.unref()
  return { options, stop: () => clearInterval(timer) }
}

/** Errors: CertificateError, also for a key of another certificate. */
export function loadCertificate({ certificate, key }: CertificateFiles): SecureContextOptions {
  const options = {
    cert: readPem(certificate),
    key: readPem(key),
    // 1.0 and 1.1 are withdrawn (RFC 8996); node's own default may change with its build.
    minVersion: 'TLSv1.2',
  } as const
  try {
    createSecureContext(options)
    // OpenSSL compares a key only with a certificate of the key's own type.
    if (!new X509Certificate(options.cert).checkPrivateKey(createPrivateKey(options.key)))
      throw new Error('the key is of another certificate')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'unreadable'
    throw new CertificateError(`${certificate} and ${key} are no certificate and its key: ${reason}`, {
      cause,
    })
  }
  return options
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'unreadable'
    throw new CertificateError(`the TLS file ${path} cannot be read: ${reason}`, { cause })
  }
}

/** Of both: a mounted Secret is a link that moves to another folder. */
function stampOf({ certificate, key }: CertificateFiles): string {
  return `${fileStamp(certificate)} ${fileStamp(key)}`
}
