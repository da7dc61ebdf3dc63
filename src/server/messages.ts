/** What supervisor and workers tell each other, and what a worker is started with. */
import type { ListenAddress, LogLevel } from '../config/values.ts'
import type { MetricSnapshot } from '../lib/metrics.ts'
import type { ProfileName } from '../lib/profile.ts'
import type { VolumeAccess, WritesRefused } from '../lib/read-only.ts'
import type { CertificateFiles } from './certificate.ts'

export type ServerCredentials = { readonly accessKeyId: string; readonly secretAccessKey: string }

/**
 * Plain data: it travels from the supervisor to each worker, never through the environment or a command line.
 */
export type ServerOptions = {
  readonly dataDirectory: string
  /** The volume that has to be there; null: any, and where there is none a new one is made. */
  readonly volumeId: string | null
  /** null: no plain HTTP. One of the two is there. */
  readonly s3Listen: ListenAddress | null
  readonly s3TlsListen: ListenAddress | null
  readonly adminListen: ListenAddress
  readonly metricsListen: ListenAddress
  /** The admin API speaks TLS only where this is there. */
  readonly certificate: CertificateFiles | null
  readonly workerCount: number
  readonly domain: string | null
  readonly region: string
  /** Of buckets that CreateBucket makes. */
  readonly defaultProfile: ProfileName
  /** null: where the S3 API listens. */
  readonly publicEndpoint: string | null
  readonly accessKeysFile: string | null
  /** null: no access keys are stored on the volume. */
  readonly masterKeyFile: string | null
  readonly root: ServerCredentials
  readonly operator: ServerCredentials
  readonly shutdownGraceMs: number
  /** How often lifecycle rules are carried out. */
  readonly lifecycleIntervalMs: number
  readonly scrubBytesPerSecond: number
  readonly logLevel: LogLevel
  readonly accessLog: boolean
  readonly version: string
}

/** Everything is decided: ports are real, the epoch has begun. */
export type WorkerStart = {
  readonly options: ServerOptions
  readonly epoch: number
  /** `readOnly`, `full`: the server was started on a volume that takes no writes, and writes nothing for as long as it lives. */
  readonly access: VolumeAccess
  /** No worker serves another. */
  readonly volumeId: string
  /** Of the folder that the supervisor opened (platform/place.ts): no worker serves another, be it a copy of the volume. */
  readonly placeIdentity: string
  readonly workerName: string
  readonly publicEndpoint: string
}

export type ToWorker =
  | { readonly kind: 'start'; readonly start: WorkerStart }
  | { readonly kind: 'metrics' }
  /** Running requests may end within `graceMs`. */
  | { readonly kind: 'stop'; readonly graceMs: number }

export type FromWorker =
  /** The module is loaded and waits for `start`. */
  | { readonly kind: 'loaded' }
  | { readonly kind: 'listening' }
  | { readonly kind: 'metrics'; readonly snapshot: MetricSnapshot }
  /** It met an error that nobody expected, and serves on until another has taken its place. */
  | { readonly kind: 'fault' }
  /** The volume takes no writes until it is opened anew: the worker reads on. */
  | { readonly kind: 'refused'; readonly why: WritesRefused }
  /** Start failed, or the process must not serve any longer; it exits after this. */
  | { readonly kind: 'failed'; readonly reason: string }
