import type { Labels } from '../../api/label-selector.ts'
import { apiGroup, apiVersion, servedVersion } from '../../api/metadata.ts'
import { parseNamespace } from '../../api/namespace.ts'
import type { Clock } from '../../lib/clock.ts'
import { limits } from '../../lib/limits.ts'
import type { Log } from '../../lib/log.ts'
import type { AdmissionGuard, GuardState } from '../admission/guard.ts'
import { applyPatch } from '../apply-patch.ts'
import { EventRecorder } from '../events.ts'
import { type KubeClient, KubeStatusError } from '../kube.ts'
import type { CachedObject, ObjectCache, UnparsableObject } from '../object-cache.ts'
import {
  formatKey,
  keyOf,
  type ObjectByKind,
  type ObjectKey,
  type ObjectKind,
  type ObjectRef,
  objectKinds,
  parseKey,
  type StatusByKind,
} from '../objects.ts'
import { fieldManager } from '../own-marks.ts'
import { parseObjectOf } from '../parse-object.ts'
import { Reflector } from '../reflector.ts'
import type { StorageGuard } from '../storage/storage-guard.ts'
import type { StorageState } from '../storage/storage-state.ts'
import { sleep, type Timers } from '../timers.ts'
import { NamespaceLabels } from './namespace-labels.ts'
import type { Change, EventRecord, Source, WriteResult } from './source.ts'

export type KubeSourceOptions = {
  readonly client: KubeClient
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Log
  /** Which of several operators, for events. */
  readonly instance: string
  /** Those that are watched, each by itself, so that no right beyond them is needed; null: all. */
  readonly namespaces: readonly string[] | null
  /** Absent: nothing is said of it. */
  readonly guard?: AdmissionGuard
  /** Absent: nothing is said of it. */
  readonly storage?: StorageGuard
  /** Told of how many objects cannot be understood, at the start and at each change. */
  readonly onUnparsable?: (kind: ObjectKind, count: number) => void
}

/** No namespace has this name. */
const everywhere = ''
const plurals: { readonly [Kind in ObjectKind]: string } = {
  BucketAccess: 'bucketaccesses',
  LockedBucket: 'lockedbuckets',
  RetentionPolicy: 'retentionpolicies',
  ClusterRetentionPolicy: 'clusterretentionpolicies',
}
type Namespace = CachedObject & { readonly labels: Labels }

/** Objects of kube-apiserver. Goes on by itself through every failure of the API server. */
export class KubeSource implements Source {
  readonly #options: KubeSourceOptions
  /** By namespace, or one for all of them. */
  readonly #reflectors: {
    readonly [Kind in ObjectKind]: ReadonlyMap<string, Reflector<ObjectByKind[Kind]>>
  }
  /** null: an operator of some namespaces may not read what is of the whole cluster. */
  readonly #namespaces: Reflector<Namespace> | null
  readonly #namespaceLabels = new NamespaceLabels()
  readonly #events: EventRecorder
  readonly #listeners = new Set<(changed: Change) => void>()
  /** Status writes under way, by kind and key; true when the watch told of a change meanwhile. */
  readonly #writing = new Map<string, boolean>()
  readonly #stop = new AbortController()
  #running: Promise<unknown> = Promise.resolve()
  #isSynced = false

  constructor(options: KubeSourceOptions) {
    this.#options = options
    this.#reflectors = {
      BucketAccess: this.#reflectorsOf('BucketAccess'),
      LockedBucket: this.#reflectorsOf('LockedBucket'),
      RetentionPolicy: this.#reflectorsOf('RetentionPolicy'),
      ClusterRetentionPolicy:
        options.namespaces === null ? this.#reflectorsOf('ClusterRetentionPolicy') : new Map(),
    }
    this.#namespaces = options.namespaces === null ? this.#namespaceReflector() : null
    for (const kind of objectKinds) this.#tellUnparsable(kind)
    const { client, clock, log, instance } = options
    this.#events = new EventRecorder({ client, clock, log, component: fieldManager, instance, apiVersion })
  }

  /** True once everything was listed: readiness. */
  get isSynced(): boolean {
    return this.#isSynced
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#stop.abort(), { once: true })
    const synced: Promise<void>[] = []
    const running: Promise<void>[] = []
    const reflectors = objectKinds.flatMap((kind) => [...this.#reflectors[kind].values()])
    for (const reflector of [...reflectors, ...(this.#namespaces === null ? [] : [this.#namespaces])]) {
      synced.push(new Promise((resolve) => running.push(reflector.run(signal, resolve))))
    }
    const { guard, storage, timers } = this.#options
    storage?.subscribe(() => this.#retell(['LockedBucket']))
    if (guard !== undefined) {
      const known = new Promise<void>((resolve) => running.push(guard.run(signal, resolve)))
      guard.subscribe(() => this.#retell(objectKinds))
      // Where the policies may not be read, this would be for ever.
      synced.push(Promise.race([known, sleep(timers, limits.admissionGuardWaitMs, signal)]))
    }
    const ended = Promise.all(running)
    this.#running = ended
    // Reflectors end only by an abort: a start that is aborted before it synced resolves too.
    await Promise.race([Promise.all(synced), ended])
    this.#isSynced = !signal.aborted
  }

  /** Resolves when the watches have ended after an abort. */
  async stopped(): Promise<void> {
    await this.#running
  }

  get<Kind extends ObjectKind>(kind: Kind, key: ObjectKey): ObjectByKind[Kind] | null {
    return this.#cache(kind, key.namespace)?.get(formatKey(key)) ?? null
  }

  list<Kind extends ObjectKind>(kind: Kind): readonly ObjectByKind[Kind][] {
    return [...this.#reflectors[kind].values()].flatMap(({ cache }) => cache.list())
  }

  unparsable(kind: ObjectKind): ReadonlyMap<string, UnparsableObject> {
    return new Map([...this.#reflectors[kind].values()].flatMap(({ cache }) => [...cache.unparsable]))
  }

  watches(namespace: string): boolean {
    const { namespaces } = this.#options
    return namespaces === null || namespaces.includes(namespace)
  }

  namespaces(): ReadonlyMap<string, Labels> | null {
    return this.#namespaces === null ? null : this.#namespaceLabels.all()
  }

  guard(): GuardState | null {
    return this.#options.guard?.state ?? null
  }

  storage(): StorageState | null {
    return this.#options.storage?.state ?? null
  }

  subscribe(listener: (changed: Change) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  async writeStatus<Kind extends ObjectKind>(
    object: ObjectByKind[Kind],
    status: StatusByKind[Kind],
    signal: AbortSignal,
  ): Promise<WriteResult> {
    const kind = object.kind as Kind
    const ref: ObjectRef = { kind, namespace: object.metadata.namespace, name: object.metadata.name }
    // The watch may tell of our write before its answer is here: whose change it was is known only then.
    this.#writing.set(writingKey(ref), false)
    let written: ObjectByKind[Kind] | null = null
    try {
      written = parseObjectOf(kind, await this.#applyStatus(object, { kind, status }, signal))
      return { kind: 'written' }
    } catch (error) {
      return writeFailure(error)
    } finally {
      const isTold = this.#writing.get(writingKey(ref)) === true
      this.#writing.delete(writingKey(ref))
      this.#settleWrite(ref, { written, isTold })
    }
  }

  readonly writeFinalizers = async <Kind extends ObjectKind>(
    { kind, metadata }: ObjectByKind[Kind],
    finalizers: readonly string[],
    signal: AbortSignal,
  ): Promise<WriteResult> => {
    const { namespace, name, uid, resourceVersion } = metadata
    const path = `${collectionPath(kind, namespace)}/${encodeURIComponent(name)}`
    const body = { metadata: { uid, resourceVersion, finalizers } }
    const contentType = 'application/merge-patch+json'
    const { client } = this.#options
    try {
      await client.send({ method: 'PATCH', path, query: { fieldManager }, contentType, body }, signal)
      return { kind: 'written' }
    } catch (error) {
      return writeFailure(error)
    }
  }

  async recordEvent(event: EventRecord): Promise<void> {
    await this.#events.record(event, this.#stop.signal)
  }

  #applyStatus<Kind extends ObjectKind>(
    { metadata }: ObjectByKind[Kind],
    { kind, status }: { kind: Kind; status: StatusByKind[Kind] },
    signal: AbortSignal,
  ): Promise<unknown> {
    const { namespace, name, uid, resourceVersion } = metadata
    return this.#options.client.send(
      {
        method: 'PATCH',
        path: `${collectionPath(kind, namespace === everywhere ? null : namespace)}/${encodeURIComponent(name)}/status`,
        query: { fieldManager, force: 'true' },
        contentType: applyPatch,
        // uid and resourceVersion make it conditional: a status of an older object is refused with 409.
        body: {
          apiVersion,
          kind,
          metadata: { ...(namespace === everywhere ? {} : { namespace }), name, uid, resourceVersion },
          status,
        },
      },
      signal,
    )
  }

  /**
   * Takes the answer, which may be newer than the cache, and tells what was held back: ours if nothing came
   * after it.
   */
  #settleWrite<Kind extends ObjectKind>(
    ref: ObjectRef,
    { written, isTold }: { written: ObjectByKind[Kind] | null; isTold: boolean },
  ): void {
    const cache = this.#cache(ref.kind, ref.namespace) as ObjectCache<ObjectByKind[Kind]> | null
    const isTaken = written !== null && cache?.putWritten(written) === true
    if (!isTold && !isTaken) return
    const held = cache?.get(formatKey(ref)) ?? null
    const isOurs = held !== null && held.metadata.resourceVersion === written?.metadata.resourceVersion
    this.#notify({ ...ref, cause: isOurs ? 'ownStatus' : 'object' })
  }

  #reflectorsOf<Kind extends ObjectKind>(kind: Kind): ReadonlyMap<string, Reflector<ObjectByKind[Kind]>> {
    const { namespaces } = this.#options
    if (namespaces === null) return new Map([[everywhere, this.#reflector(kind, null)]])
    return new Map(namespaces.map((namespace) => [namespace, this.#reflector(kind, namespace)]))
  }

  #reflector<Kind extends ObjectKind>(kind: Kind, namespace: string | null): Reflector<ObjectByKind[Kind]> {
    const { client, timers, log } = this.#options
    return new Reflector<ObjectByKind[Kind]>({
      client,
      path: collectionPath(kind, namespace),
      parse: (raw) => parseObjectOf(kind, raw),
      timers,
      log,
      onChange: (key) => {
        this.#tellUnparsable(kind)
        this.#changed({ kind, ...parseKey(key) })
      },
    })
  }

  #tellUnparsable(kind: ObjectKind): void {
    this.#options.onUnparsable?.(kind, this.unparsable(kind).size)
  }

  /** What binds it may be another policy now. */
  #namespaceReflector(): Reflector<Namespace> {
    const { client, timers, log } = this.#options
    const onChange = (key: string) => {
      const labels = this.#namespaces?.cache.get(key)?.labels ?? null
      if (this.#namespaceLabels.take(parseKey(key).name, labels)) this.#retell(['ClusterRetentionPolicy'])
    }
    return new Reflector({ client, path: '/api/v1/namespaces', parse: namespaceOf, timers, log, onChange })
  }

  #changed(ref: ObjectRef): void {
    if (this.#writing.has(writingKey(ref))) this.#writing.set(writingKey(ref), true)
    else this.#notify({ ...ref, cause: 'object' })
  }

  /** Their statuses speak of what has changed. */
  #retell(kinds: readonly ObjectKind[]): void {
    if (!this.#isSynced) return
    for (const kind of kinds) {
      for (const object of this.list(kind)) this.#notify({ kind, ...keyOf(object), cause: 'object' })
    }
  }

  #notify(changed: Change): void {
    for (const listener of this.#listeners) listener(changed)
  }

  /** Null: a namespace that is not watched. */
  #cache<Kind extends ObjectKind>(kind: Kind, namespace: string): ObjectCache<ObjectByKind[Kind]> | null {
    const reflectors = this.#reflectors[kind]
    return (reflectors.get(everywhere) ?? reflectors.get(namespace))?.cache ?? null
  }
}

/** The uid of kube-system: as old as the cluster and its only lasting name. */
export async function readClusterId(client: KubeClient, signal: AbortSignal): Promise<string> {
  const namespace = await client.send({ method: 'GET', path: '/api/v1/namespaces/kube-system' }, signal)
  const metadata: unknown =
    typeof namespace === 'object' && namespace !== null ? Reflect.get(namespace, 'metadata') : null
  const uid: unknown = typeof metadata === 'object' && metadata !== null ? Reflect.get(metadata, 'uid') : null
  if (typeof uid !== 'string' || uid === '') throw new Error('the namespace kube-system has no uid')
  return uid
}

function writeFailure(error: unknown): WriteResult {
  if (error instanceof KubeStatusError && error.status === 409) return { kind: 'conflict' }
  if (error instanceof KubeStatusError && error.status === 404) return { kind: 'gone' }
  throw error
}

function collectionPath(kind: ObjectKind, namespace: string | null): string {
  const root = `/apis/${apiGroup}/${servedVersion}`
  return namespace === null
    ? `${root}/${plurals[kind]}`
    : `${root}/namespaces/${encodeURIComponent(namespace)}/${plurals[kind]}`
}

function namespaceOf(raw: unknown): Namespace {
  const { labels, ...metadata } = parseNamespace(raw)
  return { metadata: { namespace: everywhere, ...metadata }, labels }
}

function writingKey(ref: ObjectRef): string {
  return `${ref.kind}/${formatKey(ref)}`
}
