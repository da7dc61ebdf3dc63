/** One document of a manifest file, checked as strictly as kubectl does, before anything acts on it. */
import { z } from 'zod'
import { unreachable } from '../lib/assert.ts'
import {
  type BucketAccess,
  type BucketAccessSpec,
  bucketAccessSchema,
  bucketAccessSpecSchema,
  validateBucketAccess,
} from './BucketAccess.ts'
import {
  type ClusterRetentionPolicy,
  type ClusterRetentionPolicySpec,
  clusterRetentionPolicySchema,
  clusterRetentionPolicySpecSchema,
  validateClusterRetentionPolicy,
} from './ClusterRetentionPolicy.ts'
import {
  type LockedBucket,
  type LockedBucketSpec,
  lockedBucketSchema,
  lockedBucketSpecSchema,
  validateLockedBucket,
} from './LockedBucket.ts'
import {
  apiVersion,
  clusterMetadataSchema,
  ignoredMetadataFields,
  type ManifestMetadata,
  manifestMetadataSchema,
} from './metadata.ts'
import {
  type RetentionPolicy,
  type RetentionPolicySpec,
  retentionPolicySchema,
  retentionPolicySpecSchema,
  validateRetentionPolicy,
} from './RetentionPolicy.ts'
import { unknownFields, type Violation, violationsOf } from './rules.ts'

/** A kind that this API group has. */
export type ApiKind = (typeof apiKinds)[number]
const apiKinds = ['RetentionPolicy', 'LockedBucket', 'BucketAccess', 'ClusterRetentionPolicy'] as const
/** An object of one of them. */
export type ApiObject = RetentionPolicy | LockedBucket | BucketAccess | ClusterRetentionPolicy

/** What a user wrote: without what a server adds (uid, generation, status). */
export type Manifest =
  | {
      readonly apiVersion: typeof apiVersion
      readonly kind: 'RetentionPolicy'
      readonly metadata: ManifestMetadata
      readonly spec: RetentionPolicySpec
    }
  | {
      readonly apiVersion: typeof apiVersion
      readonly kind: 'LockedBucket'
      readonly metadata: ManifestMetadata
      readonly spec: LockedBucketSpec
    }
  | {
      readonly apiVersion: typeof apiVersion
      readonly kind: 'BucketAccess'
      readonly metadata: ManifestMetadata
      readonly spec: BucketAccessSpec
    }
  | {
      readonly apiVersion: typeof apiVersion
      readonly kind: 'ClusterRetentionPolicy'
      readonly metadata: ManifestMetadata
      readonly spec: ClusterRetentionPolicySpec
    }

export type ManifestResult =
  | { readonly kind: 'manifest'; readonly manifest: Manifest }
  | { readonly kind: 'invalid'; readonly violations: readonly Violation[] }

export type ObjectResult =
  | { readonly kind: 'object'; readonly object: ApiObject }
  | { readonly kind: 'invalid'; readonly violations: readonly Violation[] }

const objectSchemas: Readonly<Record<ApiKind, z.ZodType<ApiObject>>> = {
  RetentionPolicy: retentionPolicySchema,
  LockedBucket: lockedBucketSchema,
  BucketAccess: bucketAccessSchema,
  ClusterRetentionPolicy: clusterRetentionPolicySchema,
}

const headSchema = z.object({ apiVersion: z.literal(apiVersion), kind: z.enum(apiKinds) })

/**
 * Reads one manifest. Unknown fields are refused, as by `kubectl apply`; `status` and what only a server sets
 * are ignored, so that the output of `kubectl get -o yaml` can be applied. The rules that compare with the
 * object that exists are `validateManifest`'s.
 */
export function parseManifest(document: unknown): ManifestResult {
  const known = headSchema.safeParse(document)
  if (!known.success) return { kind: 'invalid', violations: violationsOf(known, []) }
  const { kind } = known.data
  const metadataSchema = kind === 'ClusterRetentionPolicy' ? clusterMetadataSchema : manifestMetadataSchema
  const head = z.object({ metadata: metadataSchema }).safeParse(document)
  if (!head.success) return { kind: 'invalid', violations: violationsOf(head, []) }
  const { metadata } = head.data
  const {
    spec: givenSpec,
    metadata: givenMetadata,
    status: _status,
    ...rest
  } = document as Record<string, unknown>
  const strange = [
    ...unknownFields(rest, { apiVersion, kind }, []),
    ...unknownFields(withoutIgnored(givenMetadata), metadata, ['metadata']),
  ]
  switch (kind) {
    case 'RetentionPolicy': {
      const { spec, violations } = readSpec(retentionPolicySpecSchema, givenSpec, strange)
      if (spec === null) return { kind: 'invalid', violations }
      return { kind: 'manifest', manifest: { apiVersion, kind, metadata, spec } }
    }
    case 'LockedBucket': {
      const { spec, violations } = readSpec(lockedBucketSpecSchema, givenSpec, strange)
      if (spec === null) return { kind: 'invalid', violations }
      return { kind: 'manifest', manifest: { apiVersion, kind, metadata, spec } }
    }
    case 'BucketAccess': {
      const { spec, violations } = readSpec(bucketAccessSpecSchema, givenSpec, strange)
      if (spec === null) return { kind: 'invalid', violations }
      return { kind: 'manifest', manifest: { apiVersion, kind, metadata, spec } }
    }
    case 'ClusterRetentionPolicy': {
      const { spec, violations } = readSpec(clusterRetentionPolicySpecSchema, givenSpec, strange)
      if (spec === null) return { kind: 'invalid', violations }
      return { kind: 'manifest', manifest: { apiVersion, kind, metadata, spec } }
    }
    default:
      return unreachable(kind, 'the kinds of the group')
  }
}

/**
 * Reads an object from the API server. Fields that a newer CRD added are dropped, not refused, and the rules
 * over the whole spec are not judged again: the object exists.
 */
export function parseObject(document: unknown): ObjectResult {
  const kind = z.object({ kind: z.enum(apiKinds) }).safeParse(document)
  if (!kind.success) return { kind: 'invalid', violations: violationsOf(kind, []) }
  const parsed = objectSchemas[kind.data.kind].safeParse(document)
  if (!parsed.success) return { kind: 'invalid', violations: violationsOf(parsed, []) }
  return { kind: 'object', object: parsed.data }
}

/** What is wrong with applying a manifest over the object that it names (null: creation); empty: nothing. */
export function validateManifest(
  held: Manifest | ApiObject | null,
  manifest: Manifest,
): readonly Violation[] {
  switch (manifest.kind) {
    case 'RetentionPolicy':
      return validateRetentionPolicy(held?.kind === 'RetentionPolicy' ? held : null, manifest)
    case 'LockedBucket':
      return validateLockedBucket(held?.kind === 'LockedBucket' ? held : null, manifest)
    case 'BucketAccess':
      return validateBucketAccess(held?.kind === 'BucketAccess' ? held : null, manifest)
    case 'ClusterRetentionPolicy':
      return validateClusterRetentionPolicy(manifest)
    default:
      return unreachable(manifest, 'a manifest is of a known kind')
  }
}

/** One line for logs and terminals: every violation with its field. */
export function formatViolations(violations: readonly Violation[]): string {
  return violations.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ')
}

/** `spec` is null exactly when there are violations; `strange` are those found outside of it. */
function readSpec<Spec>(
  schema: z.ZodType<Spec>,
  given: unknown,
  strange: readonly Violation[],
): { readonly spec: Spec | null; readonly violations: readonly Violation[] } {
  const parsed = schema.safeParse(given)
  if (!parsed.success) return { spec: null, violations: [...strange, ...violationsOf(parsed, ['spec'])] }
  const violations = [...strange, ...unknownFields(given, parsed.data, ['spec'])]
  return { spec: violations.length === 0 ? parsed.data : null, violations }
}

function withoutIgnored(metadata: unknown): unknown {
  const entries = Object.entries(metadata as object)
  return Object.fromEntries(entries.filter(([name]) => !ignoredMetadataFields.includes(name)))
}
