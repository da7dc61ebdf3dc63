import { describe, expect, it } from 'vitest'
import {
  accessKey,
  conformance,
  elements,
  lockConfiguration,
  refusal,
  refused,
} from '../support/conformance.ts'

const owner = accessKey('owner', null)
const writer = accessKey('writer', [
  's3:PutObject',
  's3:PutBucketVersioning',
  's3:GetBucketObjectLockConfiguration',
])
const bench = conformance({ accessKeys: [owner, writer] })

const days = (mode: string, count: number) => `<Mode>${mode}</Mode><Days>${count}</Days>`

function put(name: string, body: string, more: object = {}) {
  return bench.document({
    method: 'PUT',
    path: `/${name}`,
    query: { 'object-lock': '' },
    body,
    key: owner,
    ...more,
  })
}
const get = (name: string) =>
  bench.send({ method: 'GET', path: `/${name}`, query: { 'object-lock': '' }, key: owner })

function head(bucket: string, key: string, versionId: string) {
  return bench.send({ method: 'HEAD', path: `/${bucket}/${key}`, query: { versionId }, key: owner })
}
const lockOf = async (bucket: string, key: string, versionId: string) => {
  const { headers } = await head(bucket, key, versionId)
  return [headers['x-amz-object-lock-mode'], headers['x-amz-object-lock-retain-until-date']]
}

const versioningNeeded = [
  409,
  'InvalidBucketState',
  "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
]

describe('PutObjectLockConfiguration', () => {
  it.each(['unversioned', 'suspended'] as const)(
    '[PutObjectLockConfiguration.1] [E6] PutObjectLockConfiguration: a bucket %s is 409 E6',
    async (kind) => {
      const name = await bench.bucket(kind, { key: owner })
      const answer = await bench.unchanged(name, () => put(name, lockConfiguration(days('GOVERNANCE', 1))))
      expect(refusal(answer)).toEqual(versioningNeeded)
    },
  )

  it('[PutObjectLockConfiguration.2] [Choice.20] PutObjectLockConfiguration: versioning Enabled, the lock is on for good and older versions stay free', async () => {
    const name = await bench.bucket('enabled', { key: owner })
    const old = await bench.put(name, 'key', { key: owner })
    const answer = await put(name, lockConfiguration(days('COMPLIANCE', 1)))
    expect([answer.status, answer.text]).toEqual([200, ''])
    expect(await lockOf(name, 'key', old)).toEqual([undefined, undefined])
    const stamped = await bench.put(name, 'key', { key: owner })
    expect((await lockOf(name, 'key', stamped))[0]).toBe('COMPLIANCE')
    const removed = await bench.send({
      method: 'DELETE',
      path: `/${name}/key`,
      query: { versionId: old },
      key: owner,
    })
    expect(removed.status).toBe(204)
  })

  it('[PutObjectLockConfiguration.3] [Choice.20] B-10 PutObjectLockConfiguration: Enabled without Rule removes the rule, versions keep their dates', async () => {
    const name = await bench.bucket('locked', { key: owner, rule: days('COMPLIANCE', 1) })
    const versionId = await bench.put(name, 'key', { key: owner })
    const before = await lockOf(name, 'key', versionId)
    expect((await put(name, lockConfiguration(null))).status).toBe(200)
    expect((await get(name)).text).not.toContain('Rule')
    expect(await lockOf(name, 'key', versionId)).toEqual(before)
    const free = await bench.put(name, 'key', { key: owner })
    expect(await lockOf(name, 'key', free)).toEqual([undefined, undefined])
    const target = { method: 'DELETE', path: `/${name}/key`, query: { versionId }, key: owner }
    expect(refusal(await bench.unchanged(name, () => bench.send(target)))).toEqual(refused.locked)
  })

  it('[PutObjectLockConfiguration.4] PutObjectLockConfiguration: a new rule is for later versions only', async () => {
    const name = await bench.bucket('locked', { key: owner, rule: days('COMPLIANCE', 2) })
    const first = await bench.put(name, 'key', { key: owner })
    const before = await lockOf(name, 'key', first)
    await put(name, lockConfiguration(days('GOVERNANCE', 1)))
    const second = await bench.put(name, 'key', { key: owner })
    expect(await lockOf(name, 'key', first)).toEqual(before)
    expect((await lockOf(name, 'key', second))[0]).toBe('GOVERNANCE')
  })

  const enabled = '<ObjectLockEnabled>Enabled</ObjectLockEnabled>'
  const root = (inner: string) => `<ObjectLockConfiguration>${inner}</ObjectLockConfiguration>`
  it.each([
    [
      '[PutObjectLockConfiguration.5] ObjectLockEnabled missing',
      root(`<Rule><DefaultRetention>${days('GOVERNANCE', 1)}</DefaultRetention></Rule>`),
    ],
    ['[PutObjectLockConfiguration.6] [PutObjectLockConfiguration.17] root empty', root('')],
    ['[PutObjectLockConfiguration.7] Rule empty', root(`${enabled}<Rule/>`)],
    ['[PutObjectLockConfiguration.8] DefaultRetention empty', lockConfiguration('')],
    ['[PutObjectLockConfiguration.9] mode without period', lockConfiguration('<Mode>GOVERNANCE</Mode>')],
    ['[PutObjectLockConfiguration.10] unknown mode', lockConfiguration(days('LOCKED', 1))],
    [
      '[PutObjectLockConfiguration.11] Days and Years together',
      lockConfiguration(`${days('GOVERNANCE', 1)}<Years>1</Years>`),
    ],
    [
      '[PutObjectLockConfiguration.12] [PutObjectLockConfiguration.17] ObjectLockEnabled=Disabled',
      root('<ObjectLockEnabled>Disabled</ObjectLockEnabled>'),
    ],
    ['empty ObjectLockEnabled (B-11)', root('<ObjectLockEnabled></ObjectLockEnabled>')],
  ])('PutObjectLockConfiguration: %s is 400 E8; the lock stays on', async (_name, body) => {
    const name = await bench.bucket('locked', { key: owner, rule: days('COMPLIANCE', 1) })
    expect(refusal(await bench.unchanged(name, () => put(name, body)))).toEqual(refused.malformed)
  })

  it.each([
    ['Days', '0', 'Default retention period must be a positive integer value.'],
    ['Days', '-1', 'Default retention period must be a positive integer value.'],
    ['Years', '0', 'Default retention period must be a positive integer value.'],
    ['Days', '36501', 'Default retention period too large.'],
    ['Years', '101', 'Default retention period too large.'],
  ])(
    '[PutObjectLockConfiguration.13] [Choice.3] [E14] [E15] PutObjectLockConfiguration: %s %s is InvalidArgument',
    async (unit, count, message) => {
      const name = await bench.bucket('locked', { key: owner })
      const body = lockConfiguration(`<Mode>GOVERNANCE</Mode><${unit}>${count}</${unit}>`)
      const answer = await bench.unchanged(name, () => put(name, body))
      expect([...refusal(answer), answer.element('ArgumentName')]).toEqual([
        400,
        'InvalidArgument',
        message,
        unit,
      ])
    },
  )

  it.each([
    ['36500 Days', '<Mode>GOVERNANCE</Mode><Days>36500</Days>'],
    ['100 Years', '<Mode>COMPLIANCE</Mode><Years>100</Years>'],
  ])('[Format.3] PutObjectLockConfiguration: %s is the longest, and is read back', async (_name, rule) => {
    const name = await bench.bucket('locked', { key: owner })
    expect((await put(name, lockConfiguration(rule))).status).toBe(200)
    expect((await get(name)).text).toContain(`<Rule><DefaultRetention>${rule}</DefaultRetention></Rule>`)
  })

  it('[PutObjectLockConfiguration.14] [PutObjectLockConfiguration.15] [E17] [E22] PutObjectLockConfiguration: no body is 400 E22, no checksum 400 E17, a wrong one BadDigest', async () => {
    const name = await bench.bucket('locked', { key: owner, rule: days('COMPLIANCE', 1) })
    const empty = await bench.unchanged(name, () => put(name, ''))
    expect(refusal(empty)).toEqual([400, 'MissingRequestBodyError', 'Request Body is empty'])
    const request = { method: 'PUT', path: `/${name}`, query: { 'object-lock': '' }, key: owner }
    const body = lockConfiguration(null)
    const none = await bench.unchanged(name, () => bench.send({ ...request, body }))
    expect(refusal(none)).toEqual(refused.documentChecksum)
    const headers = { 'content-md5': '1B2M2Y8AsgTpgAmY7PhCfg==' }
    const wrong = await bench.unchanged(name, () => put(name, body, { headers }))
    expect([wrong.status, wrong.code]).toEqual([400, 'BadDigest'])
    const crc = await bench.unchanged(name, () =>
      put(name, body, { headers: { 'x-amz-checksum-crc32': 'AAAAAA==' } }),
    )
    expect(crc.code).toBe('BadDigest')
  })

  it('[Format.10] PutObjectLockConfiguration: the legacy token is accepted and has no effect', async () => {
    const name = await bench.bucket('unversioned', { key: owner })
    const headers = { 'x-amz-bucket-object-lock-token': 'secret-token' }
    const answer = await bench.unchanged(name, () => put(name, lockConfiguration(null), { headers }))
    expect(refusal(answer)).toEqual(versioningNeeded)
    expect(bench.server().logs()).not.toContain('secret-token')
  })

  it('[PutObjectLockConfiguration.16] PutObjectLockConfiguration: other permissions do not stand for it', async () => {
    const name = await bench.bucket('locked', { key: owner, rule: days('COMPLIANCE', 1) })
    const answer = await bench.unchanged(name, () => put(name, lockConfiguration(null), { key: writer }))
    expect(refusal(answer)).toEqual(refused.forbidden)
    expect(elements(await get(name), 'Mode')).toEqual(['COMPLIANCE'])
  })

  it('PutObjectLockConfiguration: a missing bucket is NoSuchBucket', async () => {
    expect(refusal(await put('no-such-bucket', lockConfiguration(null)))).toEqual(refused.noSuchBucket)
  })
})
