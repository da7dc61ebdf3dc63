/**
 * Holds a server that has come back to its ledger, through S3 alone: what was acknowledged is there with its bytes
 * and its lock, what was not is whole or absent, listings and reads agree. Afterwards the ledger knows what was open.
 */
import { createHash } from 'node:crypto'
import { type ListedVersion, listedVersions } from '../conformance.ts'
import type { Answer, S3TestClient } from '../s3-client.ts'
import {
  bucketOf,
  describeLock,
  type Entry,
  entryName,
  isSameLock,
  keyOf,
  type Ledger,
  type Lock,
  nameOf,
  type ObjectEntry,
  type Planned,
  placeOf,
} from './ledger.ts'

const dayMs = 86_400_000
const readersMax = 8

type Observed = ListedVersion & { readonly bucket: string }

/** Sentences about what is wrong; empty when all is as it must be. */
export async function verifyServed(
  client: S3TestClient,
  ledger: Ledger,
  buckets: readonly string[],
): Promise<readonly string[]> {
  const problems: string[] = []
  for (const bucket of buckets) {
    const listed = (await listAll(client, bucket)).map((version) => ({ ...version, bucket }))
    problems.push(...(await agreeing(client, bucket, listed)))
    const seen = new Map(listed.map((version) => [nameOfObserved(version), version]))
    problems.push(...settleMissing(ledger, bucket, seen))
    await eachOf(listed, async (version) => {
      problems.push(...(await settleObserved(client, ledger, version)))
    })
  }
  problems.push(...(await settleVersioning(client, ledger)))
  ledger.unansweredObjects.clear()
  ledger.unansweredMarkers.clear()
  return problems
}

/** Every version and marker of a bucket, newest of a key first. */
export async function listAll(client: S3TestClient, bucket: string): Promise<readonly ListedVersion[]> {
  const found: ListedVersion[] = []
  let position: Readonly<Record<string, string>> = {}
  for (;;) {
    const query = { versions: '', 'max-keys': '1000', ...position }
    const page = await client.send({ method: 'GET', path: `/${bucket}`, query })
    if (page.status !== 200) throw new Error(`the versions of ${bucket} are not listed: ${page.text}`)
    found.push(...listedVersions(page))
    if (page.element('IsTruncated') !== 'true') return found
    position = {
      'key-marker': page.element('NextKeyMarker') ?? '',
      'version-id-marker': page.element('NextVersionIdMarker') ?? '',
    }
  }
}

function nameOfObserved({ bucket, key, versionId }: Observed): string {
  return entryName(bucket, key, versionId)
}

/** The listing of objects, the listing of versions and reads without version id say the same. */
async function agreeing(
  client: S3TestClient,
  bucket: string,
  listed: readonly Observed[],
): Promise<readonly string[]> {
  const problems: string[] = []
  const latest = listed.filter(({ isLatest }) => isLatest)
  const keys = new Set(listed.map(({ key }) => key))
  if (latest.length !== keys.size)
    problems.push(`${bucket}: ${keys.size} keys, ${latest.length} of them latest`)
  const objects = latest.filter(({ kind }) => kind === 'Version').map(({ key }) => key)
  const listing: string[] = []
  for (let token: string | null = ''; token !== null; ) {
    const more = token === '' ? {} : { 'continuation-token': token }
    const query = { 'list-type': '2', ...more }
    const page: Answer = await client.send({ method: 'GET', path: `/${bucket}`, query })
    listing.push(...[...page.text.matchAll(/<Key>(.*?)<\/Key>/g)].map((found) => found[1] ?? ''))
    token = page.element('NextContinuationToken')
  }
  if (listing.join() !== objects.join())
    problems.push(`${bucket}: ListObjectsV2 has ${listing.join()}, the versions have ${objects.join()}`)
  await eachOf(latest, async ({ key, kind, versionId }) => {
    const head = await client.send({ method: 'HEAD', path: `/${bucket}/${key}` })
    const isSame = String(head.headers['x-amz-version-id'] ?? 'null') === versionId
    if (kind === 'Version' ? head.status !== 200 || !isSame : head.status !== 404)
      problems.push(`${bucket}/${key}: the latest is ${versionId}, HEAD answers ${head.status}`)
  })
  return problems
}

/** Acknowledged and not listed: only if a delete or a replacement of it had no answer. */
function settleMissing(
  ledger: Ledger,
  bucket: string,
  seen: ReadonlyMap<string, Observed>,
): readonly string[] {
  const problems: string[] = []
  for (const entry of ledger.entries.values()) {
    if (bucketOf(entry) !== bucket || seen.has(nameOf(entry))) continue
    if (entry.fate !== 'mayBeDeleted')
      problems.push(`${nameOf(entry)}: acknowledged (${entry.kind}), and lost`)
    ledger.remove(entry)
  }
  return problems
}

async function settleObserved(
  client: S3TestClient,
  ledger: Ledger,
  version: Observed,
): Promise<readonly string[]> {
  const name = nameOfObserved(version)
  const known = ledger.entries.get(name)
  if (version.kind === 'DeleteMarker') return settleMarker(ledger, version, known)
  const { bucket, key, versionId } = version
  const answer = await client.send({ method: 'GET', path: `/${bucket}/${key}`, query: { versionId } })
  if (answer.status !== 200) return [`${name}: listed, and GET answers ${answer.status} ${answer.code}`]
  const operation = String(answer.headers['x-amz-meta-operation'])
  if (known?.kind === 'object' && known.planned.operation === operation) {
    known.fate = 'stays'
    return [...wrongBytes(name, known.planned, answer), ...settleLock(known, answer)]
  }
  const planned = ledger.unansweredObjects.get(operation)
  const isPlace = planned?.bucket === bucket && planned.key === key
  if (planned === undefined || !isPlace) return [`${name}: nobody sent it (operation ${operation})`]
  if (known !== undefined && known.fate !== 'mayBeReplaced')
    return [`${name}: replaced by ${operation} without a reason`]
  const { lock } = planned
  const entry: Entry = { kind: 'object', planned, versionId, lock, unanswered: [], fate: 'stays' }
  ledger.unansweredObjects.delete(operation)
  ledger.add(entry)
  return [...wrongBytes(name, planned, answer), ...settleLock(entry, answer)]
}

function settleMarker(ledger: Ledger, version: Observed, known: Entry | undefined): readonly string[] {
  const { bucket, key, versionId } = version
  if (known?.kind === 'marker' && known.fate !== 'mayBeReplaced') {
    known.fate = 'stays'
    return []
  }
  const place = placeOf(bucket, key)
  const openCount = ledger.unansweredMarkers.get(place) ?? 0
  const isReplaceable = known === undefined || known.fate === 'mayBeReplaced'
  if (!isReplaceable || (openCount === 0 && known?.kind !== 'marker'))
    return [`${entryName(bucket, key, versionId)}: a delete marker that nobody put`]
  if (openCount > 0) ledger.unansweredMarkers.set(place, openCount - 1)
  ledger.add({ kind: 'marker', bucket, key, versionId, fate: 'stays' })
  return []
}

function wrongBytes(name: string, { sha256, sizeBytes }: Planned, { body }: Answer): readonly string[] {
  const found = createHash('sha256').update(body).digest('hex')
  return found === sha256 && body.length === sizeBytes
    ? []
    : [`${name}: ${body.length} bytes of SHA-256 ${found}, sent were ${sizeBytes} of ${sha256}`]
}

/** The lock as acknowledged, or as asked for later without an answer. */
function settleLock(entry: ObjectEntry, answer: Answer): readonly string[] {
  const { planned, unanswered } = entry
  const observed = lockOf(answer)
  const allowed = [entry.lock, ...unanswered]
  const isExpected = allowed.some((lock) =>
    lock === 'rule' ? isByRule(observed, planned.sentMs) : isSameLock(lock, observed),
  )
  entry.lock = observed
  unanswered.splice(0)
  if (isExpected) return []
  const wanted = allowed.map(describeLock).join(' or ')
  return [`${nameOf(entry)}: its lock is ${describeLock(observed)}, acknowledged was ${wanted}`]
}

export function lockOf({ headers }: Answer): Lock {
  const mode = headers['x-amz-object-lock-mode']
  const date = headers['x-amz-object-lock-retain-until-date']
  const hold = headers['x-amz-object-lock-legal-hold']
  return {
    mode: mode === 'COMPLIANCE' || mode === 'GOVERNANCE' ? mode : null,
    retainUntilMs: date === undefined ? null : Date.parse(String(date)),
    legalHold: hold === 'ON' || hold === 'OFF' ? hold : null,
  }
}

/** GOVERNANCE of one day from the moment of the PUT, which came soon after it was sent. */
function isByRule({ mode, retainUntilMs, legalHold }: Lock, sentMs: number): boolean {
  if (mode !== 'GOVERNANCE' || retainUntilMs === null || legalHold !== null) return false
  return retainUntilMs >= sentMs + dayMs - 2000 && retainUntilMs <= sentMs + dayMs + 60_000
}

async function settleVersioning(client: S3TestClient, ledger: Ledger): Promise<readonly string[]> {
  const { versioning } = ledger
  const answer = await client.send({ method: 'GET', path: '/swing', query: { versioning: '' } })
  const status = answer.element('Status')
  const { acknowledged, unanswered } = versioning
  if (status !== 'Enabled' && status !== 'Suspended') return [`versioning of swing is ${status}`]
  ledger.versioning = { acknowledged: status, unanswered: null }
  return status === acknowledged || status === unanswered
    ? []
    : [`versioning of swing is ${status}, acknowledged was ${acknowledged}`]
}

/** A few at a time. */
async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items].reverse()
  const reader = async (): Promise<void> => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item)
  }
  await Promise.all(Array.from({ length: readersMax }, reader))
}

/** The entries of one owner, for clients that go on with them. */
export function entriesUnder(ledger: Ledger, keyPrefix: string): readonly Entry[] {
  return [...ledger.entries.values()].filter((entry) => keyOf(entry).startsWith(keyPrefix))
}
