/** Every request that writes to a volume, once for each way to the disk: what the durability contract is tested with. */
import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { type AdminSend, applyDocument, sendAdmin } from '../admin.ts'
import { policyDocument } from '../bucket-policy.ts'
import { formRequest } from '../form.ts'
import type { Answer, SendOptions } from '../s3-client.ts'
import { rootCredentials, type TestServer } from '../server.ts'
import { adminMutations } from './admin-mutations.ts'

/** What a flush makes durable, in the order of a write; docs/OPERATIONS.md says what each of them is. */
export type Flush = 'body bytes' | 'body name' | 'stage name' | 'store pages' | 'store root'

export type MutationRequest =
  | { readonly kind: 's3'; readonly options: SendOptions }
  | { readonly kind: 'admin'; readonly options: AdminSend }

export type Mutation = {
  /** As docs/OPERATIONS.md calls it. */
  readonly name: string
  /** Of THE TABLE, or of the admin API's. */
  readonly operation: string
  readonly status: number
  readonly flushes: readonly Flush[]
  /** Prepares what the request needs. */
  readonly prepare: (server: TestServer) => Promise<MutationRequest>
}

export const mutationsBucket = 'bucket'
/** Of servers that mutations are sent to: without it they keep no access keys. */
export const mutationsMasterKey = Buffer.alloc(32, 7).toString('base64')

/** One commit: its pages, then the root that makes them the store's state. */
const commit: readonly Flush[] = ['store pages', 'store root']
const file: readonly Flush[] = ['body bytes', 'body name', 'stage name', ...commit]
/** The smallest body that is a file. */
const fileBytes = 65_537

export type MutationAnswer = {
  readonly status: number
  /** Of an error of S3's; null: none, as in answers of the admin API. */
  readonly code: string | null
}

export async function sendMutation(server: TestServer, request: MutationRequest): Promise<MutationAnswer> {
  if (request.kind === 's3') return server.client.send(request.options)
  return { status: (await sendAdmin(server, request.options)).status, code: null }
}

/** The bucket of the mutations, with Object Lock. */
export async function makeMutationsBucket(server: TestServer): Promise<void> {
  const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
  await answered(server, 200, { method: 'PUT', path: `/${mutationsBucket}`, headers })
}

async function answered(server: TestServer, status: number, options: SendOptions): Promise<Answer> {
  const answer = await server.client.send(options)
  expect([answer.status, options.method, options.path, answer.text]).toEqual([
    status,
    options.method,
    options.path,
    expect.any(String),
  ])
  return answer
}

const s3 = (options: SendOptions): MutationRequest => ({ kind: 's3', options })

function document(options: SendOptions & { readonly body: string }): SendOptions {
  const digest = createHash('md5').update(options.body).digest('base64')
  return { ...options, headers: { 'content-md5': digest, ...options.headers } }
}

function put(key: string, sizeBytes: number): SendOptions {
  return { method: 'PUT', path: `/${mutationsBucket}/${key}`, body: Buffer.alloc(sizeBytes, key) }
}

async function version(server: TestServer, key: string, sizeBytes = 100): Promise<string> {
  return String((await answered(server, 200, put(key, sizeBytes))).headers['x-amz-version-id'])
}

function ofVersion(key: string, versionId: string, name: string, body: string): SendOptions {
  const path = `/${mutationsBucket}/${key}`
  return document({ method: 'PUT', path, query: { [name]: '', versionId }, body })
}

const hold = (key: string, versionId: string) =>
  ofVersion(key, versionId, 'legal-hold', '<LegalHold><Status>ON</Status></LegalHold>')

function retain(server: TestServer, key: string, versionId: string): SendOptions {
  const date = new Date(server.nowMs() + 3_600_000).toISOString()
  const body = `<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>${date}</RetainUntilDate></Retention>`
  return ofVersion(key, versionId, 'retention', body)
}

const tags = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>'

async function begun(server: TestServer, key: string): Promise<{ readonly uploadId: string }> {
  const options = { method: 'POST', path: `/${mutationsBucket}/${key}`, query: { uploads: '' } }
  return { uploadId: (await answered(server, 200, options)).element('UploadId') ?? '' }
}

/** Of the first part alone. */
async function complete(server: TestServer, key: string, partCount: number): Promise<MutationRequest> {
  const query = await begun(server, key)
  const etags: string[] = []
  for (let partNumber = 1; partNumber <= partCount; partNumber += 1) {
    const part = { ...put(key, 10), query: { ...query, partNumber: String(partNumber) } }
    etags.push(String((await answered(server, 200, part)).headers['etag']))
  }
  const body =
    '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>' +
    `<ETag>${etags[0]}</ETag></Part></CompleteMultipartUpload>`
  return s3({ method: 'POST', path: `/${mutationsBucket}/${key}`, query, body })
}

const remove = (key: string, versionId: string): SendOptions => ({
  method: 'DELETE',
  path: `/${mutationsBucket}/${key}`,
  query: { versionId },
})

function removeMany(objects: readonly string[]): SendOptions {
  const body = `<Delete>${objects.join('')}</Delete>`
  return document({ method: 'POST', path: `/${mutationsBucket}`, query: { delete: '' }, body })
}

const bucketRequest = (method: string, name: string, body?: string): SendOptions => {
  const options = { method, path: `/${mutationsBucket}`, query: { [name]: '' } }
  return body === undefined ? options : document({ ...options, body })
}

const lifecycle =
  '<LifecycleConfiguration><Rule><ID>a</ID><Filter></Filter><Status>Enabled</Status>' +
  '<AbortIncompleteMultipartUpload><DaysAfterInitiation>9</DaysAfterInitiation></AbortIncompleteMultipartUpload>' +
  '</Rule></LifecycleConfiguration>'
const cors =
  '<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>' +
  '</CORSConfiguration>'
const rule =
  '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>' +
  '<Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>'
const policy = policyDocument(mutationsBucket, {
  Effect: 'Deny',
  Principal: '*',
  Action: 's3:GetObjectTagging',
})

const objectMutations: readonly Mutation[] = [
  {
    ...{ name: 'PutObject of 4 KiB', operation: 'PutObject', status: 200, flushes: commit },
    prepare: async () => s3(put('four', 4096)),
  },
  {
    ...{ name: 'PutObject of 64 KiB', operation: 'PutObject', status: 200, flushes: commit },
    prepare: async () => s3(put('inline', 65_536)),
  },
  {
    ...{ name: 'PutObject of 1 MiB', operation: 'PutObject', status: 200, flushes: file },
    prepare: async () => s3(put('file', 1024 ** 2)),
  },
  {
    ...{ name: 'PutObject over a null version in a file', operation: 'PutObject' },
    ...{ status: 200, flushes: file },
    prepare: async (server) => {
      await answered(server, 200, { method: 'PUT', path: '/unversioned' })
      const options = { method: 'PUT', path: '/unversioned/key', body: Buffer.alloc(fileBytes, 'first') }
      await answered(server, 200, options)
      return s3({ ...options, body: Buffer.alloc(fileBytes, 'second') })
    },
  },
  {
    ...{ name: 'PutObjectLegalHold ON', operation: 'PutObjectLegalHold', status: 200, flushes: commit },
    prepare: async (server) => s3(hold('held', await version(server, 'held'))),
  },
  {
    ...{ name: 'PutObjectRetention', operation: 'PutObjectRetention', status: 200, flushes: commit },
    prepare: async (server) => s3(retain(server, 'retained', await version(server, 'retained'))),
  },
  {
    ...{
      name: 'a refused DeleteObject of a version',
      operation: 'DeleteObject',
      status: 403,
      flushes: commit,
    },
    prepare: async (server) => {
      const versionId = await version(server, 'refused')
      await answered(server, 200, retain(server, 'refused', versionId))
      return s3(remove('refused', versionId))
    },
  },
  {
    ...{ name: 'an allowed DeleteObject of a version in a file', operation: 'DeleteObject' },
    ...{ status: 204, flushes: commit },
    prepare: async (server) => s3(remove('free', await version(server, 'free', fileBytes))),
  },
  {
    ...{
      name: 'DeleteObject without version id',
      operation: 'DeleteObject',
      status: 204,
      flushes: commit,
    },
    prepare: async () => s3({ method: 'DELETE', path: `/${mutationsBucket}/marked` }),
  },
  {
    ...{ name: 'CopyObject', operation: 'CopyObject', status: 200, flushes: commit },
    prepare: async (server) => {
      await version(server, 'source', fileBytes)
      const headers = { 'x-amz-copy-source': `/${mutationsBucket}/source` }
      return s3({ method: 'PUT', path: `/${mutationsBucket}/copy`, headers })
    },
  },
  {
    ...{ name: 'PostObject', operation: 'PostObject', status: 204, flushes: commit },
    prepare: async (server) => {
      const fields = { key: 'posted' }
      const nowMs = server.nowMs()
      return s3(formRequest({ bucket: mutationsBucket, key: rootCredentials, nowMs, fields, file: 'posted' }))
    },
  },
  {
    ...{ name: 'PostObject of 1 MiB', operation: 'PostObject', status: 204, flushes: file },
    prepare: async (server) => {
      const fields = { key: 'posted-file' }
      const nowMs = server.nowMs()
      const file = Buffer.alloc(1024 ** 2, 'posted')
      return s3(formRequest({ bucket: mutationsBucket, key: rootCredentials, nowMs, fields, file }))
    },
  },
  {
    ...{ name: 'PutObjectTagging', operation: 'PutObjectTagging', status: 200, flushes: commit },
    prepare: async (server) => s3(ofVersion('tagged', await version(server, 'tagged'), 'tagging', tags)),
  },
  {
    ...{ name: 'DeleteObjectTagging', operation: 'DeleteObjectTagging', status: 204, flushes: commit },
    prepare: async (server) => {
      const versionId = await version(server, 'untagged')
      await answered(server, 200, ofVersion('untagged', versionId, 'tagging', tags))
      const query = { tagging: '', versionId }
      return s3({ method: 'DELETE', path: `/${mutationsBucket}/untagged`, query })
    },
  },
  {
    ...{ name: 'DeleteObjects', operation: 'DeleteObjects', status: 200, flushes: commit },
    prepare: async (server) => {
      const objects: string[] = []
      for (const key of ['many-1', 'many-2']) {
        const versionId = await version(server, key)
        objects.push(`<Object><Key>${key}</Key><VersionId>${versionId}</VersionId></Object>`)
      }
      return s3(removeMany(objects))
    },
  },
  {
    ...{ name: `DeleteObjects of more than ${limits.deleteObjectsPerTransactionMax} keys` },
    ...{ operation: 'DeleteObjects', status: 200, flushes: [...commit, ...commit] },
    prepare: async () => {
      const keys = Array.from({ length: limits.deleteObjectsPerTransactionMax + 1 }, (_, index) => index)
      return s3(removeMany(keys.map((index) => `<Object><Key>marked-${index}</Key></Object>`)))
    },
  },
]

const uploadMutations: readonly Mutation[] = [
  {
    ...{ name: 'CreateMultipartUpload', operation: 'CreateMultipartUpload', status: 200, flushes: commit },
    prepare: async () => s3({ method: 'POST', path: `/${mutationsBucket}/begun`, query: { uploads: '' } }),
  },
  {
    ...{ name: 'UploadPart of 10 bytes', operation: 'UploadPart', status: 200, flushes: file },
    prepare: async (server) => {
      const query = { partNumber: '1', ...(await begun(server, 'upload')) }
      return s3({ ...put('upload', 10), query })
    },
  },
  {
    ...{ name: 'UploadPart in the place of another', operation: 'UploadPart', status: 200, flushes: file },
    prepare: async (server) => {
      const options = { ...put('again', 10), query: { partNumber: '1', ...(await begun(server, 'again')) } }
      await answered(server, 200, options)
      return s3(options)
    },
  },
  {
    ...{ name: 'UploadPartCopy', operation: 'UploadPartCopy', status: 200, flushes: file },
    prepare: async (server) => {
      await version(server, 'part-source', fileBytes)
      const query = { partNumber: '1', ...(await begun(server, 'part-copy')) }
      const headers = { 'x-amz-copy-source': `/${mutationsBucket}/part-source` }
      return s3({ method: 'PUT', path: `/${mutationsBucket}/part-copy`, query, headers })
    },
  },
  {
    ...{ name: 'AbortMultipartUpload', operation: 'AbortMultipartUpload', status: 204, flushes: commit },
    prepare: async (server) => {
      const query = await begun(server, 'ended')
      return s3({ method: 'DELETE', path: `/${mutationsBucket}/ended`, query })
    },
  },
  {
    ...{ name: 'CompleteMultipartUpload', operation: 'CompleteMultipartUpload' },
    ...{ status: 200, flushes: commit },
    prepare: (server) => complete(server, 'complete', 1),
  },
  {
    ...{ name: 'CompleteMultipartUpload that leaves a part out', operation: 'CompleteMultipartUpload' },
    ...{ status: 200, flushes: commit },
    prepare: (server) => complete(server, 'complete-less', 2),
  },
]

/** A document of a bucket: it is put, and taken away where S3 has an operation for that. */
function documentMutations(
  put: string,
  remove: string | null,
  query: string,
  body: string,
  status = 200,
): readonly Mutation[] {
  const written: Mutation = {
    ...{ name: put, operation: put, status, flushes: commit },
    prepare: async () => s3(bucketRequest('PUT', query, body)),
  }
  if (remove === null) return [written]
  const removed: Mutation = {
    ...{ name: remove, operation: remove, status: 204, flushes: commit },
    prepare: async (server) => {
      await answered(server, status, bucketRequest('PUT', query, body))
      return s3(bucketRequest('DELETE', query))
    },
  }
  return [written, removed]
}

const bucketMutations: readonly Mutation[] = [
  {
    ...{ name: 'CreateBucket', operation: 'CreateBucket', status: 200, flushes: commit },
    prepare: async () => s3({ method: 'PUT', path: '/another-bucket' }),
  },
  {
    ...{ name: 'a PutObject refused by a quota', operation: 'PutObject', status: 403, flushes: commit },
    prepare: async (server) => {
      const lead = { method: 'POST', path: '/v1/leadership', document: { holder: 'test' } }
      const epoch = Number((await sendAdmin(server, lead)).document['epoch'])
      const path = '/v1/buckets/narrow'
      const document = applyDocument({ quotaBytes: 100, requireChecksum: false })
      expect((await sendAdmin(server, { method: 'PUT', path, document, epoch })).status).toBe(200)
      return s3({ method: 'PUT', path: '/narrow/key', body: Buffer.alloc(101) })
    },
  },
  {
    ...{ name: 'DeleteBucket', operation: 'DeleteBucket', status: 204, flushes: commit },
    prepare: async (server) => {
      await answered(server, 200, { method: 'PUT', path: '/short-lived' })
      return s3({ method: 'DELETE', path: '/short-lived' })
    },
  },
  {
    ...{ name: 'PutBucketVersioning', operation: 'PutBucketVersioning', status: 200, flushes: commit },
    prepare: async (server) => {
      await answered(server, 200, { method: 'PUT', path: '/versioned' })
      const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
      return s3(document({ method: 'PUT', path: '/versioned', query: { versioning: '' }, body }))
    },
  },
  ...documentMutations('PutObjectLockConfiguration', null, 'object-lock', rule),
  ...documentMutations('PutBucketTagging', 'DeleteBucketTagging', 'tagging', tags, 204),
  ...documentMutations('PutBucketLifecycleConfiguration', 'DeleteBucketLifecycle', 'lifecycle', lifecycle),
  ...documentMutations('PutBucketCors', 'DeleteBucketCors', 'cors', cors),
  ...documentMutations('PutBucketPolicy', 'DeleteBucketPolicy', 'policy', policy, 204),
]

export const mutations: readonly Mutation[] = [
  ...objectMutations,
  ...uploadMutations,
  ...bucketMutations,
  ...adminMutations,
]

/** Operations that take a document and keep nothing: access is always closed, an ACL is the owner's. */
export const closedOperations: readonly string[] = [
  'DeleteBucketOwnershipControls',
  'DeletePublicAccessBlock',
  'PutBucketAcl',
  'PutBucketOwnershipControls',
  'PutObjectAcl',
  'PutPublicAccessBlock',
]
