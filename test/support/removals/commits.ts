/**
 * Judges the commits of a server one by one, by what the rows said before each: a version may only go under an allowed
 * record in the same commit that its stored lock does not contradict, and only what nobody refers to becomes garbage.
 */
import { auditLog } from '../../../src/store/audit-chain.ts'
import { parseAuditRecord } from '../../../src/store/audit-record.ts'
import { decodePart, decodeVersion } from '../../../src/store/codec.ts'
import { CorruptRecordError } from '../../../src/store/fields.ts'
import { type GarbageRow, garbageCodec, hasPart } from '../../../src/store/garbage-rows.ts'
import {
  parseFileKey,
  parseGarbageKey,
  parseListKey,
  parsePartKey,
  parseVersionKey,
  type Table,
  tablePrefix,
} from '../../../src/store/keys.ts'
import { logHeadKey, logKeyTag, parseChainValue } from '../../../src/store/kv/chain.ts'
import type { VersionRecord } from '../../../src/store/records.ts'
import type { AuditRecord } from '../crash/volume-state.ts'
import { listedBodies } from './facts.ts'
import type { Commit } from './journal.ts'
import { entriesOf, keyText, type Rows, readerOf } from './rows.ts'

/** What a body is waste of: a version that went, an upload that is over, a part that another took the place of. */
export type Waste = {
  readonly kind: 'version' | 'upload' | 'replacedPart'
  /** Its commit was not to be seen before; milliseconds. */
  readonly sinceMs: number
}

/** Rows of garbage that were there at the start: judged when they were put, in an earlier run. */
const longAgoMs = 0
const head = keyText(logHeadKey(auditLog))

export class CommitJudge {
  /** By body id. */
  readonly waste = new Map<string, Waste>()
  /** Body ids that a version or a part was ever given. */
  readonly held = new Set<string>()
  /** Versions that went: with their bytes in the commit itself, and by rules of the lifecycle. */
  readonly counts = { inline: 0, lifecycle: 0 }
  /** Sentences. */
  readonly faults: string[] = []
  readonly #rows: Rows
  /** Versions by the list that has their bytes. */
  readonly #holders = new Map<string, Set<string>>()

  /** `rows`: of the volume before the first commit; the judge's own from now on. */
  static async of(rows: Rows): Promise<CommitJudge> {
    const judge = new CommitJudge(rows)
    for (const { key } of entriesOf(rows, 'file')) judge.held.add(parseFileKey(key).bodyId)
    for (const { key, value } of entriesOf(rows, 'version')) judge.#hold(readableVersion(key, value))
    for (const { key, value } of entriesOf(rows, 'garbage'))
      await judge.#addWaste(parseGarbageKey(key), garbageCodec.decode(key, value), longAgoMs)
    return judge
  }

  private constructor(rows: Rows) {
    this.#rows = rows
  }

  async judge(commit: Commit): Promise<void> {
    const records = recordsOf(commit)
    for (const { key, value } of commit.changes) {
      if (isIn('version', key)) this.#changeVersion(key, value, records)
      if (isIn('file', key) && value !== null) this.held.add(parseFileKey(key).bodyId)
      if (value === null) this.#rows.delete(keyText(key))
      else this.#rows.set(keyText(key), value)
    }
    for (const { key, value } of commit.changes) {
      if (isIn('list', key) && value === null) this.#judgeListEnd(parseListKey(key).listId)
      if (!isIn('garbage', key) || value === null) continue
      const id = parseGarbageKey(key)
      const row = garbageCodec.decode(key, value)
      this.#judgeGarbage(id, row, records)
      await this.#addWaste(id, row, commit.atMs)
    }
  }

  #changeVersion(key: Uint8Array, value: Uint8Array | null, records: readonly AuditRecord[]): void {
    const stored = this.#rows.get(keyText(key))
    const before = stored === undefined ? null : readableVersion(key, stored)
    if (value !== null) {
      const version = decodeVersion(key, value)
      const listId = version.object?.content.listId
      // A list is named for its first body.
      if (before === null && listId !== undefined && this.waste.has(listId))
        this.faults.push(`version ${version.versionId} was given the list ${listId}, which is garbage`)
      this.#hold(version)
      return
    }
    if (stored === undefined) return
    const { versionId } = parseVersionKey(key)
    const record = records.find((each) => removalsOf(each).includes(versionId))
    if (record === undefined) this.faults.push(`version ${versionId} went without a record in its commit`)
    else this.#judgeRemoval(versionId, before, record)
    const content = before?.object?.content
    if (content === undefined) return
    this.#holders.get(content.listId)?.delete(versionId)
    if (content.storage === 'inline') this.counts.inline += 1
  }

  #judgeRemoval(versionId: string, version: VersionRecord | null, record: AuditRecord): void {
    const cause = version === null ? 'cannot be read' : lockInForce(version, record)
    if (cause !== null) this.faults.push(`version ${versionId} went though it ${cause}`)
    if (record.actor.accessKeyId === lifecycleKeyId) this.counts.lifecycle += 1
  }

  #judgeListEnd(listId: string): void {
    for (const versionId of this.#holders.get(listId) ?? [])
      this.faults.push(`the list ${listId} went though version ${versionId} has it`)
  }

  #judgeGarbage(id: string, row: GarbageRow, records: readonly AuditRecord[]): void {
    switch (row.kind) {
      case 'list':
        for (const versionId of this.#holders.get(id) ?? [])
          this.faults.push(`the list ${id} became garbage though version ${versionId} has it`)
        break
      case 'upload':
        if (!records.some(({ detail }) => detail?.['uploadId'] === id))
          this.faults.push(`the upload ${id} became garbage without a record in its commit`)
        break
      case 'body':
        if (this.#partBodies(() => true).includes(id))
          this.faults.push(`the body ${id} became garbage though it is a part`)
        break
    }
  }

  async #addWaste(id: string, row: GarbageRow, sinceMs: number): Promise<void> {
    switch (row.kind) {
      case 'list':
        for (const { bodyId } of await listedBodies(readerOf(this.#rows), { ...row, listId: id }))
          this.waste.set(bodyId, { kind: 'version', sinceMs })
        break
      case 'upload':
        for (const bodyId of this.#partBodies(
          (uploadId, partNumber) => uploadId === id && !hasPart(row.keptParts, partNumber),
        ))
          this.waste.set(bodyId, { kind: 'upload', sinceMs })
        break
      case 'body':
        this.waste.set(id, { kind: 'replacedPart', sinceMs })
        break
    }
  }

  #partBodies(isWanted: (uploadId: string, partNumber: number) => boolean): readonly string[] {
    return entriesOf(this.#rows, 'part').flatMap(({ key, value }) => {
      const { uploadId, partNumber } = parsePartKey(key)
      // Row 0 of an upload counts its changes.
      return partNumber > 0 && isWanted(uploadId, partNumber) ? [decodePart(key, value).bodyId] : []
    })
  }

  #hold(version: VersionRecord | null): void {
    const listId = version?.object?.content.listId
    if (version === null || listId === undefined) return
    const holders = this.#holders.get(listId) ?? new Set()
    this.#holders.set(listId, holders.add(version.versionId))
  }
}

const lifecycleKeyId = 'lifecycle'

/** Written from S3's words, not with the rules that are under test; null: nothing keeps the version. */
function lockInForce({ object, lock }: VersionRecord, record: AuditRecord): string | null {
  if (object === null && lock.kind === 'known') return null
  if (lock.kind === 'unknown') return 'has a lock that cannot be read'
  if (lock.legalHold === 'ON') return 'is under a legal hold'
  if (lock.retention === null || record.trustedMs > lock.retention.retainUntilMs) return null
  const isBypassed =
    record.rule === 'BypassGovernanceRetention' && record.actor.accessKeyId !== lifecycleKeyId
  if (lock.retention.mode === 'GOVERNANCE' && isBypassed) return null
  return `is under ${lock.retention.mode} retention`
}

/** The versions that an allowed record says are gone. */
export function removalsOf({ verdict, versionId, lockAfter, detail }: AuditRecord): readonly string[] {
  if (verdict === 'deny') return []
  const replaced = detail?.['replacedVersionId']
  const isRemoval = versionId !== null && lockAfter === null && detail?.['isDeleteMarker'] !== true
  return [...(isRemoval ? [versionId] : []), ...(typeof replaced === 'string' ? [replaced] : [])]
}

/** The allowed ones that the commit appended. */
function recordsOf({ changes }: Commit): readonly AuditRecord[] {
  const records = changes.flatMap(({ key, value }) => {
    if (key[0] !== logKeyTag || value === null || keyText(key) === head) return []
    const parsed = parseAuditRecord(parseChainValue(value).record)
    if (parsed.kind === 'unreadable') throw new Error(parsed.cause)
    return [parsed.record as AuditRecord]
  })
  return records.filter(({ verdict }) => verdict === 'allow')
}

/** null: tests damage rows. */
function readableVersion(key: Uint8Array, value: Uint8Array): VersionRecord | null {
  try {
    return decodeVersion(key, value)
  } catch (error) {
    if (error instanceof CorruptRecordError) return null
    throw error
  }
}

function isIn(table: Table, key: Uint8Array): boolean {
  return key[0] === tablePrefix(table)[0]
}
