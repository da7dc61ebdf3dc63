/** What a client under load does: each action sends one request and writes down what its answer means. */
import type { Answer } from '../s3-client.ts'
import {
  bucketOf,
  type Entry,
  keyOf,
  type Lock,
  noLock,
  type ObjectEntry,
  type Planned,
  placeOf,
} from './ledger.ts'
import { digests, isLocked, type LoadClient, type Outcome, plannedHeaders } from './load-client.ts'

/** `locked`: Object Lock, no rule. `ruled`: with a default rule. `swing`: versioning goes on and off. `plain`: none. */
export const buckets = { locked: 'locked', ruled: 'ruled', swing: 'swing', plain: 'plain' } as const
export type Action = (client: LoadClient) => Promise<void>

const hourMs = 3_600_000
const documentHeaders = (body: string) => ({ 'content-md5': digests(Buffer.from(body)).md5 })

/** An action is taken `weight` times in the sum of all weights. */
export const actions: readonly { readonly weight: number; readonly run: Action }[] = [
  { weight: 34, run: putObject },
  { weight: 6, run: putShared },
  { weight: 8, run: extendRetention },
  { weight: 7, run: changeHold },
  { weight: 8, run: deleteVersion },
  { weight: 6, run: deleteLocked },
  { weight: 7, run: putMarker },
  { weight: 5, run: copyObject },
  { weight: 4, run: multipart },
  { weight: 5, run: deleteMany },
  { weight: 10, run: readBack },
]
const weightSum = actions.reduce((sum, { weight }) => sum + weight, 0)

export function chooseAction(client: LoadClient): Action {
  let left = client.random.below(weightSum)
  for (const { weight, run } of actions) {
    if (left < weight) return run
    left -= weight
  }
  return putObject
}

export function wholeSeconds(ms: number): number {
  return Math.ceil(ms / 1000) * 1000
}

function chooseLock({ random, nowMs }: Pick<LoadClient, 'random'> & { nowMs: () => number }): Lock {
  if (random.happens(40)) return noLock
  const retainUntilMs = wholeSeconds(nowMs() + (1 + random.below(100)) * 24 * hourMs)
  const legalHold = random.pick(['ON', 'OFF', null, null] as const)
  if (random.happens(15)) return { ...noLock, legalHold: 'ON' }
  return { mode: random.pick(['COMPLIANCE', 'COMPLIANCE', 'GOVERNANCE'] as const), retainUntilMs, legalHold }
}

function chooseSize({ random }: LoadClient): number {
  if (random.happens(60)) return 1 + random.below(8192)
  if (random.happens(20)) return 65_535 + random.below(3)
  return 65_000 + random.below(242_200)
}

async function putObject(client: LoadClient): Promise<void> {
  const { random } = client
  const bucket = random.pick([
    ...[buckets.locked, buckets.locked, buckets.locked, buckets.ruled],
    ...[buckets.swing, buckets.plain],
  ])
  await put(client, bucket, `${client.name}/${random.below(12)}`)
}

/** Many clients write versions of the same key at the same time; nobody deletes them. */
async function putShared(client: LoadClient): Promise<void> {
  const entry = await put(client, buckets.locked, `shared/${client.random.below(3)}`)
  if (entry !== null) client.forget(entry)
}

async function put(client: LoadClient, bucket: string, key: string): Promise<Entry | null> {
  if (client.doubtful.has(placeOf(bucket, key))) return null
  const operation = client.newOperation()
  const body = client.body(operation, chooseSize(client))
  const { sha256, md5 } = digests(body)
  const planned: Planned = {
    operation,
    bucket,
    key,
    sha256,
    sizeBytes: body.length,
    lock: lockFor(client, bucket),
    sentMs: client.nowMs(),
  }
  const headers = { 'content-md5': md5, ...plannedHeaders(planned) }
  const options = { method: 'PUT', path: `/${bucket}/${key}`, headers, body }
  const before = beginReplacing(client, bucket, key)
  const outcome = await client.send({ options, bucket, status: 200, audited: 'allow' })
  return tellObject(client, planned, { outcome, before })
}

function lockFor(client: LoadClient, bucket: string): Lock | 'rule' {
  if (bucket === buckets.locked) return chooseLock({ random: client.random, nowMs: () => client.nowMs() })
  return bucket === buckets.ruled ? 'rule' : noLock
}

/** Where a new version may take the place of the null one, which then is nobody's to act on. */
function beginReplacing(client: LoadClient, bucket: string, key: string): Entry | null {
  if (bucket !== buckets.swing && bucket !== buckets.plain) return null
  const before = client.ledger.nullOf(bucket, key) ?? null
  if (before !== null) client.forget(before)
  return before
}

function doubt(client: LoadClient, { bucket, key }: Place, before: Entry | null): void {
  if (before !== null) before.fate = 'mayBeReplaced'
  if (bucket === buckets.swing || bucket === buckets.plain) client.doubtful.add(placeOf(bucket, key))
}

type Place = { readonly bucket: string; readonly key: string }
type Told = { readonly outcome: Outcome; readonly before: Entry | null }

function tellObject(client: LoadClient, planned: Planned, { outcome, before }: Told): Entry | null {
  const { ledger } = client
  switch (outcome.kind) {
    case 'refused':
      if (before !== null) client.own.push(before)
      return null
    case 'unknown':
      ledger.unansweredObjects.set(planned.operation, planned)
      doubt(client, planned, before)
      return null
    case 'done': {
      const versionId = String(outcome.answer.headers['x-amz-version-id'] ?? 'null')
      // A version with an id of its own leaves the null one where it is.
      if (before !== null && versionId !== 'null') client.own.push(before)
      const { lock } = planned
      const entry: Entry = { kind: 'object', planned, versionId, lock, unanswered: [], fate: 'stays' }
      ledger.add(entry)
      client.own.push(entry)
      return entry
    }
  }
}

async function extendRetention(client: LoadClient): Promise<void> {
  const entry = client.chooseObject(
    ({ planned, lock }) => planned.bucket === buckets.locked && lock !== 'rule',
  )
  if (entry === null || entry.lock === 'rule') return
  const from = Math.max(entry.lock.retainUntilMs ?? 0, client.nowMs())
  const retainUntilMs = wholeSeconds(from + (1 + client.random.below(48)) * hourMs)
  const mode = entry.lock.mode ?? client.random.pick(['COMPLIANCE', 'GOVERNANCE'] as const)
  const date = new Date(retainUntilMs).toISOString()
  const body = `<Retention><Mode>${mode}</Mode><RetainUntilDate>${date}</RetainUntilDate></Retention>`
  await changeLock(client, entry, { query: 'retention', body, next: { ...entry.lock, mode, retainUntilMs } })
}

async function changeHold(client: LoadClient): Promise<void> {
  const entry = client.chooseObject(
    ({ planned, lock }) => planned.bucket === buckets.locked && lock !== 'rule',
  )
  if (entry === null || entry.lock === 'rule') return
  const legalHold = entry.lock.legalHold === 'ON' ? 'OFF' : 'ON'
  const body = `<LegalHold><Status>${legalHold}</Status></LegalHold>`
  await changeLock(client, entry, { query: 'legal-hold', body, next: { ...entry.lock, legalHold } })
}

type LockChange = { readonly query: string; readonly body: string; readonly next: Lock }

async function changeLock(
  client: LoadClient,
  entry: ObjectEntry,
  { query, body, next }: LockChange,
): Promise<void> {
  const { bucket, key } = entry.planned
  const options = {
    method: 'PUT',
    path: `/${bucket}/${key}`,
    query: { [query]: '', versionId: entry.versionId },
    headers: documentHeaders(body),
    body,
  }
  const outcome = await client.send({ options, bucket, status: 200, audited: 'allow' })
  if (outcome.kind === 'done') entry.lock = next
  if (outcome.kind !== 'unknown') return
  entry.unanswered.push(next)
  client.forget(entry)
}

function removal(entry: Entry) {
  const { versionId } = entry
  return { method: 'DELETE', path: `/${bucketOf(entry)}/${keyOf(entry)}`, query: { versionId } }
}

/** Of a version or a marker that nothing locks. */
async function deleteVersion(client: LoadClient): Promise<void> {
  const entry = client.choose(
    (candidate) => candidate.kind === 'marker' || !isLocked(candidate.lock, client.nowMs()),
  )
  if (entry === null) return
  const bucket = bucketOf(entry)
  const outcome = await client.send({ options: removal(entry), bucket, status: 204, audited: 'allow' })
  tellRemoval(client, entry, outcome.kind)
}

function tellRemoval(client: LoadClient, entry: Entry, kind: Outcome['kind']): void {
  if (kind === 'refused') return
  client.forget(entry)
  if (kind === 'done') {
    client.ledger.remove(entry)
    return
  }
  entry.fate = 'mayBeDeleted'
  if (entry.versionId === 'null') client.doubtful.add(placeOf(bucketOf(entry), keyOf(entry)))
}

async function deleteLocked(client: LoadClient): Promise<void> {
  const entry = client.chooseObject(({ lock }) => isLocked(lock, client.nowMs()))
  if (entry === null) return
  const { bucket } = entry.planned
  const outcome = await client.send({ options: removal(entry), bucket, status: 403, audited: 'deny' })
  if (outcome.kind === 'unknown') client.ledger.unansweredDenials += 1
}

/** Without version id; in the plain bucket that deletes the object. */
async function putMarker(client: LoadClient): Promise<void> {
  const bucket = client.random.pick([buckets.locked, buckets.swing, buckets.plain])
  const key = `${client.name}/${client.random.below(12)}`
  if (client.doubtful.has(placeOf(bucket, key))) return
  const before = beginReplacing(client, bucket, key)
  // Nothing to delete: nothing is decided, so nothing is recorded.
  const audited = bucket === buckets.plain && before === null ? 'no' : 'allow'
  const options = { method: 'DELETE', path: `/${bucket}/${key}` }
  const outcome = await client.send({ options, bucket, status: 204, audited })
  if (bucket !== buckets.plain) return tellMarker(client, { bucket, key }, { outcome, before })
  if (before === null) return
  if (outcome.kind === 'refused') client.own.push(before)
  else tellRemoval(client, before, outcome.kind)
}

function tellMarker(client: LoadClient, { bucket, key }: Place, { outcome, before }: Told): void {
  if (outcome.kind === 'unknown') {
    client.ledger.expectMarker(bucket, key)
    doubt(client, { bucket, key }, before)
    return
  }
  if (outcome.kind === 'done') {
    const versionId = String(outcome.answer.headers['x-amz-version-id'])
    const marker: Entry = { kind: 'marker', bucket, key, versionId, fate: 'stays' }
    if (before !== null && versionId !== 'null') client.own.push(before)
    client.ledger.add(marker)
    client.own.push(marker)
    return
  }
  if (before !== null) client.own.push(before)
}

async function copyObject(client: LoadClient): Promise<void> {
  const source = client.chooseObject(({ planned }) => planned.bucket !== buckets.plain)
  if (source === null) return
  const bucket = buckets.locked
  const { sha256, sizeBytes } = source.planned
  const planned: Planned = {
    operation: client.newOperation(),
    bucket,
    key: `${client.name}/copy-${client.random.below(4)}`,
    sha256,
    sizeBytes,
    lock: lockFor(client, bucket),
    sentMs: client.nowMs(),
  }
  const { bucket: from, key } = source.planned
  const headers = {
    ...plannedHeaders(planned),
    'x-amz-copy-source': `/${from}/${key}?versionId=${source.versionId}`,
    'x-amz-metadata-directive': 'REPLACE',
  }
  const options = { method: 'PUT', path: `/${bucket}/${planned.key}`, headers }
  const outcome = await client.send({ options, bucket, status: 200, audited: 'allow' })
  tellObject(client, planned, { outcome, before: null })
}

/** Create, one or two parts, Complete; broken off anywhere it leaves an upload that somebody ends later. */
async function multipart(client: LoadClient): Promise<void> {
  const bucket = buckets.locked
  const operation = client.newOperation()
  const firstBytes = Buffer.concat(
    client.random.happens(20) ? Array.from({ length: 11 }, () => client.body('', 500_000)) : [],
  )
  const parts = [firstBytes, client.body(operation, chooseSize(client))].filter(({ length }) => length > 0)
  const whole = Buffer.concat(parts)
  const { sha256 } = digests(whole)
  const lock = lockFor(client, bucket)
  const place = { operation, bucket, key: `${client.name}/multipart` }
  const planned: Planned = { ...place, sha256, sizeBytes: whole.length, lock, sentMs: client.nowMs() }
  const path = `/${bucket}/${planned.key}`
  const create = { method: 'POST', path, query: { uploads: '' }, headers: plannedHeaders(planned) }
  const created = await client.send({ options: create, bucket, status: 200, audited: 'no' })
  if (created.kind !== 'done') return
  const uploadId = created.answer.element('UploadId') ?? ''
  const etags: string[] = []
  for (const [index, body] of parts.entries()) {
    const query = { partNumber: String(index + 1), uploadId }
    const options = { method: 'PUT', path, query, body, headers: { 'content-md5': digests(body).md5 } }
    const sent = await client.send({ options, bucket, status: 200, audited: 'no' })
    if (sent.kind !== 'done') return
    etags.push(String(sent.answer.headers['etag']))
  }
  const body = completeDocument(etags)
  const options = { method: 'POST', path, query: { uploadId }, body }
  const outcome = await client.send({ options, bucket, status: 200, audited: 'allow' })
  tellObject(client, planned, { outcome, before: null })
}

function completeDocument(etags: readonly string[]): string {
  const parts = etags.map(
    (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`,
  )
  return `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`
}

/** Locked and unlocked versions in one DeleteObjects: only the unlocked go. */
async function deleteMany(client: LoadClient): Promise<void> {
  const entries = new Set<Entry>()
  for (let count = 0; count < 4; count += 1) {
    const entry = client.choose((candidate) => bucketOf(candidate) === buckets.locked)
    if (entry !== null) entries.add(entry)
  }
  if (entries.size === 0) return
  const objects = [...entries].map(
    (entry) => `<Object><Key>${keyOf(entry)}</Key><VersionId>${entry.versionId}</VersionId></Object>`,
  )
  const body = `<Delete>${objects.join('')}</Delete>`
  const options = { method: 'POST', path: `/${buckets.locked}`, query: { delete: '' }, body }
  const nowMs = client.nowMs()
  const sent = {
    options: { ...options, headers: documentHeaders(body) },
    bucket: buckets.locked,
    status: 200,
  }
  const outcome = await client.send({ ...sent, audited: 'no' })
  for (const entry of entries) {
    const isRefused = entry.kind === 'object' && isLocked(entry.lock, nowMs)
    if (!isRefused) tellRemoval(client, entry, outcome.kind)
    // Refusals inside a batch are in the log too, under the request's one id.
    else client.ledger.unansweredDenials += 1
    if (outcome.kind === 'done') expectAnswerOf(client, entry, { isRefused, answer: outcome.answer })
  }
}

type BatchAnswer = { readonly isRefused: boolean; readonly answer: Answer }

function expectAnswerOf(client: LoadClient, entry: Entry, { isRefused, answer }: BatchAnswer): void {
  const kind = isRefused ? 'Error' : 'Deleted'
  const answers = [...answer.text.matchAll(/<(Error|Deleted)>(.*?)<\/\1>/gs)]
  const own = answers.find(([, , inner = '']) => inner.includes(`<VersionId>${entry.versionId}</VersionId>`))
  if (own?.[1] !== kind)
    client.ledger.surprises.push(`DeleteObjects: ${keyOf(entry)} is ${own?.[1]}, not ${kind}: ${answer.text}`)
}

/** What was acknowledged can be read at once, through whichever worker. */
async function readBack(client: LoadClient): Promise<void> {
  const entry = client.chooseObject(() => true)
  if (entry === null) return
  const { bucket, key, sha256 } = entry.planned
  const options = { method: 'GET', path: `/${bucket}/${key}`, query: { versionId: entry.versionId } }
  const outcome = await client.send({ options, bucket, status: 200, audited: 'no' })
  if (outcome.kind !== 'done') return
  if (digests(outcome.answer.body).sha256 !== sha256)
    client.ledger.surprises.push(
      `GET ${bucket}/${key}?versionId=${entry.versionId}: other bytes than were put`,
    )
}

/** Takes its turn beside the actions, by one client only. */
export async function toggleVersioning(client: LoadClient): Promise<void> {
  const { versioning } = client.ledger
  if (versioning.unanswered !== null) return
  const status = versioning.acknowledged === 'Enabled' ? 'Suspended' : 'Enabled'
  const bucket = buckets.swing
  const body = `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`
  const options = { method: 'PUT', path: `/${bucket}`, query: { versioning: '' }, body }
  const outcome = await client.send({ options, bucket, status: 200, audited: 'allow' })
  if (outcome.kind === 'done') versioning.acknowledged = status
  if (outcome.kind === 'unknown') versioning.unanswered = status
}
