/**
 * What the ClusterRetentionPolicies of a namespace make of one of its RetentionPolicies: raised to their floors, its
 * dates capped, or barred. Pure; the operator and `holdfast plan` judge by it.
 */
import { limits } from '../lib/limits.ts'
import { capAt, raiseTo } from '../lock/combine.ts'
import { daysMax, periodCovers } from '../lock/periods.ts'
import type { BucketRetention, DefaultRetention, RetentionBounds, RetentionPeriod } from '../lock/types.ts'
import { type ClusterRetentionPolicySpec, validateClusterRetentionPolicy } from './ClusterRetentionPolicy.ts'
import { type Labels, selects } from './label-selector.ts'
import { formatPeriod, formatRetention, type PeriodFields, toPeriod } from './periods.ts'
import { type RetentionPolicySpec, toBounds, toBucketRetention } from './RetentionPolicy.ts'

/** As much as a manifest and an object have. */
export type NamedClusterPolicy = {
  readonly metadata: { readonly name: string }
  readonly spec: ClusterRetentionPolicySpec
}

/** Why a policy is not applied; what is enforced already stays. */
export type Bar = {
  readonly reason:
    | 'ClusterPolicyUnparsable'
    | 'ClusterPolicyInvalid'
    | 'ModeNotAllowed'
    | 'ExceedsCeiling'
    | 'ConfirmationMissing'
  readonly message: string
}

/** What a bucket is to get. A barred policy is `own`: neither raised nor capped, and only kept, never begun. */
export type EffectiveRetention = {
  readonly retention: BucketRetention
  readonly bounds: RetentionBounds
  readonly bar: Bar | null
  /** What was done to the policy, a sentence each; none: it asks for all that is asked of it. */
  readonly changes: readonly string[]
}

/** Those that bind a namespace with these labels, by name. */
export function bindingPolicies<Policy extends NamedClusterPolicy>(
  policies: readonly Policy[],
  labels: Labels,
): readonly Policy[] {
  return policies
    .filter(({ spec }) => selects(spec.namespaceSelector, labels))
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
}

/** The spec is valid. `policies`: those that bind its namespace; with several, all of them hold. */
export function effectiveRetention(
  spec: RetentionPolicySpec,
  policies: readonly NamedClusterPolicy[],
): EffectiveRetention {
  const own = { retention: toBucketRetention(spec), bounds: toBounds(spec) }
  const invalid = policies.find((policy) => validateClusterRetentionPolicy(policy).length > 0)
  if (invalid !== undefined) {
    const message = `ClusterRetentionPolicy ${invalid.metadata.name} breaks a rule of its kind.`
    return barredRetention(spec, { reason: 'ClusterPolicyInvalid', message })
  }
  const wished = wish(own, policies)
  const bar =
    modeBar(wished.retention, policies) ??
    ceilingBar({ ...own, retention: wished.retention }, policies) ??
    confirmationBar({ spec, raised: wished.retention, minimum: own.bounds.minimum }, policies)
  return bar === null ? { ...wished, bar } : barredRetention(spec, bar)
}

export function barredRetention(spec: RetentionPolicySpec, bar: Bar): EffectiveRetention {
  return { retention: toBucketRetention(spec), bounds: toBounds(spec), bar, changes: [] }
}

type Wish = Omit<EffectiveRetention, 'bar'>

function wish(
  own: { readonly retention: BucketRetention; readonly bounds: RetentionBounds },
  policies: readonly NamedClusterPolicy[],
): Wish {
  let { retention, bounds } = own
  const changes: string[] = []
  for (const { metadata, spec } of policies) {
    const before = { retention, bounds }
    if (spec.floor !== undefined) retention = raiseTo(retention, toDefault(spec.floor))
    if (spec.ceiling !== undefined) bounds = capAt(bounds, toPeriod(spec.ceiling))
    const name = `ClusterRetentionPolicy ${metadata.name}`
    if (describe(retention) !== describe(before.retention))
      changes.push(`${name} raises ${describe(before.retention)} to ${describe(retention)}.`)
    if (bounds.maximum !== before.bounds.maximum && bounds.maximum !== null)
      changes.push(`${name} caps the dates of clients at ${formatPeriod(bounds.maximum)}.`)
  }
  return { retention, bounds, changes }
}

function modeBar({ defaultRetention }: BucketRetention, policies: readonly NamedClusterPolicy[]): Bar | null {
  const mode = defaultRetention?.mode ?? 'GOVERNANCE'
  const barring = policies.find(({ spec }) => spec.allowedModes?.includes(mode) === false)
  if (barring === undefined) return null
  const allowed = (barring.spec.allowedModes ?? []).join(' and ')
  const message = `${mode} is asked for; ClusterRetentionPolicy ${barring.metadata.name} allows ${allowed}.`
  return { reason: 'ModeNotAllowed', message }
}

/** The default, each rule and the minimum: nothing that is stamped, or that clients must ask for, may be beyond it. */
function ceilingBar(
  { retention, bounds }: { readonly retention: BucketRetention; readonly bounds: RetentionBounds },
  policies: readonly NamedClusterPolicy[],
): Bar | null {
  for (const { metadata, spec } of policies) {
    if (spec.ceiling === undefined) continue
    const ceiling = toPeriod(spec.ceiling)
    const beyond = periodsOf(retention, bounds.minimum).find(({ period }) => !periodCovers(period, ceiling))
    if (beyond === undefined) continue
    const message =
      `${beyond.what} of ${formatPeriod(beyond.period)} exceeds the ceiling of ${formatPeriod(ceiling)} of ` +
      `ClusterRetentionPolicy ${metadata.name}.`
    return { reason: 'ExceedsCeiling', message }
  }
  return null
}

/** A floor that turns GOVERNANCE into COMPLIANCE takes the policy's own periods along: nobody may have meant that. */
function confirmationBar(
  {
    spec,
    raised,
    minimum,
  }: {
    readonly spec: RetentionPolicySpec
    readonly raised: BucketRetention
    readonly minimum: RetentionPeriod | null
  },
  policies: readonly NamedClusterPolicy[],
): Bar | null {
  if (raised.defaultRetention?.mode !== 'COMPLIANCE') return null
  const isConfirmed =
    spec.irreversible === true || policies.some((policy) => policy.spec.irreversible === true)
  const long = periodsOf(raised, minimum).find(
    ({ period }) => daysMax(period) > limits.complianceDaysUnconfirmedMax,
  )
  if (isConfirmed || long === undefined) return null
  const message =
    `A floor makes it COMPLIANCE, with ${long.what} of ${formatPeriod(long.period)}, which nobody could undo: ` +
    'confirm it with spec.irreversible: true in the RetentionPolicy or in a ClusterRetentionPolicy that binds it.'
  return { reason: 'ConfirmationMissing', message }
}

function periodsOf(
  { defaultRetention, prefixRules }: BucketRetention,
  minimum: RetentionPeriod | null,
): readonly { readonly what: string; readonly period: RetentionPeriod }[] {
  return [
    ...(defaultRetention === null ? [] : [{ what: 'the default', period: defaultRetention.period }]),
    ...prefixRules.map(({ prefix, period }) => ({ what: `the rule for ${JSON.stringify(prefix)}`, period })),
    ...(minimum === null ? [] : [{ what: 'the minimum', period: minimum }]),
  ]
}

export function toDefault(floor: PeriodFields & Pick<DefaultRetention, 'mode'>): DefaultRetention {
  return { mode: floor.mode, period: toPeriod(floor) }
}

function describe(retention: BucketRetention): string {
  const { defaultRetention } = retention
  return defaultRetention === null ? 'no retention' : `${defaultRetention.mode} ${formatRetention(retention)}`
}
