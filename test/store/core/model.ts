/**
 * A naive bucket: lists in memory and the rules of Object Lock written down a second time, without a
 * line of the product. Random histories must end alike in both.
 */
export type ModelRetention = { readonly mode: 'GOVERNANCE' | 'COMPLIANCE'; readonly untilMs: number }

export type ModelVersion = {
  readonly serial: number
  readonly isNull: boolean
  readonly isMarker: boolean
  readonly body: string
  retention: ModelRetention | null
  hold: 'ON' | 'OFF' | null
  tags: Readonly<Record<string, string>>
}

export type ModelLock = { readonly retention: ModelRetention | null; readonly hold: 'ON' | 'OFF' | null }

export class ModelBucket {
  versioning: 'Unversioned' | 'Enabled' | 'Suspended'
  hasLock: boolean
  rule: { readonly mode: ModelRetention['mode']; readonly days: number } | null = null
  /** Newest first. */
  readonly keys = new Map<string, ModelVersion[]>()
  #serial = 0

  constructor(hasLock: boolean) {
    this.hasLock = hasLock
    this.versioning = hasLock ? 'Enabled' : 'Unversioned'
  }

  versions(key: string): ModelVersion[] {
    return this.keys.get(key) ?? []
  }

  find(key: string, address: Address): ModelVersion | 'noKey' | 'noVersion' {
    const versions = this.versions(key)
    if (address.kind === 'current') return versions[0] ?? 'noKey'
    if (address.kind === 'bogus') return 'noVersion'
    if (address.kind === 'null') return versions.find((version) => version.isNull) ?? 'noVersion'
    const found = versions.find((version) => version.serial === address.serial)
    return found === undefined || found.isNull ? 'noVersion' : found
  }

  put(nowMs: number, key: string, body: string, lock: ModelLock): string | ModelVersion {
    if (!this.hasLock && (lock.retention !== null || lock.hold !== null)) return 'bucketLockMissing'
    const byRule =
      this.rule === null ? null : { mode: this.rule.mode, untilMs: nowMs + this.rule.days * 86_400_000 }
    return this.#add(key, { isMarker: false, body, retention: lock.retention ?? byRule, hold: lock.hold })
  }

  delete(nowMs: number, key: string, address: Address, bypass: boolean): string {
    if (address.kind === 'current' && this.versioning !== 'Unversioned') {
      this.#add(key, { isMarker: true, body: '', retention: null, hold: null })
      return 'deleted'
    }
    const found = this.find(key, address.kind === 'current' ? { kind: 'null' } : address)
    if (typeof found === 'string') return 'deleted'
    if (!canRemove(found, nowMs, bypass)) return 'denied'
    this.#remove(key, found)
    return 'deleted'
  }

  putRetention(
    nowMs: number,
    key: string,
    address: Address,
    change: { readonly next: ModelRetention | null; readonly bypass: boolean },
  ): string {
    const found = this.#changeable(key, address)
    if (typeof found === 'string') return found
    const { next } = change
    const active = found.retention !== null && nowMs <= found.retention.untilMs ? found.retention : null
    if (!maySet(active, next, change.bypass)) return 'denied'
    if (next !== null || active !== null) found.retention = next
    return 'changed'
  }

  putHold(key: string, address: Address, hold: 'ON' | 'OFF'): string {
    const found = this.#changeable(key, address)
    if (typeof found === 'string') return found
    found.hold = hold
    return 'changed'
  }

  isEmpty(): boolean {
    return [...this.keys.values()].every((versions) => versions.length === 0)
  }

  #changeable(key: string, address: Address): ModelVersion | string {
    const found = this.find(key, address)
    if (found === 'noKey') return 'noSuchKey'
    if (found === 'noVersion') return 'noSuchVersion'
    if (!this.hasLock) return 'bucketLockMissing'
    return found.isMarker ? 'isDeleteMarker' : found
  }

  #add(key: string, fields: Omit<ModelVersion, 'serial' | 'isNull' | 'tags'>): ModelVersion {
    const isNull = this.versioning !== 'Enabled'
    const former = this.versions(key).find((version) => version.isNull)
    if (isNull && former !== undefined) this.#remove(key, former)
    this.#serial += 1
    const version = { ...fields, serial: this.#serial, isNull, tags: {} }
    this.keys.set(key, [version, ...this.versions(key)])
    return version
  }

  #remove(key: string, version: ModelVersion): void {
    this.keys.set(
      key,
      this.versions(key).filter((other) => other !== version),
    )
  }
}

export type Address =
  | { readonly kind: 'current' }
  | { readonly kind: 'null' }
  | { readonly kind: 'bogus' }
  | { readonly kind: 'version'; readonly serial: number }

export function canRemove(version: ModelVersion, nowMs: number, bypass: boolean): boolean {
  if (version.isMarker) return true
  if (version.hold === 'ON') return false
  if (version.retention === null || nowMs > version.retention.untilMs) return true
  return version.retention.mode === 'GOVERNANCE' && bypass
}

function maySet(active: ModelRetention | null, next: ModelRetention | null, bypass: boolean): boolean {
  if (active === null) return true
  if (active.mode === 'COMPLIANCE') {
    return next !== null && next.mode === 'COMPLIANCE' && next.untilMs >= active.untilMs
  }
  if (bypass) return true
  return next !== null && next.mode === 'GOVERNANCE' && next.untilMs >= active.untilMs
}
