/** Checkpoints in a ConfigMap: lines of signed JSON as `holdfast audit checkpoint` makes them, the newest last. */
import { limits } from '../../lib/limits.ts'
import { applyPatch } from '../apply-patch.ts'
import type { ReleaseMetadata } from '../bootstrap/secrets.ts'
import { type KubeClient, KubeStatusError } from '../kube.ts'
import { fieldManager } from '../own-marks.ts'
import type { CheckpointStore, KeptHead, NotedHead } from './volume-history.ts'

/** The key, and the format of a line. */
export type CheckpointSeal = {
  /** PEM: published beside what it signed. */
  readonly publicKey: string
  readonly sign: (head: NotedHead) => string
  /** Errors: any, for a line that the key did not sign. */
  readonly open: (line: string) => NotedHead
}

export type CheckpointConfigMapOptions = {
  readonly client: KubeClient
  readonly namespace: string
  readonly name: string
  readonly metadata: ReleaseMetadata
  readonly seal: CheckpointSeal
}

const linesField = 'checkpoints'
const keyField = 'checkpoint.pub'

type Found = { readonly lines: readonly string[]; readonly resourceVersion: string }
/** As the API server says it. */
type ConfigMapDocument = {
  readonly data?: Readonly<Record<string, string>>
  readonly metadata: { readonly resourceVersion: string }
}

export class CheckpointConfigMap implements CheckpointStore {
  readonly #options: CheckpointConfigMapOptions

  constructor(options: CheckpointConfigMapOptions) {
    this.#options = options
  }

  get place(): string {
    const { namespace, name } = this.#options
    return `ConfigMap ${namespace}/${name}`
  }

  async read(signal: AbortSignal): Promise<KeptHead> {
    return this.#keptIn(await this.#find(signal))
  }

  #keptIn(found: Found | null): KeptHead {
    if (found === null) return { kind: 'none' }
    const last = found.lines.at(-1)
    if (last === undefined) return { kind: 'unbelievable', cause: `${this.place} has no checkpoint` }
    try {
      return { kind: 'kept', newest: this.#options.seal.open(last) }
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error)
      return { kind: 'unbelievable', cause: `the last line of ${this.place}: ${cause}` }
    }
  }

  async add(head: NotedHead, mayFollow: (kept: KeptHead) => boolean, signal: AbortSignal): Promise<void> {
    const { client, namespace, name, metadata, seal } = this.#options
    const found = await this.#find(signal)
    if (!mayFollow(this.#keptIn(found))) throw conflict(`${this.place} has what another operator kept`)
    const lines = [...(found?.lines ?? []), seal.sign(head)].slice(-limits.checkpointsKeptMax)
    const object = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace, ...metadata },
      data: { [linesField]: lines.map((line) => `${line}\n`).join(''), [keyField]: seal.publicKey },
    }
    const query = { fieldManager }
    // What another replica wrote or made meanwhile is a conflict.
    if (found === null) {
      const path = this.#folder()
      await client.send({ method: 'POST', path, query, body: object }, signal)
      return
    }
    await client.send(
      {
        method: 'PATCH',
        path: this.#path(),
        query: { ...query, force: 'true' },
        contentType: applyPatch,
        body: { ...object, metadata: { ...object.metadata, resourceVersion: found.resourceVersion } },
      },
      signal,
    )
  }

  /** null: there is none. */
  async #find(signal: AbortSignal): Promise<Found | null> {
    try {
      const answer = await this.#options.client.send({ method: 'GET', path: this.#path() }, signal)
      const { data, metadata } = answer as ConfigMapDocument
      const lines = (data?.[linesField] ?? '').split('\n').filter((line) => line !== '')
      return { lines, resourceVersion: metadata.resourceVersion }
    } catch (error) {
      if (error instanceof KubeStatusError && error.status === 404) return null
      throw error
    }
  }

  #path(): string {
    return `${this.#folder()}/${encodeURIComponent(this.#options.name)}`
  }

  #folder(): string {
    return `/api/v1/namespaces/${encodeURIComponent(this.#options.namespace)}/configmaps`
  }
}

function conflict(message: string): KubeStatusError {
  return new KubeStatusError(409, { reason: 'Conflict', message, retryAfterMs: null })
}
