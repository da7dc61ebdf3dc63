import { expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetObjectRetention', 's3:PutBucketObjectLockConfiguration'])
const bench = conformance({ accessKeys: [owner, reader] })
const get = (name: string, key = owner) =>
  bench.send({ method: 'GET', path: `/${name}`, query: { 'object-lock': '' }, key })

it.each(['unversioned', 'enabled'] as const)(
  '[GetObjectLockConfiguration.2] GetObjectLockConfiguration: a bucket %s is 404 E2',
  async (kind) => {
    const name = await bench.bucket(kind, { key: owner })
    const answer = await get(name)
    expect([...refusal(answer), answer.element('BucketName')]).toEqual([
      404,
      'ObjectLockConfigurationNotFoundError',
      'Object Lock configuration does not exist for this bucket',
      name,
    ])
  },
)

it.each([
  ['Days', '<Mode>GOVERNANCE</Mode><Days>3</Days>', 'Years'],
  ['Years', '<Mode>COMPLIANCE</Mode><Years>2</Years>', 'Days'],
])(
  '[GetObjectLockConfiguration.3] GetObjectLockConfiguration: only the unit %s that was set',
  async (_name, rule, unused) => {
    const name = await bench.bucket('locked', { key: owner, rule })
    const answer = await get(name)
    expect(answer.status).toBe(200)
    expect(answer.text).toContain('<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">')
    expect(answer.text).toContain(`<Rule><DefaultRetention>${rule}</DefaultRetention></Rule>`)
    expect(answer.text).not.toContain(unused)
  },
)

it('[GetObjectLockConfiguration.3] GetObjectLockConfiguration: no rule, no Rule element', async () => {
  const answer = await get(await bench.bucket('locked', { key: owner }))
  expect([answer.element('ObjectLockEnabled'), answer.text.includes('Rule')]).toEqual(['Enabled', false])
})

it('GetObjectLockConfiguration: what was printed can be written back (I16)', async () => {
  const name = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Years>2</Years>' })
  const { text: body } = await get(name)
  const again = await bench.document({ method: 'PUT', path: `/${name}`, query: { 'object-lock': '' }, body })
  expect([again.status, (await get(name)).text]).toEqual([200, body])
})

it('[GetObjectLockConfiguration.1] GetObjectLockConfiguration: other permissions do not stand for it', async () => {
  expect(refusal(await get(await bench.bucket('locked', { key: owner }), reader))).toEqual(refused.forbidden)
})
