import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { accessKey, conformance, dayMs, md5, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const writer = accessKey('writer', ['s3:PutObject'])
const retainer = accessKey('retainer', ['s3:PutObject', 's3:PutObjectRetention'])
const holder = accessKey('holder', ['s3:PutObject', 's3:PutObjectLegalHold'])
const lockOnly = accessKey('lock-only', ['s3:PutObjectRetention', 's3:PutObjectLegalHold'])
const bench = conformance({ accessKeys: [owner, writer, retainer, holder, lockOnly] })

const mode = 'x-amz-object-lock-mode'
const date = 'x-amz-object-lock-retain-until-date'
const hold = 'x-amz-object-lock-legal-hold'

function put(bucket: string, headers: Record<string, string> = {}, more: object = {}) {
  const withMd5 = { 'content-md5': md5('bytes'), ...headers }
  return bench.send({
    method: 'PUT',
    path: `/${bucket}/key`,
    body: 'bytes',
    headers: withMd5,
    key: owner,
    ...more,
  })
}

async function lockHeaders(bucket: string, versionId: unknown) {
  const query = { versionId: String(versionId) }
  const { headers } = await bench.send({ method: 'HEAD', path: `/${bucket}/key`, query, key: owner })
  return [headers[mode], headers[date], headers[hold]]
}

describe('PutObject: lock headers', () => {
  it.each(['GOVERNANCE', 'COMPLIANCE'])(
    '[PutObject.11] PutObject: %s and a date are stored with the version',
    async (value) => {
      const bucket = await bench.bucket('locked', { key: owner })
      const answer = await put(bucket, { [mode]: value, [date]: '2099-01-01T00:00:00Z', [hold]: 'ON' })
      expect(answer.status).toBe(200)
      expect(await lockHeaders(bucket, answer.headers['x-amz-version-id'])).toEqual([
        value,
        '2099-01-01T00:00:00.000Z',
        'ON',
      ])
    },
  )

  it('[Choice.10] PutObject: an HTTP date means the same instant', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const answer = await put(bucket, { [mode]: 'GOVERNANCE', [date]: 'Thu, 01 Jan 2099 00:00:00 GMT' })
    expect((await lockHeaders(bucket, answer.headers['x-amz-version-id']))[1]).toBe(
      '2099-01-01T00:00:00.000Z',
    )
  })

  const both = 'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied'
  const future = '2099-01-01T00:00:00Z'
  it.each([
    ['[PutObject.1] mode alone', { [mode]: 'GOVERNANCE' }, both, date],
    ['[PutObject.1] date alone', { [date]: future }, both, mode],
    ['[PutObject.1] unknown mode without date', { [mode]: 'X' }, both, date],
    ['[PutObject.2] unknown mode', { [mode]: 'X', [date]: future }, 'Unknown wormMode directive.', mode],
    [
      '[PutObject.3] an empty date',
      { [mode]: 'GOVERNANCE', [date]: '' },
      'The retain until date must be provided in ISO 8601 format',
      date,
    ],
    [
      '[PutObject.3] no date',
      { [mode]: 'GOVERNANCE', [date]: 'x' },
      'The retain until date must be provided in ISO 8601 format',
      date,
    ],
    [
      '[PutObject.3] a past date',
      { [mode]: 'GOVERNANCE', [date]: '2020-01-01T00:00:00Z' },
      'The retain until date must be in the future!',
      date,
    ],
    [
      '[PutObject.4] [Format.2] a bad hold',
      { [hold]: 'on' },
      "Legal Hold must be either of 'ON' or 'OFF'",
      hold,
    ],
  ])('PutObject: %s is InvalidArgument and nothing is written', async (_name, headers, message, argument) => {
    const bucket = await bench.bucket('locked', { key: owner })
    const answer = await bench.unchanged(bucket, () => put(bucket, headers))
    expect([...refusal(answer), answer.element('ArgumentName')]).toEqual([
      400,
      'InvalidArgument',
      message,
      argument,
    ])
  })

  it.each([
    ['mode and date', { [mode]: 'GOVERNANCE', [date]: future }],
    ['hold ON', { [hold]: 'ON' }],
    ['hold OFF', { [hold]: 'OFF' }],
  ])('[PutObject.5] PutObject: %s into a bucket without lock is E5', async (_name, headers) => {
    for (const kind of ['unversioned', 'enabled'] as const) {
      const bucket = await bench.bucket(kind, { key: owner })
      const answer = await bench.unchanged(bucket, () => put(bucket, headers))
      expect(refusal(answer)).toEqual(refused.bucketLockMissingForHeaders)
    }
  })

  it('[PutObject.6] PutObject: explicit headers win over the default rule, even shorter and weaker', async () => {
    const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>9</Days>' })
    const until = bench.inDays(1)
    const answer = await put(bucket, { [mode]: 'GOVERNANCE', [date]: until })
    expect(await lockHeaders(bucket, answer.headers['x-amz-version-id'])).toEqual([
      'GOVERNANCE',
      until,
      undefined,
    ])
  })

  it.each(['ON', 'OFF'])(
    '[PutObject.7] PutObject: a hold header %s does not switch the default rule off (B-37)',
    async (status) => {
      const bucket = await bench.bucket('locked', {
        key: owner,
        rule: '<Mode>GOVERNANCE</Mode><Days>1</Days>',
      })
      const answer = await put(bucket, { [hold]: status })
      const stored = await lockHeaders(bucket, answer.headers['x-amz-version-id'])
      expect([stored[0], stored[2]]).toEqual(['GOVERNANCE', status])
    },
  )

  it.each([
    ['inline', 10],
    ['a file', 100_000],
  ])(
    '[Format.4] [Format.5] PutObject: the default rule counts from the creation, %s (B-38)',
    async (_name, size) => {
      const bucket = await bench.bucket('locked', {
        key: owner,
        rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>',
      })
      const body = randomBytes(size)
      const before = bench.server().nowMs()
      const answer = await bench.send({
        method: 'PUT',
        path: `/${bucket}/key`,
        body,
        headers: { 'content-md5': md5(body) },
        key: writer,
      })
      const [, until] = await lockHeaders(bucket, answer.headers['x-amz-version-id'])
      const untilMs = Date.parse(String(until))
      expect(untilMs).toBeGreaterThanOrEqual(before + dayMs)
      expect(untilMs).toBeLessThanOrEqual(bench.server().nowMs() + dayMs)
    },
  )

  it('[PutObject.10] PutObject: a locked current version is never blocked nor touched (I12)', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const first = await bench.put(bucket, 'key', { key: owner, body: 'first' })
    await bench.retain({ bucket, key: 'key', versionId: first }, 'COMPLIANCE', bench.inDays(1), {
      key: owner,
    })
    const before = await lockHeaders(bucket, first)
    const second = await bench.put(bucket, 'key', { key: owner, body: 'second' })
    expect(second).not.toBe(first)
    const old = await bench.send({
      method: 'GET',
      path: `/${bucket}/key`,
      query: { versionId: first },
      key: owner,
    })
    expect([old.text, await lockHeaders(bucket, first)]).toEqual(['first', before])
    expect(await lockHeaders(bucket, second)).toEqual([undefined, undefined, undefined])
  })

  it('[PutObject.9] PutObject: each kind of lock header needs its own permission (B-36)', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const retention = { [mode]: 'GOVERNANCE', [date]: future }
    const rows = [
      [writer, retention, 403],
      [writer, { [hold]: 'OFF' }, 403],
      [holder, retention, 403],
      [holder, { [hold]: 'ON' }, 200],
      [retainer, { [hold]: 'ON' }, 403],
      [retainer, retention, 200],
      [lockOnly, retention, 403],
      [writer, {}, 200],
    ] as const
    for (const [key, headers, status] of rows) {
      const attempt = () => put(bucket, headers, { key })
      const answer = status === 403 ? await bench.unchanged(bucket, attempt) : await attempt()
      expect([key.displayName, headers, answer.status]).toEqual([key.displayName, headers, status])
    }
  })

  it('[OtherHeaders.1] PutObject: internal and replication headers lock and unlock nothing (I20)', async () => {
    const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
    const headers = { 'x-amz-replication-status': 'REPLICA', 'x-minio-source-mtime': '2020-01-01T00:00:00Z' }
    const answer = await put(bucket, headers)
    expect((await lockHeaders(bucket, answer.headers['x-amz-version-id']))[0]).toBe('COMPLIANCE')
    const past = { ...headers, [mode]: 'GOVERNANCE', [date]: '2020-01-01T00:00:00Z' }
    expect(refusal(await bench.unchanged(bucket, () => put(bucket, past)))).toEqual(refused.pastDate)
  })
})
