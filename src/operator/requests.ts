/** What people ask of the operator by annotations of an object. Pure. */
import { annotations } from '../api/annotations.ts'
import { limits } from '../lib/limits.ts'
import type { WantedCondition } from './conditions.ts'

type Handled = {
  readonly lastHandledReconcileAt?: string | undefined
  readonly lastHandledVerifyAt?: string | undefined
}
type Annotated = {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> | undefined }
  readonly status?: Handled | undefined
}
type Versioned = Annotated['metadata'] & { readonly uid: string; readonly generation: number }

/** `reconcile`, `verify`: asked for with a value that no status has shown as handled yet. */
export type Requests = { readonly reconcile: 'open' | 'none'; readonly verify: 'open' | 'none' }

export function isPaused({ metadata }: Annotated): boolean {
  return metadata.annotations?.[annotations.paused] === 'true'
}

export function requestsOf({ metadata, status }: Annotated): Requests {
  const reconcile = echo(metadata, annotations.reconcileNow)
  const verify = echo(metadata, annotations.verifyNow)
  return {
    reconcile: reconcile !== null && reconcile !== status?.lastHandledReconcileAt ? 'open' : 'none',
    verify: verify !== null && verify !== status?.lastHandledVerifyAt ? 'open' : 'none',
  }
}

/** The part of the next status; what could not be handled now keeps the last value, and stays open. */
export function handledRequests(
  { metadata, status }: Annotated,
  outcome: { readonly reconcile: 'handled' | 'open'; readonly verify: 'handled' | 'open' },
): Handled {
  const reconcile = echo(metadata, annotations.reconcileNow)
  const verify = echo(metadata, annotations.verifyNow)
  const reconciled =
    outcome.reconcile === 'handled' && reconcile !== null ? reconcile : status?.lastHandledReconcileAt
  const verified = outcome.verify === 'handled' && verify !== null ? verify : status?.lastHandledVerifyAt
  return {
    ...(reconciled === undefined ? {} : { lastHandledReconcileAt: reconciled }),
    ...(verified === undefined ? {} : { lastHandledVerifyAt: verified }),
  }
}

/** What is asked for by an annotation, as much of it as a status keeps; null: nothing. */
export function requestedBy({ metadata }: Annotated, name: keyof typeof annotations): string | null {
  return echo(metadata, annotations[name])
}

/** Present only while True. */
export function pausedConditions(object: Annotated): readonly WantedCondition[] {
  return isPaused(object) ? [{ type: 'Paused', status: 'True', reason: 'Paused', message: null }] : []
}

/**
 * Changes with everything that an object asks for, and with nothing else: not with labels, not with a status.
 * A re-created object starts its generations again, so the uid belongs to it.
 */
export function revisionOf(metadata: Versioned): string {
  const { uid, generation } = metadata
  return JSON.stringify([uid, generation, ...Object.values(annotations).map((name) => echo(metadata, name))])
}

/** As much of a value as a status keeps, and as it keeps it: a cut through a character leaves U+FFFD. */
function echo({ annotations: values }: Annotated['metadata'], name: string): string | null {
  return values?.[name]?.slice(0, limits.annotationEchoLengthMax).toWellFormed() ?? null
}
