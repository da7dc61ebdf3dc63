/** Version ids, sub-resources and methods that S3 does not have. */
import { byMethod, get, ofBucket, ofKey, targeted } from './addressed.ts'
import type { BadRequest } from './runner.ts'

const parameters: readonly BadRequest[] = [
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
    request: (place) =>
      get(({ bucket, goneKey }) => `/${bucket}/${goneKey}`, { versionId: place.markerId })(place),
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
  {
    name: 'PostObject without a form',
    request: byMethod('POST', ofBucket),
    status: 412,
    code: 'PreconditionFailed',
  },
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
  {
    name: 'a part without an upload',
    request: byMethod('PUT', ofKey, { partNumber: '1' }),
    status: 405,
    code: 'MethodNotAllowed',
  },
  {
    name: 'a header value that cannot be one',
    request: get(ofKey, { 'response-content-type': 'text/plain\r\nx-amz-injected: 1' }),
    status: 400,
    code: 'InvalidArgument',
    extra: { ArgumentName: 'response-content-type' },
  },
]

const methods: readonly BadRequest[] = [
  {
    name: 'the rename of a vendor',
    request: ({ bucket, owner }) => ({ method: 'MOVE', path: `/${bucket}`, key: owner }),
    status: 501,
    code: 'NotImplemented',
  },
  ...['PATCH', 'TRACE', 'PROPFIND'].map(
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
  {
    name: 'POST to the service',
    request: byMethod('POST', () => '/'),
    status: 405,
    code: 'MethodNotAllowed',
  },
]

export const queries: readonly BadRequest[] = [...parameters, ...methods]
