/**
 * I7: the same intent gives the same stored lock, and the same mistake the same refusal, through every entrance, whatever
 * the size of the body and the shape of the key.
 */
import { beforeAll, describe, expect, it } from 'vitest'
import { applyDocument, owner as bucketOwner, days, sendAdmin } from '../../support/admin.ts'
import { type Bench, conformance, dayMs, refusal } from '../../support/conformance.ts'
import { rootCredentials } from '../../support/server.ts'
import { entrances, type Headers, sha256, type Write } from './entrances.ts'

const bench = conformance()
const mode = 'x-amz-object-lock-mode'
const date = 'x-amz-object-lock-retain-until-date'
const hold = 'x-amz-object-lock-legal-hold'
const explicitDate = '2099-12-31T23:59:58.123Z'

let epoch = 0
beforeAll(async () => {
  const document = { holder: 'test' }
  const leader = await sendAdmin(bench.server(), { method: 'POST', path: '/v1/leadership', document })
  epoch = Number(leader.document['epoch'])
})

let managedCount = 0
async function managed(policy: Readonly<Record<string, unknown>>): Promise<string> {
  managedCount += 1
  const name = `managed-${managedCount}`
  const document = applyDocument({ owner: { ...bucketOwner, name } }, policy)
  const answer = await sendAdmin(bench.server(), {
    method: 'PUT',
    path: `/v1/buckets/${name}`,
    epoch,
    document,
  })
  expect(answer.status).toBe(200)
  return name
}

/** `until`: an instant, or days from the creation of the version. */
type Expected = {
  readonly mode: string | null
  readonly until: string | number | null
  readonly hold: string | null
}
type Intent = {
  readonly name: string
  readonly bucket: () => Promise<string>
  readonly headers: Headers
  readonly expected: Expected
}

const locked = (rule?: string) => () => bench.bucket('locked', rule === undefined ? {} : { rule })
const rule = (value: string, count: number) => `<Mode>${value}</Mode><Days>${count}</Days>`
const retention = (value: string): Headers => ({ [mode]: value, [date]: explicitDate })
const stored = (
  storedMode: string | null,
  until: string | number | null,
  storedHold: string | null = null,
): Expected => ({ mode: storedMode, until, hold: storedHold })

const intents: readonly Intent[] = [
  { name: 'nothing', bucket: locked(), headers: {}, expected: stored(null, null) },
  {
    name: 'GOVERNANCE',
    bucket: locked(),
    headers: retention('GOVERNANCE'),
    expected: stored('GOVERNANCE', explicitDate),
  },
  {
    name: 'COMPLIANCE',
    bucket: locked(),
    headers: retention('COMPLIANCE'),
    expected: stored('COMPLIANCE', explicitDate),
  },
  { name: 'a hold', bucket: locked(), headers: { [hold]: 'ON' }, expected: stored(null, null, 'ON') },
  {
    name: 'a hold that is OFF',
    bucket: locked(),
    headers: { [hold]: 'OFF' },
    expected: stored(null, null, 'OFF'),
  },
  {
    name: 'GOVERNANCE and a hold',
    bucket: locked(),
    headers: { ...retention('GOVERNANCE'), [hold]: 'ON' },
    expected: stored('GOVERNANCE', explicitDate, 'ON'),
  },
  {
    name: 'a default rule of GOVERNANCE',
    bucket: locked(rule('GOVERNANCE', 2)),
    headers: {},
    expected: stored('GOVERNANCE', 2),
  },
  {
    name: 'a default rule of COMPLIANCE',
    bucket: locked(rule('COMPLIANCE', 3)),
    headers: {},
    expected: stored('COMPLIANCE', 3),
  },
  {
    name: 'a default rule and a hold (B-37)',
    bucket: locked(rule('COMPLIANCE', 3)),
    headers: { [hold]: 'ON' },
    expected: stored('COMPLIANCE', 3, 'ON'),
  },
  {
    name: 'a default rule and weaker headers',
    bucket: locked(rule('COMPLIANCE', 36_500)),
    headers: retention('GOVERNANCE'),
    expected: stored('GOVERNANCE', explicitDate),
  },
  {
    name: 'a policy of the operator',
    bucket: () => managed({ defaultRetention: { mode: 'COMPLIANCE', period: days(3) } }),
    headers: {},
    expected: stored('COMPLIANCE', 3),
  },
  {
    name: 'a longer prefix rule of the operator',
    bucket: () =>
      managed({
        defaultRetention: { mode: 'GOVERNANCE', period: days(1) },
        prefixRules: [
          { prefix: 'at/', period: days(5) },
          { prefix: 'other/', period: days(9) },
        ],
      }),
    headers: {},
    expected: stored('GOVERNANCE', 5),
  },
]

const bodies: Readonly<Record<string, Buffer>> = {
  inline: Buffer.from('bytes'),
  'no bytes': Buffer.alloc(0),
  'a file': Buffer.alloc(100_000, 'holdfast '),
}
const keys: Readonly<Record<string, string>> = {
  'a plain key': 'at/key of ',
  "a key that ends in '/'": 'at/dir/',
  'a key beyond ASCII': 'at/ключ-ü-😀',
}
/** Sizes under one key, keys with one size: the two do not meet anywhere in the code. */
const shapes: readonly (readonly [string, string])[] = [
  ['inline', 'a plain key'],
  ['no bytes', 'a plain key'],
  ['a file', 'a plain key'],
  ['inline', "a key that ends in '/'"],
  ['inline', 'a key beyond ASCII'],
]

type Place = { readonly bucket: string; readonly key: string; readonly versionId: string }

/** What each reader says of the lock of a version. */
async function readBack({ bucket, key, versionId }: Place) {
  const path = `/${bucket}/${key}`
  const get = (query: Headers) => bench.send({ method: 'GET', path, query: { ...query, versionId } })
  const query = { bucket, key, versionId }
  const [head, object, retained, held, explained] = await Promise.all([
    bench.send({ method: 'HEAD', path, query: { versionId } }),
    get({}),
    get({ retention: '' }),
    get({ 'legal-hold': '' }),
    sendAdmin(bench.server(), { method: 'GET', path: '/v1/explain', query, key: rootCredentials }),
  ])
  const lock = Object(explained.document['lock']) as Readonly<Record<string, string | null>>
  const states = {
    head: [head.headers[mode] ?? null, head.headers[date] ?? null, head.headers[hold] ?? null],
    get: [object.headers[mode] ?? null, object.headers[date] ?? null, object.headers[hold] ?? null],
    subresources: [retained.element('Mode'), retained.element('RetainUntilDate'), held.element('Status')],
    explain: [lock['mode'], lock['retainUntil'], lock['legalHold']],
  }
  return { states, sha256: sha256(object.body) }
}

async function writeAndCompare(intent: Intent, write: Write, how: (typeof entrances)[number]): Promise<void> {
  const fromMs = Math.floor(bench.server().nowMs())
  const answer = await how.write(bench, write)
  const toMs = Math.ceil(bench.server().nowMs())
  expect([answer.status < 300, answer.code]).toEqual([true, null])
  const { bucket, key, body } = write
  const versionId = String(answer.headers['x-amz-version-id'])
  const { states, sha256: storedSha256 } = await readBack({ bucket, key, versionId })
  expect(storedSha256).toBe(sha256(body))
  const [, until] = states.head
  for (const state of Object.values(states))
    expect(state).toEqual([intent.expected.mode, until, intent.expected.hold])
  if (typeof intent.expected.until !== 'number') {
    expect(until).toBe(intent.expected.until)
    return
  }
  const periodMs = intent.expected.until * dayMs
  expect(Date.parse(String(until))).toBeGreaterThanOrEqual(fromMs + periodMs)
  expect(Date.parse(String(until))).toBeLessThanOrEqual(toMs + periodMs)
}

describe.each(intents.map((intent) => [intent.name, intent] as const))(
  'I7: the intent %s',
  (_name, intent) => {
    let bucket = ''
    beforeAll(async () => {
      bucket = await intent.bucket()
    })

    it.each(entrances.map((entrance) => [entrance.name, entrance] as const))(
      'B-14 B-38 I7: through %s, the lock that was meant is stored with every size and key',
      async (_entrance, entrance) => {
        const writes = shapes.map(([size, shape]): Write => {
          const body = bodies[size] ?? Buffer.alloc(0)
          const key = `${keys[shape]}${shape === 'a plain key' ? size : ''}`
          return { bucket, key, body, headers: intent.headers, signer: rootCredentials, checksum: 'sent' }
        })
        await Promise.all(writes.map((write) => writeAndCompare(intent, write, entrance)))
      },
    )
  },
)

const future = '2099-01-01T00:00:00Z'
const both = 'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied'
const notIso = 'The retain until date must be provided in ISO 8601 format'
const past = 'The retain until date must be in the future!'
type Mistake = readonly [name: string, headers: Headers, message: string, argument: string | null]

const mistakes: readonly Mistake[] = [
  ['E9 mode alone', { [mode]: 'COMPLIANCE' }, both, date],
  ['E9 date alone', { [date]: future }, both, mode],
  ['E9 an unknown mode alone', { [mode]: 'X' }, both, date],
  ['E10 an unknown mode', { [mode]: 'compliance', [date]: future }, 'Unknown wormMode directive.', mode],
  ['E12 no date', { [mode]: 'COMPLIANCE', [date]: 'tomorrow' }, notIso, date],
  ['E12 an empty date', { [mode]: 'COMPLIANCE', [date]: '' }, notIso, date],
  ['E12 a year beyond 9999', { [mode]: 'COMPLIANCE', [date]: '+010000-01-01T00:00:00Z' }, notIso, date],
  ['E11 a past date', { [mode]: 'COMPLIANCE', [date]: '2020-01-01T00:00:00Z' }, past, date],
  ['E13 a hold in small letters', { [hold]: 'on' }, "Legal Hold must be either of 'ON' or 'OFF'", hold],
]

const missing = 'Bucket is missing ObjectLockConfiguration'
const withoutLock: readonly (readonly [string, Headers])[] = [
  ['retention', { [mode]: 'GOVERNANCE', [date]: future }],
  ['hold ON', { [hold]: 'ON' }],
  ['hold OFF', { [hold]: 'OFF' }],
]

function mistaken(bucket: string, headers: Headers, checksum: Write['checksum'] = 'sent'): Write {
  return { bucket, key: 'at/key', body: Buffer.from('bytes'), headers, signer: rootCredentials, checksum }
}

/** CopyObject onto itself writes its source first; what is compared begins after it. */
async function prepared(current: Bench, bucket: string): Promise<void> {
  await current.put(bucket, 'at/key')
}

describe('I7: refusals', () => {
  it.each(entrances.map((entrance) => [entrance.name, entrance] as const))(
    'I7: through %s, E9 to E13 in the same words, and nothing is written',
    async (name, entrance) => {
      const bucket = await bench.bucket('locked')
      await prepared(bench, bucket)
      for (const [mistake, headers, message, argument] of mistakes) {
        const work = () => entrance.write(bench, mistaken(bucket, headers))
        const answer = name === 'CopyObject onto itself' ? await work() : await bench.unchanged(bucket, work)
        expect([mistake, ...refusal(answer), answer.element('ArgumentName')]).toEqual([
          mistake,
          400,
          'InvalidArgument',
          message,
          argument,
        ])
      }
    },
  )

  it.each(entrances.map((entrance) => [entrance.name, entrance] as const))(
    'I7: through %s, E5 for any lock header into a bucket without lock',
    async (name, entrance) => {
      const bucket = await bench.bucket('enabled')
      await prepared(bench, bucket)
      for (const [what, headers] of withoutLock) {
        const work = () => entrance.write(bench, mistaken(bucket, headers))
        const answer = name === 'CopyObject onto itself' ? await work() : await bench.unchanged(bucket, work)
        expect([what, ...refusal(answer)]).toEqual([what, 400, 'InvalidRequest', missing])
      }
    },
  )

  const bodied = entrances.filter(({ checksumSubject }) => checksumSubject !== null)
  it.each(bodied.map((entrance) => [entrance.name, entrance] as const))(
    'I7: through %s, E16 for bytes without checksum that would be locked',
    async (_name, entrance) => {
      const message = `Content-MD5 OR x-amz-checksum- HTTP header is required for ${entrance.checksumSubject} requests with Object Lock parameters`
      const plain = await bench.bucket('locked')
      const ruled = await bench.bucket('locked', { rule: rule('GOVERNANCE', 1) })
      const cases: readonly (readonly [string, Headers])[] = [
        [plain, { [mode]: 'GOVERNANCE', [date]: future }],
        [plain, { [hold]: 'ON' }],
        [plain, { [hold]: 'OFF' }],
        [ruled, {}],
        [ruled, { [hold]: 'ON' }],
      ]
      for (const [bucket, headers] of cases) {
        const answer = await bench.unchanged(bucket, () =>
          entrance.write(bench, mistaken(bucket, headers, 'none')),
        )
        expect(refusal(answer)).toEqual([400, 'InvalidRequest', message])
      }
      const free = await entrance.write(bench, mistaken(plain, {}, 'none'))
      expect([free.status < 300, free.code]).toEqual([true, null])
    },
  )
})

describe('I7: set later', () => {
  it('I7: PutObjectRetention and PutObjectLegalHold store what headers store', async () => {
    const bucket = await bench.bucket('locked')
    const write = (headers: Headers) => entrances[0]?.write(bench, mistaken(bucket, headers))
    const states = async (versionId: unknown) =>
      (await readBack({ bucket, key: 'at/key', versionId: String(versionId) })).states
    for (const value of ['GOVERNANCE', 'COMPLIANCE']) {
      const byHeader = await write({ ...retention(value), [hold]: 'ON' })
      const plain = await write({})
      const versionId = String(plain?.headers['x-amz-version-id'])
      const target = { bucket, key: 'at/key', versionId }
      expect((await bench.retain(target, value, explicitDate)).status).toBe(200)
      expect((await bench.hold(target, 'ON')).status).toBe(200)
      expect(await states(versionId)).toEqual(await states(byHeader?.headers['x-amz-version-id']))
    }
  })

  it('I7: a rule set later through S3 or by the operator locks no version that is there', async () => {
    const bucket = await managed({ defaultRetention: { mode: 'GOVERNANCE', period: days(1) } })
    const first = await entrances[0]?.write(bench, mistaken(bucket, {}))
    const place = { bucket, key: 'at/key', versionId: String(first?.headers['x-amz-version-id']) }
    const before = await readBack(place)
    const document = applyDocument(
      { owner: { ...bucketOwner, name: bucket } },
      { defaultRetention: { mode: 'COMPLIANCE', period: days(30) }, generation: 2 },
    )
    const applied = await sendAdmin(bench.server(), {
      method: 'PUT',
      path: `/v1/buckets/${bucket}`,
      epoch,
      document,
    })
    expect(applied.status).toBe(200)
    expect(await readBack(place)).toEqual(before)
  })
})
