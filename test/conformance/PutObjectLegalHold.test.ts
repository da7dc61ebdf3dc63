import { describe, expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const holder = accessKey('holder', ['s3:PutObjectLegalHold'])
const retainer = accessKey('retainer', [
  's3:PutObjectRetention',
  's3:BypassGovernanceRetention',
  's3:PutObject',
])
const bench = conformance({ accessKeys: [owner, holder, retainer] })

const held = async (bucket: string, versionId: string) =>
  (
    await bench.send({
      method: 'GET',
      path: `/${bucket}/key`,
      query: { 'legal-hold': '', versionId },
      key: owner,
    })
  ).element('Status')

describe('PutObjectLegalHold', () => {
  it.each([
    ['no retention', null],
    ['GOVERNANCE', 'GOVERNANCE'],
    ['COMPLIANCE', 'COMPLIANCE'],
  ])(
    '[PutObjectLegalHold.1] PutObjectLegalHold: ON and OFF with %s; the retention stays',
    async (_name, mode) => {
      const bucket = await bench.bucket('locked', { key: owner })
      const versionId = await bench.put(bucket, 'key', { key: owner })
      const target = { bucket, key: 'key', versionId }
      if (mode !== null) await bench.retain(target, mode, bench.inDays(1), { key: owner })
      for (const status of ['ON', 'ON', 'OFF', 'ON']) {
        const answer = await bench.hold(target, status, { key: holder })
        expect([answer.status, answer.text, answer.headers['x-amz-version-id']]).toEqual([200, '', versionId])
        expect(await held(bucket, versionId)).toBe(status)
      }
      const retention = {
        method: 'GET',
        path: `/${bucket}/key`,
        query: { retention: '', versionId },
        key: owner,
      }
      expect((await bench.send(retention)).element('Mode')).toBe(mode)
    },
  )

  it('PutObjectLegalHold: with version id only that version is held (B-39)', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const first = await bench.put(bucket, 'key', { key: owner })
    const second = await bench.put(bucket, 'key', { key: owner })
    await bench.hold({ bucket, key: 'key', versionId: first }, 'ON', { key: owner })
    expect([await held(bucket, first), await held(bucket, second)]).toEqual(['ON', null])
  })

  it.each([
    ['[Choice.14] no body', ''],
    ['an empty root', '<LegalHold/>'],
    ['a bad status', '<LegalHold><Status>on</Status></LegalHold>'],
  ])(
    '[PutObjectLegalHold.2] PutObjectLegalHold: %s is 400 E8, before the lock of the bucket is looked at',
    async (_name, body) => {
      for (const kind of ['locked', 'enabled'] as const) {
        const bucket = await bench.bucket(kind, { key: owner })
        await bench.put(bucket, 'key', { key: owner })
        const request = {
          method: 'PUT',
          path: `/${bucket}/key`,
          query: { 'legal-hold': '' },
          body,
          key: owner,
        }
        expect(refusal(await bench.unchanged(bucket, () => bench.document(request)))).toEqual(
          refused.malformed,
        )
      }
    },
  )

  it('[PutObjectLegalHold.5] PutObjectLegalHold: the root element of old SDKs is accepted', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const versionId = await bench.put(bucket, 'key', { key: owner })
    const body = '<ObjectLockLegalHold><Status>ON</Status></ObjectLockLegalHold>'
    const request = { method: 'PUT', path: `/${bucket}/key`, query: { 'legal-hold': '' }, body, key: owner }
    expect((await bench.document(request)).status).toBe(200)
    expect(await held(bucket, versionId)).toBe('ON')
  })

  it('[PutObjectLegalHold.3] [PutObjectLegalHold.4] [Choice.6] PutObjectLegalHold: a bucket without lock is 400 E4, a missing key 404, a delete marker 405', async () => {
    const plain = await bench.bucket('enabled', { key: owner })
    expect(refusal(await bench.hold({ bucket: plain, key: 'key' }, 'ON'))).toEqual(refused.noSuchKey)
    await bench.put(plain, 'key', { key: owner })
    const missing = await bench.unchanged(plain, () => bench.hold({ bucket: plain, key: 'key' }, 'ON'))
    expect(refusal(missing)).toEqual(refused.bucketLockMissing)
    const bucket = await bench.bucket('locked', { key: owner })
    const marker = await bench.send({ method: 'DELETE', path: `/${bucket}/key`, key: owner })
    const versionId = String(marker.headers['x-amz-version-id'])
    for (const target of [
      { bucket, key: 'key' },
      { bucket, key: 'key', versionId },
    ]) {
      const answer = await bench.hold(target, 'ON')
      expect([...refusal(answer), answer.element('ResourceType')]).toEqual([
        ...refused.deleteMarker,
        'DeleteMarker',
      ])
    }
    const unknown = await bench.hold({ bucket, key: 'key', versionId: 'ABC' }, 'ON')
    expect(refusal(unknown)).toEqual(refused.noSuchVersion)
  })

  it('[E17] PutObjectLegalHold: no checksum is E17', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    const body = '<LegalHold><Status>ON</Status></LegalHold>'
    const request = { method: 'PUT', path: `/${bucket}/key`, query: { 'legal-hold': '' }, body, key: owner }
    expect(refusal(await bench.unchanged(bucket, () => bench.send(request)))).toEqual(
      refused.documentChecksum,
    )
  })

  it('[PutObjectLegalHold.6] PutObjectLegalHold: retention, bypass and write permissions do not stand for it (B-35)', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    await bench.hold({ bucket, key: 'key' }, 'ON', { key: owner })
    const headers = { 'x-amz-bypass-governance-retention': 'true' }
    const attempt = () => bench.hold({ bucket, key: 'key' }, 'OFF', { key: retainer, headers })
    expect(refusal(await bench.unchanged(bucket, attempt))).toEqual(refused.forbidden)
  })
})
