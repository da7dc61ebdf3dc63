/** What reads of objects, changes of their sub-resources, deletes, copies and uploads by parts need. */
import type { Action } from '../../../src/s3/operation.ts'
import { md5 } from '../../support/conformance.ts'
import { completeXml } from '../../support/multipart.ts'
import {
  hold,
  onBucket,
  onKey,
  type PermissionCase,
  type Request,
  retention,
  type Stage,
  tags,
} from './permission-case.ts'

/** The same request with and without a version id. */
function versioned(
  name: string,
  needs: readonly Action[],
  versionNeeds: readonly Action[],
  request: Request,
): readonly PermissionCase[] {
  return [
    onKey(name, needs, async (stage) => {
      await stage.put(tags())
      return request
    }),
    onKey(`${name}: by version id`, versionNeeds, async (stage) => ({
      ...request,
      query: { ...request.query, versionId: await stage.put(tags()) },
    })),
  ]
}

const withSum = (body: string) => ({ body, headers: { 'content-md5': md5(body) } })
const tagging = '<Tagging><TagSet><Tag><Key>a</Key><Value>2</Value></Tag></TagSet></Tagging>'
const bypass = { 'x-amz-bypass-governance-retention': 'true' }

export const objectCases: readonly PermissionCase[] = [
  ...versioned('GetObject', ['s3:GetObject'], ['s3:GetObjectVersion'], { method: 'GET' }),
  ...versioned('HeadObject', ['s3:GetObject'], ['s3:GetObjectVersion'], { method: 'HEAD' }),
  ...versioned(
    'GetObjectAttributes',
    ['s3:GetObjectAttributes', 's3:GetObject'],
    ['s3:GetObjectVersionAttributes', 's3:GetObjectVersion'],
    { method: 'GET', query: { attributes: '' }, headers: { 'x-amz-object-attributes': 'ETag' } },
  ),
  ...versioned('GetObjectTagging', ['s3:GetObjectTagging'], ['s3:GetObjectVersionTagging'], {
    method: 'GET',
    query: { tagging: '' },
  }),
  ...versioned('PutObjectTagging', ['s3:PutObjectTagging'], ['s3:PutObjectVersionTagging'], {
    method: 'PUT',
    query: { tagging: '' },
    ...withSum(tagging),
  }),
  ...versioned('DeleteObjectTagging', ['s3:DeleteObjectTagging'], ['s3:DeleteObjectVersionTagging'], {
    method: 'DELETE',
    query: { tagging: '' },
  }),
  ...versioned('GetObjectAcl', ['s3:GetObjectAcl'], ['s3:GetObjectVersionAcl'], {
    method: 'GET',
    query: { acl: '' },
  }),
  ...versioned('PutObjectAcl', ['s3:PutObjectAcl'], ['s3:PutObjectVersionAcl'], {
    method: 'PUT',
    query: { acl: '' },
    headers: { 'x-amz-acl': 'private' },
  }),
  ...versioned('DeleteObject', ['s3:DeleteObject'], ['s3:DeleteObjectVersion'], { method: 'DELETE' }),
  onKey(
    'DeleteObject: a GOVERNANCE version with bypass',
    ['s3:DeleteObjectVersion', 's3:BypassGovernanceRetention'],
    async (stage) => ({
      method: 'DELETE',
      query: { versionId: await stage.put(retention(stage)) },
      headers: bypass,
    }),
  ),
  ...[{}, { isVersion: true }].map(({ isVersion }) =>
    onKey(
      `GetObjectRetention${isVersion ? ': by version id' : ''}`,
      ['s3:GetObjectRetention'],
      async (stage) => {
        const versionId = await stage.put(retention(stage))
        return { method: 'GET', query: { retention: '', ...(isVersion ? { versionId } : {}) } }
      },
    ),
  ),
  ...[{}, { isVersion: true }].map(({ isVersion }) =>
    onKey(
      `GetObjectLegalHold${isVersion ? ': by version id' : ''}`,
      ['s3:GetObjectLegalHold'],
      async (stage) => {
        const versionId = await stage.put(hold())
        return { method: 'GET', query: { 'legal-hold': '', ...(isVersion ? { versionId } : {}) } }
      },
    ),
  ),
  ...[1, 3].map((days) =>
    onKey(
      days === 3 ? 'PutObjectRetention' : 'PutObjectRetention: shorter, with bypass',
      days === 3 ? ['s3:PutObjectRetention'] : ['s3:PutObjectRetention', 's3:BypassGovernanceRetention'],
      async (stage) => {
        const until = (count: number) => stage.bench.inDays(count)
        const stored = {
          'x-amz-object-lock-mode': 'GOVERNANCE',
          'x-amz-object-lock-retain-until-date': until(2),
        }
        const versionId = await stage.put(stored)
        const body = `<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>${until(days)}</RetainUntilDate></Retention>`
        return {
          method: 'PUT',
          query: { retention: '', versionId },
          body,
          headers: { ...bypass, 'content-md5': md5(body) },
        }
      },
    ),
  ),
  ...['ON', 'OFF'].map((status) =>
    onKey(`PutObjectLegalHold: ${status}`, ['s3:PutObjectLegalHold'], async (stage) => {
      const versionId = await stage.put()
      return {
        method: 'PUT',
        query: { 'legal-hold': '', versionId },
        ...withSum(`<LegalHold><Status>${status}</Status></LegalHold>`),
      }
    }),
  ),
  onKey('CopyObject: a version', ['s3:PutObject', 's3:GetObjectVersion'], async (stage) => ({
    method: 'PUT',
    path: `/${stage.bucket}/copy`,
    headers: { 'x-amz-copy-source': `/${stage.bucket}/key?versionId=${await stage.put()}` },
  })),
  onKey(
    'CopyObject: with the tags of its source',
    ['s3:PutObject', 's3:GetObject', 's3:GetObjectTagging', 's3:PutObjectTagging'],
    async (stage) => {
      await stage.put(tags())
      return {
        method: 'PUT',
        path: `/${stage.bucket}/copy`,
        headers: { 'x-amz-copy-source': `/${stage.bucket}/key` },
      }
    },
  ),
]

const part = { body: 'part', headers: { 'content-md5': md5('part') } }

async function addedPart(stage: Stage, uploadId: string): Promise<string> {
  const { bench, bucket, owner } = stage
  const path = `/${bucket}/upload`
  const answer = await bench.send({
    method: 'PUT',
    path,
    query: { partNumber: '1', uploadId },
    ...part,
    key: owner,
  })
  return String(answer.headers['etag'])
}

function onUpload(
  name: string,
  needs: readonly Action[],
  make: (stage: Stage, uploadId: string) => Promise<Request>,
): PermissionCase {
  return onBucket(name, needs, async (stage) => ({
    path: `/${stage.bucket}/upload`,
    ...(await make(stage, await stage.upload())),
  }))
}

export const multipartCases: readonly PermissionCase[] = [
  onUpload('UploadPart', ['s3:PutObject'], async (_stage, uploadId) => ({
    method: 'PUT',
    query: { partNumber: '1', uploadId },
    ...part,
  })),
  onUpload('UploadPartCopy', ['s3:PutObject', 's3:GetObject'], async (stage, uploadId) => {
    await stage.put()
    const headers = { 'x-amz-copy-source': `/${stage.bucket}/key` }
    return { method: 'PUT', query: { partNumber: '1', uploadId }, headers }
  }),
  onUpload('CompleteMultipartUpload', ['s3:PutObject'], async (stage, uploadId) => ({
    method: 'POST',
    query: { uploadId },
    body: completeXml([{ partNumber: 1, etag: await addedPart(stage, uploadId) }]),
  })),
  onUpload('AbortMultipartUpload', ['s3:AbortMultipartUpload'], async (_stage, uploadId) => ({
    method: 'DELETE',
    query: { uploadId },
  })),
  onUpload('ListParts', ['s3:ListMultipartUploadParts'], async (_stage, uploadId) => ({
    method: 'GET',
    query: { uploadId },
  })),
]
