/**
 * Holds a whole volume against itself: every row can be read, every version's bytes are those that were written, what
 * rows say of each other agrees, counters equal a recount, the audit chain is unbroken. Reads only. What is in memory
 * does not grow with the volume, but for its buckets' names and batches of limits.verifyNamesMax ids. Exact on a volume
 * that nobody writes to.
 */
import { verifyChain } from './audit-chain.ts'
import { readDocument } from './bucket-documents.ts'
import { decodeBucket } from './codec.ts'
import { hex } from './hex.ts'
import {
  parseCurrentKey,
  parseNullKey,
  parseUploadKey,
  parseVersionKey,
  type Table,
  tablePrefix,
  tables,
} from './keys.ts'
import { logKeyTag } from './kv/chain.ts'
import { chainProblems } from './once-rows.ts'
import type { BucketRecord } from './records.ts'
import { type CountDifference, countDifferences } from './recount.ts'
import { walk } from './stats.ts'
import { readTrustedNow } from './trusted-clock.ts'
import { problemOf } from './verify-content.ts'
import type { Finding, Verification, VerifyCounts, VerifySource } from './verify-finding.ts'
import { verifyReferences } from './verify-references.ts'
import { rowChecks, tablesOfBuckets } from './verify-rows.ts'
import { verifyUploads, verifyVersions } from './verify-versions.ts'
import { readServerEpoch, readVolume } from './volume.ts'

/** Tells each finding as it is met. Errors: what is no damage, e.g. StoreFailedError. */
export async function verifyVolume(
  source: VerifySource,
  onFinding: (finding: Finding) => void,
): Promise<VerifyCounts> {
  const counts = { rowCount: 0, versionCount: 0, readBytes: 0, auditRecordCount: 0, findingCount: 0 }
  const buckets = new Map<string, string>()
  const verification: Verification = {
    ...source,
    counts,
    buckets,
    report: (finding) => {
      counts.findingCount += 1
      onFinding({ bucket: null, key: null, versionId: null, ...finding })
    },
  }
  await verifyIdentity(verification)
  const records = await verifyBuckets(verification, buckets)
  for (const table of tables) await verifyTable(verification, table, records.isComplete)
  await verifyNoOtherRows(verification)
  await verifyVersions(verification)
  await verifyUploads(verification)
  await verifyReferences(verification)
  await verifyCounts(verification)
  await verifyAudit(verification)
  return counts
}

async function verifyIdentity({ reader, clock, steps, report }: Verification): Promise<void> {
  for (const work of [
    async () => reportHalfFormat((await readVolume(reader, steps)).format, report),
    () => readServerEpoch(reader),
    () => readTrustedNow(reader, clock),
  ]) {
    const problem = await problemOf(async () => {
      await work()
    })
    if (problem !== null) report({ problem })
  }
}

function reportHalfFormat(format: number, report: Verification['report']): void {
  if (Number.isInteger(format)) return
  const [from, to] = [Math.floor(format), Math.ceil(format)]
  report({
    problem: `its upgrade from format ${from} to ${to} is not finished: a server of this release goes on with it when it starts`,
  })
}

/** Every record, and the documents that it promises; fills `buckets`. */
async function verifyBuckets(
  { reader, report }: Verification,
  buckets: Map<string, string>,
): Promise<{ readonly isComplete: boolean }> {
  let isComplete = true
  for await (const { key, value } of walk(reader, tablePrefix('bucket'))) {
    const found: BucketRecord[] = []
    const problem = await problemOf(async () => {
      found.push(decodeBucket(key, value))
    })
    // Told where the rows of its table are looked at.
    if (problem !== null) isComplete = false
    for (const bucket of found) {
      if (buckets.has(bucket.id)) report({ bucket: bucket.name, problem: 'another bucket has the same id' })
      buckets.set(bucket.id, bucket.name)
      for (const kind of bucket.documents) {
        const missing = await problemOf(async () => {
          await readDocument(reader, bucket, kind)
        })
        if (missing !== null) report({ bucket: bucket.name, problem: `its ${kind} document: ${missing}` })
      }
    }
  }
  return { isComplete }
}

async function verifyTable(
  { reader, report, counts, buckets }: Verification,
  table: Table,
  isEveryBucketKnown: boolean,
): Promise<void> {
  const check = rowChecks[table]
  for await (const { key: row, value } of walk(reader, tablePrefix(table))) {
    counts.rowCount += 1
    const problem = await problemOf(async () => check(row, value))
    const bucketId = tablesOfBuckets.has(table) ? hex(row.subarray(1, 9)) : null
    const isStray = isEveryBucketKnown && bucketId !== null && !buckets.has(bucketId)
    if (problem === null && !isStray) continue
    const place = await placeOf(table, row)
    const bucket = bucketId === null ? null : (buckets.get(bucketId) ?? null)
    const named = `row ${hex(row)} of the table ${table}`
    if (problem !== null) report({ bucket, ...place, problem: `${named}: ${problem}` })
    else report({ ...place, problem: `${named} belongs to no bucket` })
  }
}

/** Which object a row is about, as far as its key can be read. */
async function placeOf(table: Table, row: Uint8Array): Promise<Partial<Finding>> {
  const place: { key?: string; versionId?: string } = {}
  await problemOf(async () => {
    if (table === 'version') {
      const { key, versionId } = parseVersionKey(row)
      Object.assign(place, { key, versionId })
    } else if (table === 'current') place.key = parseCurrentKey(row).key
    else if (table === 'null') place.key = parseNullKey(row).key
    else if (table === 'upload') place.key = parseUploadKey(row).key
  })
  return place
}

/** Between and beyond the tables, and beside the chains, nothing has a row. */
async function verifyNoOtherRows({ reader, report }: Verification): Promise<void> {
  const known = new Set([logKeyTag, ...tables.map((table) => tablePrefix(table)[0])])
  for (let tag = 0; tag < 0xff; tag += 1) {
    if (known.has(tag)) continue
    const from = Uint8Array.of(tag)
    const [row] = await reader.range({ from, to: Uint8Array.of(tag + 1), limit: 1 })
    if (row !== undefined) report({ problem: `row ${hex(row.key)} is of no table` })
  }
}

async function verifyCounts({ reader, buckets, report }: Verification): Promise<void> {
  for (const [bucketId, bucket] of buckets) {
    const problem = await problemOf(async () => {
      for await (const difference of countDifferences(reader, bucketId)) {
        const finding = findingOf(difference)
        if (finding !== null) report({ bucket, ...finding })
      }
    })
    if (problem !== null) report({ bucket, problem: `its counters: ${problem}` })
  }
}

/** null: told already, where the versions are. */
function findingOf(difference: CountDifference): Omit<Finding, 'bucket'> | null {
  switch (difference.kind) {
    case 'counter': {
      const { name, stored, counted } = difference
      return {
        key: null,
        versionId: null,
        problem: `counter ${name} is ${stored}, a recount gives ${counted}`,
      }
    }
    case 'expiryMissing':
      return { ...keyOf(difference), problem: 'its row in the index of expiries is missing or differs' }
    case 'expiryStray':
      return {
        ...keyOf(difference),
        problem: 'the index of expiries has a row that the version does not have',
      }
    case 'unreadable':
      return null
  }
}

function keyOf({ key, versionId }: { readonly key: string; readonly versionId: string }) {
  return { key, versionId }
}

async function verifyAudit({ reader, report, counts }: Verification): Promise<void> {
  const problem = await problemOf(async () => {
    const chain = await verifyChain(reader, { fromSequence: 1, to: 'head' })
    if (chain.kind === 'intact') counts.auditRecordCount = chain.recordCount
    else for await (const { sentence } of chainProblems(reader)) report({ problem: sentence })
  })
  if (problem !== null) report({ problem: `the audit chain: ${problem}` })
}
