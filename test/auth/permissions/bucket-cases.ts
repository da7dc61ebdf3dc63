/** What the operations on buckets, the service and DeleteObjects need. */
import type { Action } from '../../../src/s3/operation.ts'
import { md5 } from '../../support/conformance.ts'
import type { Answer } from '../../support/s3-client.ts'
import {
  isDenied,
  type Make,
  type Options,
  onBucket,
  type PermissionCase,
  permissionCase,
  retention,
  type Stage,
} from './permission-case.ts'

/** A read of the bucket by sub-resource. */
function reads(name: string, query: string, need: Action, options: Options = {}): PermissionCase {
  return onBucket(name, [need], () => ({ method: 'GET', query: { [query]: '' } }), options)
}

/** A write of the bucket by sub-resource, with a checksum. */
function writes(
  name: string,
  query: string,
  need: Action,
  body: string,
  options: Options = {},
): PermissionCase {
  const headers = { 'content-md5': md5(body) }
  return onBucket(name, [need], () => ({ method: 'PUT', query: { [query]: '' }, body, headers }), options)
}

function removes(name: string, query: string, need: Action, options: Options = {}): PermissionCase {
  return onBucket(name, [need], () => ({ method: 'DELETE', query: { [query]: '' } }), options)
}

const bypass = { 'x-amz-bypass-governance-retention': 'true' }

/** Its answer is 200; what was denied is an error of the entry. */
const isEntryDenied = (answer: Answer): boolean => answer.status === 403 || answer.text.includes('<Error>')

function multiDelete(
  form: string,
  needs: readonly Action[],
  entry: (stage: Stage) => Promise<string>,
): PermissionCase {
  const make: Make = async (stage) => {
    const body = `<Delete><Object><Key>key</Key>${await entry(stage)}</Object></Delete>`
    return { method: 'POST', query: { delete: '' }, body, headers: { ...bypass, 'content-md5': md5(body) } }
  }
  return onBucket(`DeleteObjects: ${form}`, needs, make, { isDenied: isEntryDenied })
}

const version = async (id: Promise<string>) => `<VersionId>${await id}</VersionId>`

export const bucketCases: readonly PermissionCase[] = [
  onBucket('HeadBucket', ['s3:ListBucket'], () => ({ method: 'HEAD' })),
  onBucket('ListObjects', ['s3:ListBucket'], () => ({ method: 'GET' })),
  onBucket('ListObjectsV2', ['s3:ListBucket'], () => ({ method: 'GET', query: { 'list-type': '2' } })),
  reads('ListObjectVersions', 'versions', 's3:ListBucketVersions'),
  reads('ListMultipartUploads', 'uploads', 's3:ListBucketMultipartUploads'),
  reads('GetBucketLocation', 'location', 's3:GetBucketLocation'),
  reads('GetBucketVersioning', 'versioning', 's3:GetBucketVersioning'),
  reads('GetObjectLockConfiguration', 'object-lock', 's3:GetBucketObjectLockConfiguration'),
  reads('GetBucketAcl', 'acl', 's3:GetBucketAcl'),
  reads('GetPublicAccessBlock', 'publicAccessBlock', 's3:GetBucketPublicAccessBlock'),
  reads('GetBucketOwnershipControls', 'ownershipControls', 's3:GetBucketOwnershipControls'),
  reads('GetBucketEncryption', 'encryption', 's3:GetEncryptionConfiguration', { granted: [404] }),
  reads('GetBucketTagging', 'tagging', 's3:GetBucketTagging', { granted: [404] }),
  reads('GetBucketCors', 'cors', 's3:GetBucketCORS', { granted: [404] }),
  reads('GetBucketLifecycleConfiguration', 'lifecycle', 's3:GetLifecycleConfiguration', { granted: [404] }),
  reads('GetBucketPolicy', 'policy', 's3:GetBucketPolicy', { granted: [200, 404, 405] }),
  reads('GetBucketPolicyStatus', 'policyStatus', 's3:GetBucketPolicyStatus', { granted: [200, 404, 405] }),
  writes(
    'PutBucketVersioning',
    'versioning',
    's3:PutBucketVersioning',
    '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
  ),
  writes(
    'PutObjectLockConfiguration',
    'object-lock',
    's3:PutBucketObjectLockConfiguration',
    '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>',
  ),
  onBucket('PutBucketAcl', ['s3:PutBucketAcl'], () => ({
    method: 'PUT',
    query: { acl: '' },
    headers: { 'x-amz-acl': 'private' },
  })),
  writes(
    'PutPublicAccessBlock',
    'publicAccessBlock',
    's3:PutBucketPublicAccessBlock',
    '<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>' +
      '<BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets>' +
      '</PublicAccessBlockConfiguration>',
  ),
  writes(
    'PutBucketOwnershipControls',
    'ownershipControls',
    's3:PutBucketOwnershipControls',
    '<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>',
  ),
  writes('PutBucketTagging', 'tagging', 's3:PutBucketTagging', '<Tagging><TagSet></TagSet></Tagging>'),
  writes(
    'PutBucketCors',
    'cors',
    's3:PutBucketCORS',
    '<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>',
  ),
  writes(
    'PutBucketLifecycleConfiguration',
    'lifecycle',
    's3:PutLifecycleConfiguration',
    '<LifecycleConfiguration><Rule><ID>r</ID><Filter><Prefix>old/</Prefix></Filter><Status>Disabled</Status>' +
      '<Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>',
  ),
  onBucket(
    'PutBucketPolicy',
    ['s3:PutBucketPolicy'],
    ({ bucket }) => ({
      method: 'PUT',
      query: { policy: '' },
      body: JSON.stringify({
        Statement: {
          Effect: 'Deny',
          Principal: '*',
          Action: 's3:GetObjectTorrent',
          Resource: `arn:aws:s3:::${bucket}/*`,
        },
      }),
    }),
    { granted: [204, 405] },
  ),
  removes('DeleteBucketPolicy', 'policy', 's3:DeleteBucketPolicy', { granted: [204, 405] }),
  removes('DeleteBucketTagging', 'tagging', 's3:PutBucketTagging'),
  removes('DeleteBucketCors', 'cors', 's3:PutBucketCORS'),
  removes('DeleteBucketLifecycle', 'lifecycle', 's3:PutLifecycleConfiguration'),
  removes('DeleteBucketOwnershipControls', 'ownershipControls', 's3:PutBucketOwnershipControls', {
    granted: [501],
  }),
  removes('DeletePublicAccessBlock', 'publicAccessBlock', 's3:PutBucketPublicAccessBlock', {
    granted: [403],
    isDenied: (answer) => isDenied(answer) && !answer.text.includes('always blocks public access'),
  }),
  multiDelete('a key', ['s3:DeleteObject'], async () => ''),
  multiDelete('a version', ['s3:DeleteObjectVersion'], (stage) => version(stage.put())),
  multiDelete(
    'a GOVERNANCE version with bypass',
    ['s3:DeleteObjectVersion', 's3:BypassGovernanceRetention'],
    (stage) => version(stage.put(retention(stage))),
  ),
  permissionCase(
    'DeleteBucket',
    ['s3:DeleteBucket'],
    async ({ bench, owner }) => {
      const bucket = await bench.bucket('unversioned', { key: owner })
      return { bucket, request: (key) => ({ method: 'DELETE', path: `/${bucket}`, key }) }
    },
    {},
  ),
]

let bucketCount = 0
function newBucket(headers: Readonly<Record<string, string>>): PermissionCase['prepare'] {
  return async ({ bucket }) => {
    bucketCount += 1
    const path = `/created-${bucketCount}`
    return { bucket, request: (key) => ({ method: 'PUT', path, headers, key }) }
  }
}

export const serviceCases: readonly PermissionCase[] = [
  onBucket('ListBuckets', ['s3:ListAllMyBuckets'], () => ({ method: 'GET', path: '/' }), {
    level: 'service',
  }),
  permissionCase('CreateBucket', ['s3:CreateBucket'], newBucket({}), { level: 'service' }),
  permissionCase(
    'CreateBucket: with Object Lock',
    ['s3:CreateBucket', 's3:PutBucketObjectLockConfiguration', 's3:PutBucketVersioning'],
    newBucket({ 'x-amz-bucket-object-lock-enabled': 'true' }),
    { level: 'service' },
  ),
]
