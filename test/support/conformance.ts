/** What the conformance tests share: one server per file, buckets of every kind, and proof that a refusal changed nothing. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect } from 'vitest'
import type { SigningCredentials } from '../../src/sigv4/sign.ts'
import { countOf } from './health.ts'
import type { Answer, SendOptions } from './s3-client.ts'
import { startTestServer, type TestServer, type TestServerOptions } from './server.ts'
import { unescapedXml } from './xml-text.ts'

export const dayMs = 86_400_000

export type BucketKind = 'unversioned' | 'enabled' | 'suspended' | 'locked'

export type Bench = {
  readonly server: () => TestServer
  readonly send: (options: SendOptions) => Promise<Answer>
  /** A new bucket of this kind; `rule` is the inside of DefaultRetention. */
  readonly bucket: (kind: BucketKind, options?: BucketOptions) => Promise<string>
  /** PutObject with Content-MD5; asserts 200 and gives the version id ('' where there is none). */
  readonly put: (bucket: string, key: string, options?: PutOptions) => Promise<string>
  /** A document with Content-MD5. */
  readonly document: (options: SendOptions) => Promise<Answer>
  readonly retain: (
    target: Target,
    mode: string,
    date: string,
    options?: Partial<SendOptions>,
  ) => Promise<Answer>
  readonly hold: (target: Target, status: string, options?: Partial<SendOptions>) => Promise<Answer>
  /** RFC 3339, so many days from the server's now. */
  readonly inDays: (days: number) => string
  /** Asserts that `work` leaves the bucket, its versions, bytes and locks as they were; gives its result. */
  readonly unchanged: <Result>(bucket: string, work: () => Promise<Result>) => Promise<Result>
}

export type BucketOptions = { readonly rule?: string; readonly key?: SigningCredentials }
export type PutOptions = {
  readonly body?: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
  readonly key?: SigningCredentials
}
export type Target = { readonly bucket: string; readonly key: string; readonly versionId?: string }

export function md5(body: string | Uint8Array): string {
  return createHash('md5').update(body).digest('base64')
}

/** Starts the file's server before its tests and stops it after them. */
export function conformance(options: TestServerOptions = {}): Bench {
  let server: TestServer | null = null
  beforeAll(async () => {
    server = await startTestServer(options)
  })
  afterAll(async () => {
    if (server === null) return
    try {
      // Whatever a client sends, or a row says: nothing that nobody expected.
      expect(await countOf(server, 'holdfast_faults_total')).toBe(0)
    } finally {
      await server.stop()
    }
  })
  const current = (): TestServer => {
    if (server === null) throw new Error('the server of this file is not running')
    return server
  }
  let bucketCount = 0
  const send = (request: SendOptions) => current().client.send(request)
  const document = (request: SendOptions) =>
    send({ ...request, headers: { 'content-md5': md5(request.body ?? ''), ...request.headers } })
  const bucket: Bench['bucket'] = async (kind, bucketOptions = {}) => {
    bucketCount += 1
    const name = `bucket-${bucketCount}`
    await createBucket({ send, document }, { name, kind, ...bucketOptions })
    return name
  }
  const put: Bench['put'] = async (name, key, putOptions = {}) => {
    const { body = 'bytes', headers = {}, key: credentials } = putOptions
    const request = {
      method: 'PUT',
      path: `/${name}/${key}`,
      body,
      headers: { 'content-md5': md5(body), ...headers },
    }
    const answer = await send(credentials === undefined ? request : { ...request, key: credentials })
    expect([answer.status, answer.text]).toEqual([200, ''])
    return String(answer.headers['x-amz-version-id'] ?? '')
  }
  const subresource = ({ bucket: name, key, versionId }: Target, query: string) => ({
    method: 'PUT',
    path: `/${name}/${key}`,
    query: versionId === undefined ? { [query]: '' } : { [query]: '', versionId },
  })
  return {
    server: current,
    send,
    document,
    bucket,
    put,
    retain: (target, mode, date, more = {}) => {
      const body = `<Retention><Mode>${mode}</Mode><RetainUntilDate>${date}</RetainUntilDate></Retention>`
      return document({ ...subresource(target, 'retention'), body, ...more })
    },
    hold: (target, status, more = {}) => {
      const body = `<LegalHold><Status>${status}</Status></LegalHold>`
      return document({ ...subresource(target, 'legal-hold'), body, ...more })
    },
    inDays: (days) => new Date(current().nowMs() + days * dayMs).toISOString(),
    unchanged: async (name, work) => {
      const before = await snapshot(send, name)
      const result = await work()
      expect(await snapshot(send, name)).toEqual(before)
      return result
    },
  }
}

type Sender = Pick<Bench, 'send' | 'document'>
type NewBucket = BucketOptions & { readonly name: string; readonly kind: BucketKind }

async function createBucket({ send, document }: Sender, { name, kind, rule, key }: NewBucket): Promise<void> {
  const signer = key === undefined ? {} : { key }
  const headers: Record<string, string> =
    kind === 'locked' ? { 'x-amz-bucket-object-lock-enabled': 'true' } : {}
  const created = await send({ method: 'PUT', path: `/${name}`, headers, ...signer })
  expect([created.status, created.text]).toEqual([200, ''])
  if (kind === 'enabled' || kind === 'suspended') await putVersioning(document, name, 'Enabled')
  if (kind === 'suspended') await putVersioning(document, name, 'Suspended')
  if (rule === undefined) return
  const body = lockConfiguration(rule)
  const ruled = await document({ method: 'PUT', path: `/${name}`, query: { 'object-lock': '' }, body })
  expect([ruled.status, ruled.text]).toEqual([200, ''])
}

async function putVersioning(document: Bench['document'], name: string, status: string): Promise<void> {
  const body = `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`
  const answer = await document({ method: 'PUT', path: `/${name}`, query: { versioning: '' }, body })
  expect([answer.status, answer.text]).toEqual([200, ''])
}

export function lockConfiguration(rule: string | null): string {
  const inner = rule === null ? '' : `<Rule><DefaultRetention>${rule}</DefaultRetention></Rule>`
  return `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>${inner}</ObjectLockConfiguration>`
}

/** All texts of one element in a document, in order. */
export function elements(answer: Answer, name: string): readonly string[] {
  return [...answer.text.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(
    (found) => found[1] ?? '',
  )
}

export type ListedVersion = {
  readonly kind: 'Version' | 'DeleteMarker'
  readonly key: string
  readonly versionId: string
  readonly isLatest: boolean
}

/** Versions and delete markers in the order of the listing. */
export function listedVersions(answer: Answer): readonly ListedVersion[] {
  const found = answer.text.matchAll(/<(Version|DeleteMarker)>(.*?)<\/\1>/gs)
  return [...found].map(([, kind, inner = '']) => ({
    kind: kind === 'Version' ? 'Version' : 'DeleteMarker',
    key: unescapedXml(/<Key>([^<]*)<\/Key>/.exec(inner)?.[1] ?? ''),
    versionId: /<VersionId>(.*?)<\/VersionId>/.exec(inner)?.[1] ?? '',
    isLatest: inner.includes('<IsLatest>true'),
  }))
}

/** Headers of the answer and not of the object; the second ids are those of the worker that answered. */
const ofTheAnswer = ['date', 'x-amz-id-2', 'x-amz-request-id', 'x-obs-id-2', 'x-obs-request-id']

/** All that a client can see of a bucket: configuration, versions, bytes, metadata, locks. */
export async function snapshot(send: Bench['send'], bucket: string): Promise<readonly unknown[]> {
  const path = `/${bucket}`
  const versions = await send({ method: 'GET', path, query: { versions: '' } })
  const seen: unknown[] = [versions.status, versions.text]
  if (versions.status !== 200) return seen.slice(0, 1)
  for (const query of ['versioning', 'object-lock', 'uploads']) {
    const answer = await send({ method: 'GET', path, query: { [query]: '' } })
    seen.push(answer.status, answer.status === 200 ? answer.text : answer.code)
  }
  for (const { key, versionId, kind } of listedVersions(versions)) {
    if (kind === 'DeleteMarker') continue
    const answer = await send({ method: 'GET', path: `${path}/${key}`, query: { versionId } })
    const headers = Object.fromEntries(
      Object.entries(answer.headers).filter(([header]) => !ofTheAnswer.includes(header)),
    )
    seen.push(answer.status, headers, answer.text)
  }
  return seen
}

/** Status, code and message of a refusal, for one comparison. */
export function refusal(answer: Answer): readonly [number, string | null, string | null] {
  return [answer.status, answer.code, answer.element('Message')]
}

/** The refusals of semantics 1.1 that many tests expect. */
export const refused = {
  locked: [403, 'AccessDenied', 'Access Denied because object protected by object lock.'],
  forbidden: [403, 'AccessDenied', 'Access Denied'],
  malformed: [
    400,
    'MalformedXML',
    'The XML you provided was not well-formed or did not validate against our published schema',
  ],
  noObjectLock: [
    404,
    'NoSuchObjectLockConfiguration',
    'The specified object does not have a ObjectLock configuration',
  ],
  bucketLockMissing: [400, 'InvalidRequest', 'Bucket is missing Object Lock Configuration'],
  bucketLockMissingForHeaders: [400, 'InvalidRequest', 'Bucket is missing ObjectLockConfiguration'],
  noSuchKey: [404, 'NoSuchKey', 'The specified key does not exist.'],
  noSuchVersion: [404, 'NoSuchVersion', 'The specified version does not exist.'],
  noSuchBucket: [404, 'NoSuchBucket', 'The specified bucket does not exist'],
  badVersionId: [400, 'InvalidArgument', 'Invalid version id specified'],
  emptyVersionId: [400, 'InvalidArgument', 'Version id cannot be the empty string'],
  deleteMarker: [405, 'MethodNotAllowed', 'The specified method is not allowed against this resource.'],
  pastDate: [400, 'InvalidArgument', 'The retain until date must be in the future!'],
  documentChecksum: [
    400,
    'InvalidRequest',
    'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
  ],
} as const satisfies Record<string, readonly [number, string, string]>

/** One entry of the --access-keys file, and how to sign with it. */
export type TestKey = SigningCredentials & {
  readonly accountId: string
  readonly displayName: string
  readonly statements?: readonly object[]
}

export const accountId = '111111111111'

/** A key of the account; `actions: null` is its owner. */
export function accessKey(
  name: string,
  actions: readonly string[] | null,
  account: string = accountId,
): TestKey {
  const statements = actions === null ? {} : { statements: [{ effect: 'Allow', actions, buckets: ['*'] }] }
  return {
    accessKeyId: `KEY${name.toUpperCase().replace(/[^A-Z0-9]/g, '')}`,
    secretAccessKey: `secret-of-${name}-for-tests`,
    accountId: account,
    displayName: name,
    ...statements,
  }
}
