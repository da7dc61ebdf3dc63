/** Targets, bucket names, queries and methods that S3 does not have (I10). */
import type { SendOptions } from '../../support/s3-client.ts'
import type { BadRequest, Place } from './runner.ts'

/** A GET whose target is not the one that was signed: what is refused before the signature is looked at. */
const targeted =
  (target: (place: Place) => string, more: Partial<SendOptions> = {}) =>
  (place: Place): SendOptions => ({
    method: 'GET',
    path: `/${place.bucket}/${place.key}`,
    ...more,
    mutate: (wire) => ({ ...wire, target: target(place) }),
  })
const get =
  (path: (place: Place) => string, query: Readonly<Record<string, string>> = {}) =>
  (place: Place): SendOptions => ({ method: 'GET', path: path(place), query })
const ofBucket = ({ bucket }: Place) => `/${bucket}`
const ofKey = ({ bucket, key }: Place) => `/${bucket}/${key}`
const byMethod =
  (method: string, path: (place: Place) => string, query: Readonly<Record<string, string>> = {}) =>
  (place: Place): SendOptions => ({ method, path: path(place), query })

const paths: readonly BadRequest[] = [
  ...['%zz', '%', '%4', '%ff', '%c0%af', '%ed%a0%80', '%f4%90%80%80', 'a%00b', '\xff'].map(
    (part): BadRequest => ({
      name: `a target with ${JSON.stringify(part)}`,
      request: targeted(({ bucket }) => `/${bucket}/${part}`),
      status: 400,
      code: 'InvalidURI',
    }),
  ),
  {
    name: 'a query with %zz',
    request: targeted(({ bucket }) => `/${bucket}?prefix=%zz`),
    status: 400,
    code: 'InvalidURI',
  },
  {
    name: 'a query name with NUL',
    request: targeted(({ bucket }) => `/${bucket}?a%00=b`),
    status: 400,
    code: 'InvalidURI',
  },
  {
    name: 'a key of 1,025 bytes',
    request: get(({ bucket }) => `/${bucket}/${'k'.repeat(1025)}`),
    status: 400,
    code: 'KeyTooLongError',
    extra: { Size: '1025', MaxSizeAllowed: '1024' },
  },
  {
    name: 'a key of 513 characters of two bytes',
    request: byMethod('PUT', ({ bucket }) => `/${bucket}/${'é'.repeat(513)}`),
    status: 400,
    code: 'KeyTooLongError',
    extra: { Size: '1026' },
  },
  {
    name: 'a key of 8 KiB',
    request: get(({ bucket }) => `/${bucket}/${'k'.repeat(8192)}`),
    status: 400,
    code: 'KeyTooLongError',
  },
  {
    name: 'a target of 17 KiB',
    request: targeted(({ bucket }) => `/${bucket}/${'k'.repeat(17_408)}`),
    status: 400,
    code: 'RequestHeaderSectionTooLarge',
  },
  {
    name: 'dots that climb to another bucket',
    request: get(({ bucket, foreignBucket }) => `/${bucket}/../${foreignBucket}/key`),
    status: 404,
    code: 'NoSuchKey',
  },
  {
    name: 'encoded dots that climb out of the volume',
    request: targeted(({ bucket }) => `/${bucket}/%2e%2e/%2e%2e/%2e%2e/etc/passwd`),
    status: 403,
    code: 'SignatureDoesNotMatch',
  },
  {
    name: 'a bucket called ..',
    request: targeted(({ bucket }) => `/../${bucket}/key`),
    status: 400,
    code: 'InvalidBucketName',
    extra: { BucketName: '..' },
  },
  { name: 'two slashes before the bucket', request: targeted(({ bucket }) => `//${bucket}/key`), status: 400, code: 'InvalidBucketName' },
  { name: 'an encoded slash before the bucket', request: targeted(({ bucket }) => `/%2f${bucket}/key`), status: 400, code: 'InvalidBucketName' },
  {
    name: 'an encoded slash behind the bucket',
    request: (place) => ({ ...get(({ bucket }) => `/${bucket}/none`)(place), mutate: (wire) => ({ ...wire, target: `/${place.bucket}%2Fnone` }) }),
    status: 404,
    code: 'NoSuchKey',
    extra: { Key: 'none' },
  },
  {
    name: 'a key of two slashes',
    request: get(({ bucket }) => `/${bucket}//`),
    status: 404,
    code: 'NoSuchKey',
    extra: { Key: '/' },
  },
  {
    name: 'a key with a line break',
    request: get(({ bucket }) => `/${bucket}/a\r\nx-amz-injected: 1`),
    status: 404,
    code: 'NoSuchKey',
    extra: { Key: 'a\r\nx-amz-injected: 1' },
  },
  {
    name: 'a key of markup',
    request: get(({ bucket }) => `/${bucket}/<Code>x</Code>&amp;"`),
    status: 404,
    code: 'NoSuchKey',
    extra: { Key: '<Code>x</Code>&amp;"' },
  },
  {
    name: 'an absolute target of another host',
    request: targeted(({ bucket }) => `http://other.example.com/${bucket}/key`),
    status: 400,
    code: 'InvalidRequest',
  },
  { name: 'an absolute target of another scheme', request: targeted(() => 'ftp://x/y'), status: 400, code: 'InvalidURI' },
  { name: 'an asterisk', request: targeted(() => '*', { method: 'OPTIONS' }), status: 400, code: 'InvalidURI' },
  { name: 'a target without a slash', request: targeted(() => 'bucket/key'), status: 400, code: 'BadRequest' },
  { name: 'a space in the target', request: targeted(({ bucket }) => `/${bucket}/a b`), status: 400, code: 'BadRequest' },
]

const names: readonly BadRequest[] = [
  ...[
    'Upper-Case',
    'ab',
    'a'.repeat(64),
    'under_score',
    '-begin',
    'end-',
    '.dot',
    'two..dots',
    '192.168.0.1',
    'xn--name',
    'sthree-name',
    'name-s3alias',
    'name--x-s3',
    'nam\u00e9',
    'with space',
    'holdfast-canary',
  ].map(
    (name): BadRequest => ({
      name: `CreateBucket: ${name.length > 20 ? 'a name of 64 letters' : name}`,
      request: byMethod('PUT', () => `/${name}`),
      status: 400,
      code: 'InvalidBucketName',
      extra: { BucketName: name },
    }),
  ),
  {
    name: 'a bucket that does not exist',
    request: get(() => '/absent-bucket/key'),
    status: 404,
    code: 'NoSuchBucket',
    extra: { BucketName: 'absent-bucket' },
  },
  {
    name: 'CreateBucket: one that is there',
    request: (place) => ({ method: 'PUT', path: `/${place.bucket}`, key: place.owner }),
    status: 409,
    code: 'BucketAlreadyOwnedByYou',
  },
  {
    name: 'CreateBucket: one of another account, asking for Object Lock',
    request: (place) => ({
      method: 'PUT',
      path: `/${place.foreignBucket}`,
      key: place.owner,
      headers: { 'x-amz-bucket-object-lock-enabled': 'true' },
    }),
    status: 409,
    code: 'BucketAlreadyExists',
  },
  {
    name: 'CreateBucket: Object Lock that is neither true nor false',
    request: (place) => ({ ...byMethod('PUT', () => '/made-bucket')(place), headers: { 'x-amz-bucket-object-lock-enabled': 'yes' } }),
    status: 400,
    code: 'InvalidRequest',
  },
  { name: 'a bucket with versions, deleted', request: byMethod('DELETE', ofBucket), status: 409, code: 'BucketNotEmpty' },
  {
    name: 'a bucket with versions, deleted by force',
    request: byMethod('DELETE', ofBucket, { force_delete: 'true' }),
    status: 405,
    code: 'MethodNotAllowed',
  },
]

const queries: readonly BadRequest[] = [
  {
    name: 'a version id twice',
    request: targeted(({ bucket, versionId }) => `/${bucket}/key?versionId=${versionId}&versionId=null`),
    status: 400,
    code: 'InvalidArgument',
    extra: { ArgumentName: 'versionId' },
  },
  {
    name: 'a version id twice, once encoded',
    request: targeted(({ bucket, versionId }) => `/${bucket}/key?versionId=${versionId}&version%49d=null`),
    status: 400,
    code: 'InvalidArgument',
    extra: { ArgumentName: 'versionId' },
  },
  {
    name: 'an empty version id',
    request: byMethod('DELETE', ofKey, { versionId: '' }),
    status: 400,
    code: 'InvalidArgument',
    message: 'Version id cannot be the empty string',
    extra: { ArgumentName: 'versionId' },
  },
  ...['../..', 'with space', 'a'.repeat(1025), '%', 'NULL\n', 'é', "' or 1=1"].map(
    (versionId): BadRequest => ({
      name: `a version id of ${versionId.length > 20 ? '1,025 letters' : JSON.stringify(versionId)}`,
      request: byMethod('DELETE', ofKey, { versionId }),
      status: 400,
      code: 'InvalidArgument',
      message: 'Invalid version id specified',
      extra: { ArgumentName: 'versionId', ArgumentValue: versionId },
    }),
  ),
  {
    name: 'a version id that is not there',
    request: get(ofKey, { versionId: 'abcDEF123' }),
    status: 404,
    code: 'NoSuchVersion',
    extra: { Key: 'key', VersionId: 'abcDEF123' },
  },
  {
    name: 'the null version where there is none',
    request: get(ofKey, { versionId: 'null' }),
    status: 404,
    code: 'NoSuchVersion',
    extra: { VersionId: 'null' },
  },
  {
    name: 'a deleted key',
    request: get(({ bucket, goneKey }) => `/${bucket}/${goneKey}`),
    status: 404,
    code: 'NoSuchKey',
  },
  {
    name: 'a delete marker by its id',
    request: (place) => get(({ bucket, goneKey }) => `/${bucket}/${goneKey}`, { versionId: place.markerId })(place),
    status: 405,
    code: 'MethodNotAllowed',
    extra: { Method: 'GET', ResourceType: 'DeleteMarker' },
  },
  {
    name: 'the locked version, deleted',
    request: (place) => byMethod('DELETE', ofKey, { versionId: place.versionId })(place),
    status: 403,
    code: 'AccessDenied',
    message: 'Access Denied because object protected by object lock.',
  },
  ...(
    [
      ['GET', 'website', 'GetBucketWebsite'],
      ['PUT', 'replication', 'PutBucketReplication'],
      ['PUT', 'logging', 'PutBucketLogging'],
      ['DELETE', 'inventory', 'DeleteBucketInventoryConfiguration'],
    ] as const
  ).map(
    ([method, query, name]): BadRequest => ({
      name,
      request: byMethod(method, ofBucket, { [query]: '' }),
      status: 501,
      code: 'NotImplemented',
      message: `${name} is not implemented by this server.`,
    }),
  ),
  {
    name: 'GetObjectTorrent',
    request: get(ofKey, { torrent: '' }),
    status: 501,
    code: 'NotImplemented',
    message: 'GetObjectTorrent is not implemented by this server.',
  },
  {
    name: 'SelectObjectContent',
    request: byMethod('POST', ofKey, { select: '', 'select-type': '2' }),
    status: 501,
    code: 'NotImplemented',
  },
  { name: 'PostObject', request: byMethod('POST', ofBucket), status: 501, code: 'NotImplemented' },
  {
    name: 'two sub-resources of an object',
    request: get(ofKey, { retention: '', 'legal-hold': '' }),
    status: 400,
    code: 'InvalidArgument',
    extra: { ArgumentName: 'ResourceType' },
  },
  {
    name: 'two sub-resources of a bucket',
    request: get(ofBucket, { versioning: '', 'object-lock': '' }),
    status: 400,
    code: 'InvalidArgument',
    extra: { ArgumentName: 'ResourceType' },
  },
  {
    name: 'a sub-resource that cannot be deleted, of an object',
    request: byMethod('DELETE', ofKey, { retention: '' }),
    status: 405,
    code: 'MethodNotAllowed',
  },
  {
    name: 'a sub-resource that cannot be deleted, of a bucket',
    request: byMethod('DELETE', ofBucket, { 'object-lock': '' }),
    status: 405,
    code: 'MethodNotAllowed',
  },
  { name: 'a part without an upload', request: byMethod('PUT', ofKey, { partNumber: '1' }), status: 405, code: 'MethodNotAllowed' },
  {
    name: 'a header value that cannot be one',
    request: get(ofKey, { 'response-content-type': 'text/plain\r\nx-amz-injected: 1' }),
    status: 400,
    code: 'InvalidArgument',
    extra: { ArgumentName: 'response-content-type' },
  },
]

const methods: readonly BadRequest[] = [
  ...['PATCH', 'TRACE', 'PROPFIND', 'MOVE'].map(
    (method): BadRequest => ({
      name: `the method ${method}`,
      request: byMethod(method, ofKey),
      status: 405,
      code: 'MethodNotAllowed',
      extra: { Method: method },
    }),
  ),
  { name: 'a method in lower case', request: byMethod('get', ofKey), status: 400, code: 'BadRequest' },
  { name: 'a method that nobody knows', request: byMethod('BREW', ofKey), status: 400, code: 'BadRequest' },
  { name: 'POST to the service', request: byMethod('POST', () => '/'), status: 405, code: 'MethodNotAllowed' },
]

export const targets: readonly BadRequest[] = [...paths, ...names, ...queries, ...methods]
