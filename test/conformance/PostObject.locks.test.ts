/** Lock fields of a form mean what the headers of PutObject mean. */
import { describe, expect, it } from 'vitest'
import {
  accessKey,
  conformance,
  dayMs,
  listedVersions,
  md5,
  refusal,
  refused,
} from '../support/conformance.ts'
import { formRequest, type PostForm } from '../support/form.ts'

const owner = accessKey('owner', null)
const bench = conformance({ accessKeys: [owner] })
const mode = 'x-amz-object-lock-mode'
const date = 'x-amz-object-lock-retain-until-date'
const hold = 'x-amz-object-lock-legal-hold'
const future = '2099-01-01T00:00:00Z'

type Fields = Readonly<Record<string, string>>

function post(bucket: string, fields: Fields) {
  const nowMs = bench.server().nowMs()
  const all = { key: 'key', 'content-md5': md5('bytes'), ...fields }
  return bench.send(formRequest({ bucket, key: owner, nowMs, fields: all, file: 'bytes' }))
}
function put(bucket: string, headers: Fields) {
  const all = { 'content-md5': md5('bytes'), ...headers }
  return bench.send({ method: 'PUT', path: `/${bucket}/key`, body: 'bytes', headers: all, key: owner })
}
async function lockOf(bucket: string) {
  const { headers } = await bench.send({ method: 'HEAD', path: `/${bucket}/key`, key: owner })
  return [headers[mode], headers[date], headers[hold]]
}

describe('PostObject: lock fields', () => {
  it.each([
    [
      'mode and date',
      { [mode]: 'COMPLIANCE', [date]: future },
      ['COMPLIANCE', '2099-01-01T00:00:00.000Z', undefined],
    ],
    ['a hold', { [hold]: 'ON' }, [undefined, undefined, 'ON']],
    [
      'all three',
      { [mode]: 'GOVERNANCE', [date]: future, [hold]: 'OFF' },
      ['GOVERNANCE', '2099-01-01T00:00:00.000Z', 'OFF'],
    ],
  ])(
    '[PostObject.3] PostObject: %s, stored as PutObject stores them',
    async (_name, fields: Fields, stored) => {
      const [byForm, byHeaders] = [
        await bench.bucket('locked', { key: owner }),
        await bench.bucket('locked', { key: owner }),
      ]
      expect((await post(byForm, fields)).status).toBe(204)
      expect((await put(byHeaders, fields)).status).toBe(200)
      expect(await lockOf(byForm)).toEqual(stored)
      expect(await lockOf(byHeaders)).toEqual(stored)
    },
  )

  it.each([
    ['E9', { [mode]: 'GOVERNANCE' }],
    ['E9', { [date]: future }],
    ['E10', { [mode]: 'governance', [date]: future }],
    ['E11', { [mode]: 'GOVERNANCE', [date]: '2020-01-01T00:00:00Z' }],
    ['E12', { [mode]: 'GOVERNANCE', [date]: 'tomorrow' }],
    ['E13', { [hold]: 'on' }],
  ])(
    '[PostObject.3] PostObject: %s %j is refused in the words of PutObject',
    async (_error, fields: Fields) => {
      const bucket = await bench.bucket('locked', { key: owner })
      const byForm = await bench.unchanged(bucket, () => post(bucket, fields))
      const byHeaders = await bench.unchanged(bucket, () => put(bucket, fields))
      expect([...refusal(byForm), byForm.element('ArgumentName')]).toEqual([
        ...refusal(byHeaders),
        byHeaders.element('ArgumentName'),
      ])
      expect(byForm.status).toBe(400)
    },
  )

  it('[PostObject.3] PostObject: into a bucket without lock it is E5, hold OFF too', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const answer = await bench.unchanged(bucket, () => post(bucket, { [hold]: 'OFF' }))
    expect(refusal(answer)).toEqual([400, 'InvalidRequest', 'Bucket is missing ObjectLockConfiguration'])
  })

  it('[PostObject.3] PostObject: fields win over the default rule, without them it is stamped', async () => {
    const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>9</Days>' })
    const until = bench.inDays(1)
    expect((await post(bucket, { [mode]: 'GOVERNANCE', [date]: until })).status).toBe(204)
    expect(await lockOf(bucket)).toEqual(['GOVERNANCE', until, undefined])
    const before = bench.server().nowMs()
    expect((await post(bucket, { [hold]: 'ON' })).status).toBe(204)
    const [stamped, stampedUntil, held] = await lockOf(bucket)
    expect([stamped, held]).toEqual(['COMPLIANCE', 'ON'])
    expect(Date.parse(String(stampedUntil))).toBeGreaterThanOrEqual(before + 9 * dayMs)
  })
})

describe('PostObject: the fields of OBS', () => {
  const obs = (name: string) => name.replace('x-amz-', 'x-obs-')
  const form = (bucket: string, more: Partial<PostForm>) =>
    formRequest({
      ...{ bucket, key: owner, nowMs: bench.server().nowMs(), file: 'bytes' },
      ...{ fields: { key: 'key', 'content-md5': md5('bytes') }, ...more },
    })

  it.each([
    [
      'mode and date',
      { [obs(mode)]: 'COMPLIANCE', [obs(date)]: future },
      ['COMPLIANCE', '2099-01-01T00:00:00.000Z'],
    ],
    [
      'a mode of OBS and a date of S3',
      { [obs(mode)]: 'COMPLIANCE', [date]: future },
      ['COMPLIANCE', '2099-01-01T00:00:00.000Z'],
    ],
    ['a hold', { [obs(hold)]: 'ON' }, [undefined, undefined, 'ON']],
    ['both families, the same', { [obs(hold)]: 'ON', [hold]: 'ON' }, [undefined, undefined, 'ON']],
  ])(
    '[PostObject.4] PostObject: %s, stored as the x-amz-* fields are',
    async (_name, fields: Fields, stored) => {
      const bucket = await bench.bucket('locked', { key: owner })
      expect((await post(bucket, fields)).status).toBe(204)
      expect(await lockOf(bucket)).toEqual([...stored, undefined].slice(0, 3))
      const [{ versionId = '' } = {}] = listedVersions(
        await bench.send({ method: 'GET', path: `/${bucket}`, query: { versions: '' }, key: owner }),
      )
      const removed = await bench.unchanged(bucket, () =>
        bench.send({ method: 'DELETE', path: `/${bucket}/key`, query: { versionId }, key: owner }),
      )
      expect(refusal(removed)).toEqual(refused.locked)
    },
  )

  it('[PostObject.4] PostObject: both families with different values, 400 InvalidRequest and nothing is stored', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const fields = { [obs(hold)]: 'ON', [hold]: 'OFF' }
    const answer = await bench.unchanged(bucket, () => post(bucket, fields))
    expect(refusal(answer).slice(0, 2)).toEqual([400, 'InvalidRequest'])
  })

  it('B-60 PostObject: a field of OBS that the policy does not cover, is refused', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const request = form(bucket, { uncovered: { [obs(hold)]: 'OFF' } })
    expect(refusal(await bench.unchanged(bucket, () => bench.send(request))).slice(0, 2)).toEqual([
      403,
      'AccessDenied',
    ])
  })

  it('PostObject: a header of OBS, which nothing signs, is refused and not left out', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const request = form(bucket, {})
    const headers = { ...request.headers, [obs(hold)]: 'ON' }
    const answer = await bench.unchanged(bucket, () => bench.send({ ...request, headers }))
    expect([...refusal(answer), answer.element('HeadersNotSigned')]).toEqual([
      403,
      'AccessDenied',
      'There were headers present in the request which were not signed',
      obs(hold),
    ])
  })

  it('PostObject: the source of a copy and a session token, by the names of OBS, are refused', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const copy = await bench.unchanged(bucket, () => post(bucket, { 'x-obs-copy-source': `/${bucket}/key` }))
    expect(refusal(copy).slice(0, 2)).toEqual([400, 'InvalidArgument'])
    const token = await bench.unchanged(bucket, () => post(bucket, { 'x-obs-security-token': 'token' }))
    expect(refusal(token).slice(0, 2)).toEqual([400, 'InvalidToken'])
  })
})
