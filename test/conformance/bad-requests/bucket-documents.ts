/** Versioning, buckets, tags and multi-deletes: documents that do not fit. */
import { malformed, on, toBucket, toKey } from './documents.ts'
import { type BadRequest, document } from './runner.ts'

const versioning = (inner: string) => `<VersioningConfiguration>${inner}</VersioningConfiguration>`
const others: readonly BadRequest[] = [
  {
    name: 'versioning suspended under Object Lock',
    request: toBucket('versioning', versioning('<Status>Suspended</Status>')),
    status: 409,
    code: 'InvalidBucketState',
  },
  {
    name: 'versioning without a Status',
    request: toBucket('versioning', versioning('')),
    status: 400,
    code: 'IllegalVersioningConfigurationException',
  },
  {
    name: 'versioning of another Status',
    request: toBucket('versioning', versioning('<Status>enabled</Status>')),
    ...malformed,
  },
  {
    name: 'versioning that leaves prefixes out',
    request: toBucket('versioning', versioning('<Status>Enabled</Status><ExcludedPrefixes/>')),
    ...malformed,
  },
  {
    name: 'CreateBucket elsewhere',
    request: () =>
      document({
        method: 'PUT',
        path: '/made-bucket',
        body: '<CreateBucketConfiguration><LocationConstraint>mars-1</LocationConstraint></CreateBucketConfiguration>',
      }),
    status: 400,
    code: 'InvalidLocationConstraint',
  },
  {
    name: 'CreateBucket with another document',
    request: () => document({ method: 'PUT', path: '/made-bucket', body: on }),
    ...malformed,
  },
]

const tag = (key: string, value: string) => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`
const tagSet = (tags: string) => `<Tagging><TagSet>${tags}</TagSet></Tagging>`
const tagging: readonly BadRequest[] = (
  [
    [
      '11 tags',
      tagSet(Array.from({ length: 11 }, (_each, index) => tag(`k${index}`, 'v')).join('')),
      'BadRequest',
    ],
    ['a key twice', tagSet(tag('a', '1') + tag('a', '2')), 'InvalidTag'],
    ['a key of 129 characters', tagSet(tag('k'.repeat(129), 'v')), 'InvalidTag'],
    ['a value of 257 characters', tagSet(tag('k', 'v'.repeat(257))), 'InvalidTag'],
    ['an empty key', tagSet(tag('', 'v')), 'InvalidTag'],
    ['a system tag', tagSet(tag('AWS:x', 'v')), 'InvalidTag'],
    ['signs that S3 has not', tagSet(tag('k', '&lt;')), 'InvalidTag'],
    ['no TagSet', '<Tagging/>', 'MalformedXML'],
    ['a tag without a value', tagSet('<Tag><Key>k</Key></Tag>'), 'MalformedXML'],
  ] as const
).map(([name, body, code]) => ({
  name: `tagging with ${name}`,
  request: toKey('tagging', body),
  status: 400,
  code,
}))

const objects = (inner: string) => `<Delete>${inner}</Delete>`
const object = (key: string, more = '') => `<Object><Key>${key}</Key>${more}</Object>`
const deletes: readonly BadRequest[] = [
  ...(
    [
      ['no key', objects('')],
      ['1,001 keys', objects(object('none').repeat(1001))],
      ['an empty key', objects(object(''))],
      ['a key twice in one', objects('<Object><Key>a</Key><Key>b</Key></Object>')],
      ['a Quiet that is neither', objects(`${object('none')}<Quiet>yes</Quiet>`)],
      ['70,000 elements', objects('<a/>'.repeat(70_000))],
    ] as const
  ).map(
    ([name, body]): BadRequest => ({
      name: `a multi-delete of ${name}`,
      request: toBucket('delete', body, 'POST'),
      ...malformed,
    }),
  ),
  {
    name: 'a multi-delete without a checksum',
    request: ({ bucket }) => ({
      method: 'POST',
      path: `/${bucket}`,
      query: { delete: '' },
      body: objects(object('key')),
    }),
    status: 400,
    code: 'InvalidRequest',
  },
  {
    name: 'a multi-delete of another ETag',
    request: toBucket('delete', objects(object('key', '<ETag>x</ETag>')), 'POST'),
    status: 200,
    code: 'PreconditionFailed',
  },
  {
    name: 'a multi-delete with a size',
    request: toBucket('delete', objects(object('key', '<Size>1</Size>')), 'POST'),
    status: 501,
    code: 'NotImplemented',
  },
  {
    name: 'a multi-delete of the locked version',
    request: (place) =>
      toBucket('delete', objects(object('key', `<VersionId>${place.versionId}</VersionId>`)), 'POST')(place),
    status: 200,
    code: 'AccessDenied',
    text: '<Message>Access Denied because object protected by object lock.</Message>',
  },
  {
    name: 'a multi-delete of a version id that is none',
    request: toBucket('delete', objects(object('key', '<VersionId>../..</VersionId>')), 'POST'),
    status: 200,
    code: 'InvalidArgument',
    text: '<Message>Invalid version id specified</Message>',
  },
  {
    name: 'a multi-delete of an empty version id',
    request: toBucket('delete', objects(object('key', '<VersionId></VersionId>')), 'POST'),
    status: 200,
    code: 'InvalidArgument',
  },
  {
    name: 'a multi-delete of a key of 1,025 bytes',
    request: toBucket('delete', objects(object('k'.repeat(1025))), 'POST'),
    status: 200,
    code: 'KeyTooLongError',
  },
]

export const bucketDocuments: readonly BadRequest[] = [...others, ...tagging, ...deletes]
