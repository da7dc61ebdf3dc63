/**
 * What clients sent and what they were told: the truth that a server is held to after a crash. An answer makes a
 * fact; a request without an answer makes two states possible, and no third.
 */
export type Lock = {
  readonly mode: 'GOVERNANCE' | 'COMPLIANCE' | null
  /** Whole seconds, so that no notation rounds it. */
  readonly retainUntilMs: number | null
  readonly legalHold: 'ON' | 'OFF' | null
}
export const noLock: Lock = { mode: null, retainUntilMs: null, legalHold: null }

/** The bytes and the lock that a request asked for. `operation` is in the user metadata of what it makes. */
export type Planned = {
  readonly operation: string
  readonly bucket: string
  readonly key: string
  readonly sha256: string
  readonly sizeBytes: number
  /** `rule`: the bucket's default rule stamps it; known after the first read. */
  readonly lock: Lock | 'rule'
  readonly sentMs: number
}

export type ObjectEntry = {
  readonly kind: 'object'
  readonly planned: Planned
  readonly versionId: string
  /** As acknowledged last. */
  lock: Lock | 'rule'
  /** Changes that were sent and not answered. */
  readonly unanswered: Lock[]
  /** Whether a delete, or a new null version, was sent and not answered. */
  fate: 'stays' | 'mayBeDeleted' | 'mayBeReplaced'
}
export type MarkerEntry = {
  readonly kind: 'marker'
  readonly bucket: string
  readonly key: string
  readonly versionId: string
  fate: 'stays' | 'mayBeDeleted' | 'mayBeReplaced'
}
export type Entry = ObjectEntry | MarkerEntry

/** An answered request that must be in the audit log. */
export type Answered = {
  readonly requestId: string
  readonly bucket: string
  readonly accessKeyId: string
  readonly verdict: 'allow' | 'deny'
}

export class Ledger {
  readonly entries = new Map<string, Entry>()
  /** New versions that may be there: by `Planned.operation`. */
  readonly unansweredObjects = new Map<string, Planned>()
  /** Places (bucket and key) where markers may have been put, and how many. */
  readonly unansweredMarkers = new Map<string, number>()
  readonly answered: Answered[] = []
  /** Answers that no rule of S3 explains: an error of the server. */
  readonly surprises: string[] = []
  /** Versioning of the bucket that goes on and off: as acknowledged, and as asked for without an answer. */
  versioning: { acknowledged: 'Enabled' | 'Suspended'; unanswered: 'Enabled' | 'Suspended' | null } = {
    acknowledged: 'Enabled',
    unanswered: null,
  }
  /** Refusals that may be in the log though nobody heard of them. */
  unansweredDenials = 0

  add(entry: Entry): void {
    this.entries.set(nameOf(entry), entry)
  }

  remove(entry: Entry): void {
    this.entries.delete(nameOf(entry))
  }

  expectMarker(bucket: string, key: string): void {
    const place = placeOf(bucket, key)
    this.unansweredMarkers.set(place, (this.unansweredMarkers.get(place) ?? 0) + 1)
  }

  /** The null version of a key, if one was acknowledged. */
  nullOf(bucket: string, key: string): Entry | undefined {
    return this.entries.get(entryName(bucket, key, 'null'))
  }
}

export function placeOf(bucket: string, key: string): string {
  return `${bucket}/${key}`
}

export function entryName(bucket: string, key: string, versionId: string): string {
  return `${placeOf(bucket, key)}?${versionId}`
}

export function bucketOf(entry: Entry): string {
  return entry.kind === 'object' ? entry.planned.bucket : entry.bucket
}

export function keyOf(entry: Entry): string {
  return entry.kind === 'object' ? entry.planned.key : entry.key
}

export function nameOf(entry: Entry): string {
  return entryName(bucketOf(entry), keyOf(entry), entry.versionId)
}

export function isSameLock(a: Lock, b: Lock): boolean {
  return a.mode === b.mode && a.retainUntilMs === b.retainUntilMs && a.legalHold === b.legalHold
}

export function describeLock(lock: Lock | 'rule'): string {
  if (lock === 'rule') return 'the default rule'
  const until = lock.retainUntilMs === null ? 'never' : new Date(lock.retainUntilMs).toISOString()
  return `${lock.mode ?? 'no mode'} until ${until}, hold ${lock.legalHold ?? 'never set'}`
}
