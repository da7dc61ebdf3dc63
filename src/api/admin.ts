/**
 * The documents of the admin API, checked on both sides: the server parses requests with them, the client answers.
 * Instants are RFC 3339 text, periods `{unit, count}` as in src/lock/types.ts.
 */
import { z } from 'zod'
import { limits } from '../lib/limits.ts'
import { profileNames } from '../lib/profile.ts'
import { dayMs, epochMs, epochMsMax } from '../lib/units.ts'

const name = z.string().min(1).max(253)
const period = z.discriminatedUnion('unit', [
  z.strictObject({ unit: z.literal('DAYS'), count: z.int().min(1).max(limits.retentionDaysMax) }),
  z.strictObject({ unit: z.literal('YEARS'), count: z.int().min(1).max(limits.retentionYearsMax) }),
])
const mode = z.enum(['GOVERNANCE', 'COMPLIANCE'])
const defaultRetention = z.strictObject({ mode, period })
const prefixRules = z
  .array(z.strictObject({ prefix: z.string().min(1).max(limits.prefixRuleBytesMax), period }))
  .max(limits.prefixRulesMax)
const bounds = z.strictObject({ minimum: period.nullable(), maximum: period.nullable() })
const bucketRetention = z.strictObject({ defaultRetention: defaultRetention.nullable(), prefixRules })
const owner = z.strictObject({ clusterId: name, namespace: name, name, uid: name })
const profile = z.enum(profileNames)
const existingScopes = ['ExtendOnly', 'IncludingModeChange'] as const
const bucketTags = z.record(z.string().max(limits.tagKeyLengthMax), z.string().max(limits.tagValueLengthMax))
const lifecycleDays = z.int().min(1).max(limits.lifecycleDaysMax)
const lifecycleSize = z.int().min(0).max(limits.lifecycleSizeBytesMax)
/** As the store has it, instants in milliseconds. */
const lifecycleRule = z.strictObject({
  id: z.string().min(1).max(limits.ruleIdLengthMax),
  status: z.enum(['Enabled', 'Disabled']),
  filter: z.strictObject({
    form: z.enum(['Prefix', 'Filter', 'And']),
    prefix: z.string().max(limits.objectKeyBytesMax).nullable(),
    tags: z.array(z.strictObject({ key: z.string(), value: z.string() })),
    sizeGreaterThan: lifecycleSize.nullable(),
    sizeLessThan: lifecycleSize.nullable(),
  }),
  expiration: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('days'), days: lifecycleDays }),
      z.strictObject({
        kind: z.literal('date'),
        dateMs: z.int().min(0).max(epochMsMax).multipleOf(dayMs).transform(epochMs),
      }),
      z.strictObject({ kind: z.literal('expiredObjectDeleteMarker'), isWanted: z.boolean() }),
    ])
    .nullable(),
  noncurrentVersionExpiration: z
    .strictObject({
      noncurrentDays: lifecycleDays,
      newerNoncurrentVersions: z.int().min(1).max(limits.newerNoncurrentVersionsMax).nullable(),
    })
    .nullable(),
  abortIncompleteMultipartUpload: z.strictObject({ daysAfterInitiation: lifecycleDays }).nullable(),
})
const lifecycleRules = z.array(lifecycleRule).max(limits.lifecycleRulesMax)
const quotaBytes = z.int().min(0)
const policyRef = z.strictObject({ namespace: name, name, uid: name, generation: z.int().min(0) })

/** `ended: null`: the walk goes on. `versionCount` is what there was when it began: an estimate of the whole. */
const applyToExisting = z.object({
  scope: z.enum(existingScopes),
  /** What its versions get at least. A server of an earlier release does not say. */
  retention: bucketRetention.nullable().default(null),
  policyGeneration: z.int(),
  started: z.string(),
  ended: z.string().nullable(),
  versionCount: z.int(),
  seenCount: z.int(),
  extendedCount: z.int(),
  otherModeCount: z.int(),
  deniedCount: z.int(),
  unreadableCount: z.int(),
  /** A server of an earlier release does not say. */
  deferredCount: z.int().default(0),
})

/** PUT /v1/buckets/{name}; the epoch is the header x-holdfast-epoch. */
export const applyBucketDocument = z.strictObject({
  owner,
  adoptionPolicy: z.enum(['Never', 'IfUnowned']),
  profile,
  requireChecksum: z.boolean(),
  quotaBytes: quotaBytes.nullable(),
  /** `Keep`: the walk over existing versions, or that there is none, stays as it is. */
  applyToExisting: z.enum(['No', 'Keep', ...existingScopes]),
  /** An operator of an earlier release does not say. */
  strongerRetention: z.enum(['Keep', 'Replace']).default('Replace'),
  /** null: the bucket's own stay; empty: there are to be none. */
  lifecycle: lifecycleRules.nullable(),
  tags: bucketTags.nullable(),
  policy: policyRef.extend({ defaultRetention, prefixRules, bounds }),
})

export const applyBucketAnswer = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('applied'), change: z.enum(['created', 'adopted', 'updated', 'unchanged']) }),
  z.object({ kind: z.literal('nameConflict'), owner: owner.nullable() }),
  z.object({ kind: z.literal('wouldShorten'), aspects: z.array(z.string()) }),
  z.object({ kind: z.literal('staleEpoch'), epoch: z.int() }),
])

/** DELETE /v1/buckets/{name} */
export const releaseBucketDocument = z.strictObject({ owner })

export const releaseBucketAnswer = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('released'), change: z.enum(['released', 'unchanged']) }),
  z.object({ kind: z.literal('notOwner'), owner: owner.nullable() }),
  z.object({ kind: z.literal('notEmpty') }),
  z.object({ kind: z.literal('staleEpoch'), epoch: z.int() }),
])

/** What the lifecycle rules of a bucket did; instants of trusted time. */
const lifecycleRun = z.object({
  started: z.string(),
  ended: z.string(),
  expiredCount: z.int(),
  removedCount: z.int(),
  abortedUploadCount: z.int(),
  lockedCount: z.int(),
  unreadableCount: z.int(),
})

/** Refused requests that would have changed something; `count`: of how many alike. Trusted time. */
const denial = z.object({
  time: z.string(),
  operation: z.string(),
  accessKeyId: z.string(),
  key: z.string().nullable(),
  versionId: z.string().nullable(),
  rule: z.string(),
  count: z.int(),
})

/**
 * What scrubs and reads of the bucket found. `lastScrub: null`: none ended that began after the bucket was made. `unreadableCount`,
 * `owners` and `stoppedCount` (runs of the scrub, one after the other, that the disk stopped) are of the whole volume; `searching`: which versions share the damaged bytes is still looked for.
 */
const integrity = z.object({
  lastScrub: z.string().nullable(),
  unreadableCount: z.int(),
  /** A server of an earlier release does not say. */
  owners: z.enum(['known', 'searching']).default('known'),
  stoppedCount: z.int().default(0),
  quarantinedCount: z.int(),
  quarantined: z.array(z.object({ key: z.string(), versionId: z.string(), problem: z.string() })),
})

/** GET /v1/buckets/{name} */
export const bucketFactsAnswer = z.object({
  name: z.string(),
  bucketId: z.string(),
  region: z.string(),
  versioning: z.enum(['Unversioned', 'Enabled', 'Suspended']),
  objectLock: z.object({ status: z.enum(['Enabled', 'Frozen']), retention: bucketRetention }).nullable(),
  owner: owner.nullable(),
  policy: policyRef.extend({ mode, bounds, floor: bucketRetention.nullable() }).nullable(),
  profile,
  requireChecksum: z.boolean(),
  quotaBytes: z.int().nullable(),
  lifecycle: lifecycleRules.nullable(),
  tags: bucketTags.nullable(),
  applyToExisting: applyToExisting.nullable(),
  versionCount: z.int(),
  deleteMarkerCount: z.int(),
  sizeBytes: z.int(),
  lockedVersionCount: z.int(),
  legalHoldCount: z.int(),
  lockedUntil: z.string().nullable(),
  lastLifecycleRun: lifecycleRun.nullable(),
  lastDenials: z.array(denial),
  integrity,
})

const clockAnswer = z.object({
  trusted: z.string(),
  wall: z.string(),
  suspect: z.boolean(),
  behindMs: z.number(),
  budgetMs: z.number(),
})

/** GET /v1/server */
export const serverInfoAnswer = z.object({
  volumeId: z.string(),
  version: z.string(),
  region: z.string(),
  s3Endpoint: z.string(),
  epoch: z.int().nullable(),
  clock: clockAnswer,
  /** null: there is no record yet. */
  auditHead: z.object({ sequence: z.int(), hash: z.string() }).nullable(),
})

const statements = z
  .array(
    z.strictObject({
      effect: z.enum(['Allow', 'Deny']),
      actions: z
        .array(z.string().regex(/^s3:[A-Za-z]{1,64}$/))
        .min(1)
        .max(limits.statementActionsMax),
      // By name only: a wildcard would reach buckets that are made later, by others.
      buckets: z
        .array(z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/))
        .min(1)
        .max(limits.accessBucketsMax),
      prefixes: z.array(z.string().min(1).max(limits.objectKeyBytesMax)).min(1).max(32).nullable(),
    }),
  )
  .min(1)
  .max(limits.keyStatementsMax)
const accessKeyOwner = z.strictObject({ clusterId: name, namespace: name, name })

/** PUT /v1/access-keys/{name}; the epoch is the header x-holdfast-epoch. The secret is in no answer and no record. */
export const putAccessKeyDocument = z.strictObject({
  owner: accessKeyOwner,
  secretAccessKey: z.string().regex(/^[\x21-\x7e]{8,128}$/, { error: '8 to 128 printable characters' }),
  statements,
  /** Of a key that is there already with another secret. */
  otherSecret: z.enum(['replace', 'refuse']),
})

export const putAccessKeyAnswer = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('put'),
    change: z.enum(['created', 'updated', 'unchanged']),
    accountId: z.string(),
    created: z.string(),
  }),
  z.object({ kind: z.literal('taken') }),
  z.object({ kind: z.literal('noMasterKey') }),
  z.object({ kind: z.literal('secretDiffers') }),
  z.object({ kind: z.literal('staleEpoch'), epoch: z.int() }),
])

/** DELETE /v1/access-keys/{name} */
export const deleteAccessKeyDocument = z.strictObject({ owner: accessKeyOwner })

export const deleteAccessKeyAnswer = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('deleted'), change: z.enum(['deleted', 'unchanged']) }),
  z.object({ kind: z.literal('taken') }),
  z.object({ kind: z.literal('staleEpoch'), epoch: z.int() }),
])

/** GET /v1/access-keys?after=: a page in byte order of ids; `next: null`: the last one. */
export const accessKeysAnswer = z.object({
  accessKeys: z.array(
    z.object({
      accessKeyId: z.string(),
      accountId: z.string(),
      owner: accessKeyOwner,
      statements,
      created: z.string(),
    }),
  ),
  next: z.string().nullable(),
})

/** POST /v1/leadership */
export const leadershipDocument = z.strictObject({ holder: z.string().min(1).max(253) })
export const leadershipAnswer = z.object({ epoch: z.int() })

const reasonWords = 'say in 3 to 1024 characters who looked, and at what'
/** Of a person, for the audit log. */
const reason = z.string(reasonWords).min(3, reasonWords).max(1024, reasonWords)

/** POST /v1/clock/accept */
export const acceptClockDocument = z.strictObject({
  until: z.iso.datetime({
    offset: true,
    error: ({ input }) =>
      `${JSON.stringify(input)} is no time of RFC 3339 with its offset: write it like 2026-11-22T12:00:00Z`,
  }),
  reason,
})
export const acceptClockAnswer = clockAnswer

/** GET /v1/quarantine; `listCount`: lists of bodies, also those whose row cannot be read. `bucket: null`: unreadable. */
export const quarantineAnswer = z.object({
  listCount: z.int(),
  versions: z.array(
    z.object({
      bucket: z.string().nullable(),
      bucketId: z.string(),
      key: z.string(),
      versionId: z.string(),
      found: z.string(),
      problem: z.string(),
    }),
  ),
})
export type QuarantineAnswer = z.infer<typeof quarantineAnswer>

/**
 * GET /v1/audit-hashes/{sequence}; null: the chain has no such record. `chainHash`: what the next record, or the head, names as this one's,
 * which differs where one of the two was damaged; servers of older releases do not tell it.
 */
export const auditHashAnswer = z.object({
  hash: z.string().nullable(),
  chainHash: z.string().nullable().default(null),
})
export type AuditHashAnswer = z.infer<typeof auditHashAnswer>

/** GET /v1/locked; null: no bucket of the volume has a locked version. */
export const lockedAnswer = z.object({ bucket: z.string().nullable() })

/** POST /v1/restore/accept */
export const acceptRestoreDocument = z.strictObject({ reason })
export const acceptRestoreAnswer = z.object({})

/** GET /v1/explain?bucket=&key=&versionId= */
export const explainAnswer = z.object({
  bucket: z.string(),
  key: z.string(),
  versionId: z.string(),
  trusted: z.string(),
  isDeleteMarker: z.boolean(),
  lock: z.object({
    state: z.enum(['locked', 'free', 'unknown']),
    mode: mode.nullable(),
    retainUntil: z.string().nullable(),
    legalHold: z.enum(['ON', 'OFF']).nullable(),
  }),
  deletions: z.array(
    z.object({
      bypassGovernance: z.boolean(),
      allowed: z.boolean(),
      rules: z.array(z.object({ rule: z.string(), verdict: z.string() })),
    }),
  ),
})
export type ExplainAnswer = z.infer<typeof explainAnswer>

export const adminErrorAnswer = z.object({ code: z.string(), message: z.string() })

/** A schema without its library: what callers outside this folder hold. */
export type DocumentSchema<T> = z.ZodType<T>

export type DocumentResult<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'bad'; readonly message: string }

/** Parses JSON text by one of the schemas above; the message names the field and what is wrong with it. */
export function parseDocument<T>(schema: DocumentSchema<T>, text: string): DocumentResult<T> {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (error) {
    return {
      kind: 'bad',
      message: `the body is not JSON: ${error instanceof Error ? error.message : 'unreadable'}`,
    }
  }
  const parsed = schema.safeParse(document)
  if (parsed.success) return { kind: 'ok', value: parsed.data }
  const issue = parsed.error.issues[0]
  const path = issue === undefined ? '' : issue.path.join('.')
  return { kind: 'bad', message: `${path === '' ? 'the document' : path}: ${issue?.message ?? 'invalid'}` }
}
