/** The annotations by which people speak to the operator, on objects of every kind, and their echo in status. */
import { z } from 'zod'
import { limits } from '../lib/limits.ts'

export const annotations = {
  /** `"true"`: the operator observes and reports, and changes nothing. */
  paused: 'holdfast.dev/paused',
  /** A new value applies the spec at once, also where nothing seems to differ or trying again had been given up. */
  reconcileNow: 'holdfast.dev/reconcile-now',
  /** A new value reads everything back from the lock server at once. */
  verifyNow: 'holdfast.dev/verify-now',
  /** On a BucketAccess: a new value makes a new key at once. */
  rotateNow: 'holdfast.dev/rotate-now',
  /** `"true"`: deleting the object is meant, although it is protected; counts for holders of the verb orphan. */
  orphan: 'holdfast.dev/orphan',
} as const

export const handledSchema = z.string().max(limits.annotationEchoLengthMax).optional()

/** Part of every kind's status: the last value of an annotation that was handled, as Flux echoes its own. */
export const handledFields = {
  lastHandledReconcileAt: handledSchema.describe(
    `The value of the annotation ${annotations.reconcileNow} that was handled last; its first characters.`,
  ),
  lastHandledVerifyAt: handledSchema.describe(
    `The value of the annotation ${annotations.verifyNow} that was handled last; its first characters.`,
  ),
}
