/** Secrets of the API server: one at a time and by name, because listing would take the right to see all of them. */
import { type KubeClient, KubeStatusError } from './kube.ts'
import type { ObjectKey } from './objects.ts'

/** `data` is decoded. */
export type HeldSecret = {
  readonly data: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly owners: readonly SecretOwner[]
  readonly uid: string
  readonly resourceVersion: string
}
type SecretOwner = {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
}

/** As the API server says it of each object that it has. */
type SecretDocument = {
  readonly data?: Readonly<Record<string, string>>
  readonly metadata: Pick<HeldSecret, 'uid' | 'resourceVersion'> & {
    readonly annotations?: Readonly<Record<string, string>>
    readonly ownerReferences?: readonly SecretOwner[]
  }
}

/** null: there is none. Errors: KubeStatusError, KubeUnreachableError. */
export async function readSecret(
  client: KubeClient,
  key: ObjectKey,
  signal: AbortSignal,
): Promise<HeldSecret | null> {
  try {
    return parseSecret(await client.send({ method: 'GET', path: secretPath(key) }, signal))
  } catch (error) {
    if (error instanceof KubeStatusError && error.status === 404) return null
    throw error
  }
}

/** Where Secrets are made: a POST there never replaces one. */
export function secretsPath(namespace: string): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets`
}

export function secretPath({ namespace, name }: ObjectKey): string {
  return `${secretsPath(namespace)}/${encodeURIComponent(name)}`
}

function parseSecret(answer: unknown): HeldSecret {
  const { data = {}, metadata } = answer as SecretDocument
  const { annotations = {}, ownerReferences = [], uid, resourceVersion } = metadata
  const decoded = Object.entries(data).map(([name, value]) => [
    name,
    Buffer.from(value, 'base64').toString('utf8'),
  ])
  return { data: Object.fromEntries(decoded), annotations, owners: ownerReferences, uid, resourceVersion }
}
