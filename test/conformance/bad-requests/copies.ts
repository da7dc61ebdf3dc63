/** Sources of copies, tags, ranges and parts of reads. */
import { copy, get, put } from './requests.ts'
import type { BadRequest } from './runner.ts'

const tags = (value: string, message?: string): BadRequest => ({
  name: `x-amz-tagging ${value.length > 60 ? `of ${value.length} characters` : value}`,
  request: put({ 'x-amz-tagging': value }),
  status: 400,
  code: message === undefined ? 'InvalidArgument' : 'InvalidTag',
  ...(message === undefined ? {} : { message }),
})

const tagging: readonly BadRequest[] = [
  tags(Array.from({ length: 11 }, (_each, index) => `k${index}=v`).join('&')),
  tags('a=1&a=2'),
  tags(`${'k'.repeat(129)}=v`, 'The TagKey you have provided is invalid'),
  tags(`a=${'v'.repeat(257)}`, 'The TagValue you have provided is invalid'),
  tags('=v', 'The TagKey you have provided is invalid'),
  tags('aws:a=v', 'System tags cannot be added/updated by requester'),
  tags('a=%3Cb%3E', 'The TagValue you have provided is invalid'),
]

const sources: readonly BadRequest[] = [
  ...['bucketonly', '/', 'bucket/', ''].map(
    (source): BadRequest => ({
      name: `the copy source ${JSON.stringify(source)}`,
      request: copy(() => source),
      status: 400,
      code: 'InvalidArgument',
      extra: { ArgumentName: 'x-amz-copy-source' },
    }),
  ),
  {
    name: 'a copy source with broken encoding',
    request: copy(({ bucket }) => `${bucket}/%zz`),
    status: 400,
    code: 'InvalidArgument',
    message: 'Invalid copy source encoding',
  },
  {
    name: 'a copy source with an encoded version id',
    request: copy(({ bucket, versionId }) => `${bucket}/key%3FversionId%3D${versionId}`),
    status: 404,
    code: 'NoSuchKey',
  },
  {
    name: 'a copy source with another query',
    request: copy(({ bucket }) => `${bucket}/key?x=1`),
    status: 400,
    code: 'InvalidArgument',
  },
  {
    name: 'a copy source with a second query',
    request: copy(({ bucket, versionId }) => `${bucket}/key?versionId=${versionId}&versionId=null`),
    status: 400,
    code: 'InvalidArgument',
    message: 'Invalid version id specified',
  },
  {
    name: 'a copy source with an empty version id',
    request: copy(({ bucket }) => `${bucket}/key?versionId=`),
    status: 400,
    code: 'InvalidArgument',
    message: 'Version id cannot be the empty string',
  },
  {
    name: 'a copy source in a bucket of another account',
    request: copy(({ foreignBucket }) => `${foreignBucket}/key`),
    status: 403,
    code: 'AccessDenied',
  },
  {
    name: 'a copy source that climbs to another account',
    request: copy(({ bucket, foreignBucket }) => `${bucket}/../${foreignBucket}/key`),
    status: 404,
    code: 'NoSuchKey',
  },
  {
    name: 'a copy source that is not there',
    request: copy(({ bucket }) => `${bucket}/none`),
    status: 404,
    code: 'NoSuchKey',
  },
  {
    name: 'a copy source in no bucket',
    request: copy(() => 'absent-bucket/key'),
    status: 404,
    code: 'NoSuchBucket',
  },
  {
    name: 'a copy source whose bucket is no name',
    request: copy(() => '../key'),
    status: 400,
    code: 'InvalidBucketName',
  },
  {
    name: 'a copy source that was deleted',
    request: copy(({ bucket, goneKey }) => `${bucket}/${goneKey}`),
    status: 404,
    code: 'NoSuchKey',
  },
  {
    name: 'a delete marker as a copy source',
    request: copy(({ bucket, goneKey, markerId }) => `${bucket}/${goneKey}?versionId=${markerId}`),
    status: 400,
    code: 'InvalidRequest',
    message: 'The source of a copy request may not specifically refer to a delete marker by version id.',
  },
  {
    name: 'a copy onto itself',
    request: (place) => ({
      ...copy(({ bucket }) => `${bucket}/key`)(place),
      path: `/${place.bucket}/key`,
      method: 'PUT',
    }),
    status: 400,
    code: 'InvalidRequest',
  },
  {
    name: 'a copy with an unknown directive',
    request: copy(({ bucket }) => `${bucket}/key`, { 'x-amz-metadata-directive': 'MERGE' }),
    status: 400,
    code: 'InvalidArgument',
    extra: { ArgumentName: 'x-amz-metadata-directive' },
  },
  {
    name: 'a copy with a condition that fails',
    request: copy(({ bucket }) => `${bucket}/key`, { 'x-amz-copy-source-if-match': '"0"' }),
    status: 412,
    code: 'PreconditionFailed',
  },
]

const ranges: readonly BadRequest[] = [
  ...['bytes=20-', 'bytes=99999999999999999999-', 'bytes=-0', 'bytes=1000000-2000000'].map(
    (range): BadRequest => ({
      name: `the range ${range}`,
      request: get({ range }),
      status: 416,
      code: 'InvalidRange',
      extra: { RangeRequested: range, ActualObjectSize: '20' },
    }),
  ),
  ...['bytes=9-3', 'bytes=0-1,5-6', 'bytes=', 'bytes=-', 'bytes=a-b', 'lines=0-1', 'bytes=--5', '0-5'].map(
    (range): BadRequest => ({
      name: `the range ${range}, which is none`,
      request: get({ range }),
      status: 200,
      code: null,
      text: 'twenty bytes of it!!',
    }),
  ),
  {
    name: 'a range of a part',
    request: get({ range: 'bytes=0-1' }, { partNumber: '1' }),
    status: 400,
    code: 'InvalidRequest',
  },
  ...['0', '10001', '-1', '1.5', 'x', ''].map(
    (partNumber): BadRequest => ({
      name: `the part number ${JSON.stringify(partNumber)} of a read`,
      request: get({}, { partNumber }),
      status: 400,
      code: 'InvalidArgument',
      extra: { ArgumentName: 'partNumber' },
    }),
  ),
  {
    name: 'a part that the object has not',
    request: get({}, { partNumber: '2' }),
    status: 416,
    code: 'InvalidPartNumber',
  },
]

export const copies: readonly BadRequest[] = [...tagging, ...sources, ...ranges]
