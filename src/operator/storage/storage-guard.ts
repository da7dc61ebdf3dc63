/**
 * Guards what the lock server keeps its data on: the label by which the API server refuses deletion, on claims, volumes
 * and the namespace, while something is locked; and the reclaim policy Retain, for good.
 */
import { isDeepStrictEqual } from 'node:util'
import type { LockedBucket } from '../../api/LockedBucket.ts'
import {
  type Claim,
  parseClaim,
  parseGuardedNamespace,
  parseVolume,
  type StorageMetadata,
  type Volume,
} from '../../api/storage.ts'
import { type LockServer, ServerRefusedError, ServerUnreachableError } from '../../client/lock-server.ts'
import { limits } from '../../lib/limits.ts'
import type { Log } from '../../lib/log.ts'
import { withAnySignal } from '../../lib/signals.ts'
import { jittered } from '../backoff.ts'
import { type KubeClient, KubeStatusError } from '../kube.ts'
import type { Leadership } from '../leadership.ts'
import { fieldManager } from '../own-marks.ts'
import { sleep, type Timers } from '../timers.ts'
import {
  type Label,
  labelChange,
  protectionOf,
  type StorageFinding,
  type StorageState,
  stateOf,
} from './storage-state.ts'

export type StorageGuardOptions = {
  readonly client: KubeClient
  readonly timers: Timers
  readonly log: Log
  /** Of the claims: the operator's own. */
  readonly namespace: string
  /** null: none is named, and nothing is looked at or written. */
  readonly claims: readonly string[] | null
  /** Which of several operators in the namespace: the name of its Lease. */
  readonly holder: string
}

export type StorageTerm = {
  readonly buckets: () => readonly LockedBucket[]
  /** Tells of each change of one of them; the result unsubscribes. */
  readonly onBucket: (listener: () => void) => () => void
  readonly lockServer: Pick<LockServer, 'findLocked'>
  readonly leadership: Pick<Leadership, 'assertHeld'>
  /** Looked at least this often. */
  readonly intervalMs: number
}

type Guarded = {
  readonly what: string
  readonly path: string
  readonly metadata: StorageMetadata
  /** Of several servers in one namespace, each says for itself; null: it is of one server. */
  readonly holder: string | null
}
type Look = { readonly label: Label; readonly term: StorageTerm; readonly signal: AbortSignal }

export class StorageGuard {
  readonly #options: StorageGuardOptions
  readonly #listeners = new Set<() => void>()
  #state: StorageState

  constructor(options: StorageGuardOptions) {
    this.#options = options
    const unnamed = { reason: 'StorageUnnamed', message: null } as const
    const unread = { reason: 'StorageUnreadable', message: 'They are not read yet.' } as const
    this.#state = stateOf([options.claims === null ? unnamed : unread])
  }

  get state(): StorageState {
    return this.#state
  }

  /** Told of each change of the state. */
  subscribe(listener: () => void): void {
    this.#listeners.add(listener)
  }

  /**
   * Looks until the signal is aborted: at the start, at each interval and when a LockedBucket becomes protected or stops
   * to be; `onLooked` is called after the first look, and at once where no claim is named. Never rejects.
   */
  async run(term: StorageTerm, signal: AbortSignal, onLooked: () => void): Promise<void> {
    if (this.#options.claims === null) return onLooked()
    let wake = () => {}
    let seen = protectionOf(term.buckets())
    let isDue = false
    const unsubscribe = term.onBucket(() => {
      const now = protectionOf(term.buckets())
      if (now === seen) return
      seen = now
      isDue = true
      wake()
    })
    while (!signal.aborted) {
      isDue = false
      const delayMs = await this.#lookSafely(term, signal)
      onLooked()
      if (isDue) continue
      const woken = new AbortController()
      wake = () => woken.abort()
      const { timers } = this.#options
      await withAnySignal([signal, woken.signal], (either) => sleep(timers, delayMs, either))
    }
    unsubscribe()
  }

  /** How long until the next look. What could not be asked leaves the state as it was. */
  async #lookSafely(term: StorageTerm, signal: AbortSignal): Promise<number> {
    const nextMs = Math.max(1, jittered(term.intervalMs))
    try {
      const label = await this.#wantedLabel(term)
      const { claims } = this.#options
      this.#setState(stateOf(await this.#look(claims ?? [], { label, term, signal })))
      return nextMs
    } catch (error) {
      if (!signal.aborted) this.#options.log.warn({ error: String(error) }, 'looking at the storage failed')
      return Math.min(nextMs, limits.serverRetryMsMax)
    }
  }

  /** Off only by the lock server's own word: it also knows buckets whose LockedBucket is gone. */
  async #wantedLabel({ buckets, lockServer }: StorageTerm): Promise<Label> {
    const protection = protectionOf(buckets())
    if (protection === 'protected') return 'on'
    try {
      if ((await lockServer.findLocked()) !== null) return 'on'
      // Asked again: an answer takes its time.
      const isStill = protectionOf(buckets()) === 'none'
      return protection === 'none' && isStill ? 'off' : 'stay'
    } catch (error) {
      if (error instanceof ServerUnreachableError || error instanceof ServerRefusedError) return 'stay'
      throw error
    }
  }

  async #look(claims: readonly string[], look: Look): Promise<readonly StorageFinding[]> {
    const namespacePath = `/api/v1/namespaces/${encodeURIComponent(this.#options.namespace)}`
    const findings: StorageFinding[] = []
    for (const name of claims) {
      const path = `${namespacePath}/persistentvolumeclaims/${encodeURIComponent(name)}`
      const what = `PersistentVolumeClaim ${name}`
      const claim = await this.#read({ what, path, parse: parseClaim }, look)
      if ('reason' in claim) {
        findings.push(claim)
        continue
      }
      findings.push(...(await this.#guardVolume(claim, look)))
      findings.push(...(await this.#guard({ what, path, metadata: claim.metadata, holder: null }, look)))
    }
    return [...findings, ...(await this.#guardNamespace(namespacePath, look))]
  }

  async #guardNamespace(path: string, look: Look): Promise<readonly StorageFinding[]> {
    const { namespace: name, holder } = this.#options
    const what = `Namespace ${name}`
    const namespace = await this.#read({ what, path, parse: parseGuardedNamespace }, look)
    if ('reason' in namespace) return [namespace]
    return this.#guard({ what, path, metadata: namespace.metadata, holder }, look)
  }

  async #guardVolume({ metadata, spec }: Claim, look: Look): Promise<readonly StorageFinding[]> {
    const { volumeName } = spec
    if (volumeName === undefined || volumeName === '')
      return [
        { reason: 'StorageUnbound', message: `PersistentVolumeClaim ${metadata.name} is not bound yet.` },
      ]
    const what = `PersistentVolume ${volumeName}`
    const path = `/api/v1/persistentvolumes/${encodeURIComponent(volumeName)}`
    const volume = await this.#read({ what, path, parse: parseVolume }, look)
    if ('reason' in volume) return [volume]
    // A claim may name any volume: only one that says the same is its own.
    if (volume.spec.claimRef?.uid !== metadata.uid) {
      const message = `${what}, which PersistentVolumeClaim ${metadata.name} names, is not bound to it.`
      return [{ reason: 'StorageUnbound', message }]
    }
    const retained = await this.#retain({ what, path, volume }, look)
    if ('reason' in retained) return [retained, ...terminating({ what, metadata: volume.metadata })]
    return this.#guard({ what, path, metadata: retained.metadata, holder: null }, look)
  }

  /** Also while nothing is locked: the next write may be. It is never set back. */
  async #retain(
    { what, path, volume }: { what: string; path: string; volume: Volume },
    look: Look,
  ): Promise<Volume | StorageFinding> {
    const { persistentVolumeReclaimPolicy: policy } = volume.spec
    if (policy === 'Retain') return volume
    const { uid, resourceVersion, name } = volume.metadata
    const body = {
      metadata: { uid, resourceVersion },
      spec: { persistentVolumeReclaimPolicy: 'Retain' },
    }
    const answer = await this.#patch(path, body, look)
    if (answer.kind === 'patched') {
      this.#options.log.info({ what, before: policy }, 'the reclaim policy is Retain now')
      return parseVolume(answer.object)
    }
    const message =
      `${what} has the reclaim policy ${policy} and may not be patched (${answer.message}): ` +
      `kubectl patch pv ${name} -p '{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}'`
    return { reason: 'VolumeNotRetained', message }
  }

  async #guard({ what, path, metadata, holder }: Guarded, look: Look): Promise<readonly StorageFinding[]> {
    const gone = terminating({ what, metadata })
    const change = labelChange(metadata, { label: look.label, holder })
    if (change === null) return gone
    const { uid, resourceVersion } = metadata
    const body = { metadata: { uid, resourceVersion, ...change } }
    const answer = await this.#patch(path, body, look)
    if (answer.kind === 'patched') {
      this.#options.log.info({ what, label: look.label }, 'the label of what is guarded was changed')
      return gone
    }
    // What stays guarded for want of rights is safe.
    if (look.label === 'off') return gone
    return [{ reason: 'StorageUnguarded', message: `${what}: ${answer.message}` }, ...gone]
  }

  async #read<T extends object>(
    { what, path, parse }: { what: string; path: string; parse: (raw: unknown) => T },
    { signal }: Look,
  ): Promise<T | StorageFinding> {
    try {
      return parse(await this.#options.client.send({ method: 'GET', path }, signal))
    } catch (error) {
      if (!(error instanceof KubeStatusError)) throw error
      if (error.status === 404) return { reason: 'StorageUnbound', message: `${what} does not exist.` }
      if (error.status === 403) return { reason: 'StorageUnreadable', message: error.message }
      throw error
    }
  }

  /** Errors: the API server's, but for a refusal; a conflict is one, and looked at again. */
  async #patch(
    path: string,
    body: object,
    { term, signal }: Look,
  ): Promise<
    | { readonly kind: 'patched'; readonly object: unknown }
    | { readonly kind: 'refused'; readonly message: string }
  > {
    term.leadership.assertHeld()
    const contentType = 'application/merge-patch+json'
    const query = { fieldManager }
    try {
      const object = await this.#options.client.send(
        { method: 'PATCH', path, query, contentType, body },
        signal,
      )
      return { kind: 'patched', object }
    } catch (error) {
      if (!(error instanceof KubeStatusError) || (error.status !== 403 && error.status !== 422)) throw error
      return { kind: 'refused', message: error.message }
    }
  }

  #setState(state: StorageState): void {
    if (isDeepStrictEqual(state, this.#state)) return
    this.#state = state
    const { log } = this.#options
    if (state.kind === 'retained') log.info({}, 'the volumes of the lock server are retained')
    else log.warn(state.finding, 'the volumes of the lock server are not retained as they should be')
    for (const listener of this.#listeners) listener()
  }
}

function terminating({
  what,
  metadata,
}: {
  what: string
  metadata: StorageMetadata
}): readonly StorageFinding[] {
  if (metadata.deletionTimestamp === undefined) return []
  const message = `${what} was deleted and goes when nothing uses it any more: keep the pod running and copy the volume.`
  return [{ reason: 'StorageTerminating', message }]
}
