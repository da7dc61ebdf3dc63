/**
 * Everything that a request can try against a locked version, as data. An attack is well formed: against a version
 * that is not locked it would do its harm, as the last test of locked-survives.test.ts shows for the deletes.
 */
import type { SigningCredentials } from '../../../src/sigv4/sign.ts'
import type { Answer, SendOptions } from '../s3-client.ts'
import { digests } from './load-client.ts'

export type Principal = {
  readonly name: string
  /** null: root, who signs when no key is named. */
  readonly key: SigningCredentials | null
  readonly mayBypass: boolean
}

export type Target = {
  readonly kind: 'COMPLIANCE' | 'GOVERNANCE' | 'hold' | 'hold, retention expired' | 'null version' | 'short'
  readonly bucket: string
  readonly key: string
  readonly versionId: string
}

export type Attempt = {
  readonly target: Target
  /** Signs as the principal of the attempt. */
  readonly send: (options: SendOptions) => Promise<Answer>
  readonly nowMs: () => number
}

export type Attack = {
  readonly name: string
  readonly needsBypass?: true
  /** What the answers of principals other than the operator may be. */
  readonly statuses: readonly number[]
  readonly run: (attempt: Attempt) => Promise<readonly Answer[]>
}

const hourMs = 3_600_000
const bypass = { 'x-amz-bypass-governance-retention': 'true' }

export const attacks: readonly Attack[] = [
  { name: 'DELETE of the version', statuses: [403], run: async (attempt) => [await remove(attempt, {})] },
  {
    name: 'DELETE of the version with the bypass header',
    needsBypass: true,
    statuses: [403],
    run: async (attempt) => [await remove(attempt, bypass)],
  },
  {
    name: 'DELETE of the version with headers of other vendors',
    // Force is refused by its name, the rest is ignored.
    statuses: [400, 403],
    run: async (attempt) => [
      await remove(attempt, { 'x-minio-force-delete': 'true' }),
      await remove(attempt, vendorHeaders),
    ],
  },
  { name: 'DeleteObjects', statuses: [200], run: (attempt) => removeMany(attempt, {}) },
  {
    name: 'DeleteObjects with the bypass header',
    needsBypass: true,
    statuses: [200],
    run: (attempt) => removeMany(attempt, bypass),
  },
  { name: 'PutObject over it', statuses: [200, 400, 501], run: overwrite },
  { name: 'CopyObject onto itself', statuses: [200], run: copyOntoItself },
  { name: 'CompleteMultipartUpload over it', statuses: [200], run: completeOver },
  { name: 'a delete marker over it, put and removed', statuses: [204], run: markAndUnmark },
  { name: 'versioning suspended, then overwritten and deleted', statuses: [200, 204, 409], run: suspend },
  { name: 'DeleteBucket and CreateBucket', statuses: [200, 405, 409], run: recreateBucket },
  { name: 'the default rule weakened, removed, disabled', statuses: [200, 400], run: weakenRule },
  {
    name: 'retention shortened, weakened, removed',
    statuses: [200, 403],
    run: (attempt) => weaken(attempt, {}),
  },
  {
    name: 'retention shortened, weakened, removed with the bypass header',
    needsBypass: true,
    statuses: [200, 403],
    run: (attempt) => weaken(attempt, bypass),
  },
]

const vendorHeaders = {
  'x-minio-source-deletemarker': 'true',
  'x-minio-source-replication-request': 'true',
  'x-amz-replication-status': 'REPLICA',
  'x-rgw-bypass-object-lock': 'true',
}

function pathOf({ target }: Attempt): string {
  return `/${target.bucket}/${target.key}`
}

function withDigest(options: SendOptions & { readonly body: string }): SendOptions {
  return {
    ...options,
    headers: { 'content-md5': digests(Buffer.from(options.body)).md5, ...options.headers },
  }
}

function remove(attempt: Attempt, headers: Readonly<Record<string, string>>): Promise<Answer> {
  const { versionId } = attempt.target
  return attempt.send({ method: 'DELETE', path: pathOf(attempt), query: { versionId }, headers })
}

/** Beside neighbours that are not there, and twice. */
async function removeMany(
  attempt: Attempt,
  headers: Readonly<Record<string, string>>,
): Promise<readonly Answer[]> {
  const { bucket, key, versionId } = attempt.target
  const own = `<Object><Key>${key}</Key><VersionId>${versionId}</VersionId></Object>`
  const neighbour = '<Object><Key>not-there</Key><VersionId>null</VersionId></Object>'
  const body = `<Delete>${neighbour}${own}${neighbour}${own}</Delete>`
  const options = { method: 'POST', path: `/${bucket}`, query: { delete: '' }, headers, body }
  const answer = await attempt.send(withDigest(options))
  if (answer.text.includes(`<Deleted><Key>${key}</Key>`)) throw new Error(`deleted: ${answer.text}`)
  return [answer]
}

async function overwrite(attempt: Attempt): Promise<readonly Answer[]> {
  const { versionId } = attempt.target
  const options = { method: 'PUT', path: pathOf(attempt), body: 'other bytes' }
  return [await attempt.send(options), await attempt.send({ ...options, query: { versionId } })]
}

async function copyOntoItself(attempt: Attempt): Promise<readonly Answer[]> {
  const headers = {
    'x-amz-copy-source': `${pathOf(attempt)}?versionId=${attempt.target.versionId}`,
    'x-amz-metadata-directive': 'REPLACE',
    'x-amz-meta-by': 'attacker',
    'x-amz-object-lock-mode': 'GOVERNANCE',
    'x-amz-object-lock-retain-until-date': new Date(attempt.nowMs() + hourMs).toISOString(),
    'x-amz-object-lock-legal-hold': 'OFF',
  }
  return [await attempt.send({ method: 'PUT', path: pathOf(attempt), headers })]
}

async function completeOver(attempt: Attempt): Promise<readonly Answer[]> {
  const path = pathOf(attempt)
  const created = await attempt.send({ method: 'POST', path, query: { uploads: '' } })
  const uploadId = created.element('UploadId')
  if (uploadId === null) return [created]
  const part = await attempt.send({
    method: 'PUT',
    path,
    query: { partNumber: '1', uploadId },
    body: 'other bytes',
  })
  const etag = String(part.headers['etag'])
  const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`
  return [created, part, await attempt.send({ method: 'POST', path, query: { uploadId }, body })]
}

async function markAndUnmark(attempt: Attempt): Promise<readonly Answer[]> {
  const path = pathOf(attempt)
  const marked = await attempt.send({ method: 'DELETE', path })
  const versionId = String(marked.headers['x-amz-version-id'] ?? attempt.target.versionId)
  return [marked, await attempt.send({ method: 'DELETE', path, query: { versionId } })]
}

/** Were versioning off, the null version would be replaced by the second and deleted by the third. */
async function suspend(attempt: Attempt): Promise<readonly Answer[]> {
  const body = '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>'
  const path = `/${attempt.target.bucket}`
  return [
    await attempt.send(withDigest({ method: 'PUT', path, query: { versioning: '' }, body })),
    await attempt.send({ method: 'PUT', path: pathOf(attempt), body: 'other bytes' }),
    await attempt.send({ method: 'DELETE', path: pathOf(attempt) }),
  ]
}

async function recreateBucket(attempt: Attempt): Promise<readonly Answer[]> {
  const path = `/${attempt.target.bucket}`
  const forced = await attempt.send({ method: 'DELETE', path, headers: { 'x-minio-force-delete': 'true' } })
  const deleted = await attempt.send({ method: 'DELETE', path })
  if (forced.status === 204 || deleted.status === 204) throw new Error('the bucket was deleted')
  return [forced, deleted, await attempt.send({ method: 'PUT', path })]
}

async function weakenRule(attempt: Attempt): Promise<readonly Answer[]> {
  const path = `/${attempt.target.bucket}`
  const rule = '<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule>'
  const documents = [
    `<ObjectLockEnabled>Enabled</ObjectLockEnabled>${rule}`,
    '<ObjectLockEnabled>Enabled</ObjectLockEnabled>',
    '<ObjectLockEnabled>Disabled</ObjectLockEnabled>',
  ]
  const answers: Answer[] = []
  for (const inner of documents) {
    const body = `<ObjectLockConfiguration>${inner}</ObjectLockConfiguration>`
    answers.push(await attempt.send(withDigest({ method: 'PUT', path, query: { 'object-lock': '' }, body })))
  }
  return answers
}

/** A hold alone has no retention to weaken: setting one there is no attack, removing what is not there neither. */
async function weaken(
  attempt: Attempt,
  headers: Readonly<Record<string, string>>,
): Promise<readonly Answer[]> {
  const { kind, versionId } = attempt.target
  const soon = new Date(attempt.nowMs() + hourMs).toISOString()
  const late = new Date(attempt.nowMs() + 60 * 24 * hourMs).toISOString()
  const retention = (mode: string, date: string) =>
    `<Retention><Mode>${mode}</Mode><RetainUntilDate>${date}</RetainUntilDate></Retention>`
  const isHold = kind === 'hold' || kind === 'hold, retention expired'
  const weaker = [retention('COMPLIANCE', soon), retention('GOVERNANCE', soon)]
  const documents = [
    '<Retention></Retention>',
    ...(isHold ? [] : weaker),
    ...(isHold || kind === 'GOVERNANCE' ? [] : [retention('GOVERNANCE', late)]),
  ]
  const answers: Answer[] = []
  for (const body of documents) {
    const query = { retention: '', versionId }
    answers.push(
      await attempt.send(withDigest({ method: 'PUT', path: pathOf(attempt), query, headers, body })),
    )
  }
  return answers
}
