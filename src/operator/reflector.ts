import { randomInt } from 'node:crypto'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { Backoff } from './backoff.ts'
import { KubeAnswerTooLongError, type KubeClient, KubeSilenceError, KubeStatusError } from './kube.ts'
import { type CachedObject, cacheKey, isNewer, ObjectCache, UnparsableObject } from './object-cache.ts'
import { sleep, type Timers } from './timers.ts'

export type ReflectorOptions<T extends CachedObject> = {
  readonly client: KubeClient
  /** The collection's path, e.g. /apis/holdfast.dev/v1/lockedbuckets. */
  readonly path: string
  /** Throws for an object that cannot be understood: it is logged, and kept as one that is there. */
  readonly parse: (raw: unknown) => T
  readonly timers: Timers
  readonly log: Log
  /** Called after the cache has changed, with `namespace/name`. What it throws is logged. */
  readonly onChange: (key: string) => void
}

type ListPage = {
  readonly items: readonly unknown[]
  readonly resourceVersion: string
  readonly continueToken: string
}
type WatchEvent = { readonly type: string; readonly object: unknown }
/** `relist`: the watch cannot go on from where it was. */
type WatchEnd = 'reopen' | 'relist'

/**
 * Keeps a cache equal to a collection of the API server: list, then watch from there, for ever. Every failure
 * is waited out (0.8 s to 30 s) and none ends it: a closed watch is reopened from the last version seen, a
 * refused one (410 Gone) lists again, and what a list no longer has is told as a change.
 */
export class Reflector<T extends CachedObject> {
  readonly cache = new ObjectCache<T>()
  readonly #options: ReflectorOptions<T>
  readonly #backoff = new Backoff({
    delayMsMin: limits.kubeBackoffMsMin,
    delayMsMax: limits.kubeBackoffMsMax,
  })
  #resourceVersion = ''
  /** Halved when a page was too long, and kept: whoever can make objects that large does not stop all the others. */
  #pageMax: number = limits.kubeListPageMax
  #listCount = 0
  #watchCount = 0

  constructor(options: ReflectorOptions<T>) {
    this.#options = options
  }

  /** How often it listed and opened a watch: bounded when nothing fails. */
  get counts(): { readonly lists: number; readonly watches: number } {
    return { lists: this.#listCount, watches: this.#watchCount }
  }

  /** Runs until the signal is aborted and never rejects; `onSynced` is called after the first whole list. */
  async run(signal: AbortSignal, onSynced: () => void): Promise<void> {
    let hasSynced = false
    while (!signal.aborted) {
      try {
        await this.#listWhole(signal)
        if (!hasSynced) onSynced()
        hasSynced = true
        await this.#watchUntilRelist(signal)
      } catch (error) {
        if (signal.aborted) return
        this.#warn(error, 'listing failed')
      }
      await this.#pause(signal)
    }
  }

  async #listWhole(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await this.#list(signal)
        return
      } catch (error) {
        if (!(error instanceof KubeAnswerTooLongError) || this.#pageMax === 1) throw error
        this.#pageMax = Math.ceil(this.#pageMax / 2)
        this.#warn(error, `a page of the list is too long: now ${this.#pageMax} objects at a time`)
      }
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const objects: (T | UnparsableObject)[] = []
    let continueToken = ''
    let resourceVersion: string
    this.#listCount += 1
    do {
      const query: Record<string, string> = { limit: String(this.#pageMax) }
      if (continueToken !== '') query['continue'] = continueToken
      const page = parsePage(
        await this.#options.client.send({ method: 'GET', path: this.#options.path, query }, signal),
      )
      for (const item of page.items) objects.push(this.#parse(item))
      continueToken = page.continueToken
      resourceVersion = page.resourceVersion
    } while (continueToken !== '' && !signal.aborted)
    if (signal.aborted) return
    this.#resourceVersion = resourceVersion
    for (const key of this.cache.replace(objects)) this.#notify(key)
  }

  async #watchUntilRelist(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if ((await this.#watchOnce(signal)) === 'relist') return
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof KubeStatusError && error.status === 410) return
        this.#warn(error, 'watch failed')
        if (error instanceof KubeSilenceError) this.#backoff.reset()
        await this.#pause(signal, retryAfterMsOf(error))
      }
    }
  }

  /** A restored etcd counts on from an older version: a watch from ours would be silent until it has caught up. */
  async #isSetBack(signal: AbortSignal): Promise<boolean> {
    const { client, path } = this.#options
    const page = await client.send({ method: 'GET', path, query: { limit: '1' } }, signal)
    return isNewer(this.#resourceVersion, resourceVersionOf(page))
  }

  async #watchOnce(signal: AbortSignal): Promise<WatchEnd> {
    if (this.#watchCount > 0 && (await this.#isSetBack(signal))) return 'relist'
    this.#watchCount += 1
    const query = {
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: this.#resourceVersion,
      timeoutSeconds: String(randomInt(limits.kubeWatchSecondsMin, limits.kubeWatchSecondsMax)),
    }
    let eventCount = 0
    for await (const line of this.#options.client.watch(
      { method: 'GET', path: this.#options.path, query },
      signal,
    )) {
      const event = parseEvent(line)
      if (event.type === 'ERROR') throw watchError(event.object)
      this.#apply(event)
      eventCount += 1
      this.#backoff.reset()
    }
    // A server that ends every watch at once would be asked in a tight loop.
    if (eventCount === 0) await this.#pause(signal)
    return 'reopen'
  }

  #apply(event: WatchEvent): void {
    this.#resourceVersion = resourceVersionOf(event.object)
    if (event.type === 'BOOKMARK') return
    if (event.type === 'DELETED') {
      // By name alone: an object that was never understood must go as well.
      const key = cacheKey({ metadata: metadataOf(event.object) })
      if (this.cache.delete(key)) this.#notify(key)
      return
    }
    const object = this.#parse(event.object)
    if (this.cache.put(object)) this.#notify(cacheKey(object))
  }

  #parse(raw: unknown): T | UnparsableObject {
    try {
      return this.#options.parse(raw)
    } catch (error) {
      this.#warn(error, 'an object is there and cannot be understood')
      return new UnparsableObject(metadataOf(raw), error instanceof Error ? error.message : String(error))
    }
  }

  #notify(key: string): void {
    try {
      this.#options.onChange(key)
    } catch (error) {
      this.#warn(error, 'a listener failed')
    }
  }

  /** Never shorter than what the server asked for. */
  async #pause(signal: AbortSignal, retryAfterMs = 0): Promise<void> {
    await sleep(this.#options.timers, Math.max(this.#backoff.nextMs(), retryAfterMs), signal)
  }

  #warn(error: unknown, message: string): void {
    const detail = error instanceof Error ? error.message : String(error)
    this.#options.log.warn({ path: this.#options.path, error: detail }, message)
  }
}

function parsePage(raw: unknown): ListPage {
  const items = field(raw, 'items')
  if (!Array.isArray(items)) throw new Error('the API server sent a list without items')
  const continueToken = field(field(raw, 'metadata'), 'continue')
  return {
    items,
    resourceVersion: resourceVersionOf(raw),
    continueToken: typeof continueToken === 'string' ? continueToken : '',
  }
}

function parseEvent(raw: unknown): WatchEvent {
  const type = field(raw, 'type')
  if (typeof type !== 'string') throw new Error('the API server sent a watch event without type')
  return { type, object: field(raw, 'object') }
}

function watchError(status: unknown): KubeStatusError {
  const code = field(status, 'code')
  const message = field(status, 'message')
  const reason = field(status, 'reason')
  return new KubeStatusError(typeof code === 'number' ? code : 500, {
    reason: typeof reason === 'string' ? reason : 'WatchError',
    message: typeof message === 'string' ? message : 'the watch ended with an error',
    retryAfterMs: null,
  })
}

function retryAfterMsOf(error: unknown): number {
  return error instanceof KubeStatusError ? (error.retryAfterMs ?? 0) : 0
}

function resourceVersionOf(object: unknown): string {
  const version = field(field(object, 'metadata'), 'resourceVersion')
  if (typeof version !== 'string' || version === '') throw new Error('an answer has no resourceVersion')
  return version
}

/** By which any object is known, whatever else it says. What belongs to no namespace has none. */
function metadataOf(object: unknown): CachedObject['metadata'] {
  const metadata = field(object, 'metadata')
  const text = (name: string) => String(field(metadata, name) ?? '')
  return {
    namespace: text('namespace'),
    name: text('name'),
    uid: text('uid'),
    resourceVersion: text('resourceVersion'),
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
