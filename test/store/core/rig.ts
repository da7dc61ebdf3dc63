import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../../src/lib/clock.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { type EpochMs, epochMs } from '../../../src/lib/units.ts'
import { openBodies } from '../../../src/store/bodies/bodies.ts'
import type { Bodies } from '../../../src/store/bodies/contract.ts'
import { createBucketDocuments } from '../../../src/store/bucket-documents.ts'
import { createBuckets } from '../../../src/store/buckets.ts'
import type { StoreContext } from '../../../src/store/decision.ts'
import { createDenialRecorder } from '../../../src/store/denials.ts'
import type { KeyValue } from '../../../src/store/kv/contract.ts'
import { createLeadership } from '../../../src/store/leadership.ts'
import type {
  Actor,
  BucketDocuments,
  Buckets,
  DeleteObject,
  ExplicitLock,
  Leadership,
  Precondition,
  PutVersion,
  PutVersionResult,
  Versions,
} from '../../../src/store/store.ts'
import { createVersions } from '../../../src/store/versions.ts'
import { openVolume } from '../../../src/store/volume.ts'
import { type engines, startMs, TestClock } from '../base/support.ts'
import { readAudit, storedRows } from './rows.ts'

export type Engine = (typeof engines)[number]

export const actor: Actor = {
  accessKeyId: 'AKIDALICE',
  accountId: '111122223333',
  requestId: 'REQ1',
  operation: 'Test',
}

export const dayInMs = 86_400_000
export const noLock: ExplicitLock = { retention: null, legalHold: null }
export const always: Precondition = { ifMatch: null, ifNoneMatch: null }

export type Rig = {
  readonly kv: KeyValue
  readonly clock: TestClock
  readonly context: StoreContext & { readonly bodies: Bodies }
  readonly buckets: Buckets
  readonly documents: BucketDocuments
  readonly versions: Versions
  readonly leadership: Leadership
  /** Where the bodies lie. */
  readonly directory: string
  readonly put: (input: PutInput) => Promise<PutVersionResult>
  readonly remove: (input: Partial<DeleteObject> & { key: string }) => ReturnType<Versions['delete']>
  /** Trusted now plus so many days. */
  readonly inDays: (days: number) => EpochMs
  /** All rows but the audit log and its view for statuses, as text. */
  readonly rows: () => Promise<readonly string[]>
  readonly audit: () => Promise<readonly Record<string, unknown>[]>
  readonly close: () => Promise<void>
}

export type PutInput = {
  readonly bucket?: string
  readonly key: string
  readonly body?: string
  readonly lock?: Partial<ExplicitLock>
  readonly precondition?: Partial<Precondition>
}

/** The functions of the store over one engine, a clock that the test drives, and bodies in a temporary folder. */
export async function openRig(engine: Engine, realClock: Clock | null = null): Promise<Rig> {
  const { kv, remove } = await engine.open()
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-core-'))
  const testClock = new TestClock()
  const clock = realClock ?? testClock
  const bodies = await openBodies({ directory, epoch: '1', worker: '1', clock })
  await openVolume(kv, clock)
  const denials = createDenialRecorder({ kv, clock, schedule: soon })
  const context = { kv, clock, denials, log: silentLog, bodies }
  const versions = createVersions(context)
  return {
    kv,
    clock: testClock,
    context,
    versions,
    buckets: createBuckets(context),
    documents: createBucketDocuments(context),
    leadership: createLeadership(kv, clock),
    directory,
    put: (input) => put(versions, input),
    remove: (input) =>
      versions.delete(actor, { bucket: 'ledger', versionId: null, bypassGovernance: false, ...input }),
    inDays: (days) => epochMs(startMs + testClock.uptime - 1000 + days * dayInMs),
    rows: () => storedRows(kv),
    audit: () => readAudit(kv),
    close: async () => {
      await denials.close()
      await bodies.close()
      await remove()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  if (text !== '') yield new Uint8Array(Buffer.from(text))
}

export async function readText(
  versions: Versions,
  version: Parameters<Versions['openBody']>[0],
): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of versions.openBody(version, null)) chunks.push(Uint8Array.from(chunk))
  return Buffer.concat(chunks).toString('utf8')
}

export async function putInput(versions: Versions, input: PutInput): Promise<PutVersion> {
  const body = await versions.stage(bytesOf(input.body ?? `body of ${input.key}`), 1024 ** 2)
  return {
    bucket: input.bucket ?? 'ledger',
    key: input.key,
    content: { kind: 'staged', body, etag: body.md5 },
    description: { headers: {}, userMetadata: { a: '1' }, tags: {}, checksum: null },
    lock: { ...noLock, ...input.lock },
    precondition: { ...always, ...input.precondition },
  }
}

async function put(versions: Versions, input: PutInput): Promise<PutVersionResult> {
  return versions.put(actor, await putInput(versions, input))
}

/** Flood-limited refusals are written at once: these tests wait for no second. */
function soon(_delayMs: number, callback: () => void): () => void {
  const immediate = setImmediate(callback)
  return () => clearImmediate(immediate)
}

/** The methods of a class, callable from a copy. */
export function bound(kv: Rig['kv']): Rig['kv'] {
  return {
    get: (key) => kv.get(key),
    getMany: (keys) => kv.getMany(keys),
    range: (options) => kv.range(options),
    snapshot: (read) => kv.snapshot(read),
    transact: (work) => kv.transact(work),
    close: () => kv.close(),
  }
}
