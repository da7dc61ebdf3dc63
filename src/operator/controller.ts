import type { EpochMs } from '../lib/units.ts'
import type { Leadership } from './leadership.ts'
import type { UnparsableObject } from './object-cache.ts'
import {
  formatKey,
  type ObjectByKind,
  type ObjectKey,
  type ObjectKind,
  type ObjectRef,
  type StatusByKind,
} from './objects.ts'
import { isPaused } from './requests.ts'
import type { EventRecord, Source } from './sources/source.ts'

/**
 * What the runner does after a reconcile: `done` nothing until the object changes or its next verification,
 * `after` runs it again after the delay, `retry` again with a delay that doubles with every failure (up to
 * `delayMsMax`), `terminal` not again for this generation (retrying cannot help) except at its next
 * verification or when an object that it watches changes.
 */
export type Next =
  | { readonly kind: 'done' }
  | { readonly kind: 'after'; readonly delayMs: number }
  | { readonly kind: 'retry'; readonly error: Error; readonly delayMsMax?: number }
  | { readonly kind: 'terminal'; readonly error: Error }

/** Objects of another kind whose changes concern objects of this controller. */
export type Watch = {
  readonly kind: ObjectKind
  /** How long to wait for more changes of the same kind: many are then one piece of work. */
  readonly delayMs: number
  readonly keys: (changed: ObjectRef) => readonly ObjectKey[]
  /** Of our own status writes nothing is told without it. */
  readonly ownStatus?: 'told'
}

/** `status: null` leaves the written status alone: nothing that matters has changed. */
export type Report<Kind extends ObjectKind> = {
  readonly status: StatusByKind[Kind] | null
  readonly events: readonly EventRecord[]
  readonly next: Next
}

/**
 * Read, decide, act, status. `decide` and `status` are pure; all that they need is in the snapshot and the
 * outcome. Of a paused object nothing is decided; the rest goes on, and the status says so by
 * `pausedConditions` and `handledRequests`.
 */
export type Controller<
  Kind extends ObjectKind,
  Snapshot extends { object: ObjectByKind[Kind] },
  Step,
  Outcome,
> = {
  /** The metrics' label, as in controller-runtime: the kind in lower case. */
  readonly name: string
  readonly kind: Kind
  readonly watches: readonly Watch[]
  /** Keys of objects that are gone and have left something at the server; `read` is called with each. */
  readonly leftovers?: (signal: AbortSignal) => Promise<readonly ObjectKey[]>
  /** Gathers everything. Null: the object is gone, and `read` has said and done what there was to. */
  readonly read: (key: ObjectKey, signal: AbortSignal) => Promise<Snapshot | null>
  /**
   * Before all else, and again until it says null: what a deletion waits for, or what a later one will. Absent:
   * deletions wait for nothing.
   */
  readonly finalize?: (key: ObjectKey, signal: AbortSignal) => Promise<Next | null>
  readonly decide: (nowMs: EpochMs, snapshot: Snapshot) => readonly Step[]
  readonly act: (snapshot: Snapshot, steps: readonly Step[], signal: AbortSignal) => Promise<Outcome>
  readonly status: (nowMs: EpochMs, snapshot: Snapshot, outcome: Outcome) => Report<Kind>
}

/** A controller without its private types, as the runner sees it. */
export type Reconciler = {
  readonly name: string
  readonly kind: ObjectKind
  readonly watches: readonly Watch[]
  /** null: objects of this kind leave nothing. */
  readonly leftovers: ((signal: AbortSignal) => Promise<readonly ObjectKey[]>) | null
  readonly reconcile: (key: ObjectKey, signal: AbortSignal) => Promise<Next>
}

export type StatusListener = (change: StatusChange) => void
/** For people who watch: the status after each reconcile, and each event. Standalone prints these. */
export type StatusChange =
  | {
      [Kind in ObjectKind]: { kind: 'status'; object: ObjectByKind[Kind]; status: StatusByKind[Kind] }
    }[ObjectKind]
  | { readonly kind: 'event'; readonly event: EventRecord }

type ReconcilerParts = {
  readonly source: Source
  readonly leadership: Leadership
  readonly wallMs: () => EpochMs
  readonly onStatus: StatusListener
  readonly recordEvent: (event: EventRecord) => Promise<void>
}

/** Ties the four parts of a controller together: the status is written once, then its events are recorded. */
export function makeReconciler<
  Kind extends ObjectKind,
  Snapshot extends { object: ObjectByKind[Kind] },
  Step,
  Outcome,
>(
  controller: Controller<Kind, Snapshot, Step, Outcome>,
  { source, leadership, wallMs, onStatus, recordEvent }: ReconcilerParts,
): Reconciler {
  /** Also when nothing had to be written: after a restart people see how things are. */
  const tellStatus = (object: ObjectByKind[Kind], status: StatusByKind[Kind] | undefined) => {
    if (status !== undefined) onStatus({ kind: 'status', object, status } as StatusChange)
  }
  /** Of an object that cannot be understood nothing is said or done that `read` says and does of one that is gone. */
  const readUnderstood = async (key: ObjectKey, signal: AbortSignal): Promise<Snapshot | null> => {
    const unparsable = source.unparsable(controller.kind).get(formatKey(key))
    if (unparsable === undefined) return controller.read(key, signal)
    await recordEvent(unparsableEvent(controller.kind, unparsable))
    return null
  }
  const reconcileKept = async (key: ObjectKey, signal: AbortSignal): Promise<Next> => {
    const snapshot = await readUnderstood(key, signal)
    if (snapshot === null) return { kind: 'done' }
    leadership.assertHeld()
    const steps = isPaused(snapshot.object) ? [] : controller.decide(wallMs(), snapshot)
    const outcome = await controller.act(snapshot, steps, signal)
    const { status, events, next } = controller.status(wallMs(), snapshot, outcome)
    if (status !== null) {
      leadership.assertHeld()
      const result = await source.writeStatus<Kind>(snapshot.object, status, signal)
      if (result.kind === 'gone') return { kind: 'done' }
      // The events belong to the status: the next try finds the same change and tells of it.
      if (result.kind === 'conflict') return conflictRetry
    }
    tellStatus(snapshot.object, status ?? snapshot.object.status)
    for (const event of events) await recordEvent(event)
    return next
  }
  const reconcile = async (key: ObjectKey, signal: AbortSignal): Promise<Next> =>
    (await controller.finalize?.(key, signal)) ?? (await reconcileKept(key, signal))
  const { name, kind, watches, leftovers = null } = controller
  return { name, kind, watches, leftovers, reconcile }
}

function unparsableEvent(kind: ObjectKind, { metadata, problem }: UnparsableObject): EventRecord {
  const message = `This operator cannot understand the object; until it can, what was done for it stays, and nothing more is: ${problem}`
  return { reason: 'ObjectUnparsable', message, regarding: { kind, ...metadata } }
}

/** Our cache is behind the writer of a status: no failure, but the cache needs a moment. */
export class StatusConflictError extends Error {
  override readonly name = 'StatusConflictError'
}

const conflictRetry: Next = {
  kind: 'retry',
  error: new StatusConflictError('the object changed while its status was computed'),
}
