/**
 * Reads a volume's own rows, read-only, while its server is idle: the audit chain, the counters, and whether rows
 * and files name each other. Nothing is repaired.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLog } from '../../../src/lib/log.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import { openOfflineVolume, openVolumeOwner } from '../../../src/server/open-volume.ts'
import { auditLog, verifyChain } from '../../../src/store/audit-chain.ts'
import { parseAuditRecord } from '../../../src/store/audit-record.ts'
import { decodeBucket, decodeVersion } from '../../../src/store/codec.ts'
import { metaKey, parseListRefKey, type Table, tablePrefix } from '../../../src/store/keys.ts'
import { logKey, parseChainValue } from '../../../src/store/kv/chain.ts'
import type { Entry, KeyValueReader } from '../../../src/store/kv/contract.ts'
import { openLmdb } from '../../../src/store/kv/lmdb/lmdb.ts'
import { countDifferences } from '../../../src/store/recount.ts'
import { walk, walkRange } from '../../../src/store/stats.ts'
import type { Store } from '../../../src/store/store.ts'
import { verifyVolume as verifyWholeVolume } from '../../../src/store/verify.ts'
import { expectClean } from '../../store/base/consistency.ts'
import type { Answered, Ledger } from './ledger.ts'

export type AuditRecord = Readonly<Record<string, unknown>> & {
  readonly actor: { readonly accessKeyId: string; readonly requestId: string }
  readonly bucket: string
  readonly versionId: string | null
  readonly sha256: string | null
  readonly sizeBytes: number | null
  readonly verdict: 'allow' | 'deny'
  readonly rule: string
  readonly trustedMs: number
  readonly lockAfter: unknown
  readonly detail: Readonly<Record<string, unknown>> | null
}

/** What a server does to its volume, by its store alone. */
export async function inVolume<Made>(
  dataDirectory: string,
  work: (store: Store) => Promise<Made>,
): Promise<Made> {
  const owner = await openVolumeOwner({ directory: dataDirectory, clock: systemClock(), log: silentLog })
  try {
    return await work(owner.store)
  } finally {
    await owner.close()
  }
}

export async function readVolume<Result>(
  dataDirectory: string,
  read: (reader: KeyValueReader) => Promise<Result>,
): Promise<Result> {
  const kv = await openLmdb({ directory: join(dataDirectory, 'kv'), readOnly: true })
  try {
    return await read(kv)
  } finally {
    await kv.close()
  }
}

export async function rowsOf(reader: KeyValueReader, table: Table): Promise<readonly Entry[]> {
  const rows: Entry[] = []
  for await (const row of walk(reader, tablePrefix(table))) rows.push(row)
  return rows
}

/** These change with every start, every minute and every scrub. */
const restless = ['server-epoch', 'clock', 'scrub'].map((name) => Buffer.from(metaKey(name)).toString('hex'))

/** All rows, the audit log's too, which is no table, but those that change by themselves. Key and value in hexadecimal. */
export async function* settledRows(
  reader: KeyValueReader,
): AsyncGenerator<{ readonly name: string; readonly value: string }> {
  for await (const { key, value } of walkRange(reader, { from: Uint8Array.of(0), to: Uint8Array.of(0xff) })) {
    const name = Buffer.from(key).toString('hex')
    if (!restless.includes(name)) yield { name, value: Buffer.from(value).toString('hex') }
  }
}

/** What `holdfast verify` says of a volume that nobody writes to, however it was left. */
export async function offlineFindings(dataDirectory: string): Promise<readonly string[]> {
  const { kv, bodies, close } = await openOfflineVolume(dataDirectory)
  const findings: string[] = []
  try {
    const source = { reader: kv, bodies, clock: systemClock() }
    await verifyWholeVolume(source, (finding) => findings.push(JSON.stringify(finding)))
  } finally {
    await close()
  }
  return findings
}

/** True when no garbage waits. */
export async function isGarbageGone(dataDirectory: string): Promise<boolean> {
  return readVolume(dataDirectory, async (reader) => (await rowsOf(reader, 'garbage')).length === 0)
}

/** True when no garbage waits and no upload is open. */
export function isTidied(dataDirectory: string): Promise<boolean> {
  return readVolume(dataDirectory, async (reader) => {
    const tables = ['garbage', 'upload', 'part'] as const
    const rows = await Promise.all(tables.map((table) => rowsOf(reader, table)))
    return rows.every(({ length }) => length === 0)
  })
}

/** Sentences about what is wrong with a volume that is tidied. Throws where rows and files do not match. */
export function verifyVolume(dataDirectory: string, ledger: Ledger): Promise<readonly string[]> {
  return readVolume(dataDirectory, async (reader) => {
    const chain = await verifyChain(reader, { fromSequence: 1, to: 'head' })
    if (chain.kind === 'broken') return [`the audit chain is broken at ${chain.sequence}: ${chain.cause}`]
    const records = await readAudit(reader)
    await expectClean(reader, dataDirectory)
    return [
      ...(await traces(dataDirectory)),
      ...(await wrongReferences(reader)),
      ...(await wrongCounters(reader)),
      ...unrecorded(records, ledger),
      ...(await wrongHistory(reader, records)),
    ]
  })
}

export async function readAudit(reader: KeyValueReader): Promise<readonly AuditRecord[]> {
  const span = { from: logKey(auditLog, 1), to: logKey(auditLog, Number.MAX_SAFE_INTEGER) }
  const records: AuditRecord[] = []
  for await (const { value } of walkRange(reader, span)) {
    const parsed = parseAuditRecord(parseChainValue(value).record)
    if (parsed.kind === 'unreadable') throw new Error(parsed.cause)
    records.push(parsed.record as AuditRecord)
  }
  return records
}

/** Stage files that outlived recovery. */
export async function traces(dataDirectory: string): Promise<readonly string[]> {
  const entries = await readdir(join(dataDirectory, 'stage'), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => `stage file ${name} was left behind`)
}

/** Lists (bytes inside the store included) and the versions that hold them. */
async function wrongReferences(reader: KeyValueReader): Promise<readonly string[]> {
  const versions = new Map<string, string | null>()
  for (const { key, value } of await rowsOf(reader, 'version')) {
    const { versionId, object } = decodeVersion(key, value)
    versions.set(versionId, object?.content.listId ?? null)
  }
  const references = (await rowsOf(reader, 'listRef')).map(({ key }) => parseListRefKey(key))
  const held = new Set(references.map(({ listId }) => listId))
  const listIds = (await rowsOf(reader, 'list')).map(({ key }) => listIdOf(key))
  const stray = references.filter(({ listId, versionId }) => versions.get(versionId) !== listId)
  const objects = [...versions.values()].filter((listId) => listId !== null)
  return [
    ...stray.map(({ listId, versionId }) => `list ${listId} is held by ${versionId}, which does not have it`),
    ...listIds.filter((listId) => !held.has(listId)).map((listId) => `list ${listId} is held by nobody`),
    ...objects
      .filter((listId) => !held.has(listId))
      .map((listId) => `a version's list ${listId} is not held`),
    ...(references.length === objects.length
      ? []
      : [`${references.length} references, ${objects.length} objects`]),
  ]
}

/** A list's key is its tag, the id, an end of two bytes, and the number of the chunk. */
function listIdOf(key: Uint8Array): string {
  return Buffer.from(key.subarray(1, key.length - 6)).toString('latin1')
}

async function wrongCounters(reader: KeyValueReader): Promise<readonly string[]> {
  const problems: string[] = []
  for (const { key, value } of await rowsOf(reader, 'bucket')) {
    const { id, name } = decodeBucket(key, value)
    for await (const difference of countDifferences(reader, id))
      problems.push(`${name}: a recount differs: ${JSON.stringify(difference)}`)
  }
  return problems
}

/** Every answered decision has its record; refusals of a flood may share a counted one. */
function unrecorded(records: readonly AuditRecord[], ledger: Ledger): readonly string[] {
  const byRequest = Map.groupBy(records, ({ actor }) => actor.requestId)
  const missing = ledger.answered.filter(({ requestId, verdict }) => {
    const own = byRequest.get(requestId) ?? []
    return !own.some((record) => record.verdict === verdict && record.detail?.['count'] === undefined)
  })
  const allows = missing.filter(({ verdict }) => verdict === 'allow')
  const counted = records.filter(({ detail }) => detail?.['count'] !== undefined)
  const countedSum = counted.reduce((sum, { detail }) => sum + Number(detail?.['count']), 0)
  const denials = missing.length - allows.length
  const single = records.filter(({ verdict }) => verdict === 'deny').length - counted.length
  const answeredDenials = ledger.answered.filter(({ verdict }) => verdict === 'deny').length
  const surplus = single + countedSum - answeredDenials - ledger.unansweredDenials
  return [
    ...allows.map((answered) => `no record of ${describeAnswered(answered)}`),
    ...(denials <= countedSum ? [] : [`${denials} refusals have no record, ${countedSum} were counted`]),
    ...(surplus <= 0 ? [] : [`${surplus} refusals are recorded that nobody asked for`]),
  ]
}

function describeAnswered({ requestId, bucket, accessKeyId }: Answered): string {
  return `request ${requestId} by ${accessKeyId} on ${bucket}`
}

/** The versions of the store are those that the log leaves, with the locks that it says. */
async function wrongHistory(
  reader: KeyValueReader,
  records: readonly AuditRecord[],
): Promise<readonly string[]> {
  const expected = new Map<string, string>()
  for (const record of records) {
    const { versionId, verdict, detail, lockAfter } = record
    if (verdict === 'deny' || versionId === null) continue
    const replaced = detail?.['replacedVersionId']
    if (typeof replaced === 'string') expected.delete(replaced)
    const isMarker = detail?.['isDeleteMarker'] === true
    if (lockAfter === null && !isMarker) expected.delete(versionId)
    else expected.set(versionId, isMarker ? 'marker' : JSON.stringify(lockAfter))
  }
  const stored = new Map<string, string>()
  for (const { key, value } of await rowsOf(reader, 'version')) {
    const { versionId, object, lock } = decodeVersion(key, value)
    stored.set(versionId, object === null ? 'marker' : lockText(lock))
  }
  const differing = [...new Set([...expected.keys(), ...stored.keys()])].filter(
    (versionId) => expected.get(versionId) !== stored.get(versionId),
  )
  return differing.map(
    (versionId) =>
      `version ${versionId}: the log leaves ${expected.get(versionId)}, stored is ${stored.get(versionId)}`,
  )
}

/** In the order of fields of the audit record. */
function lockText(lock: ReturnType<typeof decodeVersion>['lock']): string {
  if (lock.kind === 'unknown') return `unknown: ${lock.cause}`
  const { retention, legalHold } = lock
  const fields = retention === null ? null : { mode: retention.mode, retainUntilMs: retention.retainUntilMs }
  return JSON.stringify({ kind: lock.kind, retention: fields, legalHold })
}
