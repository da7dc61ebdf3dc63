import { beforeAll, describe, expect, it } from 'vitest'
import { type AdminSend, applyDocument, days, owner, rule, sendAdmin } from '../support/admin.ts'
import { conformance, elements, lockConfiguration, md5, refusal, refused } from '../support/conformance.ts'
import { addPart, begin, complete } from '../support/multipart.ts'
import { rootCredentials } from '../support/server.ts'

const bench = conformance()
const admin = (request: AdminSend) => sendAdmin(bench.server(), request)

const mode = 'x-amz-object-lock-mode'
const date = 'x-amz-object-lock-retain-until-date'
const period = (value: string, count: number) => `<Mode>${value}</Mode><Days>${count}</Days>`

const rootKey = { ...rootCredentials, accountId: '000000000000', displayName: 'root' }

let epoch = 0
beforeAll(async () => {
  const leader = await admin({ method: 'POST', path: '/v1/leadership', document: { holder: 'test' } })
  epoch = Number(leader.document['epoch'])
})

let count = 0
/** A bucket that a LockedBucket manages, with this policy. */
async function managed(policy: Readonly<Record<string, unknown>>): Promise<string> {
  count += 1
  const name = `managed-${count}`
  const document = applyDocument({ owner: { ...owner, name } }, policy)
  const answer = await admin({ method: 'PUT', path: `/v1/buckets/${name}`, epoch, document })
  expect([answer.status, JSON.stringify(answer.document)]).toEqual([200, expect.any(String)])
  return name
}

function put(bucket: string, headers: Record<string, string>) {
  const all = { 'content-md5': md5('bytes'), ...headers }
  return bench.send({ method: 'PUT', path: `/${bucket}/key`, body: 'bytes', headers: all })
}
const configure = (bucket: string, body: string) =>
  bench.document({ method: 'PUT', path: `/${bucket}`, query: { 'object-lock': '' }, body })

describe('a bucket under a COMPLIANCE policy', () => {
  it.each([
    ['a shorter period', lockConfiguration(period('COMPLIANCE', 1))],
    ['a weaker mode', lockConfiguration(period('GOVERNANCE', 9))],
    ['no rule at all', lockConfiguration(null)],
  ])(
    'PutObjectLockConfiguration: %s is below the floor, 403 naming the policy, also for root',
    async (_name, body) => {
      const bucket = await managed(rule('COMPLIANCE', 2))
      const answer = await bench.unchanged(bucket, () => configure(bucket, body))
      expect(refusal(answer)).toEqual([
        403,
        'AccessDenied',
        'Access Denied because the default retention would fall below RetentionPolicy default/policy.',
      ])
    },
  )

  it('PutObjectLockConfiguration: a longer period is not below the floor', async () => {
    const bucket = await managed(rule('COMPLIANCE', 2))
    expect((await configure(bucket, lockConfiguration(period('COMPLIANCE', 3)))).status).toBe(200)
    const after = await bench.send({ method: 'GET', path: `/${bucket}`, query: { 'object-lock': '' } })
    expect(elements(after, 'Days')).toEqual(['3'])
  })

  it('DeleteBucket: a managed bucket is 403 naming its LockedBucket', async () => {
    const bucket = await managed(rule('COMPLIANCE', 1))
    const answer = await bench.unchanged(bucket, () => bench.send({ method: 'DELETE', path: `/${bucket}` }))
    expect(refusal(answer)).toEqual([
      403,
      'AccessDenied',
      `Access Denied because LockedBucket default/${bucket} manages this bucket.`,
    ])
  })
})

describe('bounds of a policy', () => {
  const bounded = { ...rule('COMPLIANCE', 2), bounds: { minimum: days(2), maximum: days(10) } }
  const below =
    'Access Denied because the requested retention is below the minimum of RetentionPolicy default/policy.'
  const above =
    'Access Denied because the requested retention is above the maximum of RetentionPolicy default/policy.'

  it.each([
    ['below the minimum', 'COMPLIANCE', 1, below],
    ['above the maximum', 'COMPLIANCE', 11, above],
    ['a weaker mode', 'GOVERNANCE', 5, below],
  ])('PutObject: %s is 403 and never clamped', async (_name, value, inDays, message) => {
    const bucket = await managed(bounded)
    const attempt = () => put(bucket, { [mode]: value, [date]: bench.inDays(inDays) })
    expect(refusal(await bench.unchanged(bucket, attempt))).toEqual([403, 'AccessDenied', message])
  })

  it('PutObject: within the bounds the date is stored as it was asked for', async () => {
    const bucket = await managed(bounded)
    const until = bench.inDays(5)
    expect((await put(bucket, { [mode]: 'COMPLIANCE', [date]: until })).status).toBe(200)
    const head = await bench.send({ method: 'HEAD', path: `/${bucket}/key` })
    expect(head.headers[date]).toBe(until)
  })

  it('CopyObject and CreateMultipartUpload: the same bounds (I7)', async () => {
    const bucket = await managed(bounded)
    await put(bucket, {})
    const lock = { [mode]: 'COMPLIANCE', [date]: bench.inDays(1) }
    const copy = {
      method: 'PUT',
      path: `/${bucket}/copy`,
      headers: { 'x-amz-copy-source': `${bucket}/key`, ...lock },
    }
    expect(refusal(await bench.unchanged(bucket, () => bench.send(copy)))).toEqual([
      403,
      'AccessDenied',
      below,
    ])
    const create = { method: 'POST', path: `/${bucket}/key`, query: { uploads: '' }, headers: lock }
    expect(refusal(await bench.unchanged(bucket, () => bench.send(create)))).toEqual([
      403,
      'AccessDenied',
      below,
    ])
  })

  it('CompleteMultipartUpload: a minimum raised since Create refuses its date, 403 and the upload stays', async () => {
    const bucket = await managed({ ...rule('COMPLIANCE', 2), bounds: { minimum: days(2), maximum: null } })
    const until = bench.inDays(3)
    const target = { bucket, signer: rootKey }
    const early = await begin(bench, { ...target, key: 'early' }, { [mode]: 'COMPLIANCE', [date]: until })
    const late = await begin(bench, { ...target, key: 'late' }, { [mode]: 'COMPLIANCE', [date]: until })
    const parts = [await addPart(bench, early, { partNumber: 1, body: 'part' })]
    const lateParts = [await addPart(bench, late, { partNumber: 1, body: 'part' })]
    // Counted from Create: what was long enough then still is.
    bench.server().advance(2 * 86_400_000)
    expect((await complete(bench, early, parts)).status).toBe(200)
    const raised = { ...rule('COMPLIANCE', 4), bounds: { minimum: days(4), maximum: null } }
    const document = applyDocument({ owner: { ...owner, name: bucket } }, { ...raised, generation: 2 })
    const applied = await admin({ method: 'PUT', path: `/v1/buckets/${bucket}`, epoch, document })
    expect(applied.status).toBe(200)
    const answer = await bench.unchanged(bucket, () => complete(bench, late, lateParts))
    expect(refusal(answer)).toEqual([403, 'AccessDenied', below])
    const head = await bench.send({ method: 'HEAD', path: `/${bucket}/early` })
    expect(head.headers[date]).toBe(until)
  })

  it('PutObjectRetention: an extension above the maximum is 403, within it 200', async () => {
    const bucket = await managed(bounded)
    await put(bucket, {})
    const target = { bucket, key: 'key' }
    const attempt = () => bench.retain(target, 'COMPLIANCE', bench.inDays(11))
    expect(refusal(await bench.unchanged(bucket, attempt))).toEqual([403, 'AccessDenied', above])
    expect((await bench.retain(target, 'COMPLIANCE', bench.inDays(9))).status).toBe(200)
  })
})

describe('prefix rules', () => {
  it('PutObject: the longest rule that fits is stamped; S3 shows only the default', async () => {
    const prefixRules = [{ prefix: 'long/', period: days(9) }]
    const bucket = await managed({ ...rule('GOVERNANCE', 1), prefixRules })
    const stamped = async (key: string) => {
      await bench.put(bucket, key)
      const { headers } = await bench.send({ method: 'HEAD', path: `/${bucket}/${key}` })
      return Math.round((Date.parse(String(headers[date])) - bench.server().nowMs()) / 86_400_000)
    }
    expect([await stamped('short/key'), await stamped('long/key')]).toEqual([1, 9])
    const shown = await bench.send({ method: 'GET', path: `/${bucket}`, query: { 'object-lock': '' } })
    expect(elements(shown, 'Days')).toEqual(['1'])
    expect(refusal(await bench.retain({ bucket, key: 'long/key' }, 'GOVERNANCE', bench.inDays(1)))).toEqual(
      refused.locked,
    )
  })
})
