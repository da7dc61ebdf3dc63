/** Targets and bucket names that name nothing, or something else to another reader (I10). */
import { byMethod, get, ofBucket, targeted } from './addressed.ts'
import type { BadRequest } from './runner.ts'

const paths: readonly BadRequest[] = [
  ...['%zz', '%', '%4', '%ff', '%c0%af', '%ed%a0%80', '%f4%90%80%80', 'a%00b'].map(
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
  {
    name: 'two slashes before the bucket',
    request: targeted(({ bucket }) => `//${bucket}/key`),
    status: 400,
    code: 'InvalidBucketName',
  },
  {
    name: 'an encoded slash before the bucket',
    request: targeted(({ bucket }) => `/%2f${bucket}/key`),
    status: 400,
    code: 'InvalidBucketName',
  },
  {
    name: 'an encoded slash behind the bucket',
    request: (place) => ({
      ...get(({ bucket }) => `/${bucket}/none`)(place),
      mutate: (wire) => ({ ...wire, target: `/${place.bucket}%2Fnone` }),
    }),
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
  {
    name: 'an absolute target of another scheme',
    request: targeted(() => 'ftp://x/y'),
    status: 400,
    code: 'InvalidURI',
  },
  {
    name: 'an asterisk',
    request: targeted(() => '*', { method: 'OPTIONS' }),
    status: 400,
    code: 'InvalidURI',
  },
  {
    name: 'a raw byte in the target',
    request: targeted(({ bucket }) => `/${bucket}/\xff`),
    status: 400,
    code: 'BadRequest',
  },
  {
    name: 'a target without a slash',
    request: targeted(() => 'bucket/key'),
    status: 400,
    code: 'BadRequest',
  },
  {
    name: 'a space in the target',
    request: targeted(({ bucket }) => `/${bucket}/a b`),
    status: 400,
    code: 'BadRequest',
  },
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
    request: (place) => ({
      ...byMethod('PUT', () => '/made-bucket')(place),
      headers: { 'x-amz-bucket-object-lock-enabled': 'yes' },
    }),
    status: 400,
    code: 'InvalidRequest',
  },
  {
    name: 'a bucket with versions, deleted',
    request: byMethod('DELETE', ofBucket),
    status: 409,
    code: 'BucketNotEmpty',
  },
  {
    name: 'a bucket with versions, deleted by force',
    request: byMethod('DELETE', ofBucket, { force_delete: 'true' }),
    status: 405,
    code: 'MethodNotAllowed',
  },
]

export const targets: readonly BadRequest[] = [...paths, ...names]
