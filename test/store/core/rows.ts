import { parseAuditRecord } from '../../../src/store/audit-record.ts'
import { expiryPrefix, histogramPrefix, rangeOf, statKey, tablePrefix } from '../../../src/store/keys.ts'
import { logKeyTag, parseChainValue } from '../../../src/store/kv/chain.ts'
import type { KeyValueReader } from '../../../src/store/kv/contract.ts'
import { parseCounter } from '../../../src/store/kv/counter.ts'
import { expiryCodec, recount, walk } from '../../../src/store/stats.ts'
import { entries, sealed } from '../base/support.ts'

/** All rows but the audit log, as text. */
export async function storedRows(reader: KeyValueReader): Promise<readonly string[]> {
  const rows = await entries(reader)
  return rows.filter(({ key }) => key[0] !== logKeyTag).map(({ key, value }) => `${hex(key)}=${hex(value)}`)
}

export async function readAudit(reader: KeyValueReader): Promise<readonly Record<string, unknown>[]> {
  const rows = await entries(reader)
  return rows
    .filter(({ key }) => key[0] === logKeyTag && key.includes(0x72, 1) && key.length > 10)
    .map(({ value }) => parseAuditRecord(parseChainValue(value).record))
    .map((parsed) => {
      if (parsed.kind !== 'record') throw new Error(parsed.cause)
      return parsed.record
    })
}

/** Compares the bucket's counters and expiry rows with what a walk over its versions gives. */
export async function countsAndRecount(reader: KeyValueReader, bucketId: string) {
  const expected = await recount(reader, bucketId)
  const counters = new Map<string, number>()
  const statPrefix = statKey(bucketId, 'versionCount').slice(0, 9)
  for (const prefix of [statPrefix, histogramPrefix(bucketId)]) {
    for await (const { key, value } of walk(reader, prefix)) counters.set(hex(key), parseCounter(value))
  }
  const expiries = new Map<string, unknown>()
  for await (const { key, value } of walk(reader, expiryPrefix(bucketId))) {
    expiries.set(hex(key), expiryCodec.decode(key, value))
  }
  return {
    stored: { counters: sorted(counters), expiries: sorted(expiries) },
    recounted: { counters: sorted(expected.counters), expiries: sorted(expected.expiries) },
  }
}

export async function tableRows(reader: KeyValueReader, table: Parameters<typeof tablePrefix>[0]) {
  return reader.range({ ...rangeOf(tablePrefix(table)), limit: 10_000 })
}

function sorted<T>(map: ReadonlyMap<string, T>): readonly (readonly [string, T])[] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1))
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

type Fields = Readonly<Record<string, unknown>>

/** What a version row holds, its lock among it, without the two checksums. */
export function readVersionRow(value: Uint8Array): Fields {
  const [version, lock] = Buffer.from(value).toString('utf8').split('\n')
  if (version === undefined || lock === undefined) throw new Error('a version row has two parts')
  return { ...JSON.parse(version.slice(8)), lock: JSON.parse(lock.slice(8)) }
}

/** A version row of these fields with true checksums: for damage that no checksum can see. */
export function sealedVersion(row: Uint8Array, { lock, ...version }: Fields): Uint8Array {
  const parts = [version, lock].map((part) => sealed(row, JSON.stringify(part) ?? ''))
  return new Uint8Array(
    Buffer.concat([parts[0] ?? [], Buffer.from('\n'), parts[1] ?? []].map((part) => Buffer.from(part))),
  )
}
