import { chmod, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { shardOf } from '../../../src/store/bodies/body-id.ts'
import type { KeyValue } from '../../../src/store/kv/contract.ts'
import { withTransact } from '../../../src/store/kv/with-transact.ts'
import type { VersionRecord } from '../../../src/store/records.ts'
import type { BucketIntegrity } from '../../../src/store/requests.ts'
import { createScrub } from '../../../src/store/scrub.ts'
import type { Scrub } from '../../../src/store/store.ts'
import { actor, always, type Engine, noLock, openRig, type Rig } from './rig.ts'

/** Bytes that lie in a file. */
export const large = 'x'.repeat(limits.inlineBodyBytesMax + 1)
const never = new AbortController().signal
/** Bytes a second. */
export const unhurried = 1024 ** 3

/** The same store, whose next commit is told. */
export function tellCommits(kv: KeyValue, committed: () => void): KeyValue {
  return withTransact(kv, async (work) => {
    const result = await kv.transact(work)
    committed()
    return result
  })
}

/** Two buckets, `ledger` with an object in a file, and hands to spoil its bytes. */
export type DamageRig = Rig & {
  readonly file: VersionRecord
  readonly createBucket: (name: string) => Promise<void>
  readonly write: (bucket: string, key: string, body?: string) => Promise<VersionRecord>
  /** CopyObject's way. Rejects as the store does; a refusal is an error. */
  readonly copy: (bucket: string, key: string, source: VersionRecord) => Promise<VersionRecord>
  readonly damage: (version: VersionRecord) => Promise<void>
  readonly repair: (version: VersionRecord) => Promise<void>
  readonly lose: (version: VersionRecord) => Promise<void>
  readonly scrub: (signal?: AbortSignal) => Promise<boolean>
  /** A scrub over another view of the rows, that saves its progress so often. */
  readonly makeScrub: (kv: KeyValue, unsavedBytesMax?: number) => Scrub
  readonly integrity: (bucket: string) => Promise<BucketIntegrity | undefined>
  /** Names what a bucket has in quarantine, as `key versionId`. */
  readonly quarantined: (bucket: string) => Promise<readonly string[]>
}

export async function openDamageRig(engine: Engine): Promise<DamageRig> {
  const rig = await openRig(engine)
  const pathOf = ({ object }: VersionRecord): string => {
    const id = object?.content.listId ?? ''
    return join(rig.directory, 'bodies', ...shardOf(id), id)
  }
  const createBucket: DamageRig['createBucket'] = async (name) => {
    const account = { accountId: '1'.repeat(12), region: 'r', objectLock: 'enabled' } as const
    expect((await rig.buckets.create(actor, { name, ...account })).kind).toBe('created')
  }
  const write: DamageRig['write'] = async (bucket, key, body = large) => {
    const result = await rig.put({ bucket, key, body })
    if (result.kind !== 'put') throw new Error(result.kind)
    return result.version
  }
  const makeScrub: DamageRig['makeScrub'] = (kv, unsavedBytesMax = limits.scrubUnsavedBytesMax) =>
    createScrub({ kv, bodies: rig.context.bodies, clock: rig.clock, log: silentLog, unsavedBytesMax })
  const integrity: DamageRig['integrity'] = async (name) => (await rig.buckets.facts(name))?.integrity
  await createBucket('ledger')
  await createBucket('other')
  const file = await write('ledger', 'file')
  return {
    ...rig,
    file,
    createBucket,
    write,
    copy: async (bucket, key, source) => {
      const description = { headers: {}, userMetadata: {}, tags: {}, checksum: null }
      const content = { kind: 'shared', source } as const
      const input = { bucket, key, content, description, lock: noLock, precondition: always }
      const result = await rig.versions.put(actor, input)
      if (result.kind !== 'put') throw new Error(result.kind)
      return result.version
    },
    damage: async (version) => {
      await chmod(pathOf(version), 0o600)
      const bytes = await readFile(pathOf(version))
      bytes.writeUInt8(bytes.readUInt8(0) ^ 1, 0)
      await writeFile(pathOf(version), bytes)
    },
    repair: (version) => writeFile(pathOf(version), large),
    lose: (version) => rm(pathOf(version)),
    scrub: (signal = never) => {
      // What was made in the millisecond of its beginning is not taken for read.
      rig.clock.pass(1)
      return makeScrub(rig.kv).run(signal, unhurried)
    },
    makeScrub,
    integrity,
    quarantined: async (bucket) => {
      const found = (await integrity(bucket))?.quarantined ?? []
      return found.map(({ key, versionId }) => `${key} ${versionId}`)
    },
  }
}
