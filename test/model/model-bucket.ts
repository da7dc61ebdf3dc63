/** One bucket as a list in memory. What is permitted is not known here: verdicts.ts asks the pure functions. */
import type {
  BucketLockStatus,
  BucketRetention,
  LegalHoldStatus,
  Retention,
  RetentionBounds,
  RetentionMode,
} from '../../src/lock/types.ts'
import type { Pick } from './commands.ts'
import type { Now } from './model-clock.ts'
import type { PolicyName } from './principals.ts'

/** `locked`: Object Lock since it had versions already; `plain`: none; `managed`: taken over by the operator; `frozen`: of a dialect that can freeze. */
export const bucketRoles = ['locked', 'plain', 'managed', 'frozen'] as const
export type BucketRole = (typeof bucketRoles)[number]

export type ModelVersion = {
  /** As clients see it; `null` is the null version. */
  readonly versionId: string
  readonly key: string
  readonly isMarker: boolean
  readonly sha256: string
  readonly metadata: string
  /** About; what lifecycle counts from: see `creationMs`. */
  readonly createdMs: number
  retention: Retention | null
  hold: LegalHoldStatus | null
}

export type ModelUpload = {
  readonly role: BucketRole
  readonly key: string
  readonly uploadId: string
  readonly metadata: string
  readonly body: string
  readonly retention: Retention | null
  readonly hold: LegalHoldStatus | null
  /** The rule in force when it began; null: no Object Lock, or frozen. */
  readonly atCreate: BucketRetention | null
  readonly createdMs: number
  partEtag: string | null
  state:
    | { readonly kind: 'open' | 'aborted' }
    | {
        readonly kind: 'completed'
        readonly version: ModelVersion
        /** No later than it was completed. */
        readonly trustedMs: number
      }
}

/** What the operator's policy says. */
export type ModelPolicy = {
  readonly mode: RetentionMode
  readonly bounds: RetentionBounds
  readonly floor: BucketRetention | null
}

export type Found = ModelVersion | 'NoSuchKey' | 'NoSuchVersion'

export type Address = { readonly key: string; readonly versionId: string | null }

export class ModelBucket {
  readonly role: BucketRole
  readonly name: string
  versioning: 'Unversioned' | 'Enabled' | 'Suspended'
  lock: { readonly status: BucketLockStatus; readonly retention: BucketRetention } | null
  managed: ModelPolicy | null = null
  policyName: PolicyName | null = null
  #versions = new Map<string, readonly ModelVersion[]>()

  constructor(role: BucketRole, name: string, lock: 'enabled' | 'none') {
    this.role = role
    this.name = name
    const hasLock = lock === 'enabled'
    this.versioning = hasLock ? 'Enabled' : 'Unversioned'
    this.lock = hasLock ? { status: 'Enabled', retention: { defaultRetention: null, prefixRules: [] } } : null
  }

  get retention(): BucketRetention {
    return this.lock?.retention ?? { defaultRetention: null, prefixRules: [] }
  }

  /** Newest first. */
  versionsOf(key: string): readonly ModelVersion[] {
    return this.#versions.get(key) ?? []
  }

  all(): readonly ModelVersion[] {
    return [...this.#versions.values()].flat()
  }

  /** What to ask for: `versionId` null means none, and it may be one that nobody has. */
  address({ key, of, index }: Pick): Address {
    const nobodys = { key, versionId: bogusVersionId }
    const among = (some: readonly ModelVersion[]): Address => some[index % some.length] ?? nobodys
    switch (of) {
      case 'current':
        return { key, versionId: null }
      case 'any':
        return among(this.all())
      case 'old':
        return among(this.all().filter((version) => this.versionsOf(version.key)[0] !== version))
      case 'marker':
        return among(this.all().filter(({ isMarker }) => isMarker))
      case 'null':
        return { key, versionId: 'null' }
      case 'bogus':
        return nobodys
    }
  }

  find(key: string, versionId: string | null): Found {
    const versions = this.versionsOf(key)
    if (versionId === null) return versions[0] ?? 'NoSuchKey'
    return versions.find((version) => version.versionId === versionId) ?? 'NoSuchVersion'
  }

  /** A version is never older than trusted time when it was written, nor than the version that it succeeds. */
  creationMs(key: string, now: Now): number {
    return Math.max(now.requestMs, this.versionsOf(key)[0]?.createdMs ?? 0)
  }

  /** A null version gives way to the next one. */
  add(version: ModelVersion): void {
    const others = this.versionsOf(version.key).filter(
      ({ versionId }) => versionId !== 'null' || version.versionId !== 'null',
    )
    this.#versions.set(version.key, [version, ...others])
  }

  remove(version: ModelVersion): void {
    const others = this.versionsOf(version.key).filter((other) => other !== version)
    this.#versions.set(version.key, others)
  }
}

const bogusVersionId = '1F0000000000000000000000000000ZZ'
