/** A cluster with an operator and a lock server, with the words of BucketAccess' tests. */
import type { S3 } from '@aws-sdk/client-s3'
import { expect } from 'vitest'
import type { BucketAccess, BucketAccessStatus } from '../../src/api/BucketAccess.ts'
import { clientOfEnvironment } from './clients/sdk.ts'
import type { Cluster } from './cluster/cluster.ts'
import { until } from './cluster/until.ts'
import { waitMs } from './operator-rig.ts'

export type SecretDocument = {
  readonly metadata: {
    readonly resourceVersion: string
    readonly ownerReferences?: readonly { readonly kind: string; readonly name: string }[]
  }
  readonly data: Readonly<Record<string, string>>
}

export class AccessRig {
  readonly #cluster: Cluster

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  async read(namespace: string, name: string): Promise<BucketAccess> {
    const path = `/apis/holdfast.dev/v1/namespaces/${namespace}/bucketaccesses/${name}`
    return (await this.#cluster.request({ method: 'GET', path })).json() as BucketAccess
  }

  /** Waits for a status of the current generation that is so, and returns it. */
  async becomes(
    namespace: string,
    name: string,
    isSo: (status: BucketAccessStatus) => boolean,
  ): Promise<BucketAccessStatus> {
    let last = ''
    try {
      return await until(`${namespace}/${name}`, waitMs, async () => {
        const { metadata, status } = await this.read(namespace, name)
        last = JSON.stringify(status)
        const isSeen = status?.observedGeneration === metadata.generation
        return isSeen && isSo(status) ? status : null
      })
    } catch (error) {
      throw new Error(`${namespace}/${name} is ${last}`, { cause: error })
    }
  }

  /** Waits for `Ready` as `True Granted`. */
  shows(namespace: string, name: string, ready: string): Promise<BucketAccessStatus> {
    return this.becomes(namespace, name, (status) => readyOf(status) === ready)
  }

  /** null: there is none. */
  async secret(namespace: string, name: string): Promise<SecretDocument | null> {
    const path = `/api/v1/namespaces/${namespace}/secrets/${name}`
    const answer = await this.#cluster.request({ method: 'GET', path })
    return answer.status === 404 ? null : (answer.json() as SecretDocument)
  }

  /** The Secret as a program gets it. */
  async environment(namespace: string, name: string): Promise<Readonly<Record<string, string>>> {
    const secret = await this.secret(namespace, name)
    const entries = Object.entries(secret?.data ?? {})
    return Object.fromEntries(entries.map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))
  }

  async patchSecret(namespace: string, name: string, stringData: object): Promise<void> {
    const path = `/api/v1/namespaces/${namespace}/secrets/${name}`
    const contentType = 'application/merge-patch+json'
    const sent = await this.#cluster.request({ method: 'PATCH', path, body: { stringData }, contentType })
    expect(sent.status, sent.text).toBe(200)
  }

  async patch(namespace: string, name: string, body: object): Promise<void> {
    const path = `/apis/holdfast.dev/v1/namespaces/${namespace}/bucketaccesses/${name}`
    const contentType = 'application/merge-patch+json'
    const sent = await this.#cluster.request({ method: 'PATCH', path, body, contentType })
    expect(sent.status, sent.text).toBe(200)
  }

  async remove(namespace: string, object: string): Promise<void> {
    const args = ['delete', object, '-n', namespace, '--wait=true', '--timeout=60s']
    const { code, stderr } = await this.#cluster.kubectl(args)
    expect(code, stderr).toBe(0)
  }
}

export function readyOf(status: BucketAccessStatus): string {
  const ready = status.conditions?.find(({ type }) => type === 'Ready')
  return ready === undefined ? 'absent' : `${ready.status} ${ready.reason}`
}

export function access(name: string, buckets: readonly string[], more: object = {}): object {
  const named = buckets.map((bucket) => ({ name: bucket }))
  const spec = { buckets: named, role: 'ReadWrite', secretName: `${name}-s3`, ...more }
  return { apiVersion: 'holdfast.dev/v1', kind: 'BucketAccess', metadata: { name }, spec }
}

/** One request of a program with these keys: `done`, or the code of the refusal. */
export async function trying(
  environment: Readonly<Record<string, string>>,
  request: (s3: S3) => Promise<unknown>,
): Promise<string> {
  const s3 = clientOfEnvironment(environment)
  try {
    await request(s3)
    return 'done'
  } catch (error) {
    return error instanceof Error ? error.name : String(error)
  } finally {
    s3.destroy()
  }
}

/** What each of the tests of keys asks for first: is the key taken at all. */
export function listing(environment: Readonly<Record<string, string>>, bucket: string): Promise<string> {
  return trying(environment, (s3) => s3.listObjectsV2({ Bucket: bucket }))
}

export async function isRefused(
  environment: Readonly<Record<string, string>>,
  bucket: string,
): Promise<void> {
  await until(`key ${environment['AWS_ACCESS_KEY_ID']} is refused`, waitMs, async () =>
    (await listing(environment, bucket)) === 'InvalidAccessKeyId' ? true : null,
  )
}
