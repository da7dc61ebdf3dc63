import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { operationsOfVersions } from '../../../src/s3/guarded.ts'
import { operationChooser } from '../../../src/s3/match.ts'
import type { Match, ParseInput } from '../../../src/s3/operation.ts'
import { operations } from '../../../src/s3/operations/index.ts'
import { notImplemented, unbuiltOperations } from '../../../src/s3/operations/not-implemented.ts'
import { aws } from '../../../src/s3/profiles/aws.ts'
import { bucketRecord, caught } from '../../support/records.ts'

const all = [...operations, ...unbuiltOperations]

/** What tells two matches apart: all that a request must have. */
function shape(match: Match): string {
  const values = Object.entries(match.queryValues ?? {}).map(([name, value]) => `${name}=${value}`)
  return [
    match.method,
    match.level,
    ...[...(match.query ?? []), ...values, ...(match.headers ?? [])].sort(),
  ].join(' ')
}

describe('the table', () => {
  it('no two operations match the same requests', () => {
    const shapes = all.map(({ match }) => shape(match))
    expect(shapes.filter((each, index) => shapes.indexOf(each) !== index)).toEqual([])
  })

  it('every operation of the AWS model is built or refused by name', () => {
    const folder = new URL('../../../node_modules/@aws-sdk/client-s3/dist-types/commands/', import.meta.url)
    const model = readdirSync(folder)
      .filter((file) => file.endsWith('Command.d.ts'))
      .map((file) => file.slice(0, -'Command.d.ts'.length))
    expect(model.length).toBeGreaterThan(100)
    const names = new Set(all.map(({ name }) => name))
    expect(model.filter((name) => !names.has(name))).toEqual([])
    expect(names.size).toBe(all.length)
  })

  it('those that read a version id are the ones that may be sent one', () => {
    const folder = new URL('../../../src/s3/operations/', import.meta.url)
    const readers = readdirSync(folder).filter((file) =>
      /versionIdOf\(|parseRead\b/.test(readFileSync(new URL(file, folder), 'utf8')),
    )
    expect(readers.map((file) => file.replace('.ts', '')).sort()).toEqual([...operationsOfVersions].sort())
  })

  it('an unbuilt operation is refused by name', () => {
    const error = notImplemented('PutBucketPolicy')
    expect([error.code, error.detail.status]).toEqual(['NotImplemented', 501])
    expect(error.detail.message).toBe('PutBucketPolicy is not implemented by this server.')
  })

  it('an operation that changes a version or a bucket has its own permission', () => {
    const permissions = Object.fromEntries(operations.map(({ name, permission }) => [name, permission]))
    expect(permissions).toMatchObject({
      CreateBucket: 's3:CreateBucket',
      DeleteObject: 's3:DeleteObject',
      PutObject: 's3:PutObject',
      PutObjectLegalHold: 's3:PutObjectLegalHold',
      PutObjectLockConfiguration: 's3:PutBucketObjectLockConfiguration',
      PutObjectRetention: 's3:PutObjectRetention',
      PutBucketVersioning: 's3:PutBucketVersioning',
    })
    const versions = operations.filter(({ versionPermission }) => versionPermission !== undefined)
    const named = Object.fromEntries(versions.map(({ name, versionPermission }) => [name, versionPermission]))
    expect(named).toMatchObject({
      DeleteObject: 's3:DeleteObjectVersion',
      GetObject: 's3:GetObjectVersion',
      HeadObject: 's3:GetObjectVersion',
    })
  })
})

describe('checks around every operation', () => {
  function input(target: string, headers: Record<string, string> = {}): ParseInput {
    const [method, url] = target.split(' ')
    const parsed = new URL(url ?? '', 'http://h')
    return {
      request: {
        requestId: 'r',
        method: method as 'GET',
        bucket: 'bucket',
        key: 'key',
        query: parsed.searchParams,
        headers,
        resource: parsed.pathname,
        secure: false,
        sourceIp: '127.0.0.1',
      },
      bucket: bucketRecord({ objectLock: 'Enabled' }),
      profile: aws,
      document: '',
    }
  }

  const choose = operationChooser(all)

  function chosen(target: string, headers: Record<string, string> = {}): string {
    const { request } = input(target, headers)
    const path = new URL(target.split(' ')[1] ?? '', 'http://h').pathname
    return choose({ ...request, bucket: 'bucket', key: path.startsWith('/bucket/') ? 'key' : null }).name
  }

  function parse(name: string, target: string, headers: Record<string, string> = {}): unknown {
    const operation = operations.find((each) => each.name === name)
    if (operation === undefined) throw new Error(`no operation ${name}`)
    return operation.parse(input(target, headers))
  }

  it.each([
    ['DELETE /bucket/key?retention', 'RETENTION'],
    ['DELETE /bucket/key?legal-hold', 'LEGAL-HOLD'],
    ['DELETE /bucket/key?versions', 'VERSIONS'],
    ['DELETE /bucket?object-lock', 'OBJECT-LOCK'],
    ['DELETE /bucket?versioning', 'VERSIONING'],
    ['PUT /bucket?retention', 'RETENTION'],
    ['PUT /bucket/key?object-lock', 'OBJECT-LOCK'],
    ['PUT /bucket/key?uploadId=1', 'UPLOADID'],
    ['PUT /bucket/key?partNumber=1', 'PARTNUMBER'],
  ])('%s is no operation, 405, and not the plain one', (target, resourceType) => {
    const error = caught(() => parse(chosen(target), target))
    expect([error.code, error.detail.extra['ResourceType']]).toEqual(['MethodNotAllowed', resourceType])
  })

  it.each([
    ['PUT /bucket/key?retention&legal-hold', {}],
    ['PUT /bucket/key?tagging&legal-hold', {}],
    ['PUT /bucket/key?retention', { 'x-amz-copy-source': 'a/b' }],
  ])('%s %j asks for two operations and gets none', (target, headers) => {
    expect(() => parse(chosen(target, headers), target, headers)).toThrow(/Conflicting|MethodNotAllowed/)
  })

  it('a read of an object keeps parameters that are no sub-resource of objects', () => {
    expect(() => parse('GetObject', 'GET /bucket/key?versions&partNumber=1&x-id=GetObject')).not.toThrow()
  })

  it.each([
    ['PutObjectRetention', 'PUT /bucket/key?retention&versionId=1&x-id=PutObjectRetention'],
    ['GetObject', 'GET /bucket/key?partNumber=1&versionId=1'],
    ['ListObjectsV2', 'GET /bucket?list-type=2&prefix=a'],
    ['ListObjects', 'GET /bucket?prefix=a'],
    ['ListParts', 'GET /bucket/key?uploadId=1'],
    ['UploadPart', 'PUT /bucket/key?uploadId=1&partNumber=1'],
    ['PutBucketPolicy', 'PUT /bucket?policy'],
    ['GetObjectAcl', 'GET /bucket/key?acl&versionId=1'],
    ['GetBucketInventoryConfiguration', 'GET /bucket?inventory&id=1'],
    ['ListBucketInventoryConfigurations', 'GET /bucket?inventory'],
  ])('%s: %s', (name, target) => {
    expect(chosen(target)).toBe(name)
  })

  it.each([
    ['CopyObject', 'PUT /bucket/key'],
    ['UploadPartCopy', 'PUT /bucket/key?uploadId=1&partNumber=1'],
  ])('%s: %s with x-amz-copy-source', (name, target) => {
    expect(chosen(target, { 'x-amz-copy-source': 'a/b' })).toBe(name)
  })

  it('x-amz-expected-bucket-owner of somebody else is 403, the right one passes', () => {
    const header = 'x-amz-expected-bucket-owner'
    expect(caught(() => parse('GetObject', 'GET /b/k', { [header]: '111111111111' })).code).toBe(
      'AccessDenied',
    )
    expect(() => parse('GetObject', 'GET /b/k', { [header]: '000000000000' })).not.toThrow()
  })

  it.each([
    ['DELETE with an empty version id', 'DELETE /b/k?versionId=', 'Version id cannot be the empty string'],
    ['DELETE with a malformed version id', 'DELETE /b/k?versionId=../x', 'Invalid version id specified'],
  ])('%s is 400', (_name, target, message) => {
    const error = caught(() => parse('DeleteObject', target))
    expect([error.code, error.detail.message]).toEqual(['InvalidArgument', message])
  })

  it.each(['if-none-match', 'x-amz-if-match-size', 'x-amz-if-match-last-modified-time'])(
    'DeleteObject: the condition %s is refused and not ignored',
    (name) => {
      expect(caught(() => parse('DeleteObject', 'DELETE /b/k', { [name]: '1' })).code).toBe('NotImplemented')
    },
  )

  it('DeleteBucket: force extensions are refused on a bucket with Object Lock (D24)', () => {
    expect(caught(() => parse('DeleteBucket', 'DELETE /b?force_delete=true')).code).toBe('MethodNotAllowed')
    const header = { 'x-minio-force-delete': 'true' }
    expect(caught(() => parse('DeleteBucket', 'DELETE /b', header)).code).toBe('MethodNotAllowed')
    expect(caught(() => parse('DeleteObject', 'DELETE /b/k', header)).code).toBe('InvalidRequest')
  })

  it.each([
    ['x-amz-server-side-encryption', 'AES256', 'NotImplemented'],
    ['x-amz-website-redirect-location', '/x', 'NotImplemented'],
    ['x-amz-write-offset-bytes', '1', 'NotImplemented'],
    ['x-amz-storage-class', 'GLACIER', 'InvalidStorageClass'],
    ['x-amz-acl', 'public-read', 'AccessControlListNotSupported'],
    ['x-amz-grant-read', 'id=1', 'AccessControlListNotSupported'],
  ])('PutObject: %s is refused and not silently dropped', (name, value, code) => {
    expect(caught(() => parse('PutObject', 'PUT /b/k', { [name]: value })).code).toBe(code)
  })

  it('PutObject: user metadata of 2 KiB passes, one byte more is MetadataTooLarge', () => {
    const value = 'v'.repeat(2048 - 'name'.length)
    expect(() => parse('PutObject', 'PUT /b/k', { 'x-amz-meta-name': value })).not.toThrow()
    const error = caught(() => parse('PutObject', 'PUT /b/k', { 'x-amz-meta-name': `${value}v` }))
    expect([error.code, error.detail.status]).toEqual(['MetadataTooLarge', 400])
  })

  it('PutObject: a metadata name that objects have by nature is stored like any other', () => {
    const parsed = parse('PutObject', 'PUT /b/k', { 'x-amz-meta-__proto__': 'x' })
    expect(JSON.stringify(parsed)).toContain('"userMetadata":{"__proto__":"x"}')
  })
})
