/** The server and the model of it side by side, and how the two are held against each other. */
import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { epochMs } from '../../src/lib/units.ts'
import type { Retention } from '../../src/lock/types.ts'
import { listedVersions, md5 } from '../support/conformance.ts'
import type { Answer, SendOptions } from '../support/s3-client.ts'
import type { TestServer } from '../support/server.ts'
import type { LockAsk, RetentionAsk } from './commands.ts'
import { Ledger, lockIn } from './ledger.ts'
import type { BucketRole, ModelBucket, ModelUpload, ModelVersion } from './model-bucket.ts'
import type { ModelClock, Now, Span } from './model-clock.ts'
import { credentialsOf, type Who } from './principals.ts'
import type { Judged, Lock, Refusal } from './verdicts.ts'

/** How often what happened, so that nobody believes in a history in which all was refused. */
export type Tally = Map<string, number>

export class World {
  readonly server: TestServer
  readonly clock: ModelClock
  readonly name: string
  readonly buckets = new Map<BucketRole, ModelBucket>()
  readonly uploads: ModelUpload[] = []
  readonly ledger: Ledger
  readonly tally: Tally
  #serial = 0

  constructor(
    rig: { readonly server: TestServer; readonly clock: ModelClock; readonly tally: Tally },
    name: string,
  ) {
    this.server = rig.server
    this.clock = rig.clock
    this.tally = rig.tally
    this.name = name
    this.ledger = new Ledger((request) => this.server.client.send(request))
  }

  bucket(role: BucketRole): ModelBucket {
    const bucket = this.buckets.get(role)
    if (bucket === undefined) throw new Error(`there is no bucket ${role}`)
    return bucket
  }

  /** Text that no other object has: 70,000 bytes lie in a file of their own, a few beside the record. */
  body(size: 'small' | 'large'): {
    readonly body: string
    readonly metadata: string
    readonly sha256: string
  } {
    this.#serial += 1
    const metadata = `${this.name}-${this.#serial}`
    const body = size === 'small' ? metadata : metadata.padEnd(70_000, '.')
    return { body, metadata, sha256: createHash('sha256').update(body).digest('hex') }
  }

  send(who: Who, request: SendOptions): Promise<Answer> {
    return this.server.client.send({ ...request, key: credentialsOf[who] })
  }

  document(who: Who, request: SendOptions): Promise<Answer> {
    return this.send(who, {
      ...request,
      headers: { 'content-md5': md5(request.body ?? ''), ...request.headers },
    })
  }

  note(what: string): void {
    this.tally.set(what, (this.tally.get(what) ?? 0) + 1)
  }
}

export type Exchange<Refused> = {
  readonly name: string
  readonly judge: (now: Now) => Refused | null
  readonly send: () => Promise<Answer>
  /** The status of a success. */
  readonly success: number
}

/**
 * Sends the request and compares status and code. null: refused as expected, or not sent, because its answer would hang on the
 * minute in which it arrives.
 */
export async function exchange(world: World, asked: Exchange<Refusal>): Promise<Answer | null> {
  const { low, high } = world.clock.now()
  const expected = asked.judge(low)
  if (!isSameRefusal(expected, asked.judge(high))) {
    world.note(`${asked.name} not sent`)
    return null
  }
  const answer = await asked.send()
  const { status, code } = expected ?? { status: asked.success, code: null }
  // HEAD has no document, and the errors inside of a DeleteResult are those of its entries.
  const hasCode = asked.name !== 'head' && !answer.text.includes('<DeleteResult')
  expect([asked.name, answer.status, hasCode ? answer.code : null], answer.text.slice(0, 600)).toEqual([
    asked.name,
    status,
    hasCode ? code : null,
  ])
  world.note(`${asked.name} ${status}`)
  return expected === null ? answer : null
}

function isSameRefusal(a: Refusal | null, b: Refusal | null): boolean {
  return a?.status === b?.status && a?.code === b?.code
}

export function refusalOf(judged: Judged): Refusal | null {
  return judged.kind === 'refused' ? judged.refusal : null
}

/** What `ask` means now; `current`: the retention that the version has. */
export function retentionAsked(
  ask: RetentionAsk | null,
  now: Now,
  current: Retention | null,
): Retention | null {
  if (ask === null) return null
  const fromMs = ask.from === 'lock' && current !== null ? current.retainUntilMs : now.requestMs
  // An offset around a date that is not there would be one around now: no request hangs on that millisecond.
  const offsetMs = ask.from === 'lock' && current === null ? 7_200_000 : ask.offsetMs
  return { mode: ask.mode, retainUntilMs: epochMs(fromMs + offsetMs) }
}

export function lockAsked(ask: LockAsk, now: Now): Lock {
  return { retention: retentionAsked(ask.retention, now, null), hold: ask.hold }
}

export function lockHeaders({ retention, hold }: Lock): Readonly<Record<string, string>> {
  return {
    ...(retention === null
      ? {}
      : {
          'x-amz-object-lock-mode': retention.mode,
          'x-amz-object-lock-retain-until-date': dateText(retention.retainUntilMs),
        }),
    ...(hold === null ? {} : { 'x-amz-object-lock-legal-hold': hold }),
  }
}

export function dateText(ms: number): string {
  return new Date(ms).toISOString()
}

export function pathOf(bucket: ModelBucket, key?: string): string {
  return key === undefined ? `/${bucket.name}` : `/${bucket.name}/${key}`
}

export type Written = Pick<ModelVersion, 'key' | 'sha256' | 'metadata'>

/** Takes over a version that the server says it wrote, with the lock that it was to get. */
export async function learnVersion(
  world: World,
  bucket: ModelBucket,
  written: Written & { readonly answer: Answer; readonly stampAt: (now: Now) => Judged; readonly span: Span },
): Promise<ModelVersion> {
  const { answer, key, sha256, metadata } = written
  const versionId = String(answer.headers['x-amz-version-id'] ?? 'null')
  expect(versionId === 'null', `the version id of a write with versioning ${bucket.versioning}`).toBe(
    bucket.versioning !== 'Enabled',
  )
  const head = await world.send('root', { method: 'HEAD', path: pathOf(bucket, key), query: { versionId } })
  expect(head.status, 'a version that was acknowledged is there').toBe(200)
  const { retention, hold } = lockIn(head)
  expectStamp(written, { retention, hold })
  const version = {
    versionId,
    key,
    isMarker: false,
    sha256,
    metadata,
    createdMs: bucket.creationMs(key, written.span.low),
    retention:
      retention === null ? null : { mode: retention.mode, retainUntilMs: epochMs(retention.retainUntilMs) },
    hold,
  }
  bucket.add(version)
  acknowledge(world, bucket, version)
  return version
}

function expectStamp(
  { span, stampAt }: { readonly span: Span; readonly stampAt: (now: Now) => Judged },
  found: ReturnType<typeof lockIn>,
): void {
  const [low, high] = [stampAt(span.low), stampAt(span.high)]
  if (low.kind !== 'stamped' || high.kind !== 'stamped') throw new Error('the write was to be refused')
  expect([found.hold, found.retention?.mode]).toEqual([low.stamp.legalHold, low.stamp.retention?.mode])
  if (found.retention === null) return
  const { retainUntilMs } = found.retention
  expect(retainUntilMs, 'the stamped date').toBeGreaterThanOrEqual(low.stamp.retention?.retainUntilMs ?? 0)
  expect(retainUntilMs, 'the stamped date').toBeLessThanOrEqual(high.stamp.retention?.retainUntilMs ?? 0)
}

/** `bypass`: whether the caller had the right to, whatever it was needed for. */
export function acknowledge(
  world: World,
  bucket: ModelBucket,
  version: ModelVersion,
  bypass: 'granted' | 'none' = 'none',
): void {
  const { key, versionId, sha256, metadata, retention, hold } = version
  const entry = { bucket: bucket.name, key, versionId, sha256, metadata, retention, hold }
  world.ledger.acknowledged(entry, world.clock.now().high.trustedMs, bypass)
}

export function forget(
  world: World,
  bucket: ModelBucket,
  version: ModelVersion,
  bypass: 'granted' | 'none',
): void {
  const { key, versionId } = version
  world.ledger.removed({ bucket: bucket.name, key, versionId }, world.clock.now().high.trustedMs, bypass)
  bucket.remove(version)
}

export function learnMarker(world: World, bucket: ModelBucket, key: string, versionId: string): void {
  const createdMs = bucket.creationMs(key, world.clock.now().low)
  const replaced = versionId === 'null' ? bucket.find(key, 'null') : 'NoSuchVersion'
  if (typeof replaced !== 'string') forget(world, bucket, replaced, 'none')
  const none = { sha256: '', metadata: '', retention: null, hold: null }
  bucket.add({ versionId, key, isMarker: true, createdMs, ...none })
}

/** Every version and delete marker of the bucket, in their order, and nothing else. */
export async function compareListing(world: World, bucket: ModelBucket): Promise<void> {
  const answer = await world.send('root', { method: 'GET', path: pathOf(bucket), query: { versions: '' } })
  const keys = [...new Set(bucket.all().map(({ key }) => key))].toSorted()
  const expected = keys.flatMap((key) =>
    bucket.versionsOf(key).map(({ versionId, isMarker }, index) => ({
      kind: isMarker ? 'DeleteMarker' : 'Version',
      key,
      versionId,
      isLatest: index === 0,
    })),
  )
  expect([answer.status, ...listedVersions(answer)]).toEqual([200, ...expected])
}
