/** How the operator gets its key and its trust: from the settings, or from the Secrets of its release. */
import type { ServerTrust } from '../client/trust.ts'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { ReleaseAuthority } from '../operator/bootstrap/release-authority.ts'
import {
  BootstrapError,
  type BootstrapOptions,
  ensureCertificates,
  ensureSecrets,
} from '../operator/bootstrap/secrets.ts'
import { type KubeClient, KubeStatusError, KubeUnreachableError } from '../operator/kube.ts'
import { type Credentials, CredentialsError, credentialsOf, generateCredentials } from './credentials.ts'
import { persistently } from './persistently.ts'
import { serverTrust } from './server-trust.ts'

export type AccessSettings = {
  readonly release: string | null
  readonly leaseNamespace: string
  readonly serverNames: readonly string[] | null
  readonly serverCa: string | null
  readonly operatorAccessKeyId: string | null
  readonly operatorSecretAccessKey: string | null
}

export type OperatorAccess = {
  readonly credentials: Credentials
  readonly trust: ServerTrust
  /** PEM of the key that signs checkpoints; null: there is none. */
  readonly checkpointKey: string | null
  /** null: certificates are somebody else's. */
  readonly authority: ReleaseAuthority | null
}
type Parts = { readonly client: KubeClient; readonly clock: Clock; readonly log: Log }

/** null: aborted while waiting for the API server. Errors: CredentialsError, SettingError, BootstrapError. */
export async function operatorAccess(
  values: AccessSettings,
  parts: Parts,
  signal: AbortSignal,
): Promise<OperatorAccess | null> {
  const given = credentialsOf(values.operatorAccessKeyId, values.operatorSecretAccessKey)
  if (values.release === null) {
    if (given !== null) {
      const trust = serverTrust(values.serverCa)
      return { credentials: given, trust, checkpointKey: null, authority: null }
    }
    throw new CredentialsError(
      'set HOLDFAST_OPERATOR_ACCESS_KEY_ID and HOLDFAST_OPERATOR_SECRET_ACCESS_KEY to the key of the operator, or --release',
    )
  }
  const options = bootstrapOptions(values, values.release, parts)
  const sentence = 'the Secrets of the release are not there yet'
  const patience = { log: parts.log, signal, sentence, isPassing }
  const made = await persistently(patience, () => ensureSecrets(options, signal))
  if (made === null) return null
  const access = { credentials: given ?? made.operator, checkpointKey: made.checkpointKey }
  if (made.authority === null) return { ...access, trust: serverTrust(values.serverCa), authority: null }
  const authority = new ReleaseAuthority(made.authority, options.serverNames)
  renewCertificates(options, authority, signal)
  const own: ServerTrust = { kind: 'authorities', pem: () => authority.trusted }
  return { ...access, trust: values.serverCa === null ? own : serverTrust(values.serverCa), authority }
}

function bootstrapOptions(
  { leaseNamespace, serverNames }: AccessSettings,
  release: string,
  parts: Parts,
): BootstrapOptions {
  return {
    ...parts,
    namespace: leaseNamespace,
    release,
    serverNames: serverNames ?? [],
    makeKey: generateCredentials,
  }
}

/** The API server may start after us, and the rights may be given after us. */
function isPassing(error: unknown): boolean {
  if (error instanceof BootstrapError) return false
  return error instanceof KubeStatusError || error instanceof KubeUnreachableError
}

/** Looked at every hour; a failure is told and tried again: there are thirty days left then. */
function renewCertificates(
  options: BootstrapOptions,
  authority: ReleaseAuthority,
  signal: AbortSignal,
): void {
  const timer = setInterval(() => {
    ensureCertificates(options, signal).then(
      (certificate) => authority.seen(certificate),
      (error: unknown) => {
        if (!signal.aborted) options.log.error({ error }, 'the certificate was not renewed')
      },
    )
  }, limits.certificateRenewalLookMs)
  timer.unref()
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
}
