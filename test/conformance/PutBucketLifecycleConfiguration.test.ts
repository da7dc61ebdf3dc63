import { describe, expect, it } from 'vitest'
import { accessKey, conformance, elements, refusal, refused } from '../support/conformance.ts'
import type { Answer, SendOptions } from '../support/s3-client.ts'

const owner = accessKey('owner', null)
const writer = accessKey('writer', ['s3:PutLifecycleConfiguration'])
const reader = accessKey('reader', ['s3:GetLifecycleConfiguration', 's3:PutObject'])
const bench = conformance({ accessKeys: [owner, writer, reader] })

const configuration = (...rules: readonly string[]) =>
  `<LifecycleConfiguration>${rules.map((rule) => `<Rule>${rule}</Rule>`).join('')}</LifecycleConfiguration>`
const everything = '<Filter></Filter><Status>Enabled</Status>'
const expiration = '<Expiration><Days>1</Days></Expiration>'
const filtered = (filter: string) =>
  configuration(`<ID>a</ID><Filter>${filter}</Filter><Status>Enabled</Status>${expiration}`)

function put(bucket: string, body: string, more: Partial<SendOptions> = {}): Promise<Answer> {
  return bench.document({
    method: 'PUT',
    path: `/${bucket}`,
    query: { lifecycle: '' },
    body,
    key: owner,
    ...more,
  })
}
const get = (bucket: string) =>
  bench.send({ method: 'GET', path: `/${bucket}`, query: { lifecycle: '' }, key: owner })
/** The answer's document without declaration and namespace. */
const inner = (answer: Answer) =>
  answer.text.replace(/^<\?xml[^>]*>\n/, '').replace(' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"', '')

describe('PutBucketLifecycleConfiguration', () => {
  it('PutBucketLifecycleConfiguration: what was put is given back, element for element', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const rules = [
      '<ID>all &amp; everything</ID><Filter></Filter><Status>Enabled</Status><Expiration><Days>30</Days></Expiration>' +
        '<NoncurrentVersionExpiration><NoncurrentDays>7</NoncurrentDays><NewerNoncurrentVersions>3</NewerNoncurrentVersions>' +
        '</NoncurrentVersionExpiration>' +
        '<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>',
      '<ID>b</ID><Filter><Prefix>logs/</Prefix></Filter><Status>Disabled</Status>' +
        '<Expiration><Date>2035-01-01T00:00:00.000Z</Date></Expiration>',
      '<ID>c</ID><Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter><Status>Enabled</Status>' +
        '<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>',
      '<ID>d</ID><Filter><And><Prefix>p</Prefix><Tag><Key>k</Key><Value></Value></Tag><Tag><Key>l</Key><Value>m</Value>' +
        '</Tag><ObjectSizeGreaterThan>0</ObjectSizeGreaterThan><ObjectSizeLessThan>2</ObjectSizeLessThan></And></Filter>' +
        '<Status>Enabled</Status><Expiration><Days>1</Days></Expiration>',
      '<ID>e</ID><Filter><ObjectSizeGreaterThan>500</ObjectSizeGreaterThan></Filter><Status>Enabled</Status>' +
        '<Expiration><Days>2147483647</Days></Expiration>',
      '<ID>f</ID><Filter><ObjectSizeLessThan>1099511627776000</ObjectSizeLessThan></Filter><Status>Enabled</Status>' +
        '<Expiration><Days>1</Days></Expiration>',
      '<ID>g</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status>' +
        '<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>',
    ]
    const answer = await put(bucket, configuration(...rules))
    expect([answer.status, answer.text]).toEqual([200, ''])
    expect(inner(await get(bucket))).toBe(configuration(...rules))
    const again = await put(bucket, (await get(bucket)).text)
    expect(again.status).toBe(200)
    expect(inner(await get(bucket))).toBe(configuration(...rules))
  })

  it('PutBucketLifecycleConfiguration: the Prefix of old is given back as such', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const body = configuration(
      `<ID>a</ID><Prefix>x</Prefix><Status>Enabled</Status>${expiration}`,
      `<ID>b</ID><Prefix></Prefix><Status>Enabled</Status>${expiration}`,
    )
    expect((await put(bucket, body)).status).toBe(200)
    expect(inner(await get(bucket))).toBe(body)
  })

  it('PutBucketLifecycleConfiguration: a rule without ID gets one, and each its own', async () => {
    const bucket = await bench.bucket('unversioned', { key: owner })
    const body = configuration(`${everything}${expiration}`, `<ID></ID>${everything}${expiration}`)
    expect((await put(bucket, body)).status).toBe(200)
    const ids = elements(await get(bucket), 'ID')
    expect(new Set(ids.filter((id) => id !== '')).size).toBe(2)
  })

  it('PutBucketLifecycleConfiguration: replaces all rules there were', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await put(bucket, configuration(`<ID>a</ID>${everything}${expiration}`))
    await put(bucket, configuration(`<ID>b</ID>${everything}${expiration}`))
    expect(elements(await get(bucket), 'ID')).toEqual(['b'])
  })

  it('[PutBucketLifecycleConfiguration.1] PutBucketLifecycleConfiguration: accepted on a bucket with a COMPLIANCE rule, which stays as it is', async () => {
    const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>9</Days>' })
    await bench.put(bucket, 'key', { key: owner })
    const answer = await bench.unchanged(bucket, () =>
      put(bucket, configuration(`${everything}${expiration}`)),
    )
    expect(answer.status).toBe(200)
  })

  it('PutBucketLifecycleConfiguration: 1,000 rules are taken, 1,001 are not', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const rules = Array.from({ length: 1001 }, (_, index) => `<ID>${index}</ID>${everything}${expiration}`)
    expect(refusal(await put(bucket, configuration(...rules)))).toEqual(refused.malformed)
    expect((await put(bucket, configuration(...rules.slice(1)))).status).toBe(200)
    expect(elements(await get(bucket), 'ID')).toHaveLength(1000)
  })

  it('[PutBucketLifecycleConfiguration.3] [E17] PutBucketLifecycleConfiguration: without a checksum is refused (E17)', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const body = configuration(`${everything}${expiration}`)
    const request = { method: 'PUT', path: `/${bucket}`, query: { lifecycle: '' }, body, key: owner }
    expect(refusal(await bench.send(request))).toEqual(refused.documentChecksum)
    expect((await get(bucket)).code).toBe('NoSuchLifecycleConfiguration')
  })

  it('PutBucketLifecycleConfiguration: needs its own permission', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const body = configuration(`${everything}${expiration}`)
    expect(refusal(await put(bucket, body, { key: reader }))).toEqual(refused.forbidden)
    expect((await put(bucket, body, { key: writer })).status).toBe(200)
  })

  it('PutBucketLifecycleConfiguration: the header of transitions is kept, and a foreign value refused', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const name = 'x-amz-transition-default-minimum-object-size'
    const body = configuration(`${everything}${expiration}`)
    expect((await put(bucket, body)).headers[name]).toBe('all_storage_classes_128K')
    const headers = { [name]: 'varies_by_storage_class' }
    const answer = await put(bucket, body, { headers })
    expect([answer.status, answer.headers[name]]).toEqual([200, 'varies_by_storage_class'])
    expect((await get(bucket)).headers[name]).toBe('varies_by_storage_class')
    const foreign = await put(bucket, body, { headers: { [name]: 'none' } })
    expect([foreign.status, foreign.code, foreign.element('ArgumentName')]).toEqual([
      400,
      'InvalidArgument',
      name,
    ])
  })
})

describe('PutBucketLifecycleConfiguration: refused, and nothing is stored', () => {
  const argument = (message: string) => [400, 'InvalidArgument', message] as const
  const request = (message: string) => [400, 'InvalidRequest', message] as const
  const positive = (name: string, action: string) =>
    argument(`'${name}' for ${action} action must be a positive integer`)
  const noncurrent = (content: string) =>
    configuration(`${everything}<NoncurrentVersionExpiration>${content}</NoncurrentVersionExpiration>`)
  const expiring = (content: string) => configuration(`${everything}<Expiration>${content}</Expiration>`)
  const allVersions = request(
    'ExpiredObjectAllVersions element and DelMarkerExpiration action cannot be used: no lifecycle action removes all ' +
      'versions of an object.',
  )
  const abort =
    '<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>'
  const markers = '<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>'
  const tag = '<Tag><Key>a</Key><Value>b</Value></Tag>'

  it.each<[string, string, readonly [number, string, string]]>([
    ['no rules', configuration(), refused.malformed],
    ['an empty body', '', refused.malformed],
    ['another root', '<Lifecycle></Lifecycle>', refused.malformed],
    ['no Status', configuration(`<Filter></Filter>${expiration}`), refused.malformed],
    [
      'a Status of its own',
      configuration(`<Filter></Filter><Status>enabled</Status>${expiration}`),
      refused.malformed,
    ],
    ['neither Filter nor Prefix', configuration(`<Status>Enabled</Status>${expiration}`), refused.malformed],
    ['Filter and Prefix', configuration(`<Prefix></Prefix>${everything}${expiration}`), refused.malformed],
    [
      'an element that is not known',
      configuration(`${everything}${expiration}<Force>true</Force>`),
      refused.malformed,
    ],
    ['no action', configuration(everything), request('At least one action needs to be specified in a rule')],
    [
      'rules of both kinds',
      configuration(`<Prefix></Prefix><Status>Enabled</Status>${expiration}`, `${everything}${expiration}`),
      request('Filter element can only be used in Lifecycle V2.'),
    ],
    [
      'an ID of 256 characters',
      configuration(`<ID>${'i'.repeat(256)}</ID>${everything}${expiration}`),
      argument('ID length should not exceed allowed limit of 255'),
    ],
    [
      'the same ID twice',
      configuration(`<ID>a</ID>${everything}${expiration}`, `<ID>a</ID>${everything}${expiration}`),
      argument('Rule ID must be unique. Found same ID for more than one rule'),
    ],
    ['Days 0', expiring('<Days>0</Days>'), positive('Days', 'Expiration')],
    ['Days -1', expiring('<Days>-1</Days>'), positive('Days', 'Expiration')],
    ['Days that are no number', expiring('<Days>1.5</Days>'), refused.malformed],
    ['Days beyond 32 bits', expiring('<Days>2147483648</Days>'), refused.malformed],
    ['an empty Expiration', expiring(''), refused.malformed],
    ['Days and Date', expiring('<Days>1</Days><Date>2035-01-01T00:00:00Z</Date>'), refused.malformed],
    [
      'Days and ExpiredObjectDeleteMarker',
      expiring('<Days>1</Days><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>'),
      refused.malformed,
    ],
    [
      'a Date that is not midnight',
      expiring('<Date>2035-01-01T01:00:00Z</Date>'),
      argument("'Date' must be at midnight GMT"),
    ],
    [
      'midnight of another zone',
      expiring('<Date>2035-01-01T00:00:00+02:00</Date>'),
      argument("'Date' must be at midnight GMT"),
    ],
    ['a Date that is none', expiring('<Date>soon</Date>'), refused.malformed],
    [
      'ExpiredObjectDeleteMarker 1',
      expiring('<ExpiredObjectDeleteMarker>1</ExpiredObjectDeleteMarker>'),
      refused.malformed,
    ],
    [
      'NoncurrentDays 0',
      noncurrent('<NoncurrentDays>0</NoncurrentDays>'),
      positive('NoncurrentDays', 'NoncurrentVersionExpiration'),
    ],
    [
      'no NoncurrentDays',
      noncurrent('<NewerNoncurrentVersions>1</NewerNoncurrentVersions>'),
      refused.malformed,
    ],
    [
      'NewerNoncurrentVersions 0',
      noncurrent('<NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>0</NewerNoncurrentVersions>'),
      positive('NewerNoncurrentVersions', 'NoncurrentVersionExpiration'),
    ],
    [
      'NewerNoncurrentVersions 101',
      noncurrent('<NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>101</NewerNoncurrentVersions>'),
      argument(
        "'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be an integer between 1 and 100",
      ),
    ],
    [
      'NewerNoncurrentVersions with a Prefix of old',
      configuration(
        '<Prefix></Prefix><Status>Enabled</Status><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>' +
          '<NewerNoncurrentVersions>1</NewerNoncurrentVersions></NoncurrentVersionExpiration>',
      ),
      request('NewerNoncurrentVersions element can only be used in Lifecycle V2.'),
    ],
    [
      'DaysAfterInitiation 0',
      configuration(`${everything}${abort.replace('>1<', '>0<')}`),
      positive('DaysAfterInitiation', 'AbortIncompleteMultipartUpload'),
    ],
    [
      'no DaysAfterInitiation',
      configuration(`${everything}<AbortIncompleteMultipartUpload/>`),
      refused.malformed,
    ],
    [
      'AbortIncompleteMultipartUpload with a tag',
      filtered(tag).replace(expiration, abort),
      request('AbortIncompleteMultipartUpload cannot be specified with Tags.'),
    ],
    [
      'AbortIncompleteMultipartUpload with a size',
      filtered('<ObjectSizeLessThan>9</ObjectSizeLessThan>').replace(expiration, abort),
      request('AbortIncompleteMultipartUpload cannot be specified with Object Size.'),
    ],
    [
      'ExpiredObjectDeleteMarker with a tag',
      filtered(tag).replace(expiration, markers),
      request('ExpiredObjectDeleteMarker cannot be specified with Tags.'),
    ],
    [
      'ExpiredObjectDeleteMarker with a size',
      filtered('<ObjectSizeGreaterThan>9</ObjectSizeGreaterThan>').replace(expiration, markers),
      request('ExpiredObjectDeleteMarker cannot be specified with Object Size.'),
    ],
    ['two conditions without And', filtered(`<Prefix>a</Prefix>${tag}`), refused.malformed],
    ['And over one condition', filtered(`<And>${tag}</And>`), refused.malformed],
    ['And and Prefix', filtered(`<Prefix>a</Prefix><And><Prefix>b</Prefix>${tag}</And>`), refused.malformed],
    ['a condition that is not known', filtered('<Owner>me</Owner>'), refused.malformed],
    ['a tag without Value', filtered('<Tag><Key>a</Key></Tag>'), refused.malformed],
    [
      'the same tag twice',
      filtered(`<And>${tag}${tag}</And>`),
      request('Duplicate Tag Keys are not allowed.'),
    ],
    [
      'an empty tag key',
      filtered('<Tag><Key></Key><Value>a</Value></Tag>'),
      request("A Tag's Key must be a length between 1 and 128."),
    ],
    [
      'a tag value of 257 characters',
      filtered(`<Tag><Key>a</Key><Value>${'v'.repeat(257)}</Value></Tag>`),
      request("A Tag's Value must be a length between 0 and 256."),
    ],
    [
      'a prefix of 1,025 bytes',
      filtered(`<Prefix>${'p'.repeat(1025)}</Prefix>`),
      request('The maximum size of a prefix is 1024.'),
    ],
    [
      'sizes that leave nothing',
      filtered(
        '<And><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>5</ObjectSizeLessThan></And>',
      ),
      request("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'."),
    ],
    [
      'a size below 0',
      filtered('<ObjectSizeGreaterThan>-1</ObjectSizeGreaterThan>'),
      request("'ObjectSizeGreaterThan' should be between 0 and 1099511627776000."),
    ],
    [
      'a size less than 0',
      filtered('<ObjectSizeLessThan>0</ObjectSizeLessThan>'),
      request("'ObjectSizeLessThan' should be between 1 and 1099511627776000."),
    ],
    [
      '[PutBucketLifecycleConfiguration.4] a Transition',
      configuration(
        `${everything}<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>`,
      ),
      [501, 'NotImplemented', 'Transition is not implemented by this server.'],
    ],
    [
      'a NoncurrentVersionTransition',
      configuration(`${everything}${expiration}<NoncurrentVersionTransition></NoncurrentVersionTransition>`),
      [501, 'NotImplemented', 'NoncurrentVersionTransition is not implemented by this server.'],
    ],
    [
      '[PutBucketLifecycleConfiguration.2] B-28 DelMarkerExpiration',
      configuration(`${everything}<DelMarkerExpiration><Days>1</Days></DelMarkerExpiration>`),
      allVersions,
    ],
    [
      '[PutBucketLifecycleConfiguration.2] B-28 ExpiredObjectAllVersions',
      expiring('<Days>1</Days><ExpiredObjectAllVersions>true</ExpiredObjectAllVersions>'),
      allVersions,
    ],
    [
      'B-28 AllVersionsExpiration',
      configuration(`${everything}<AllVersionsExpiration><Days>1</Days></AllVersionsExpiration>`),
      allVersions,
    ],
  ])('PutBucketLifecycleConfiguration: %s', async (_title, body, expected) => {
    const bucket = await bench.bucket('locked', { key: owner })
    expect(refusal(await put(bucket, body))).toEqual(expected)
    expect((await get(bucket)).code).toBe('NoSuchLifecycleConfiguration')
  })

  it('PutBucketLifecycleConfiguration: rules that are longer as stored than the bound are refused whole', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const rules = Array.from(
      { length: 550 },
      (_, index) =>
        `<ID>${index}</ID><Filter><Prefix>${'"'.repeat(1000)}</Prefix></Filter><Status>Enabled</Status>${expiration}`,
    )
    const answer = await put(bucket, configuration(...rules))
    expect([answer.status, answer.code]).toEqual([400, 'MaxMessageLengthExceeded'])
    expect((await get(bucket)).code).toBe('NoSuchLifecycleConfiguration')
  })
})
