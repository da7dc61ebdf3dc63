import { randomBytes } from 'node:crypto'
import { eventReasons } from '../api/conditions.ts'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { formatIso } from '../lib/units.ts'
import { type KubeClient, KubeStatusError } from './kube.ts'
import { TokenBucket } from './rate-limit.ts'
import type { EventRecord } from './sources/source.ts'

export type EventRecorderOptions = {
  readonly client: KubeClient
  readonly clock: Clock
  readonly log: Log
  /** metav1 reportingComponent, e.g. holdfast-operator. */
  readonly component: string
  /** Which of several operators. */
  readonly instance: string
  readonly apiVersion: string
}

type Series = { readonly name: string; count: number; readonly firstTimestamp: string; startMs: number }

/** Events of one object and reason: how many different messages there were. */
type Similar = { readonly messages: Set<string>; startMs: number }

/**
 * Records core/v1 events as client-go does: the same event again within ten minutes only counts up; after ten
 * that differ in their message alone the further ones count up as one; per object 25 at once, then one in five
 * minutes. Best effort: an event is for people, the status is the truth.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions
  /** In order of last use, so that the oldest goes when there are too many. */
  readonly #series = new Map<string, Series>()
  readonly #similar = new Map<string, Similar>()
  readonly #buckets = new Map<string, TokenBucket>()

  constructor(options: EventRecorderOptions) {
    this.#options = options
  }

  async record(event: EventRecord, signal: AbortSignal): Promise<void> {
    const { log } = this.#options
    const { kind, namespace, name } = event.regarding
    const fields = { object: `${namespace}/${name}`, kind, reason: event.reason }
    log.info(fields, event.message)
    if (!this.#bucketOf(event).tryTake()) return
    try {
      await this.#write(event, signal)
    } catch (error) {
      if (!signal.aborted) log.warn({ ...fields, error: errorText(error) }, 'an event could not be recorded')
    }
  }

  async #write(told: EventRecord, signal: AbortSignal): Promise<void> {
    const isOneOfMany = this.#isOneOfMany(told)
    const event = isOneOfMany ? { ...told, message: `${combinedPrefix}${told.message}` } : told
    const key = isOneOfMany ? similarKey(told) : seriesKey(told)
    const now = formatIso(this.#options.clock.wallMs())
    const known = this.#series.get(key)
    const isRunning =
      known !== undefined && this.#options.clock.uptimeMs() - known.startMs < limits.eventSeriesMs
    if (isRunning && (await this.#countUp(event, known, signal))) return
    const created = this.#document(event, now)
    await this.#options.client.send({ method: 'POST', path: eventsPath(event), body: created }, signal)
    remember(this.#series, key, {
      name: created.metadata.name,
      count: 1,
      firstTimestamp: now,
      startMs: this.#options.clock.uptimeMs(),
    })
  }

  /** True from the eleventh different message of one object and reason on, until ten minutes are over. */
  #isOneOfMany(event: EventRecord): boolean {
    const key = similarKey(event)
    const nowMs = this.#options.clock.uptimeMs()
    const known = this.#similar.get(key)
    const similar =
      known !== undefined && nowMs - known.startMs < limits.eventSeriesMs
        ? known
        : { messages: new Set<string>(), startMs: nowMs }
    remember(this.#similar, key, similar)
    if (similar.messages.has(event.message)) return false
    if (similar.messages.size >= limits.eventSimilarMax) return true
    similar.messages.add(event.message)
    return false
  }

  /** False when the event has expired at the API server (one hour there), so that it is made anew. */
  async #countUp(event: EventRecord, series: Series, signal: AbortSignal): Promise<boolean> {
    series.count += 1
    try {
      await this.#options.client.send(
        {
          method: 'PATCH',
          path: `${eventsPath(event)}/${encodeURIComponent(series.name)}`,
          contentType: 'application/merge-patch+json',
          body: {
            count: series.count,
            lastTimestamp: formatIso(this.#options.clock.wallMs()),
            message: event.message.slice(0, limits.eventMessageLengthMax),
          },
        },
        signal,
      )
      return true
    } catch (error) {
      if (error instanceof KubeStatusError && error.status === 404) return false
      throw error
    }
  }

  #document(event: EventRecord, now: string) {
    const { component, instance, apiVersion } = this.#options
    const { kind, namespace, name, uid, resourceVersion } = event.regarding
    // The name is the object's with a suffix that does not repeat, as client-go's recorder makes it. Before a dot stands a letter or a digit.
    const suffix = randomBytes(8).toString('hex')
    const beginning = name.slice(0, 200).replace(/[-.]+$/, '')
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { namespace: eventNamespace(event), name: `${beginning}.${suffix}` },
      involvedObject: {
        apiVersion,
        kind,
        ...(namespace === '' ? {} : { namespace }),
        name,
        ...(uid === null ? {} : { uid }),
        ...(resourceVersion === null ? {} : { resourceVersion }),
      },
      type: eventReasons[event.reason].type,
      reason: event.reason,
      message: event.message.slice(0, limits.eventMessageLengthMax),
      source: { component },
      reportingComponent: component,
      reportingInstance: instance,
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    }
  }

  #bucketOf(event: EventRecord): TokenBucket {
    const { kind, namespace, name } = event.regarding
    const key = `${kind}/${namespace}/${name}`
    const bucket =
      this.#buckets.get(key) ??
      new TokenBucket({
        perSecond: 1000 / limits.eventRefillMs,
        burst: limits.eventsPerObjectBurst,
        uptimeMs: () => this.#options.clock.uptimeMs(),
      })
    remember(this.#buckets, key, bucket)
    return bucket
  }
}

/** client-go's words. */
const combinedPrefix = '(combined from similar events): '

function similarKey({ regarding, reason }: EventRecord): string {
  return JSON.stringify([regarding.kind, regarding.namespace, regarding.name, regarding.uid, reason])
}

function seriesKey({ regarding, reason, message }: EventRecord): string {
  return JSON.stringify([regarding.kind, regarding.namespace, regarding.name, regarding.uid, reason, message])
}

function eventsPath(event: EventRecord): string {
  return `/api/v1/namespaces/${encodeURIComponent(eventNamespace(event))}/events`
}

/** Where the API server wants events of what belongs to no namespace. */
function eventNamespace({ regarding }: EventRecord): string {
  return regarding.namespace === '' ? 'default' : regarding.namespace
}

/** Keeps the map bounded: the entry used longest ago goes. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= limits.eventSeriesMax) return
  const oldest = map.keys().next()
  if (oldest.done !== true) map.delete(oldest.value)
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
