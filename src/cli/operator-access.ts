/** How the operator gets its key and its trust: from the settings, or from the Secrets of its release. */
import type { ServerTrust } from '../client/trust.ts'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
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

export type OperatorAccess = { readonly credentials: Credentials; readonly trust: ServerTrust }
type Parts = { readonly client: KubeClient; readonly clock: Clock; readonly log: Log }

/** null: aborted while waiting for the API server. Errors: CredentialsError, SettingError, BootstrapError. */
export async function operatorAccess(
  values: AccessSettings,
  parts: Parts,
  signal: AbortSignal,
): Promise<OperatorAccess | null> {
  const given = credentialsOf(values.operatorAccessKeyId, values.operatorSecretAccessKey)
  if (values.release === null) {
    if (given !== null) return { credentials: given, trust: serverTrust(values.serverCa) }
    throw new CredentialsError(
      'set HOLDFAST_OPERATOR_ACCESS_KEY_ID and HOLDFAST_OPERATOR_SECRET_ACCESS_KEY to the key of the operator, or --release',
    )
  }
  const options = bootstrapOptions(values, values.release, parts)
  const sentence = 'the Secrets of the release are not there yet'
  const patience = { log: parts.log, signal, sentence, isPassing }
  const made = await persistently(patience, () => ensureSecrets(options, signal))
  if (made === null) return null
  if (made.authority !== null) renewCertificates(options, signal)
  const isTrusted = values.serverCa === null && made.authority !== null
  return {
    credentials: given ?? made.operator,
    trust: isTrusted ? { kind: 'authorities', pem: made.authority } : serverTrust(values.serverCa),
  }
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
function renewCertificates(options: BootstrapOptions, signal: AbortSignal): void {
  const timer = setInterval(() => {
    ensureCertificates(options, signal).catch((error: unknown) => {
      if (!signal.aborted) options.log.error({ error }, 'the certificate was not renewed')
    })
  }, limits.certificateRenewalLookMs)
  timer.unref()
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
}
