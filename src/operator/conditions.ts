import {
  type ConditionReason,
  type ConditionType,
  conditionReasons,
  conditionTypes,
} from '../api/conditions.ts'
import type { Condition } from '../api/status.ts'
import { limits } from '../lib/limits.ts'
import type { EpochMs } from '../lib/units.ts'
import { formatIso } from '../lib/units.ts'

/** A condition before it has a time. `message: null` says the sentence of the table. */
export type WantedCondition = {
  readonly type: ConditionType
  readonly status: Condition['status']
  readonly reason: ConditionReason
  readonly message: string | null
}

/**
 * The conditions of a status, in the table's order. `lastTransitionTime` moves only when `status` flips, as
 * metav1.Condition asks; every condition carries the generation, because `kubectl wait` compares it.
 */
export function makeConditions(
  wanted: readonly WantedCondition[],
  previous: readonly Condition[] | undefined,
  { generation, nowMs }: { readonly generation: number; readonly nowMs: EpochMs },
): Condition[] {
  const order = Object.keys(conditionTypes)
  return [...wanted]
    .sort((a, b) => order.indexOf(a.type) - order.indexOf(b.type))
    .map(({ type, status, reason, message }) => {
      const before = findCondition(previous, type)
      return {
        type,
        status,
        observedGeneration: generation,
        lastTransitionTime: before?.status === status ? before.lastTransitionTime : formatTime(nowMs),
        reason,
        message: (message ?? conditionReasons[reason])
          .slice(0, limits.conditionMessageLengthMax)
          .toWellFormed(),
      }
    })
}

export function findCondition(
  conditions: readonly Condition[] | undefined,
  type: ConditionType,
): Condition | null {
  return conditions?.find((condition) => condition.type === type) ?? null
}

/** metav1.Time: RFC 3339 in whole seconds. */
export function formatTime(instant: EpochMs): string {
  return `${formatIso(instant).slice(0, 19)}Z`
}
