/** Documents of locks that are no XML, not S3's, or say what cannot be. */
import { gzipSync } from 'node:zlib'
import { type BadRequest, document, type Outgoing, type Place } from './runner.ts'

type Body = string | Uint8Array

export const toBucket =
  (query: string, body: Body, method = 'PUT') =>
  ({ bucket }: Place): Outgoing =>
    document({ method, path: `/${bucket}`, query: { [query]: '' }, body })
export const toKey =
  (query: string, body: Body) =>
  ({ bucket, key }: Place): Outgoing =>
    document({ method: 'PUT', path: `/${bucket}/${key}`, query: { [query]: '' }, body })

export const malformed = {
  status: 400,
  code: 'MalformedXML',
  message: 'The XML you provided was not well-formed or did not validate against our published schema',
}
const hold = (inner: string) => `<LegalHold>${inner}</LegalHold>`
export const on = hold('<Status>ON</Status>')
const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(on, 'utf16le')])
const bomb = `<!DOCTYPE lolz [<!ENTITY a "${'ha'.repeat(50)}">${[...'bcdef']
  .map((name, index) => `<!ENTITY ${name} "${`&${'abcde'[index]};`.repeat(10)}">`)
  .join('')}]>${hold('<Status>&f;</Status>')}`

/** Each is sent as a legal hold on the locked version. */
const broken: Readonly<Record<string, Body>> = {
  nothing: '',
  'white space': ' \r\n\t',
  'no XML': 'ON',
  JSON: '{"Status":"ON"}',
  'an unclosed element': '<LegalHold><Status>ON</Status>',
  'crossed elements': '<LegalHold><Status>ON</LegalHold></Status>',
  'text behind the root': `${on}ON`,
  'two roots': `${on}${on}`,
  'another root': '<Retention><Status>ON</Status></Retention>',
  'a root in other letters': '<legalhold><Status>ON</Status></legalhold>',
  'an entity bomb': bomb,
  'a DOCTYPE': `<!DOCTYPE LegalHold>${on}`,
  'an external entity': `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>${hold('<Status>&x;</Status>')}`,
  'an entity that is not declared': hold('<Status>&on;</Status>'),
  'a reference to NUL': hold('<Status>O&#0;N</Status>'),
  'a reference beyond Unicode': hold('<Status>&#x110000;</Status>'),
  'a control character': hold('<Status>O\u0001N</Status>'),
  'an ampersand alone': hold('<Status>O&N</Status>'),
  'UTF-16': utf16,
  'UTF-8 that is none': Buffer.from(hold('<Status>\xff</Status>'), 'latin1'),
  'another encoding declared': `<?xml version="1.0" encoding="ISO-8859-1"?>${on}`,
  gzip: gzipSync(on),
  'elements 13 deep': `${'<LegalHold>'.repeat(13)}${'</LegalHold>'.repeat(13)}`,
  'elements 500 deep': `${'<a>'.repeat(500)}${'</a>'.repeat(500)}`,
  'elements that never close': '<a>'.repeat(2600),
  'a Status twice': hold('<Status>ON</Status><Status>OFF</Status>'),
  'a Status inside of a Status': hold('<Status><Status>ON</Status></Status>'),
  'an element that S3 has not': hold('<Status>ON</Status><Until>2040</Until>'),
  'text between the elements': hold('x<Status>ON</Status>'),
  'an element called __proto__': hold('<__proto__><Status>ON</Status></__proto__>'),
  'an element called constructor': hold('<constructor>ON</constructor>'),
  'an attribute twice': `<LegalHold a="1" a="2"><Status>ON</Status></LegalHold>`,
  'white space around the value': hold('<Status> ON </Status>'),
  'a value in other letters': hold('<Status>on</Status>'),
  'a value in full-width letters': hold('<Status>\uff2f\uff2e</Status>'),
  'an empty value': hold('<Status/>'),
  'no value': hold(''),
}

const forms: readonly BadRequest[] = Object.entries(broken).map(([name, body]) => ({
  name: `a hold of ${name}`,
  request: toKey('legal-hold', body),
  ...malformed,
}))

const rule = (inner: string) =>
  '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>' +
  `<Mode>COMPLIANCE</Mode>${inner}</DefaultRetention></Rule></ObjectLockConfiguration>`

const periods: readonly BadRequest[] = [
  ...[
    '1e3',
    '0x10',
    '+1',
    '',
    ' 1',
    '1 ',
    '1.5',
    '1_000',
    '\uff11',
    '1,000',
    'Infinity',
    'NaN',
    '--1',
    '٣',
  ].map(
    (days): BadRequest => ({
      name: `a rule of ${JSON.stringify(days)} days`,
      request: toBucket('object-lock', rule(`<Days>${days}</Days>`)),
      ...malformed,
    }),
  ),
  ...['0', '-1', '-0', '-99999999999999999999'].map(
    (days): BadRequest => ({
      name: `a rule of ${days} days`,
      request: toBucket('object-lock', rule(`<Days>${days}</Days>`)),
      status: 400,
      code: 'InvalidArgument',
      message: 'Default retention period must be a positive integer value.',
      extra: { ArgumentName: 'Days', ArgumentValue: days },
    }),
  ),
  ...(
    [
      ['Days', '36501'],
      ['Days', '9'.repeat(400)],
      ['Years', '101'],
      ['Years', '4294967297'],
    ] as const
  ).map(
    ([unit, count]): BadRequest => ({
      name: `a rule of ${count.length > 20 ? 'very many' : count} ${unit}`,
      request: toBucket('object-lock', rule(`<${unit}>${count}</${unit}>`)),
      status: 400,
      code: 'InvalidArgument',
      message: 'Default retention period too large.',
      extra: { ArgumentName: unit },
    }),
  ),
  ...(
    [
      ['days and years', rule('<Days>1</Days><Years>1</Years>')],
      ['neither days nor years', rule('')],
      ['days twice', rule('<Days>1</Days><Days>2</Days>')],
      ['a mode twice', rule('<Mode>GOVERNANCE</Mode><Days>1</Days>')],
      ['no mode', rule('<Days>1</Days>').replace('<Mode>COMPLIANCE</Mode>', '')],
      ['an empty root', '<ObjectLockConfiguration/>'],
      ['Disabled', rule('<Days>1</Days>').replace('Enabled<', 'Disabled<')],
      [
        'an empty Rule',
        '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule/></ObjectLockConfiguration>',
      ],
    ] as const
  ).map(
    ([name, body]): BadRequest => ({
      name: `a rule of ${name}`,
      request: toBucket('object-lock', body),
      ...malformed,
    }),
  ),
  {
    name: 'a rule without a document',
    request: toBucket('object-lock', ''),
    status: 400,
    code: 'MissingRequestBodyError',
    message: 'Request Body is empty',
  },
]

const retention = (date: string, mode = 'COMPLIANCE') =>
  `<Retention><Mode>${mode}</Mode><RetainUntilDate>${date}</RetainUntilDate></Retention>`

const dates: readonly BadRequest[] = [
  ...[
    '',
    '10000-01-01T00:00:00Z',
    '+010000-01-01T00:00:00Z',
    '-000001-01-01T00:00:00Z',
    '2040-02-30T00:00:00Z',
    '2040-01-01T24:00:00Z',
    '2040-01-01T00:00:60Z',
    '2040-01-01',
    ' 2040-01-01T00:00:00Z',
    '2040-01-01T00:00:00.0000000001Z',
    'Sun, 01 Jan 2040 00:00:00 GMT',
    'Sun, 01 Jan 2040 00:00:00 +0000',
    '22089888000',
    '220898880000000',
    '2040-W01-1T00:00:00Z',
    '２０４０-01-01T00:00:00Z',
  ].map(
    (date): BadRequest => ({
      name: `a retention until ${JSON.stringify(date)}`,
      request: toKey('retention', retention(date)),
      ...malformed,
    }),
  ),
  ...['2020-01-01T00:00:00Z', '1970-01-01T00:00:00Z', '0001-01-01T00:00:00Z', '000000000000'].map(
    (date): BadRequest => ({
      name: `a retention until ${date}, which is past`,
      request: toKey('retention', retention(date)),
      status: 400,
      code: 'InvalidArgument',
      message: 'The retain until date must be in the future!',
      extra: { ArgumentName: 'RetainUntilDate', ArgumentValue: date },
    }),
  ),
  ...['compliance', 'NONE', ''].map(
    (mode): BadRequest => ({
      name: `a retention of the mode ${JSON.stringify(mode)}`,
      request: toKey('retention', retention('2040-01-01T00:00:00Z', mode)),
      ...malformed,
    }),
  ),
  {
    name: 'a retention that takes the lock away',
    request: toKey('retention', '<Retention/>'),
    status: 403,
    code: 'AccessDenied',
    message: 'Access Denied because object protected by object lock.',
  },
  {
    name: 'a retention that weakens the mode',
    request: toKey('retention', retention('2040-01-01T00:00:00Z', 'GOVERNANCE')),
    status: 403,
    code: 'AccessDenied',
  },
  {
    name: 'a retention without a checksum',
    request: ({ bucket, key }) => ({
      method: 'PUT',
      path: `/${bucket}/${key}`,
      query: { retention: '' },
      body: retention('2040-01-01T00:00:00Z'),
    }),
    status: 400,
    code: 'InvalidRequest',
    message: 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
  },
  {
    name: 'a retention of a key that is not there',
    request: ({ bucket }) =>
      document({
        method: 'PUT',
        path: `/${bucket}/none`,
        query: { retention: '' },
        body: retention('2040-01-01T00:00:00Z'),
      }),
    status: 404,
    code: 'NoSuchKey',
  },
  {
    name: 'a retention of a delete marker',
    request: ({ bucket, goneKey }) =>
      document({
        method: 'PUT',
        path: `/${bucket}/${goneKey}`,
        query: { retention: '' },
        body: retention('2040-01-01T00:00:00Z'),
      }),
    status: 405,
    code: 'MethodNotAllowed',
    extra: { ResourceType: 'DeleteMarker' },
  },
  {
    name: 'a hold in a bucket without Object Lock',
    request: ({ plainBucket }) =>
      document({ method: 'PUT', path: `/${plainBucket}/key`, query: { 'legal-hold': '' }, body: on }),
    status: 400,
    code: 'InvalidRequest',
    message: 'Bucket is missing Object Lock Configuration',
  },
]

export const documents: readonly BadRequest[] = [...forms, ...periods, ...dates]
