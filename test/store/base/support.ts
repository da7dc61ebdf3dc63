import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { equalBytes } from '../../../src/lib/bytes.ts'
import type { Clock } from '../../../src/lib/clock.ts'
import { type EpochMs, epochMs } from '../../../src/lib/units.ts'
import type { DefaultRetention } from '../../../src/lock/types.ts'
import type { AuditFields } from '../../../src/store/audit-record.ts'
import type { Entry, KeyValue, KeyValueReader } from '../../../src/store/kv/contract.ts'
import { openLmdb } from '../../../src/store/kv/lmdb/lmdb.ts'
import { openMemory } from '../../../src/store/kv/memory/memory.ts'
import { sealRow } from '../../../src/store/row-codec.ts'
import type { Actor, ObjectLockChange } from '../../../src/store/store.ts'

export const startMs = Date.UTC(2030, 0, 1)

/** A machine whose wall clock anybody may set, and whose uptime nobody can. */
export class TestClock implements Clock {
  wall = startMs
  uptime = 1000
  boot = 1

  wallMs(): EpochMs {
    return epochMs(this.wall)
  }

  uptimeMs(): number {
    return this.uptime
  }

  bootId(): string {
    return `boot-${this.boot}`
  }

  /** Time passes, as it does. */
  pass(durationMs: number): void {
    this.wall += durationMs
    this.uptime += durationMs
  }

  reboot(downMs: number): void {
    this.wall += downMs
    this.uptime = 0
    this.boot += 1
  }
}

export const actor: Actor = {
  accessKeyId: 'AKIDALICE',
  accountId: '111122223333',
  requestId: 'REQ1',
  operation: 'DeleteObject',
}

/** A row of this text with a true checksum: what a test of damage behind the checksum writes. */
export function sealed(row: Uint8Array, text: string): Uint8Array {
  return sealRow(row, new Uint8Array(Buffer.from(text)))
}

/** The stored bytes with some rows replaced: what somebody with the disk in hand could have done. */
export function tampered(
  reader: KeyValueReader,
  key: Uint8Array,
  change: (value: Uint8Array) => Uint8Array | null,
): KeyValueReader {
  const apply = (row: Uint8Array, value: Uint8Array | null) =>
    value !== null && equalBytes(row, key) ? change(value) : value
  return {
    get: async (row) => apply(row, await reader.get(row)),
    getMany: async (rows) =>
      (await reader.getMany(rows)).map((value, index) => apply(rows[index] as Uint8Array, value)),
    range: async (options) =>
      (await reader.range(options)).flatMap((entry) => {
        const value = apply(entry.key, entry.value)
        return value === null ? [] : [{ key: entry.key, value }]
      }),
  }
}

/** PutObjectLockConfiguration by its default rule; null: `Enabled` without Rule. */
export function lockRule(rule: DefaultRetention | null): ObjectLockChange {
  return rule === null ? { kind: 'clearRule' } : { kind: 'enable', defaultRetention: rule }
}

export function denial(fields: Partial<AuditFields> = {}): AuditFields {
  return {
    trustedMs: epochMs(startMs),
    wallMs: epochMs(startMs),
    actor,
    bucket: 'ledger',
    key: 'a/b',
    versionId: 'V1',
    change: 1,
    sha256: null,
    sizeBytes: 5,
    lockBefore: {
      kind: 'known',
      retention: { mode: 'COMPLIANCE', retainUntilMs: epochMs(startMs + 1) },
      legalHold: null,
    },
    lockAfter: null,
    verdict: 'deny',
    rule: 'ComplianceRetention',
    detail: null,
    ...fields,
  }
}

export type Opened = { readonly kv: KeyValue; readonly remove: () => Promise<void> }

/** The engines that every test of the base runs on. */
export const engines: readonly { readonly name: string; readonly open: () => Promise<Opened> }[] = [
  {
    name: 'memory',
    open: async () => {
      const kv = openMemory({ uptimeMs: () => 0 })
      return { kv, remove: () => kv.close() }
    },
  },
  {
    name: 'lmdb',
    open: async () => {
      const directory = await mkdtemp(join(tmpdir(), 'holdfast-base-'))
      const kv = await openLmdb({ directory })
      return {
        kv,
        remove: async () => {
          await kv.close()
          await rm(directory, { recursive: true })
        },
      }
    },
  },
]

/** All rows, the audit log included, as text. */
export async function dump(reader: KeyValueReader): Promise<readonly string[]> {
  const rows = await entries(reader)
  return rows.map(
    ({ key, value }) => `${Buffer.from(key).toString('hex')}=${Buffer.from(value).toString('hex')}`,
  )
}

export async function entries(reader: KeyValueReader): Promise<readonly Entry[]> {
  const rows: Entry[] = []
  let from: Uint8Array = Uint8Array.of(1)
  for (;;) {
    const page = await reader.range({ from, to: Uint8Array.of(0xff), limit: 1000 })
    rows.push(...page)
    const last = page.at(-1)
    if (last === undefined || page.length < 1000) return rows
    from = Uint8Array.from([...last.key, 0])
  }
}
