/** Parameters of listings that are none. */
import { get, ofBucket } from './addressed.ts'
import type { BadRequest } from './runner.ts'

const list = (query: Readonly<Record<string, string>>) => get(ofBucket, query)

const pageSizes: readonly BadRequest[] = (
  [
    ['max-keys', { 'list-type': '2' }],
    ['max-keys', {}],
    ['max-keys', { versions: '' }],
    ['max-uploads', { uploads: '' }],
  ] as const
).flatMap(([name, query]) =>
  ['-1', 'abc', '1e9', '0x10', '1.5', '99999999999', '2147483648', '+5', ' 5'].map(
    (value): BadRequest => ({
      name: `${name} ${JSON.stringify(value)} of ${JSON.stringify(query)}`,
      request: list({ ...query, [name]: value }),
      status: 400,
      code: 'InvalidArgument',
      message: `Provided ${name} not an integer or within integer range`,
      extra: { ArgumentName: name, ArgumentValue: value },
    }),
  ),
)

const tokens: readonly BadRequest[] = [
  '',
  'abc',
  '!',
  'AQAAAABrZXk',
  'AQ',
  '../../etc',
  'A'.repeat(4000),
].map((token) => ({
  name: `a continuation token of ${token.length > 20 ? '4,000 letters' : JSON.stringify(token)}`,
  request: list({ 'list-type': '2', 'continuation-token': token }),
  status: 400,
  code: 'InvalidArgument',
  message: 'The continuation token provided is incorrect',
  extra: { ArgumentName: 'continuation-token' },
}))

export const listings: readonly BadRequest[] = [
  ...pageSizes,
  ...tokens,
  ...[{ 'list-type': '2' }, {}, { versions: '' }, { uploads: '' }].map(
    (query): BadRequest => ({
      name: `an encoding that is none of ${JSON.stringify(query)}`,
      request: list({ ...query, 'encoding-type': 'base64' }),
      status: 400,
      code: 'InvalidArgument',
      message: 'Invalid Encoding Method specified in Request',
      extra: { ArgumentName: 'encoding-type', ArgumentValue: 'base64' },
    }),
  ),
  {
    name: 'a version-id-marker without a key',
    request: list({ versions: '', 'version-id-marker': 'abc' }),
    status: 400,
    code: 'InvalidArgument',
    extra: { ArgumentName: 'version-id-marker' },
  },
  {
    name: 'an empty version-id-marker',
    request: list({ versions: '', 'key-marker': 'key', 'version-id-marker': '' }),
    status: 400,
    code: 'InvalidArgument',
  },
  {
    name: 'a version-id-marker that is none',
    request: list({ versions: '', 'key-marker': 'key', 'version-id-marker': '../' }),
    status: 400,
    code: 'InvalidArgument',
    message: 'Invalid version id specified',
  },
  ...['0', '-1', 'x'].map(
    (value): BadRequest => ({
      name: `max-buckets ${value}`,
      request: get(() => '/', { 'max-buckets': value }),
      status: 400,
      code: 'InvalidArgument',
      extra: { ArgumentName: 'max-buckets' },
    }),
  ),
  ...(
    [
      ['a prefix of 7 KiB', { 'list-type': '2', prefix: 'p'.repeat(7168) }],
      ['a prefix of 7 KiB for versions', { versions: '', prefix: 'p'.repeat(7168) }],
      ['a prefix of 7 KiB for uploads', { uploads: '', prefix: 'p'.repeat(7168) }],
      ['a start of 7 KiB', { 'list-type': '2', 'start-after': 'z'.repeat(7168) }],
      ['a marker of 7 KiB', { marker: 'z'.repeat(7168) }],
      ['a key-marker of 7 KiB', { versions: '', 'key-marker': 'z'.repeat(7168) }],
      [
        'a key-marker of 7 KiB for uploads',
        { uploads: '', 'key-marker': 'z'.repeat(7168), 'upload-id-marker': 'u'.repeat(5000) },
      ],
      ['a delimiter of 7 KiB', { 'list-type': '2', delimiter: 'd'.repeat(7168) }],
      [
        'a version-id-marker of 1,024 letters',
        { versions: '', 'key-marker': 'z', 'version-id-marker': 'v'.repeat(1024) },
      ],
    ] as const
  ).map(
    ([name, query]): BadRequest => ({
      name: `${name}, an empty page or a whole one`,
      request: list(query),
      status: 200,
      code: null,
      text: '<IsTruncated>false</IsTruncated>',
    }),
  ),
]
