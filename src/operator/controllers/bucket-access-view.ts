/** What there is of a BucketAccess: its LockedBuckets, its Secret, and its keys at the lock server. */
import {
  type AccessKeyFactsAnswer,
  ServerRefusedError,
  ServerUnreachableError,
} from '../../client/lock-server.ts'
import { KubeStatusError } from '../kube.ts'
import { readSecret } from '../kube-secrets.ts'
import { formatKey } from '../objects.ts'
import type { Source } from '../sources/source.ts'
import type { BucketAccessParts, SecretParts } from './BucketAccess.ts'
import type { BucketAccessSnapshot, NamedBucket, SecretView } from './bucket-access-decide.ts'

export function namedBucket(source: Source, namespace: string, name: string): NamedBucket {
  const key = formatKey({ namespace, name })
  if (source.unparsable('LockedBucket').has(key)) return { kind: 'unparsable', name, bucketName: null }
  const bucket = source.get('LockedBucket', { namespace, name })
  if (bucket === null) return { kind: 'notFound', name }
  // The status says what the server answered: a name that another object owns is none of ours.
  const { bucketName } = bucket.spec
  const isOwned = bucket.status?.bucket?.name === bucketName
  return isOwned ? { kind: 'ready', name, bucketName } : { kind: 'notReady', name }
}

export async function viewSecret(
  secrets: SecretParts | null,
  { metadata: { namespace }, spec }: BucketAccessSnapshot['object'],
  signal: AbortSignal,
): Promise<SecretView> {
  if (secrets === null) return { kind: 'unsupported' }
  const name = spec.secretName ?? spec.existingSecret ?? ''
  try {
    const secret = await readSecret(secrets.client, { namespace, name }, signal)
    return secret === null ? { kind: 'none' } : { kind: 'held', secret }
  } catch (error) {
    if (error instanceof KubeStatusError && error.status === 403) return { kind: 'forbidden' }
    if (error instanceof Error && !signal.aborted) return { kind: 'failed', error }
    throw error
  }
}

export async function viewServer(
  parts: BucketAccessParts,
  { metadata, spec }: BucketAccessSnapshot['object'],
): Promise<Pick<BucketAccessSnapshot, 'buckets' | 'server'>> {
  const { source, serverFacts, serverKeys, secrets } = parts
  const buckets = spec.buckets.map(({ name }) => namedBucket(source, metadata.namespace, name))
  try {
    const info = await serverFacts.read()
    const authority = secrets?.authorityOf(info.s3Endpoint) ?? null
    const keys = await serverKeys.of(metadata)
    const server = { kind: 'seen', info, authority, keys } as const
    return { buckets: await resolved(parts, metadata.namespace, { buckets, keys }), server }
  } catch (error) {
    return { buckets, server: { kind: 'failed', error: serverError(error) } }
  }
}

/** What a LockedBucket that cannot be understood owns, the server knows: of the buckets that the keys reach already. */
async function resolved(
  { lockServer, serverKeys }: BucketAccessParts,
  namespace: string,
  { buckets, keys }: { buckets: readonly NamedBucket[]; keys: readonly AccessKeyFactsAnswer[] },
): Promise<readonly NamedBucket[]> {
  if (!buckets.some(({ kind }) => kind === 'unparsable')) return buckets
  const owned = new Map<string, string>()
  for (const bucketName of new Set(
    keys.flatMap(({ statements }) => statements.flatMap((each) => each.buckets)),
  )) {
    const owner = (await lockServer.readBucket(bucketName))?.owner ?? null
    const { clusterId } = serverKeys.ownerOf({ namespace, name: '' })
    if (owner?.clusterId === clusterId && owner.namespace === namespace) owned.set(owner.name, bucketName)
  }
  return buckets.map((bucket) =>
    bucket.kind === 'unparsable' ? { ...bucket, bucketName: owned.get(bucket.name) ?? null } : bucket,
  )
}

/** What the server does is a state to report; anything else is a bug and goes up. */
export function serverError(error: unknown): ServerUnreachableError | ServerRefusedError {
  if (error instanceof ServerUnreachableError || error instanceof ServerRefusedError) return error
  throw error
}
