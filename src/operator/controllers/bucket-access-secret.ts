/** What the Secret of a BucketAccess says, and what it is to say. Pure. */
import { isDeepStrictEqual } from 'node:util'
import { annotations } from '../../api/annotations.ts'
import type { BucketAccess } from '../../api/BucketAccess.ts'
import { apiGroup, apiVersion } from '../../api/metadata.ts'
import type { ServerInfo } from '../../client/lock-server.ts'
import { accessKeyIdPattern } from '../../lib/identity.ts'
import type { HeldSecret } from '../kube-secrets.ts'
import { ownLabels } from '../own-marks.ts'

export type KeyPair = { readonly accessKeyId: string; readonly secretAccessKey: string }
/** null: not there, or nothing that S3 clients could use. */
export type KeySlots = { readonly current: KeyPair | null; readonly previous: KeyPair | null }

export type SecretContent = {
  readonly data: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/** As clients, files and environments can carry it. */
const secretAccessKeyPattern = /^[\x21-\x7e]{8,128}$/
const previous = 'PREVIOUS_'

export function slotsOf({ data }: Pick<HeldSecret, 'data'>): KeySlots {
  const slot = (prefix: string): KeyPair | null => {
    const accessKeyId = data[`${prefix}AWS_ACCESS_KEY_ID`] ?? ''
    const secretAccessKey = data[`${prefix}AWS_SECRET_ACCESS_KEY`] ?? ''
    const isUsable = accessKeyIdPattern.test(accessKeyId) && secretAccessKeyPattern.test(secretAccessKey)
    return isUsable ? { accessKeyId, secretAccessKey } : null
  }
  const current = slot('')
  const former = slot(previous)
  return { current, previous: former?.accessKeyId === current?.accessKeyId ? null : former }
}

/** Made by the operator for an object of this name, also for a former one: what is not is left alone. */
export function isMadeFor({ owners }: Pick<HeldSecret, 'owners'>, { metadata }: BucketAccess): boolean {
  return owners.some(
    ({ apiVersion: version, kind, name }) =>
      version.split('/', 1)[0] === apiGroup && kind === 'BucketAccess' && name === metadata.name,
  )
}

/** The certificate of the authority that clients have to trust, in PEM: for a file, no name of an environment variable. */
const authorityField = 'ca.crt'

/** What a Secret says of the server beside the keys. */
export type Reaching = {
  readonly info: Pick<ServerInfo, 's3Endpoint' | 'region'>
  readonly authority: string | null
}

/**
 * Both families of names: that of the AWS SDKs and the CLI, and that of COSI v1alpha2. COSI has one bucket a Secret: the first.
 * `rotatedFor`: the request that the current key answers, so that a crash does not make another one.
 */
export function contentOf(
  slots: { readonly current: KeyPair; readonly previous: KeyPair | null },
  bucketNames: readonly string[],
  { info: { s3Endpoint, region }, authority }: Reaching,
  rotatedFor: string | null,
): SecretContent {
  const { accessKeyId, secretAccessKey } = slots.current
  const bucketName = bucketNames[0] ?? ''
  return {
    data: {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_REGION: region,
      AWS_DEFAULT_REGION: region,
      AWS_ENDPOINT_URL_S3: s3Endpoint,
      BUCKET_NAME: bucketName,
      BUCKET_NAMES: bucketNames.join(','),
      COSI_PROTOCOL: 'S3',
      COSI_S3_ACCESS_KEY_ID: accessKeyId,
      COSI_S3_ACCESS_SECRET_KEY: secretAccessKey,
      COSI_S3_ADDRESSING_STYLE: 'path',
      COSI_S3_BUCKET_ID: bucketName,
      COSI_S3_ENDPOINT: s3Endpoint,
      COSI_S3_REGION: region,
      ...(authority === null ? {} : { [authorityField]: authority }),
      ...(slots.previous === null
        ? {}
        : {
            [`${previous}AWS_ACCESS_KEY_ID`]: slots.previous.accessKeyId,
            [`${previous}AWS_SECRET_ACCESS_KEY`]: slots.previous.secretAccessKey,
          }),
    },
    annotations: rotatedFor === null ? {} : { [annotations.rotateNow]: rotatedFor },
  }
}

/** Whether `held` differs from the content in nothing but the authority, which may have been replaced. */
export function differsInAuthority(held: HeldSecret, object: BucketAccess, content: SecretContent): boolean {
  const authority = content.data[authorityField]
  if (authority === undefined || held.data[authorityField] === authority) return false
  const renewed = { ...held, data: { ...held.data, [authorityField]: authority } }
  return hasContent(renewed, object, content)
}

/** Fields that others added are no difference, but a former key that is to be gone is. */
export function hasContent(held: HeldSecret, { metadata }: BucketAccess, content: SecretContent): boolean {
  const kept = (from: Readonly<Record<string, string>>, names: readonly string[]) =>
    Object.fromEntries(names.flatMap((name) => (from[name] === undefined ? [] : [[name, from[name]]])))
  const isSame = (['data', 'annotations'] as const).every((part) =>
    isDeepStrictEqual(kept(held[part], Object.keys(content[part])), content[part]),
  )
  const hasFormer = Object.keys(held.data).some((name) => name.startsWith(previous))
  const wantsFormer = Object.keys(content.data).some((name) => name.startsWith(previous))
  return isSame && hasFormer === wantsFormer && held.owners.some(({ uid }) => uid === metadata.uid)
}

/** As it is sent to the API server. Deleting the object deletes its Secret. */
export function secretBody(
  { metadata: { namespace, name, uid }, spec }: BucketAccess,
  { data, annotations: noted }: SecretContent,
) {
  const encoded = Object.entries(data).map(([field, value]) => [field, Buffer.from(value).toString('base64')])
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'Opaque',
    metadata: {
      namespace,
      name: spec.secretName ?? '',
      annotations: noted,
      labels: ownLabels,
      ownerReferences: [{ apiVersion, kind: 'BucketAccess', name, uid }],
    },
    data: Object.fromEntries(encoded),
  }
}
