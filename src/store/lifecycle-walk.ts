/** Reads a bucket's versions in the order of their rows and finds what its lifecycle rules ask for. */
import {
  judgeVersion,
  type LifecycleContext,
  type LifecycleRule,
  type LifecycleVerdict,
  type LifecycleVersion,
  type NewerVersions,
  nothingNewer,
  passVersion,
} from '../lock/lifecycle.ts'
import { decodeVersion } from './codec.ts'
import { versionCreatedMs } from './creation.ts'
import { CorruptRecordError } from './fields.ts'
import { parseVersionKey } from './keys.ts'
import type { Entry } from './kv/contract.ts'
import type { VersionRecord } from './records.ts'

export type LifecycleFinding = {
  readonly version: VersionRecord
  readonly verdict: Extract<LifecycleVerdict, { readonly newerVersionIds: readonly string[] }>
  readonly rule: LifecycleRule
}

/** What a page of rows came to. */
export type LifecyclePage = {
  readonly findings: readonly LifecycleFinding[]
  readonly lockedCount: number
  readonly unreadableCount: number
  /** The last key whose versions have all been seen; null: none since the walk began. */
  readonly afterKey: string | null
}

export type VersionWalkOptions = Omit<LifecycleContext, 'key'> & {
  /** Told of a row that cannot be read. */
  readonly onUnreadable: (key: string, error: CorruptRecordError) => void
}

export class VersionWalk {
  readonly #options: VersionWalkOptions
  #key: string | null = null
  #afterKey: string | null = null
  #newer: NewerVersions = nothingNewer
  /** The version that waits for the next row: whether it is the oldest of its key shows then. */
  #waiting: VersionRecord | null = null
  /** Below an unreadable row nobody knows what is current, or since when anything is not. */
  #isBroken = false
  #findings: LifecycleFinding[] = []
  #lockedCount = 0
  #unreadableCount = 0

  constructor(options: VersionWalkOptions) {
    this.#options = options
  }

  /** Rows in order, each once. */
  take(entry: Entry): void {
    const { key } = parseVersionKey(entry.key)
    if (key === this.#key) {
      this.#judgeWaiting('newer')
    } else {
      this.#endKey()
      this.#key = key
    }
    if (!this.#isBroken) this.#waiting = this.#read(entry, key)
  }

  /** After the last row. */
  end(): void {
    this.#endKey()
  }

  /** What was found since the last call. */
  page(): LifecyclePage {
    const page = {
      findings: this.#findings,
      lockedCount: this.#lockedCount,
      unreadableCount: this.#unreadableCount,
      afterKey: this.#afterKey,
    }
    this.#findings = []
    this.#lockedCount = 0
    this.#unreadableCount = 0
    return page
  }

  #endKey(): void {
    this.#judgeWaiting('oldest')
    this.#afterKey = this.#key
    this.#newer = nothingNewer
    this.#isBroken = false
  }

  #read(entry: Entry, key: string): VersionRecord | null {
    try {
      return decodeVersion(entry.key, entry.value)
    } catch (error) {
      if (!(error instanceof CorruptRecordError)) throw error
      this.#options.onUnreadable(key, error)
      this.#unreadableCount += 1
      this.#isBroken = true
      return null
    }
  }

  #judgeWaiting(place: 'oldest' | 'newer'): void {
    const record = this.#waiting
    this.#waiting = null
    if (record === null) return
    const { rules } = this.#options
    const context: LifecycleContext = { ...this.#options, key: record.key }
    const version = lifecycleVersion(record, place)
    const verdict = judgeVersion(context, this.#newer, version)
    this.#newer = passVersion(context, this.#newer, version)
    if (verdict.kind === 'keep') return
    if (verdict.kind === 'locked') {
      this.#lockedCount += 1
      return
    }
    const rule = rules.find(({ id }) => id === verdict.ruleId)
    if (rule !== undefined) this.#findings.push({ version: record, verdict, rule })
  }
}

export function lifecycleVersion(record: VersionRecord, place: 'oldest' | 'newer'): LifecycleVersion {
  const { versionId, lock, object } = record
  return {
    versionId,
    isDeleteMarker: object === null,
    createdMs: versionCreatedMs(record),
    sizeBytes: object?.sizeBytes ?? 0,
    tags: object?.tags ?? {},
    lock,
    isOldest: place === 'oldest',
  }
}
