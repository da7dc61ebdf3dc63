/** From settings to what a server is started with; shared by `server` and `standalone`. */

import { existsSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import type { SettingValues } from '../config/settings.ts'
import { CertificateError, type CertificateFiles, loadCertificate } from '../server/certificate.ts'
import { readMasterKey } from '../server/master-key.ts'
import type { ServerOptions } from '../server/messages.ts'
import type { Credentials } from './credentials.ts'
import { packageVersion } from './version.ts'

export const serverSettingNames = [
  'data',
  'volumeId',
  's3Listen',
  's3TlsListen',
  'tlsCert',
  'tlsKey',
  'adminListen',
  'metricsListen',
  'workers',
  'domain',
  'region',
  'defaultProfile',
  'publicEndpoint',
  'accessKeys',
  'masterKeyFile',
  'shutdownGraceMs',
  'lifecycleIntervalMs',
  'scrubBytesPerSecond',
  'logLevel',
  'accessLog',
  'accessKeyId',
  'secretAccessKey',
] as const

/** Two at least, so that nothing ever leans on one process alone. */
const workerCountMin = 2

/** What a worker was seen to take after all kinds of requests, and the supervisor's share: docs/RELIABILITY.md, Speed. */
const bytesOfWorker = 256 * 1024 ** 2

/** One a core, as far as memory goes: a container on a large machine has all of its cores and a limit of its own. */
export function defaultWorkerCount(cores: number, availableBytes: number): number {
  return Math.max(workerCountMin, Math.min(cores, Math.floor(availableBytes / bytesOfWorker)))
}

/** Of the machine, or of the control group if that is less. */
function memoryBytes(): number {
  const constrained = process.constrainedMemory()
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
}

/** Runs as it is from a checkout, compiled in an image. */
export const workerModule = firstModule(['../server/worker-main.ts', '../server/worker-main.js'])

export function serverOptions(
  values: SettingValues<(typeof serverSettingNames)[number]>,
  keys: { root: Credentials; operator: Credentials },
): ServerOptions {
  return {
    dataDirectory: values.data,
    volumeId: values.volumeId,
    s3Listen: values.s3Listen,
    s3TlsListen: values.s3TlsListen,
    certificate: certificateFiles(values),
    adminListen: values.adminListen,
    metricsListen: values.metricsListen,
    workerCount: values.workers ?? defaultWorkerCount(availableParallelism(), memoryBytes()),
    domain: values.domain,
    region: values.region,
    defaultProfile: values.defaultProfile,
    publicEndpoint: values.publicEndpoint,
    accessKeysFile: values.accessKeys,
    masterKeyFile: checkedMasterKey(values.masterKeyFile),
    ...keys,
    shutdownGraceMs: values.shutdownGraceMs,
    lifecycleIntervalMs: values.lifecycleIntervalMs,
    scrubBytesPerSecond: values.scrubBytesPerSecond,
    logLevel: values.logLevel,
    accessLog: values.accessLog,
    version: packageVersion(),
  }
}

/** Read by each worker, and here to say at once what is wrong with it. Errors: MasterKeyError. */
function checkedMasterKey(path: string | null): string | null {
  if (path !== null) readMasterKey(path)
  return path
}

/** Errors: CertificateError for settings that do not go together, and for files that cannot be used. */
export function certificateFiles(values: {
  readonly s3Listen: object | null
  readonly s3TlsListen: object | null
  readonly tlsCert: string | null
  readonly tlsKey: string | null
}): CertificateFiles | null {
  const { s3Listen, s3TlsListen, tlsCert, tlsKey } = values
  if (s3Listen === null && s3TlsListen === null)
    throw new CertificateError('--s3-listen and --s3-tls-listen are both none: S3 would be served nowhere')
  if (tlsCert === null && tlsKey === null) {
    if (s3TlsListen !== null) throw new CertificateError('--s3-tls-listen needs --tls-cert and --tls-key')
    return null
  }
  if (tlsCert === null || tlsKey === null)
    throw new CertificateError('--tls-cert and --tls-key are given together')
  const files = { certificate: tlsCert, key: tlsKey }
  loadCertificate(files)
  return files
}

/** What a person needs to know when a server cannot start or had to stop. */
export function serverFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // A worker tells only the text of what it met.
  if (/EADDRINUSE/.test(error.message)) return `${error.message}: choose another port, or stop what uses it`
  if (/^(EACCES|EPERM|EROFS):/.test(error.message))
    return `${error.message}: --data must be a directory that this user may write`
  return error.message
}

function firstModule(paths: readonly string[]): URL {
  const found = paths.map((path) => new URL(path, import.meta.url)).find((url) => existsSync(url))
  return found ?? new URL(paths[0] ?? '', import.meta.url)
}
