/**
 * What a release needs before anything can run: keys, the master key and certificates, as Secrets in the operator's namespace.
 * Each is made once, has no owner and is never overwritten, so neither an uninstall nor a second operator loses or changes
 * one; the certificate of the server alone is renewed.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import { type KubeClient, KubeStatusError } from '../kube.ts'
import { readSecret, secretPath, secretsPath } from '../kube-secrets.ts'
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
  await ensure(options, { name: `${release}-root`, make: () => keyData(makeKey()) }, signal)
  const operator = await ensure(
    options,
    { name: `${release}-operator`, make: () => keyData(makeKey()) },
    signal,
  )
  await ensure(
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
  // A conflict means that another operator has just renewed it.
  const path = secretPath({ namespace, name })
  await tolerating(409, client.send({ method: 'PUT', path, body }, signal))
  log.info({ secret: name }, 'the certificate of the server was renewed')
}

/** Clients mount it: a Secret would give them the key too. */
async function publishAuthority(
  { client, namespace, release }: BootstrapOptions,
  certificate: string,
  signal: AbortSignal,
): Promise<void> {
  const name = `${release}-ca`
  await client.send(
    {
      method: 'PATCH',
      path: `/api/v1/namespaces/${namespace}/configmaps/${name}`,
      query: { fieldManager: 'holdfast-bootstrap', force: 'true' },
      contentType: 'application/apply-patch+yaml',
      body: {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name, namespace, labels: labelsOf(release) },
        data: { 'ca.crt': certificate },
      },
    },
    signal,
  )
}

type Wanted = { readonly name: string; readonly type?: string; readonly make: () => Data }

/** The Secret's data: as it is, or as it was just made. */
async function ensure(options: BootstrapOptions, wanted: Wanted, signal: AbortSignal): Promise<Data> {
  const { client, namespace } = options
  const key = { namespace, name: wanted.name }
  const found = await readSecret(client, key, signal)
  if (found !== null) return found.data
  const data = wanted.make()
  const body = secretBody(options, { ...wanted, data })
  const request = client.send({ method: 'POST', path: secretsPath(namespace), body }, signal)
  if ((await tolerating(409, request)) === 'done') {
    options.log.info({ secret: wanted.name }, 'made a Secret')
    return data
  }
  // Another operator was faster: theirs is the one.
  const theirs = await readSecret(client, key, signal)
  if (theirs === null) throw new BootstrapError(`the Secret ${wanted.name} came and went; trying again helps`)
  return theirs.data
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
      labels: labelsOf(release),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    stringData: data,
  }
}

/** Of everything that the operator makes for a release. */
export function labelsOf(release: string): Data {
  return {
    'app.kubernetes.io/name': 'holdfast',
    'app.kubernetes.io/instance': release,
    'app.kubernetes.io/managed-by': 'holdfast-operator',
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

async function tolerating(status: number, request: Promise<unknown>): Promise<'done' | 'tolerated'> {
  try {
    await request
    return 'done'
  } catch (error) {
    if (error instanceof KubeStatusError && error.status === status) return 'tolerated'
    throw error
  }
}
