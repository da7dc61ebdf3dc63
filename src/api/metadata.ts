/** The group of our kinds, and as much of Kubernetes' ObjectMeta as we read. */
import { z } from 'zod'

export const apiGroup = 'holdfast.dev'
/** The one served version: CEL rules live per version, so a second one would be a way around them. */
export const servedVersion = 'v1'
export const apiVersion = 'holdfast.dev/v1'
/** On a LockedBucket whose bucket goes with it: held until the lock server answered. */
export const bucketFinalizer = 'holdfast.dev/bucket'
/** `"true"` on what the operator guards against deletion. */
export const protectedLabel = 'holdfast.dev/protected'

/** On a guarded namespace, with the name of the operator's Lease: a label of several operators goes with the last of them. */
export const guardAnnotationPrefix = 'guard.holdfast.dev/'

const dnsLabel = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const subdomainPattern = new RegExp(`^${dnsLabel}(\\.${dnsLabel})*$`)
const labelPattern = new RegExp(`^${dnsLabel}$`)

/** The name of an object: an RFC 1123 subdomain. */
export const objectNameSchema = z.string().min(1).max(253).regex(subdomainPattern, {
  error: 'lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit',
})

/** The name of a namespace: an RFC 1123 label. */
export const namespaceSchema = z.string().min(1).max(63).regex(labelPattern, {
  error: 'lower-case letters, digits and `-`, beginning and ending with a letter or digit',
})

const textMapSchema = z.record(z.string(), z.string())

/**
 * What a manifest may say; what the server sets (uid, managedFields, …) is accepted and ignored, as by
 * kubectl.
 */
export const manifestMetadataSchema = z.object({
  name: objectNameSchema,
  namespace: namespaceSchema.default('default'),
  labels: textMapSchema.optional(),
  annotations: textMapSchema.optional(),
})
export type ManifestMetadata = z.output<typeof manifestMetadataSchema>

/** By which a selector finds one namespace: every namespace has it, and nobody can change it. */
export const namespaceNameLabel = 'kubernetes.io/metadata.name'

/** As `manifestMetadataSchema`, of a kind that belongs to no namespace: it is the empty text. */
export const clusterMetadataSchema = manifestMetadataSchema.extend({
  namespace: z.literal('', { error: 'the kind belongs to no namespace' }).default(''),
})

const heldFields = {
  uid: z.string().min(1),
  /** Counts the changes of spec, from 1. */
  generation: z.int().min(1),
  resourceVersion: z.string(),
  creationTimestamp: z.string().optional(),
  deletionTimestamp: z.string().optional(),
  finalizers: z.array(z.string()).optional(),
}

/** The metadata of an object that exists. */
export const objectMetadataSchema = manifestMetadataSchema.extend({
  namespace: namespaceSchema,
  ...heldFields,
})
export const clusterObjectMetadataSchema = clusterMetadataSchema.extend(heldFields)

/** The fields of ObjectMeta that a manifest may carry without effect. */
export const ignoredMetadataFields: readonly string[] = [
  'uid',
  'generation',
  'resourceVersion',
  'creationTimestamp',
  'managedFields',
  'ownerReferences',
  'finalizers',
  'selfLink',
]
