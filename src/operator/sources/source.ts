import type { EventReason } from '../../api/conditions.ts'
import type { Labels } from '../../api/label-selector.ts'
import type { GuardState } from '../admission/guard.ts'
import type { UnparsableObject } from '../object-cache.ts'
import type { ObjectByKind, ObjectKey, ObjectKind, ObjectRef, Regarding, StatusByKind } from '../objects.ts'
import type { StorageState } from '../storage/storage-state.ts'

/** An event for people; its type is the table's. */
export type EventRecord = {
  readonly reason: EventReason
  readonly message: string
  readonly regarding: Regarding
}

/**
 * `conflict`: the object changed since it was read, so the status was computed from an older one: read again.
 * `gone`: there is nothing to write to.
 */
export type WriteResult =
  | { readonly kind: 'written' }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'gone' }

/** `ownStatus`: nothing but the status that we wrote ourselves has changed. */
export type Change = ObjectRef & { readonly cause: 'object' | 'ownStatus' }

/**
 * Where the objects come from. Level-triggered: a listener is told that something changed, never what; the
 * cache says what is. The kube source and the directory source are the implementations.
 */
export interface Source {
  /** Resolves when the cache holds everything that exists; goes on by itself until the signal is aborted. */
  start(signal: AbortSignal): Promise<void>
  get<Kind extends ObjectKind>(kind: Kind, key: ObjectKey): ObjectByKind[Kind] | null
  list<Kind extends ObjectKind>(kind: Kind): readonly ObjectByKind[Kind][]
  /**
   * Objects that are there and cannot be understood, by `formatKey`: of neither `get` nor `list`, and not gone. Nothing that
   * follows from their absence may be done.
   */
  unparsable(kind: ObjectKind): ReadonlyMap<string, UnparsableObject>
  /** Whether an object of this namespace that is not there does not exist; false: it is not looked at. */
  watches(namespace: string): boolean
  /** Tells of every addition, change (spec, metadata or status) and deletion; the result unsubscribes. */
  subscribe(listener: (changed: Change) => void): () => void
  /** Every namespace with its labels: the same map for as long as none comes, goes or gets other labels; null: they may not be read. */
  namespaces(): ReadonlyMap<string, Labels> | null
  /** Whether the admission policies are installed; null: there is no API server. */
  guard(): GuardState | null
  /** What is known of the volumes of the lock server; null: there is no API server. */
  storage(): StorageState | null
  /**
   * Replaces the status if the object is still the one that was read. Errors: the API server's, to be
   * retried.
   */
  writeStatus<Kind extends ObjectKind>(
    object: ObjectByKind[Kind],
    status: StatusByKind[Kind],
    signal: AbortSignal,
  ): Promise<WriteResult>
  /**
   * Replaces the finalizers if the object is still the one that was read; null: nothing holds an object back here, and
   * a deletion waits for nobody.
   */
  readonly writeFinalizers:
    | (<Kind extends ObjectKind>(
        object: ObjectByKind[Kind],
        finalizers: readonly string[],
        signal: AbortSignal,
      ) => Promise<WriteResult>)
    | null
  /** Best effort: an event that cannot be recorded is logged and lost. Never rejects. */
  recordEvent(event: EventRecord): Promise<void>
}
