import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '../../../src/lib/log.ts'
import { openBodies } from '../../../src/store/bodies/bodies.ts'
import type { Bodies } from '../../../src/store/bodies/contract.ts'
import { createBuckets } from '../../../src/store/buckets.ts'
import { collectGarbage } from '../../../src/store/collect-garbage.ts'
import { createDenialRecorder } from '../../../src/store/denials.ts'
import type { KeyValue } from '../../../src/store/kv/contract.ts'
import { withTransact } from '../../../src/store/kv/with-transact.ts'
import type { VersionRecord } from '../../../src/store/records.ts'
import type { PutVersion } from '../../../src/store/requests.ts'
import type { CompletePart, StagedBody, Uploads, Versions } from '../../../src/store/store.ts'
import { createUploads } from '../../../src/store/uploads.ts'
import { createVersions } from '../../../src/store/versions.ts'
import { openVolume } from '../../../src/store/volume.ts'
import { actor, type engines, TestClock } from './support.ts'

export const partBytes = 5 * 1024 ** 2
export const anyParts = { ifMatch: null, ifNoneMatch: null } as const

export type Rig = Awaited<ReturnType<typeof openRig>>

/** Uploads, versions and garbage over one engine and real files, with a bucket `ledger` that has Object Lock. */
export async function openRig(engine: (typeof engines)[number]) {
  const opened = await engine.open()
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-base-'))
  const clock = new TestClock()
  const faults = new Faults()
  const kv = faults.overKeyValue(opened.kv)
  const bodies = faults.overBodies(await openBodies({ directory, epoch: '1', worker: '1', clock }))
  await openVolume(kv, clock)
  const denials = createDenialRecorder({ kv, clock })
  const context = { kv, clock, denials, log: silentLog, bodies }
  const versions = createVersions(context)
  const uploads = createUploads(context)
  const buckets = createBuckets(context)
  await buckets.create(actor, {
    name: 'ledger',
    accountId: actor.accountId,
    region: 'us-east-1',
    objectLock: 'enabled',
  })
  const collect = () => collectGarbage({ kv, clock, bodies, log: silentLog }, new AbortController().signal)
  const close = async () => {
    await opened.remove()
    await rm(directory, { recursive: true })
  }
  return { kv, clock, faults, bodies, directory, context, versions, uploads, buckets, collect, close }
}

/** Fails the call with a number of its own, counted from 1, before it does anything, or right after. */
export class Faults {
  failAt = 0
  when: 'before' | 'after' = 'before'
  count = 0

  arm(failAt: number, when: 'before' | 'after'): void {
    this.failAt = failAt
    this.when = when
    this.count = 0
  }

  disarm(): void {
    this.failAt = 0
  }

  async #step<T>(run: () => Promise<T>): Promise<T> {
    this.count += 1
    const isHit = this.count === this.failAt
    if (isHit && this.when === 'before') throw new Killed()
    const result = await run()
    if (isHit) throw new Killed()
    return result
  }

  overKeyValue(kv: KeyValue): KeyValue {
    return withTransact(kv, (work) => this.#step(() => kv.transact(work)))
  }

  overBodies(bodies: Bodies): Bodies {
    return {
      stage: (stream, options) => bodies.stage(stream, options),
      publish: (staged) => this.#step(() => bodies.publish(staged)),
      settle: (staged) => this.#step(() => bodies.settle(staged)),
      discard: (staged) => bodies.discard(staged),
      open: (reference, crcs, range) => bodies.open(reference, crcs, range),
      recycle: (chunk) => bodies.recycle(chunk),
      remove: (bodyId) => this.#step(() => bodies.remove(bodyId)),
      beginRemovals: () => bodies.beginRemovals(),
      list: (window) => bodies.list(window),
      stages: () => bodies.stages(),
      tracesIn: (stage) => bodies.tracesIn(stage),
      resolveTrace: (stage, bodyId, fate) => this.#step(() => bodies.resolveTrace(stage, bodyId, fate)),
      removeStage: (stage) => bodies.removeStage(stage),
      failure: () => bodies.failure(),
      freeSpace: () => bodies.freeSpace(),
      ensureBallast: () => bodies.ensureBallast(),
      releaseBallast: () => bodies.releaseBallast(),
      close: () => bodies.close(),
    }
  }
}

/** Stands for kill -9 at a step. */
export class Killed extends Error {
  override readonly name = 'Killed'
}

export async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += 500_000) yield bytes.slice(offset, offset + 500_000)
}

/** Bytes that differ with the seed and along the way. */
export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let index = 0; index < length; index += 1)
    bytes[index] = (index * 7 + (index >> 8) * 13 + seed * 31) & 0xff
  return bytes
}

export async function stageBytes(versions: Versions, bytes: Uint8Array): Promise<StagedBody> {
  return versions.stage(chunks(bytes), bytes.length)
}

/** Puts one object of the ledger and returns its version. */
const noLock: PutVersion['lock'] = { retention: null, legalHold: null }

export async function putBytes(
  versions: Versions,
  key: string,
  bytes: Uint8Array,
  lock = noLock,
): Promise<VersionRecord> {
  const body = await stageBytes(versions, bytes)
  const result = await versions.put(actor, {
    bucket: 'ledger',
    key,
    content: { kind: 'staged', body, etag: body.md5 },
    description: { headers: {}, userMetadata: {}, tags: {}, checksum: null },
    lock,
    precondition: anyParts,
  })
  if (result.kind !== 'put') throw new Error(`not put: ${result.kind}`)
  return result.version
}

export async function copyVersion(
  versions: Versions,
  source: VersionRecord,
  key: string,
): Promise<VersionRecord> {
  const result = await versions.put(actor, {
    bucket: 'ledger',
    key,
    content: { kind: 'shared', source },
    description: { headers: {}, userMetadata: {}, tags: {}, checksum: null },
    lock: noLock,
    precondition: anyParts,
  })
  if (result.kind !== 'put') throw new Error(`not copied: ${result.kind}`)
  return result.version
}

export async function removeVersion(versions: Versions, version: VersionRecord): Promise<void> {
  const { key, versionId } = version
  const result = await versions.delete(actor, { bucket: 'ledger', key, versionId, bypassGovernance: false })
  if (result.kind !== 'deleted') throw new Error(`not deleted: ${result.kind}`)
}

export async function readBytes(
  versions: Versions,
  version: VersionRecord,
  range: { startByte: number; endByte: number } | null = null,
): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of versions.openBody(version, range)) parts.push(Uint8Array.from(chunk))
  return Buffer.concat(parts)
}

export type Address = { readonly bucket: string; readonly key: string; readonly uploadId: string }

export async function createUpload(
  uploads: Uploads,
  key: string,
  lock: Parameters<Uploads['create']>[1]['lock'] = { retention: null, legalHold: null },
): Promise<Address> {
  const result = await uploads.create(actor, {
    bucket: 'ledger',
    key,
    headers: { 'content-type': 'text/plain' },
    userMetadata: { a: 'b' },
    tags: { t: '1' },
    lock,
    checksumAlgorithm: null,
    checksumType: null,
  })
  if (result.kind !== 'created') throw new Error(`not created: ${result.kind}`)
  return { bucket: 'ledger', key, uploadId: result.upload.uploadId }
}

/** Uploads a part and returns what Complete names it by. */
export async function putPart(
  { versions, uploads }: Pick<Rig, 'versions' | 'uploads'>,
  address: Address,
  part: { readonly partNumber: number; readonly bytes: Uint8Array },
): Promise<CompletePart> {
  const { partNumber, bytes } = part
  const body = await stageBytes(versions, bytes)
  const result = await uploads.putPart(actor, { ...address, partNumber, body, checksum: null })
  if (result.kind !== 'put') throw new Error(`not put: ${result.kind}`)
  return { partNumber, etag: result.part.etag, checksum: null }
}
