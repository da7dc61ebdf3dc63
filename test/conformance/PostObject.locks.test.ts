/** Lock fields of a form mean what the headers of PutObject mean. */
import { describe, expect, it } from 'vitest'
import { accessKey, conformance, dayMs, md5, refusal } from '../support/conformance.ts'
import { formRequest } from '../support/form.ts'

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
