/** Uploads whose ids, parts and lists do not fit. */
import type { SendOptions } from '../../support/s3-client.ts'
import type { BadRequest, Place } from './runner.ts'

type Query = Readonly<Record<string, string>>

const upload =
  (method: string, query: (place: Place) => Query, more: Partial<SendOptions> = {}) =>
  (place: Place): SendOptions => ({ method, path: `/${place.bucket}/upload`, query: query(place), ...more })
const putPart = (query: Query) => upload('PUT', ({ uploadId }) => ({ uploadId, ...query }), { body: 'bytes' })
const complete = (body: string | ((place: Place) => string), query: Query = {}) => {
  return (place: Place): SendOptions =>
    upload('POST', ({ uploadId }) => ({ uploadId, ...query }), {
      body: typeof body === 'string' ? body : body(place),
    })(place)
}
const part = (number: number | string, etag: string | undefined) =>
  `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`
const parts = (inner: string) => `<CompleteMultipartUpload>${inner}</CompleteMultipartUpload>`
const noUpload = { status: 404, code: 'NoSuchUpload' }

const ids: readonly BadRequest[] = [
  'none',
  '',
  '../..',
  'a'.repeat(2000),
  'a\0b'.replace('\0', '%00'),
  'é',
].flatMap((uploadId) => {
  const shown = uploadId.length > 20 ? '2,000 letters' : JSON.stringify(uploadId)
  const one = part(1, 'x')
  return [
    { name: `a part of the upload ${shown}`, request: putPart({ uploadId, partNumber: '1' }), ...noUpload },
    { name: `the parts of the upload ${shown}`, request: upload('GET', () => ({ uploadId })), ...noUpload },
    { name: `the end of the upload ${shown}`, request: upload('DELETE', () => ({ uploadId })), ...noUpload },
    {
      name: `the completion of the upload ${shown}`,
      request: complete(parts(one), { uploadId }),
      ...noUpload,
    },
  ]
})

export const uploads: readonly BadRequest[] = [
  ...ids,
  {
    name: 'the upload of another key',
    request: (place) => ({ ...putPart({ partNumber: '1' })(place), path: `/${place.bucket}/other` }),
    ...noUpload,
  },
  {
    name: 'the upload of another bucket',
    request: (place) => ({ ...putPart({ partNumber: '1' })(place), path: `/${place.foreignBucket}/upload` }),
    ...noUpload,
  },
  ...['0', '10001', '-1', '1.5', '1e1', '', 'abc', '٣', '99999999999999999999'].map(
    (partNumber): BadRequest => ({
      name: `the part ${JSON.stringify(partNumber)}`,
      request: putPart({ partNumber }),
      status: 400,
      code: 'InvalidArgument',
      message: 'Part number must be an integer between 1 and 10000, inclusive',
      extra: { ArgumentName: 'partNumber', ArgumentValue: partNumber },
    }),
  ),
  ...['max-parts', 'part-number-marker'].flatMap((name) =>
    ['-1', 'abc', '99999999999'].map(
      (value): BadRequest => ({
        name: `${name} ${value}`,
        request: upload('GET', ({ uploadId }) => ({ uploadId, [name]: value })),
        status: 400,
        code: 'InvalidArgument',
        extra: { ArgumentName: name },
      }),
    ),
  ),
  { name: 'no parts', request: complete(parts('')), status: 400, code: 'MalformedXML' },
  { name: 'no document', request: complete(''), status: 400, code: 'InvalidRequest' },
  {
    name: 'a part without an ETag',
    request: complete(parts('<Part><PartNumber>1</PartNumber></Part>')),
    status: 400,
    code: 'MalformedXML',
  },
  {
    name: 'a part whose number is none',
    request: complete(({ etags }) => parts(part('1e0', etags[0]))),
    status: 400,
    code: 'MalformedXML',
  },
  {
    name: 'parts in another order',
    request: complete(({ etags }) => parts(part(2, etags[1]) + part(1, etags[0]))),
    status: 400,
    code: 'InvalidPartOrder',
  },
  {
    name: 'a part twice',
    request: complete(({ etags }) => parts(part(1, etags[0]) + part(1, etags[0]))),
    status: 400,
    code: 'InvalidPartOrder',
  },
  {
    name: 'a part that was not uploaded',
    request: complete(({ etags }) => parts(part(1, etags[0]) + part(3, etags[0]))),
    status: 400,
    code: 'InvalidPart',
    extra: { PartNumber: '3' },
  },
  {
    name: 'part 0',
    request: complete(({ etags }) => parts(part(0, etags[0]))),
    status: 400,
    code: 'InvalidPart',
  },
  {
    name: 'part 10,001',
    request: complete(({ etags }) => parts(part(10_001, etags[0]))),
    status: 400,
    code: 'InvalidPart',
  },
  {
    name: 'a part with another ETag',
    request: complete(({ etags }) => parts(part(1, etags[1]))),
    status: 400,
    code: 'InvalidPart',
    extra: { PartNumber: '1' },
  },
  {
    name: 'a part too small that is not the last',
    request: complete(({ etags }) => parts(part(1, etags[0]) + part(2, etags[1]))),
    status: 400,
    code: 'EntityTooSmall',
    extra: { ProposedSize: '5', MinSizeAllowed: '5242880', PartNumber: '1' },
  },
  {
    name: '10,001 parts',
    request: complete(parts(Array.from({ length: 10_001 }, (_each, index) => part(index + 1, 'x')).join(''))),
    status: 400,
    code: 'InvalidPart',
  },
  {
    name: 'a size of the whole that is none',
    request: (place) => ({
      ...complete(({ etags }) => parts(part(1, etags[0])))(place),
      headers: { 'x-amz-mp-object-size': '-1' },
    }),
    status: 400,
    code: 'InvalidRequest',
  },
  {
    name: 'another size of the whole',
    request: (place) => ({
      ...complete(({ etags }) => parts(part(1, etags[0])))(place),
      headers: { 'x-amz-mp-object-size': '6' },
    }),
    status: 400,
    code: 'InvalidRequest',
  },
  {
    name: 'a checksum type without an algorithm',
    request: (place) => ({
      method: 'POST',
      path: `/${place.bucket}/new`,
      query: { uploads: '' },
      headers: { 'x-amz-checksum-type': 'COMPOSITE' },
    }),
    status: 400,
    code: 'InvalidRequest',
  },
  {
    name: 'a checksum type that its algorithm has not',
    request: (place) => ({
      method: 'POST',
      path: `/${place.bucket}/new`,
      query: { uploads: '' },
      headers: { 'x-amz-checksum-type': 'FULL_OBJECT', 'x-amz-checksum-algorithm': 'SHA256' },
    }),
    status: 400,
    code: 'InvalidRequest',
  },
  ...['bytes=0-20', 'bytes=5-1', 'bytes=0-', 'bytes=0-1,2-3', '0-1'].map(
    (range): BadRequest => ({
      name: `a part copied from ${range}`,
      request: (place) => ({
        ...putPart({ partNumber: '3' })(place),
        body: '',
        headers: { 'x-amz-copy-source': `${place.bucket}/key`, 'x-amz-copy-source-range': range },
      }),
      status: 400,
      code: 'InvalidArgument',
      extra: { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: range },
    }),
  ),
]
