/**
 * What a release needs before anything can run: keys, the master key and certificates, as Secrets in the operator's namespace.
 * Each is made once, has no owner and is never overwritten, so neither an uninstall nor a second operator loses or changes
 * one; the certificate of the server alone is renewed.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import { applyPatch } from '../apply-patch.ts'
import { type KubeClient, KubeStatusError } from '../kube.ts'
import { readSecret, secretPath, secretsPath } from '../kube-secrets.ts'
import { ownLabels } from '../own-marks.ts'
import { type CertifiedKey, createAuthority, issueServerCertificate, needsRenewal } from './certificates.ts'

export type AccessKeyPair = { readonly accessKeyId: string; readonly secretAccessKey: string }

export type BootstrapOptions = {
  readonly client: KubeClient
  readonly clock: Clock
  readonly log: Log
  readonly namespace: string
  /** Secrets are called `<release>-root`, `-operator`, `-master`, `-checkpoint`, `-ca` and `-tls`; the ConfigMap `<release>-ca`. */
  readonly release: string
  /** DNS names and addresses of the lock server; none: certificates are somebody else's. */
  readonly serverNames: readonly string[]
  readonly makeKey: () => AccessKeyPair
}

export type Bootstrapped = {
  /** The operator's own key. */
  readonly operator: AccessKeyPair
  /** PEM of the Ed25519 key that signs checkpoints; null: the operator may not read it. */
  readonly checkpointKey: string | null
  /** PEM of the release's authority; null: certificates are somebody else's. */
  readonly authority: string | null
}

/** A Secret exists but has not what it should: it is never repaired by guessing. */
export class BootstrapError extends Error {
  override readonly name = 'BootstrapError'
}

type Data = Readonly<Record<string, string>>

/** Errors: BootstrapError, KubeStatusError, KubeUnreachableError. */
export async function ensureSecrets(options: BootstrapOptions, signal: AbortSignal): Promise<Bootstrapped> {
  const { release, serverNames, makeKey } = options
  const operator = await ensure(
    options,
    { name: `${release}-operator`, make: () => keyData(makeKey()) },
    signal,
  )
  await ensureUnread(options, { name: `${release}-root`, make: () => keyData(makeKey()) }, signal)
  await ensureUnread(
    options,
    { name: `${release}-master`, make: () => ({ 'master.key': randomBytes(32).toString('base64') }) },
    signal,
  )
  const key = {
    accessKeyId: field(operator, `${release}-operator`, accessKeyIdField),
    secretAccessKey: field(operator, `${release}-operator`, secretAccessKeyField),
  }
  const checkpointKey = await ensureCheckpointKey(options, signal)
  const authority = serverNames.length === 0 ? null : await ensureCertificates(options, signal)
  return { operator: key, checkpointKey, authority }
}

const checkpointKeyField = 'checkpoint.key'

/** Without it everything else works: rights that are older than the operator do not stop it. */
async function ensureCheckpointKey(options: BootstrapOptions, signal: AbortSignal): Promise<string | null> {
  const name = `${options.release}-checkpoint`
  const make = () => {
    const { privateKey } = generateKeyPairSync('ed25519')
    return { [checkpointKeyField]: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
  }
  try {
    return field(await ensure(options, { name, make }, signal), name, checkpointKeyField)
  } catch (error) {
    if (!(error instanceof KubeStatusError) || error.status !== 403) throw error
    options.log.error({ secret: name, error: error.message }, 'no checkpoints are kept: no right on the key')
    return null
  }
}

/** Makes what is missing and renews the server's certificate in its last third. Gives the authority. */
export async function ensureCertificates(options: BootstrapOptions, signal: AbortSignal): Promise<string> {
  const { release, clock, namespace } = options
  const make = () => certificateData(createAuthority(`Holdfast ${namespace}/${release}`, clock.wallMs()))
  const made = await ensure(options, { name: `${release}-ca`, make }, signal)
  const authority = certifiedKey(made, `${release}-ca`)
  await ensureServerCertificate(options, authority, signal)
  await publishAuthority(options, authority.certificate, signal)
  return authority.certificate
}

const accessKeyIdField = 'AWS_ACCESS_KEY_ID'
const secretAccessKeyField = 'AWS_SECRET_ACCESS_KEY'

function keyData({ accessKeyId, secretAccessKey }: AccessKeyPair): Data {
  return { [accessKeyIdField]: accessKeyId, [secretAccessKeyField]: secretAccessKey }
}

function certificateData({ certificate, key }: CertifiedKey): Data {
  return { 'tls.crt': certificate, 'tls.key': key }
}

function certifiedKey(data: Data, name: string): CertifiedKey {
  return { certificate: field(data, name, 'tls.crt'), key: field(data, name, 'tls.key') }
}

async function ensureServerCertificate(
  options: BootstrapOptions,
  authority: CertifiedKey,
  signal: AbortSignal,
): Promise<void> {
  const { release, clock, serverNames, log } = options
  const name = `${release}-tls`
  const make = () => ({
    ...certificateData(issueServerCertificate(authority, serverNames, clock.wallMs())),
    'ca.crt': authority.certificate,
  })
  await ensure(options, { name, type: 'kubernetes.io/tls', make }, signal)
  const { client, namespace } = options
  const found = await readSecret(client, { namespace, name }, signal)
  if (found === null) return
  const served = certifiedKey(found.data, name)
  if (!needsRenewal(served, authority, serverNames, clock.wallMs())) return
  const { resourceVersion } = found
  const body = secretBody(options, { name, type: 'kubernetes.io/tls', data: make(), resourceVersion })
  const renewed = await outcomeOf(
    client.send({ method: 'PUT', path: secretPath({ namespace, name }), body }, signal),
  )
  if (renewed.kind === 'done') log.info({ secret: name }, 'the certificate of the server was renewed')
  // A conflict: another operator has just renewed it. One that somebody else made is used as it is.
  if (renewed.kind === 'forbidden')
    log.error({ secret: name, error: renewed.error.message }, 'the certificate of the server was not renewed')
}

/** Clients mount it: a Secret would give them the key too. One that somebody else made stays as it is. */
async function publishAuthority(
  { client, namespace, release, log }: BootstrapOptions,
  certificate: string,
  signal: AbortSignal,
): Promise<void> {
  const name = `${release}-ca`
  const request = client.send(
    {
      method: 'PATCH',
      path: `/api/v1/namespaces/${namespace}/configmaps/${name}`,
      query: { fieldManager: 'holdfast-bootstrap', force: 'true' },
      contentType: applyPatch,
      body: {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name, namespace, ...releaseMetadata(release) },
        data: { 'ca.crt': certificate },
      },
    },
    signal,
  )
  const published = await outcomeOf(request)
  if (published.kind === 'conflict') throw published.error
  if (published.kind === 'forbidden')
    log.error({ configMap: name, error: published.error.message }, 'the authority was not published')
}

type Wanted = { readonly name: string; readonly type?: string; readonly make: () => Data }

/** The Secret's data: as it is, or as it was just made. */
async function ensure(options: BootstrapOptions, wanted: Wanted, signal: AbortSignal): Promise<Data> {
  const { client, namespace } = options
  const key = { namespace, name: wanted.name }
  const found = await readSecret(client, key, signal)
  if (found !== null) return found.data
  const data = wanted.make()
  const made = await create(options, { ...wanted, data }, signal)
  if (made.kind === 'done') return data
  if (made.kind === 'forbidden') throw made.error
  // Another operator was faster: theirs is the one.
  const theirs = await readSecret(client, key, signal)
  if (theirs === null) throw new BootstrapError(`the Secret ${wanted.name} came and went; trying again helps`)
  return theirs.data
}

/**
 * Makes one that is the lock server's alone: the operator has no right to read it, so that its token gives nobody root's key.
 * A quota or somebody's policy may refuse the attempt although the Secret is there; the operator works without it.
 */
async function ensureUnread(options: BootstrapOptions, wanted: Wanted, signal: AbortSignal): Promise<void> {
  const { name, make } = wanted
  const made = await create(options, { ...wanted, data: make() }, signal)
  if (made.kind !== 'forbidden') return
  const sentence =
    'not made: if it is not there, the server waits for it, and this operator has to start again'
  options.log.error({ secret: name, error: made.error.message }, sentence)
}

/** `conflict`: there is one of this name. */
async function create(options: BootstrapOptions, secret: NewSecret, signal: AbortSignal): Promise<Outcome> {
  const { client, namespace, log } = options
  const body = secretBody(options, secret)
  const made = await outcomeOf(client.send({ method: 'POST', path: secretsPath(namespace), body }, signal))
  if (made.kind === 'done') log.info({ secret: secret.name }, 'made a Secret')
  // A quota that changes meanwhile is a conflict, too.
  if (made.kind === 'conflict' && made.error.reason !== 'AlreadyExists') throw made.error
  return made
}

type NewSecret = {
  readonly name: string
  readonly type?: string
  readonly data: Data
  readonly resourceVersion?: string
}

function secretBody({ namespace, release }: BootstrapOptions, secret: NewSecret): object {
  const { name, type = 'Opaque', data, resourceVersion } = secret
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type,
    metadata: {
      name,
      namespace,
      ...releaseMetadata(release),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    stringData: data,
  }
}

export type ReleaseMetadata = { readonly labels: Data; readonly annotations: Data }

/** Of everything that the operator makes for a release. */
export function releaseMetadata(release: string): ReleaseMetadata {
  return {
    labels: { ...ownLabels, 'app.kubernetes.io/instance': release },
    // Argo CD may take the label of the instance for its own, and would prune the keys: no manifest has them.
    annotations: {
      'argocd.argoproj.io/sync-options': 'Prune=false,Delete=false',
      'argocd.argoproj.io/compare-options': 'IgnoreExtraneous',
    },
  }
}

function field(data: Data, secret: string, name: string): string {
  const value = data[name]
  if (value === undefined || value === '') {
    throw new BootstrapError(
      `the Secret ${secret} has no ${name}: give it one, or delete the Secret if nothing uses it yet`,
    )
  }
  return value
}

type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'conflict' | 'forbidden'; readonly error: KubeStatusError }

async function outcomeOf(request: Promise<unknown>): Promise<Outcome> {
  try {
    await request
    return { kind: 'done' }
  } catch (error) {
    if (error instanceof KubeStatusError && error.status === 409) return { kind: 'conflict', error }
    if (error instanceof KubeStatusError && error.status === 403) return { kind: 'forbidden', error }
    throw error
  }
}
