/**
 * For every field of every spec: what its weakening would be, and which layer refuses it. The rows with a sample are
 * run against the rules and the floor; those with a policy name one of the ValidatingAdmissionPolicies.
 */
import type { ApiKind } from '../../src/api/manifest.ts'
import type { RetentionPolicySpec } from '../../src/api/RetentionPolicy.ts'

export type Weakening = {
  readonly kind: ApiKind
  /** Covers the fields below it, too. */
  readonly field: string
  readonly change: string
  /** The rule of the CRD; null: the CRD lets it pass. */
  readonly cel: string | null
  /** The ValidatingAdmissionPolicy; null: none is asked. */
  readonly admission: string | null
  /** `refused`: the lock server's own floor, whoever asks, also when all above is gone. */
  readonly floor: 'refused' | 'kept' | 'not a matter of retention'
  readonly sample?: { readonly from: RetentionPolicySpec; readonly to: RetentionPolicySpec }
}

const governance = 'governance.holdfast.dev'
const compliance = (days: number, more: Omit<RetentionPolicySpec, 'defaultRetention'> = {}) =>
  ({ defaultRetention: { mode: 'COMPLIANCE', days }, ...more }) as const
const inGovernance = (days: number, more: Omit<RetentionPolicySpec, 'defaultRetention'> = {}) =>
  ({ defaultRetention: { mode: 'GOVERNANCE', days }, ...more }) as const

const policyRows: readonly Omit<Weakening, 'kind'>[] = [
  {
    field: 'spec.defaultRetention.mode',
    change: 'COMPLIANCE becomes GOVERNANCE',
    cel: 'ComplianceModeKept',
    admission: null,
    floor: 'refused',
    sample: { from: compliance(30), to: inGovernance(30) },
  },
  {
    field: 'spec.defaultRetention',
    change: 'a shorter period in COMPLIANCE',
    cel: 'ComplianceDefaultKept',
    admission: null,
    floor: 'refused',
    sample: { from: compliance(30), to: compliance(29) },
  },
  {
    field: 'spec.defaultRetention',
    change: 'a shorter period in GOVERNANCE, without the verb bypassgovernance',
    cel: null,
    admission: governance,
    floor: 'kept',
    sample: { from: inGovernance(30), to: inGovernance(29) },
  },
  {
    field: 'spec.rules',
    change:
      'a rule shortened or removed in GOVERNANCE, with no other that covers it, without the verb bypassgovernance',
    cel: null,
    admission: governance,
    floor: 'kept',
    sample: { from: inGovernance(30, { rules: [{ prefix: 'a', days: 60 }] }), to: inGovernance(30) },
  },
  {
    field: 'spec.rules',
    change: 'a rule shortened or removed in COMPLIANCE, with no other that covers it',
    cel: 'ComplianceRulesKept',
    admission: null,
    floor: 'refused',
    sample: { from: compliance(30, { rules: [{ prefix: 'a', days: 60 }] }), to: compliance(30) },
  },
  {
    field: 'spec.minimum',
    change: 'a shorter minimum, or none, in COMPLIANCE',
    cel: 'ComplianceMinimumKept',
    admission: null,
    floor: 'refused',
    sample: { from: compliance(30, { minimum: { days: 5 } }), to: compliance(30, { minimum: { days: 4 } }) },
  },
  {
    field: 'spec.minimum',
    change: 'a shorter minimum, or none, in GOVERNANCE, without the verb bypassgovernance',
    cel: null,
    admission: governance,
    floor: 'kept',
    sample: { from: inGovernance(30, { minimum: { days: 5 } }), to: inGovernance(30) },
  },
  {
    field: 'spec.maximum',
    change: 'any: it bounds what clients may ask for from then on, and shortens nothing',
    cel: null,
    admission: null,
    floor: 'kept',
    sample: {
      from: compliance(30, { maximum: { days: 60 } }),
      to: compliance(30, { maximum: { days: 50 } }),
    },
  },
  {
    field: 'spec.irreversible',
    change: 'taken back while a period in COMPLIANCE is longer than 366 days',
    cel: 'IrreversibleConfirmed',
    admission: null,
    floor: 'kept',
    sample: { from: compliance(367, { irreversible: true }), to: compliance(367) },
  },
  {
    field: 'spec.applyToExisting',
    change: 'any: it makes locks, and longer ones; what it made stays',
    cel: null,
    admission: null,
    floor: 'kept',
  },
]

const bucketRows: readonly Omit<Weakening, 'kind'>[] = [
  {
    field: 'spec.bucketName',
    change: 'another name',
    cel: 'BucketNameImmutable',
    admission: null,
    floor: 'kept',
  },
  {
    field: 'spec.retentionPolicyRef',
    change: 'a weaker COMPLIANCE policy, or a GOVERNANCE one after it',
    cel: null,
    admission: null,
    floor: 'refused',
    sample: { from: compliance(30), to: compliance(29) },
  },
  {
    field: 'spec.retentionPolicyRef',
    change: 'another policy for a bucket in GOVERNANCE, without the verb bypassgovernance',
    cel: null,
    admission: 'bucket-reference.holdfast.dev',
    floor: 'kept',
  },
  {
    field: 'spec.adoptionPolicy',
    change: 'any: it is asked once, when the bucket is first reconciled',
    cel: null,
    admission: null,
    floor: 'kept',
  },
  {
    field: 'spec.deletionPolicy',
    change: 'Retain becomes Delete: a bucket goes with its object only when nothing at all is in it',
    cel: null,
    admission: null,
    floor: 'kept',
  },
  {
    field: 'spec.profile',
    change: 'any: no dialect weakens a lock',
    cel: null,
    admission: null,
    floor: 'kept',
  },
  {
    field: 'spec.lifecycle',
    change: 'any: no rule removes what is locked',
    cel: null,
    admission: null,
    floor: 'kept',
  },
  ...['spec.requireChecksum', 'spec.quota', 'spec.tags'].map((field) => ({
    field,
    change: 'any',
    cel: null,
    admission: null,
    floor: 'not a matter of retention' as const,
  })),
]

const accessRows: readonly Omit<Weakening, 'kind'>[] = [
  {
    field: 'spec.role',
    change: 'RetentionOfficer, without the verb bypassgovernance: its keys bypass GOVERNANCE',
    cel: null,
    admission: 'retention-officer.holdfast.dev',
    floor: 'kept',
  },
  {
    field: 'spec.buckets',
    change: 'another bucket for a RetentionOfficer, without the verb bypassgovernance',
    cel: null,
    admission: 'retention-officer.holdfast.dev',
    floor: 'kept',
  },
  {
    field: 'spec.secretName',
    change: 'another name, or none',
    cel: 'SecretNameImmutable',
    admission: null,
    floor: 'not a matter of retention',
  },
  ...['spec.existingSecret', 'spec.rotation'].map((field) => ({
    field,
    change: 'any',
    cel: null,
    admission: null,
    floor: 'not a matter of retention' as const,
  })),
]

/** Whoever may edit them owns the cluster's promise; what the buckets have already is the server's. */
const clusterRows: readonly Omit<Weakening, 'kind'>[] = [
  {
    field: 'spec.namespaceSelector',
    change: 'fewer namespaces: reaches what is edited later; COMPLIANCE that is applied stays, by the floor',
    cel: null,
    admission: null,
    floor: 'kept',
  },
  {
    field: 'spec.floor',
    change: 'lower or none: reaches what is edited later; COMPLIANCE that is applied stays, by the floor',
    cel: null,
    admission: null,
    floor: 'kept',
  },
  {
    field: 'spec.ceiling',
    change: 'any: it bounds what is asked for later, and shortens nothing',
    cel: null,
    admission: null,
    floor: 'kept',
  },
  {
    field: 'spec.allowedModes',
    change: 'any: it bounds what is asked for later, and changes no mode',
    cel: null,
    admission: null,
    floor: 'kept',
  },
  {
    field: 'spec.irreversible',
    change: 'taken back while the floor is COMPLIANCE of more than 366 days',
    cel: 'FloorConfirmed',
    admission: null,
    floor: 'kept',
  },
]

export const weakenings: readonly Weakening[] = [
  ...policyRows.map((row) => ({ kind: 'RetentionPolicy', ...row }) as const),
  ...bucketRows.map((row) => ({ kind: 'LockedBucket', ...row }) as const),
  ...accessRows.map((row) => ({ kind: 'BucketAccess', ...row }) as const),
  ...clusterRows.map((row) => ({ kind: 'ClusterRetentionPolicy', ...row }) as const),
]
