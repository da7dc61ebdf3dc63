/**
 * The versions that a server acknowledged as locked, and what that promises. Nothing here comes from the product, not even its
 * rules: whoever breaks a rule breaks this.
 */
import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import type { Answer, SendOptions } from '../support/s3-client.ts'

export type LedgerLock = {
  readonly retention: { readonly mode: 'GOVERNANCE' | 'COMPLIANCE'; readonly retainUntilMs: number } | null
  readonly hold: 'ON' | 'OFF' | null
}
export type LedgerVersion = LedgerLock & {
  readonly bucket: string
  readonly key: string
  readonly versionId: string
  readonly sha256: string
  readonly metadata: string
}

/** Versions that are read at the same time. */
const readsAtOnce = 12

export class Ledger {
  readonly #entries = new Map<string, LedgerVersion>()
  readonly #read: (request: SendOptions) => Promise<Answer>

  /** `read` sends as root. */
  constructor(read: (request: SendOptions) => Promise<Answer>) {
    this.#read = read
  }

  /** A 200 to a write or to a change of this version's lock. `latestMs`: trusted time, at the latest. */
  acknowledged(version: LedgerVersion, latestMs: number, bypass: 'granted' | 'none'): void {
    const before = this.#entries.get(nameOf(version))?.retention ?? null
    if (before !== null && isSurelyActive(before, latestMs)) {
      const { retention: next } = version
      const isExtension =
        next !== null &&
        next.retainUntilMs >= before.retainUntilMs &&
        (next.mode === before.mode || next.mode === 'COMPLIANCE')
      const mayWeaken = before.mode === 'GOVERNANCE' && bypass === 'granted'
      expect(isExtension || mayWeaken, `${describe(version)}: its retention was weakened`).toBe(true)
      const staysCompliance = before.mode === 'GOVERNANCE' || next?.mode === 'COMPLIANCE'
      expect(staysCompliance, `${describe(version)}: COMPLIANCE ended before its date`).toBe(true)
    }
    this.#entries.set(nameOf(version), version)
  }

  /** A success that removed this version. */
  removed(
    version: Pick<LedgerVersion, 'bucket' | 'key' | 'versionId'>,
    latestMs: number,
    bypass: 'granted' | 'none',
  ): void {
    const entry = this.#entries.get(nameOf(version))
    if (entry === undefined) return
    const isActive = entry.retention !== null && isSurelyActive(entry.retention, latestMs)
    const isBypassed = entry.retention?.mode === 'GOVERNANCE' && bypass === 'granted'
    const isLocked = entry.hold === 'ON' || (isActive && !isBypassed)
    expect(isLocked, `${describe(entry)} was locked and is gone`).toBe(false)
    this.#entries.delete(nameOf(version))
  }

  /** Reads and hashes every version that is surely locked: bytes, metadata and lock are what was acknowledged (I1). */
  async verify(latestMs: number): Promise<number> {
    const locked = [...this.#entries.values()].filter(
      ({ hold, retention }) => hold === 'ON' || (retention !== null && isSurelyActive(retention, latestMs)),
    )
    for (let start = 0; start < locked.length; start += readsAtOnce) {
      const some = locked.slice(start, start + readsAtOnce)
      await Promise.all(some.map((version) => this.#verifyOne(version)))
    }
    return locked.length
  }

  async #verifyOne(version: LedgerVersion): Promise<void> {
    const { bucket, key, versionId } = version
    const answer = await this.#read({ method: 'GET', path: `/${bucket}/${key}`, query: { versionId } })
    const sha256 = createHash('sha256').update(answer.body).digest('hex')
    const found = {
      status: answer.status,
      sha256,
      metadata: answer.headers['x-amz-meta-model'],
      ...lockIn(answer),
    }
    const { sha256: hash, metadata, retention, hold } = version
    expect(found, describe(version)).toEqual({ status: 200, sha256: hash, metadata, retention, hold })
  }
}

/** The lock in the headers of a GET or HEAD. */
export function lockIn({ headers }: Answer): LedgerLock {
  const mode = headers['x-amz-object-lock-mode']
  const date = headers['x-amz-object-lock-retain-until-date']
  const hold = headers['x-amz-object-lock-legal-hold']
  const isMode = mode === 'GOVERNANCE' || mode === 'COMPLIANCE'
  return {
    retention: isMode ? { mode, retainUntilMs: Date.parse(String(date)) } : null,
    hold: hold === 'ON' || hold === 'OFF' ? hold : null,
  }
}

/** Locked through its date, whatever is uncertain about the time. */
function isSurelyActive({ retainUntilMs }: { readonly retainUntilMs: number }, latestMs: number): boolean {
  return latestMs <= retainUntilMs
}

function nameOf({ bucket, key, versionId }: Pick<LedgerVersion, 'bucket' | 'key' | 'versionId'>): string {
  return JSON.stringify([bucket, key, versionId])
}

function describe({ bucket, key, versionId, retention, hold }: LedgerVersion): string {
  return `${bucket}/${key} ${versionId} ${JSON.stringify({ retention, hold })}`
}
