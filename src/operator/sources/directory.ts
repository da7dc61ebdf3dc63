import { randomUUID } from 'node:crypto'
import { type FSWatcher, watch } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { eventReasons } from '../../api/conditions.ts'
import type { Labels } from '../../api/label-selector.ts'
import { namespaceNameLabel } from '../../api/metadata.ts'
import { limits } from '../../lib/limits.ts'
import type { Log } from '../../lib/log.ts'
import { withAnySignal } from '../../lib/signals.ts'
import { ObjectCache, type UnparsableObject } from '../object-cache.ts'
import {
  formatKey,
  type ObjectByKind,
  type ObjectKey,
  type ObjectKind,
  objectKinds,
  type StatusByKind,
} from '../objects.ts'
import type { AnyObject } from '../parse-object.ts'
import { sleep, type Timers } from '../timers.ts'
import { type Desired, desiredObjects, type ManifestProblem } from './desired.ts'
import { ManifestFiles } from './manifest-files.ts'
import type { Change, EventRecord, Source, WriteResult } from './source.ts'
import { refOf, StateFiles, stateName, type Tombstone } from './state-files.ts'

export type DirectorySourceOptions = {
  /** The manifests, `*.yaml`, `*.yml` and `*.json`; not its subfolders. */
  readonly directory: string
  /** The accepted objects and their status, normally DATA/status. */
  readonly stateDirectory: string
  readonly timers: Timers
  readonly log: Log
  /** Told of everything that was not taken, once per content. */
  readonly onProblem: (problem: ManifestProblem) => void
  /** How often the folder is read without being told; tests shorten it. */
  readonly readIntervalMs?: number
}

/**
 * Manifests of a folder as an API server would keep them: accepted objects have a uid, a generation that
 * counts changes of the spec, and a status; a change that the CRD's rules refuse leaves the accepted object
 * in force and is explained. A deleted file deletes its objects. The state is kept, so a restart refuses what
 * a running process would have refused.
 */
export class DirectorySource implements Source {
  /** A file that is gone is gone. */
  readonly writeFinalizers = null
  readonly #options: DirectorySourceOptions
  readonly #files: ManifestFiles
  readonly #state: StateFiles
  readonly #caches: { readonly [Kind in ObjectKind]: ObjectCache<ObjectByKind[Kind]> }
  readonly #listeners = new Set<(changed: Change) => void>()
  #tombstones = new Map<string, Tombstone>()
  /** What was last said about each file or object, so that it is said once. */
  #reported = new Map<string, string>()
  #resourceVersion = 0
  #wake: () => void = () => undefined
  #loop: Promise<void> = Promise.resolve()
  #lastStep: Promise<void> = Promise.resolve()

  constructor(options: DirectorySourceOptions) {
    this.#options = options
    this.#files = new ManifestFiles(options.directory)
    this.#state = new StateFiles(options.stateDirectory, options.log)
    this.#caches = {
      BucketAccess: new ObjectCache(),
      LockedBucket: new ObjectCache(),
      RetentionPolicy: new ObjectCache(),
      ClusterRetentionPolicy: new ObjectCache(),
    }
  }

  /** Resolves when the folder was read whole once. Errors: the state folder's. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#load()
    const watcher = this.#watch()
    signal.addEventListener('abort', () => watcher?.close(), { once: true })
    let isSettled = false
    // Two looks at the same content are needed; a folder that never stands still is taken as far as it does.
    for (let round = 0; round < settleRoundsMax && !isSettled && !signal.aborted; round += 1) {
      if (round > 0) await sleep(this.#options.timers, limits.manifestDebounceMs, signal)
      isSettled = await this.#look()
    }
    this.#loop = this.#run(signal)
  }

  /** Resolves when the loop has ended after an abort. */
  stopped(): Promise<void> {
    return this.#loop
  }

  get<Kind extends ObjectKind>(kind: Kind, key: ObjectKey): ObjectByKind[Kind] | null {
    return this.#cache(kind).get(formatKey(key))
  }

  list<Kind extends ObjectKind>(kind: Kind): readonly ObjectByKind[Kind][] {
    return this.#cache(kind).list()
  }

  /** A manifest that cannot be read changes nothing, and keeps what was accepted. */
  unparsable(): ReadonlyMap<string, UnparsableObject> {
    return new Map()
  }

  /** Whatever namespace a manifest names. */
  watches(): boolean {
    return true
  }

  /** Those of the objects; a folder has no other labels of a namespace than its name. */
  namespaces(): ReadonlyMap<string, Labels> {
    const objects = [...this.list('RetentionPolicy'), ...this.list('LockedBucket')]
    return new Map(
      objects.map(({ metadata: { namespace } }) => [namespace, { [namespaceNameLabel]: namespace }]),
    )
  }

  /** Nobody but this process takes manifests: its rules are the admission. */
  guard(): null {
    return null
  }

  /** The volume is this process's own folder. */
  storage(): null {
    return null
  }

  subscribe(listener: (changed: Change) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  writeStatus<Kind extends ObjectKind>(
    object: ObjectByKind[Kind],
    status: StatusByKind[Kind],
  ): Promise<WriteResult> {
    return this.#exclusive(() => this.#replaceStatus(object, status))
  }

  async recordEvent(event: EventRecord): Promise<void> {
    const { kind, namespace, name } = event.regarding
    const fields = { kind, object: `${namespace}/${name}`, reason: event.reason }
    if (eventReasons[event.reason].type === 'Warning') this.#options.log.warn(fields, event.message)
    else this.#options.log.info(fields, event.message)
  }

  async #replaceStatus<Kind extends ObjectKind>(
    object: ObjectByKind[Kind],
    status: StatusByKind[Kind],
  ): Promise<WriteResult> {
    const held = this.#anyCache(object.kind).get(formatKey(object.metadata))
    if (held === null) return { kind: 'gone' }
    if (held.metadata.resourceVersion !== object.metadata.resourceVersion) return { kind: 'conflict' }
    const metadata = { ...held.metadata, resourceVersion: this.#nextVersion() }
    const written = { ...held, metadata, status } as AnyObject
    await this.#put(written, 'ownStatus')
    return { kind: 'written' }
  }

  async #load(): Promise<void> {
    const { objects, tombstones } = await this.#state.load()
    this.#tombstones = new Map(tombstones)
    for (const object of objects) this.#anyCache(object.kind).put(object)
    const versions = [...objects.map(({ metadata }) => metadata), ...tombstones.values()]
    this.#resourceVersion = Math.max(
      0,
      ...versions.map(({ resourceVersion }) => Number(resourceVersion) || 0),
    )
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { timers, log, readIntervalMs = limits.manifestReadIntervalMs } = this.#options
    let unsettledRounds = 0
    while (!signal.aborted) {
      const isUnsettled = unsettledRounds > 0 && unsettledRounds <= settleRoundsMax
      if (!isUnsettled) await this.#waitForChange(readIntervalMs, signal)
      await sleep(timers, limits.manifestDebounceMs, signal)
      if (signal.aborted) return
      try {
        unsettledRounds = (await this.#look()) ? 0 : unsettledRounds + 1
      } catch (error) {
        log.error({ error: errorText(error) }, 'the manifests could not be taken; trying again')
      }
    }
  }

  /** Resolves after the interval, at an abort, or as soon as the kernel tells of a change. */
  #waitForChange(delayMs: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    const { timers } = this.#options
    return withAnySignal([signal, woken.signal], (either) => sleep(timers, delayMs, either))
  }

  /** Only makes it faster: network file systems tell nothing, so the folder is read at intervals anyway. */
  #watch(): FSWatcher | null {
    try {
      const watcher = watch(this.#options.directory, () => this.#wake())
      watcher.on('error', (error) =>
        this.#options.log.warn({ error: error.message }, 'the folder is not watched'),
      )
      return watcher
    } catch (error) {
      this.#options.log.warn({ error: errorText(error) }, 'the folder is not watched')
      return null
    }
  }

  /** True when nothing is being written. */
  async #look(): Promise<boolean> {
    const look = await this.#files.look()
    const { directory } = this.#options
    if (look.kind === 'unreadable') {
      await this.#report([{ kind: 'file', file: directory, message: look.message }])
      return true
    }
    const accepted = objectKinds.flatMap((kind) => this.#anyCache(kind).list())
    const { desired, problems, keep } = desiredObjects(look.files, accepted)
    for (const wanted of desired) await this.#exclusive(() => this.#accept(wanted))
    const wantedNames = new Set(desired.map(({ ref }) => stateName(ref)))
    for (const object of accepted) {
      const name = stateName(refOf(object))
      const isWanted = wantedNames.has(name) || keep.has(name)
      if (!isWanted && look.isSettled) await this.#exclusive(() => this.#remove(object))
    }
    await this.#report(problems)
    return look.isSettled
  }

  async #accept({ ref, manifest }: Desired): Promise<void> {
    const held = this.#anyCache(ref.kind).get(formatKey(ref))
    const before = held?.metadata ?? this.#tombstones.get(stateName(ref)) ?? null
    const isSameSpec = held !== null && isDeepStrictEqual(held.spec, manifest.spec)
    if (held !== null && isSameSpec && sameMarks(held, manifest)) return
    const metadata = {
      ...manifest.metadata,
      uid: before?.uid ?? randomUUID(),
      generation: (before?.generation ?? 0) + (isSameSpec ? 0 : 1),
      resourceVersion: this.#nextVersion(),
    }
    const status = held?.status
    const object = { ...manifest, metadata, ...(status === undefined ? {} : { status }) } as AnyObject
    await this.#put(object, 'object')
    this.#options.log.info(
      { kind: ref.kind, object: formatKey(ref), generation: metadata.generation },
      'accepted',
    )
  }

  async #remove(object: AnyObject): Promise<void> {
    const { uid, generation, resourceVersion } = object.metadata
    await this.#state.delete(object)
    this.#tombstones.set(stateName(refOf(object)), { uid, generation, resourceVersion })
    this.#anyCache(object.kind).delete(formatKey(object.metadata))
    this.#notify({ ...refOf(object), cause: 'object' })
  }

  /** On disk before anyone sees it: what was accepted once is remembered even if the process dies now. */
  async #put(object: AnyObject, cause: Change['cause']): Promise<void> {
    await this.#state.save(object)
    this.#anyCache(object.kind).put(object)
    this.#notify({ ...refOf(object), cause })
  }

  /** One change at a time: between looking at the held object and replacing it, nobody else replaces it. */
  #exclusive<T>(step: () => Promise<T>): Promise<T> {
    const done = this.#lastStep.then(step)
    this.#lastStep = done.then(
      () => undefined,
      () => undefined,
    )
    return done
  }

  #notify(changed: Change): void {
    for (const listener of this.#listeners) listener(changed)
  }

  /** Once per content: the same refusal at every look would drown everything else. */
  async #report(problems: readonly ManifestProblem[]): Promise<void> {
    const next = new Map(problems.map((problem) => [problemName(problem), JSON.stringify(problem)]))
    const news = problems.filter((problem) => {
      return this.#reported.get(problemName(problem)) !== next.get(problemName(problem))
    })
    this.#reported = next
    for (const problem of news) {
      this.#options.onProblem(problem)
      if (problem.kind === 'refused') await this.recordEvent(this.#refusal(problem))
      else this.#options.log.warn({ ...problem }, 'a manifest was not taken')
    }
  }

  #refusal({ file, object, message }: Extract<ManifestProblem, { kind: 'refused' }>): EventRecord {
    const held = this.#anyCache(object.kind).get(formatKey(object))
    const { uid = null, resourceVersion = null } = held?.metadata ?? {}
    const kept = held === null ? 'there is no such object yet' : 'the object stays as it was'
    const regarding = { ...object, uid, resourceVersion }
    return { reason: 'ManifestRefused', message: `${file}: ${message}; ${kept}`, regarding }
  }

  #nextVersion(): string {
    this.#resourceVersion += 1
    return String(this.#resourceVersion)
  }

  #cache<Kind extends ObjectKind>(kind: Kind): ObjectCache<ObjectByKind[Kind]> {
    return this.#caches[kind]
  }

  #anyCache(kind: ObjectKind): ObjectCache<AnyObject> {
    return this.#caches[kind] as ObjectCache<AnyObject>
  }
}

/**
 * Looks in a row that may find something being written before the folder is read at its usual interval again.
 */
const settleRoundsMax = 40

function sameMarks(held: AnyObject, manifest: Desired['manifest']): boolean {
  const { labels, annotations } = held.metadata
  return (
    isDeepStrictEqual(labels, manifest.metadata.labels) &&
    isDeepStrictEqual(annotations, manifest.metadata.annotations)
  )
}

function problemName(problem: ManifestProblem): string {
  return problem.kind === 'file'
    ? `file ${problem.file}`
    : `object ${stateName(problem.object)} ${problem.file}`
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
