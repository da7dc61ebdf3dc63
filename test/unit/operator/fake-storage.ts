/** A claim, its volume and their namespace at an API server in memory, with merge patches and refusals by hand. */
import { type KubeClient, type KubeRequest, KubeStatusError } from '../../../src/operator/kube.ts'

type Texts = Record<string, string>
type Metadata = {
  name: string
  uid: string
  resourceVersion: string
  labels: Texts
  annotations: Texts
  deletionTimestamp?: string
}
type Held = { metadata: Metadata; spec: Record<string, unknown> }
export type Kind = 'claim' | 'volume' | 'namespace'

const paths: Readonly<Record<string, Kind>> = {
  '/api/v1/namespaces/system/persistentvolumeclaims/data': 'claim',
  '/api/v1/persistentvolumes/pv-1': 'volume',
  '/api/v1/namespaces/system': 'namespace',
}

export class FakeStorage implements KubeClient {
  readonly host = 'https://fake'
  /** `claim`, `volume` or `namespace`, in the order of their patches, refused ones too. */
  readonly patches: Kind[] = []
  readonly objects: { [Name in Kind]: Held | null } = {
    claim: held('data', { volumeName: 'pv-1' }),
    volume: held('pv-1', { persistentVolumeReclaimPolicy: 'Delete', claimRef: { uid: 'uid-data' } }),
    namespace: held('system', {}),
  }
  /** What the operator has no right to. */
  readonly refused = new Set<`${'GET' | 'PATCH'} ${Kind}`>()
  isAway = false
  #version = 1

  /** The kinds that bear the label. */
  get guarded(): readonly Kind[] {
    return (['claim', 'volume', 'namespace'] as const).filter(
      (kind) => this.objects[kind]?.metadata.labels['holdfast.dev/protected'] === 'true',
    )
  }

  async send({ method, path, body }: KubeRequest): Promise<unknown> {
    const kind = paths[path]
    if (kind === undefined) throw new Error(`nobody asks for ${path}`)
    if (method === 'PATCH') this.patches.push(kind)
    if (this.isAway) throw status(500, 'away')
    if (this.refused.has(`${method === 'GET' ? 'GET' : 'PATCH'} ${kind}`))
      throw status(403, `${kind} forbidden`)
    const object = this.objects[kind]
    if (object === null) throw status(404, 'not found')
    if (method === 'PATCH') this.#patch(object, body as { metadata: Partial<Metadata>; spec?: object })
    return structuredClone(object)
  }

  watch(): AsyncGenerator<unknown, void, undefined> {
    throw new Error('nobody watches the storage')
  }

  #patch(object: Held, { metadata, spec = {} }: { metadata: Partial<Metadata>; spec?: object }): void {
    const { uid, resourceVersion, labels = {}, annotations = {} } = metadata
    if (uid !== object.metadata.uid || resourceVersion !== object.metadata.resourceVersion)
      throw status(409, 'the object is another one')
    merge(object.metadata.labels, labels)
    merge(object.metadata.annotations, annotations)
    Object.assign(object.spec, spec)
    this.#version += 1
    object.metadata.resourceVersion = String(this.#version)
  }
}

function merge(held: Texts, change: Readonly<Record<string, string | null>>): void {
  for (const [name, value] of Object.entries(change)) {
    if (value === null) delete held[name]
    else held[name] = value
  }
}

function held(name: string, spec: Record<string, unknown>): Held {
  return { metadata: { name, uid: `uid-${name}`, resourceVersion: '1', labels: {}, annotations: {} }, spec }
}

function status(code: number, message: string): KubeStatusError {
  return new KubeStatusError(code, { reason: String(code), message, retryAfterMs: null })
}
