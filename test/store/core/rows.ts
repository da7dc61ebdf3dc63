import { parseAuditRecord } from '../../../src/store/audit-record.ts'
import { metaKey, rangeOf, tablePrefix } from '../../../src/store/keys.ts'
import { logKeyTag, parseChainValue } from '../../../src/store/kv/chain.ts'
import type { KeyValueReader } from '../../../src/store/kv/contract.ts'
import { type CountDifference, countDifferences } from '../../../src/store/recount.ts'
import { entries, sealed } from '../base/support.ts'

const lastDenials = metaKey('denials')

/** All rows but the audit log and its view for statuses, as text. */
export async function storedRows(reader: KeyValueReader): Promise<readonly string[]> {
  const rows = await entries(reader)
  return rows
    .filter(
      ({ key }) =>
        key[0] !== logKeyTag && !Buffer.from(key).subarray(0, lastDenials.length).equals(lastDenials),
    )
    .map(({ key, value }) => `${hex(key)}=${hex(value)}`)
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

/** What differs between the bucket's counters and expiry rows and a walk over its versions: nothing, ever. */
export async function wrongCounts(
  reader: KeyValueReader,
  bucketId: string,
): Promise<readonly CountDifference[]> {
  const differences: CountDifference[] = []
  for await (const difference of countDifferences(reader, bucketId)) differences.push(difference)
  return differences
}

export async function tableRows(reader: KeyValueReader, table: Parameters<typeof tablePrefix>[0]) {
  return reader.range({ ...rangeOf(tablePrefix(table)), limit: 10_000 })
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
