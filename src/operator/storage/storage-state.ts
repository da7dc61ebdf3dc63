/** What is known of the claims and volumes of the lock server, and what a status says of it. Pure. */
import type { ConditionReason } from '../../api/conditions.ts'
import type { LockedBucket } from '../../api/LockedBucket.ts'
import { guardAnnotationPrefix, protectedLabel } from '../../api/metadata.ts'
import type { StorageMetadata } from '../../api/storage.ts'
import { unreachable } from '../../lib/assert.ts'
import type { WantedCondition } from '../conditions.ts'

/** Reasons of a status that is not True, the worst first: several findings are one condition. */
export const storageReasons = {
  StorageTerminating: 'False',
  VolumeNotRetained: 'False',
  StorageUnguarded: 'False',
  StorageUnbound: 'Unknown',
  StorageUnreadable: 'Unknown',
  StorageUnnamed: 'Unknown',
} as const satisfies Partial<Record<ConditionReason, WantedCondition['status']>>
type StorageReason = keyof typeof storageReasons

/** `message: null` says the sentence of the table. */
export type StorageFinding = { readonly reason: StorageReason; readonly message: string | null }
export type StorageState =
  | { readonly kind: 'retained' }
  | { readonly kind: 'finding'; readonly finding: StorageFinding }

/** What a look found, as one state. */
export function stateOf(findings: readonly StorageFinding[]): StorageState {
  const order = Object.keys(storageReasons)
  const [worst] = findings.toSorted((a, b) => order.indexOf(a.reason) - order.indexOf(b.reason))
  if (worst === undefined) return { kind: 'retained' }
  const messages = findings.flatMap(({ reason, message }) =>
    reason === worst.reason && message !== null ? [message] : [],
  )
  const message = messages.length === 0 ? null : messages.join(' ')
  return { kind: 'finding', finding: { reason: worst.reason, message } }
}

export function storageStatus(state: StorageState): WantedCondition['status'] {
  return state.kind === 'retained' ? 'True' : storageReasons[state.finding.reason]
}

/** None where there is no API server. */
export function storageConditions(state: StorageState | null): readonly WantedCondition[] {
  const type = 'StorageRetained'
  if (state === null) return []
  const status = storageStatus(state)
  if (state.kind === 'retained') return [{ type, status, reason: 'VolumesRetained', message: null }]
  return [{ type, status, ...state.finding }]
}

/** `unproved`: one of them has not said yet. What no LockedBucket speaks for, the lock server alone knows. */
export function protectionOf(buckets: readonly LockedBucket[]): 'protected' | 'unproved' | 'none' {
  if (buckets.some(({ status }) => status?.deletionProtected === true)) return 'protected'
  return buckets.every(({ status }) => status?.deletionProtected === false) ? 'none' : 'unproved'
}

/** `on`: something is locked; `off`: it is proved that nothing is; `stay`: neither is known. */
export type Label = 'on' | 'off' | 'stay'
type Labelled = Pick<StorageMetadata, 'labels' | 'annotations'>
type Change = { readonly labels?: TextChanges; readonly annotations?: TextChanges }
type TextChanges = Readonly<Record<string, string | null>>

/**
 * The merge patch of the metadata; null: it is as it should be. With a holder the label is taken off when the last of them
 * has let go: lock servers that share a namespace do not unguard each other's.
 */
export function labelChange(
  held: Labelled,
  { label, holder }: { readonly label: Label; readonly holder: string | null },
): Change | null {
  const mine = holder === null ? null : `${guardAnnotationPrefix}${holder}`
  switch (label) {
    case 'stay':
      return null
    case 'on':
      return putOn(held, mine)
    case 'off':
      return takeOff(held, mine)
    default:
      return unreachable(label, 'a label is put on, taken off or stays')
  }
}

function putOn({ labels, annotations }: Labelled, mine: string | null): Change | null {
  const isHeld = mine === null || annotations[mine] !== undefined
  if (labels[protectedLabel] === 'true' && isHeld) return null
  return {
    labels: { [protectedLabel]: 'true' },
    ...(mine === null ? {} : { annotations: { [mine]: 'true' } }),
  }
}

function takeOff({ labels, annotations }: Labelled, mine: string | null): Change | null {
  const isHeld = mine !== null && annotations[mine] !== undefined
  const isOthers = Object.keys(annotations).some((name) => {
    return name !== mine && name.startsWith(guardAnnotationPrefix)
  })
  const isGoing = labels[protectedLabel] === 'true' && (mine === null || !isOthers)
  if (!isHeld && !isGoing) return null
  return {
    ...(isGoing ? { labels: { [protectedLabel]: null } } : {}),
    ...(isHeld ? { annotations: { [mine]: null } } : {}),
  }
}
