import { describe, expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const locker = accessKey('locker', ['s3:PutObjectRetention', 's3:GetObjectRetention'])
const bypasser = accessKey('bypasser', ['s3:PutObjectRetention', 's3:BypassGovernanceRetention'])
const onlyBypass = accessKey('only-bypass', [
  's3:BypassGovernanceRetention',
  's3:GetBucketObjectLockConfiguration',
])
const writer = accessKey('writer', ['s3:PutObject', 's3:GetObject'])
const bench = conformance({ accessKeys: [owner, locker, bypasser, onlyBypass, writer] })

const bypass = { 'x-amz-bypass-governance-retention': 'true' }

/** A version in a lock bucket with this retention, in days from now (negative: already over). */
async function version(mode: string | null, days: number) {
  const bucket = await bench.bucket('locked', { key: owner })
  const versionId = await bench.put(bucket, 'key', { key: owner })
  const target = { bucket, key: 'key', versionId }
  if (mode !== null) {
    const answer = await bench.retain(target, mode, bench.inDays(Math.abs(days)), { key: owner })
    expect([answer.status, answer.text]).toEqual([200, ''])
  }
  if (days < 0) bench.server().advance(2 * Math.abs(days) * 86_400_000)
  return target
}

function retention(target: { bucket: string; key: string; versionId: string }) {
  const { bucket, key, versionId } = target
  return bench.send({ method: 'GET', path: `/${bucket}/${key}`, query: { retention: '', versionId } })
}

type Request = readonly [mode: string, days: number] | 'empty'
type Row = readonly [
  name: string,
  mode: string | null,
  days: number,
  request: Request,
  plain: number,
  bypassed: number,
]

// Semantics 1.2, the decision table: what it answers without the bypass and with it.
const table: readonly Row[] = [
  ['[PutObjectRetention.1] none, to GOVERNANCE', null, 0, ['GOVERNANCE', 1], 200, 200],
  ['[PutObjectRetention.1] none, to COMPLIANCE', null, 0, ['COMPLIANCE', 1], 200, 200],
  ['[PutObjectRetention.2] none, empty document', null, 0, 'empty', 200, 200],
  ['[PutObjectRetention.1] expired GOVERNANCE, to GOVERNANCE', 'GOVERNANCE', -1, ['GOVERNANCE', 1], 200, 200],
  ['[PutObjectRetention.1] expired COMPLIANCE, to GOVERNANCE', 'COMPLIANCE', -1, ['GOVERNANCE', 1], 200, 200],
  ['[PutObjectRetention.2] expired COMPLIANCE, empty document', 'COMPLIANCE', -1, 'empty', 200, 200],
  ['[PutObjectRetention.2] expired GOVERNANCE, empty document', 'GOVERNANCE', -1, 'empty', 200, 200],
  ['[PutObjectRetention.3] GOVERNANCE, later', 'GOVERNANCE', 2, ['GOVERNANCE', 3], 200, 200],
  [
    '[PutObjectRetention.4] [PutObjectRetention.17] GOVERNANCE, earlier',
    'GOVERNANCE',
    2,
    ['GOVERNANCE', 1],
    403,
    200,
  ],
  [
    '[PutObjectRetention.5] [PutObjectRetention.17] B-33 GOVERNANCE, to COMPLIANCE later',
    'GOVERNANCE',
    2,
    ['COMPLIANCE', 3],
    403,
    200,
  ],
  [
    '[PutObjectRetention.6] [PutObjectRetention.17] GOVERNANCE, to COMPLIANCE earlier',
    'GOVERNANCE',
    2,
    ['COMPLIANCE', 1],
    403,
    200,
  ],
  [
    '[PutObjectRetention.7] [PutObjectRetention.17] GOVERNANCE, empty document',
    'GOVERNANCE',
    2,
    'empty',
    403,
    200,
  ],
  ['[PutObjectRetention.8] COMPLIANCE, later', 'COMPLIANCE', 2, ['COMPLIANCE', 3], 200, 200],
  ['[PutObjectRetention.9] B-09 COMPLIANCE, earlier', 'COMPLIANCE', 2, ['COMPLIANCE', 1], 403, 403],
  [
    '[PutObjectRetention.10] B-31 COMPLIANCE, to GOVERNANCE later',
    'COMPLIANCE',
    2,
    ['GOVERNANCE', 3],
    403,
    403,
  ],
  ['[PutObjectRetention.10] COMPLIANCE, to GOVERNANCE earlier', 'COMPLIANCE', 2, ['GOVERNANCE', 1], 403, 403],
  ['[PutObjectRetention.11] COMPLIANCE, empty document', 'COMPLIANCE', 2, 'empty', 403, 403],
]

const callers = [
  ['without bypass', owner, {}, 'plain'],
  ['with header, without the permission', locker, bypass, 'plain'],
  ['with the permission, without header', bypasser, {}, 'plain'],
  ['with header and permission', bypasser, bypass, 'bypassed'],
  ['root with header', null, bypass, 'bypassed'],
] as const

describe('PutObjectRetention: the decision table', () => {
  for (const [name, mode, days, request, plain, bypassed] of table) {
    it.each(callers)(`${name}: %s`, async (_caller, key, headers, column) => {
      const target = await version(mode, days)
      const expected = column === 'plain' ? plain : bypassed
      const signer = key === null ? {} : { key }
      const date = request === 'empty' ? '' : bench.inDays(request[1])
      const change = () => {
        if (request !== 'empty') return bench.retain(target, request[0], date, { headers, ...signer })
        const { bucket, versionId } = target
        const body = '<Retention/>'
        return bench.document({
          method: 'PUT',
          path: `/${bucket}/key`,
          query: { retention: '', versionId },
          body,
          headers,
          ...signer,
        })
      }
      if (expected === 403) {
        const answer = await bench.unchanged(target.bucket, change)
        expect(refusal(answer)).toEqual(refused.locked)
        return
      }
      const answer = await change()
      expect([answer.status, answer.text, answer.headers['x-amz-version-id']]).toEqual([
        200,
        '',
        target.versionId,
      ])
      const after = await retention(target)
      // On an expired retention the empty document is a no-op: what was stored is still shown.
      if (request === 'empty' && days < 0) expect(after.element('Mode')).toBe(mode)
      else if (request === 'empty') expect(refusal(after)).toEqual(refused.noObjectLock)
      else expect([after.element('Mode'), after.element('RetainUntilDate')]).toEqual([request[0], date])
    })
  }

  it('[PutObjectRetention.3] [PutObjectRetention.8] [Format.9] PutObjectRetention: an equal date is an extension, also what GET printed (I16)', async () => {
    for (const mode of ['GOVERNANCE', 'COMPLIANCE']) {
      const target = await version(mode, 2)
      const stored = await retention(target)
      const again = await bench.retain(target, mode, stored.element('RetainUntilDate') ?? '', { key: owner })
      expect(again.status).toBe(200)
      expect((await retention(target)).text).toBe(stored.text)
    }
  })
})

describe('PutObjectRetention: other cases', () => {
  const path = (bucket: string) => `/${bucket}/key`
  const put = (bucket: string, body: string, more: object = {}) =>
    bench.document({ method: 'PUT', path: path(bucket), query: { retention: '' }, body, key: owner, ...more })

  it.each([
    ['[PutObjectRetention.12] only Mode', '<Retention><Mode>GOVERNANCE</Mode></Retention>'],
    [
      '[PutObjectRetention.12] only RetainUntilDate',
      '<Retention><RetainUntilDate>2099-01-01T00:00:00Z</RetainUntilDate></Retention>',
    ],
    [
      '[PutObjectRetention.13] unknown mode',
      '<Retention><Mode>X</Mode><RetainUntilDate>2099-01-01T00:00:00Z</RetainUntilDate></Retention>',
    ],
    [
      '[PutObjectRetention.13] [Format.1] lower-case mode',
      '<Retention><Mode>governance</Mode><RetainUntilDate>2099-01-01T00:00:00Z</RetainUntilDate></Retention>',
    ],
    ['no XML', 'retain'],
    ['[Choice.14] no body', ''],
    [
      'an unreadable date',
      '<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>Mon, 12 Dec 2050 09:00:00 GMT</RetainUntilDate></Retention>',
    ],
  ])('PutObjectRetention: %s is MalformedXML and changes nothing', async (_name, body) => {
    const { bucket } = await version('GOVERNANCE', 1)
    const answer = await bench.unchanged(bucket, () => put(bucket, body, { headers: bypass }))
    expect(refusal(answer)).toEqual(refused.malformed)
  })

  it('[PutObjectRetention.19] [E11] PutObjectRetention: a past date is 400 before the lock is looked at', async () => {
    const { bucket } = await version('COMPLIANCE', 2)
    const date = bench.inDays(-1)
    const body = `<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>${date}</RetainUntilDate></Retention>`
    const answer = await bench.unchanged(bucket, () => put(bucket, body))
    expect(refusal(answer)).toEqual(refused.pastDate)
    expect([answer.element('ArgumentName'), answer.element('ArgumentValue')]).toEqual([
      'RetainUntilDate',
      date,
    ])
  })

  it('[PutObjectRetention.19] PutObjectRetention: a past date comes before a missing key', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const answer = await bench.retain({ bucket, key: 'none' }, 'GOVERNANCE', bench.inDays(-1), { key: owner })
    expect(refusal(answer)).toEqual(refused.pastDate)
  })

  it('[PutObjectRetention.19] [Choice.16] PutObjectRetention: bucket, key and version must exist', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    const retain = (target: { bucket: string; key: string; versionId?: string }) =>
      bench.retain(target, 'GOVERNANCE', bench.inDays(1), { key: owner })
    expect(refusal(await retain({ bucket: 'no-such-bucket', key: 'key' }))).toEqual(refused.noSuchBucket)
    const noKey = await retain({ bucket, key: 'none' })
    expect([...refusal(noKey), noKey.element('Key')]).toEqual([...refused.noSuchKey, 'none'])
    const noVersion = await retain({ bucket, key: 'key', versionId: 'ABC123' })
    expect([...refusal(noVersion), noVersion.element('Key'), noVersion.element('VersionId')]).toEqual([
      ...refused.noSuchVersion,
      'key',
      'ABC123',
    ])
    expect(refusal(await retain({ bucket, key: 'key', versionId: 'a-b' }))).toEqual(refused.badVersionId)
    expect(refusal(await retain({ bucket, key: 'key', versionId: '' }))).toEqual(refused.emptyVersionId)
  })

  it('[PutObjectRetention.19] [Choice.7] PutObjectRetention: a bucket without lock is E4, after the key was found', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const missing = await bench.retain({ bucket, key: 'key' }, 'GOVERNANCE', bench.inDays(1), { key: owner })
    expect(refusal(missing)).toEqual(refused.noSuchKey)
    await bench.put(bucket, 'key', { key: owner })
    const answer = await bench.unchanged(bucket, () =>
      bench.retain({ bucket, key: 'key' }, 'GOVERNANCE', bench.inDays(1), { key: owner }),
    )
    expect(refusal(answer)).toEqual(refused.bucketLockMissing)
  })

  it('[PutObjectRetention.14] PutObjectRetention: without version id the current version is meant, with one only that (B-39)', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const first = await bench.put(bucket, 'key', { key: owner })
    const second = await bench.put(bucket, 'key', { key: owner })
    const old = { bucket, key: 'key', versionId: first }
    await bench.retain(old, 'COMPLIANCE', bench.inDays(1), { key: owner })
    expect(refusal(await retention({ ...old, versionId: second }))).toEqual(refused.noObjectLock)
    const current = await bench.retain({ bucket, key: 'key' }, 'GOVERNANCE', bench.inDays(1), { key: owner })
    expect([current.status, current.headers['x-amz-version-id']]).toEqual([200, second])
    expect((await retention(old)).element('Mode')).toBe('COMPLIANCE')
  })

  it('[PutObjectRetention.14] [Choice.6] PutObjectRetention: a delete marker is 405, as current version and by id', async () => {
    const { bucket } = await version('GOVERNANCE', 1)
    const removed = await bench.send({ method: 'DELETE', path: path(bucket), key: owner })
    const markerId = String(removed.headers['x-amz-version-id'])
    for (const target of [
      { bucket, key: 'key' },
      { bucket, key: 'key', versionId: markerId },
    ]) {
      const answer = await bench.retain(target, 'GOVERNANCE', bench.inDays(2), { key: owner })
      expect(refusal(answer)).toEqual(refused.deleteMarker)
      expect([answer.element('Method'), answer.element('ResourceType')]).toEqual(['PUT', 'DeleteMarker'])
    }
  })

  it('[PutObjectRetention.18] PutObjectRetention: a success is 200 without a body, with the version id', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const first = await bench.put(bucket, 'key', { key: owner })
    const second = await bench.put(bucket, 'key', { key: owner })
    for (const versionId of [first, second]) {
      const target = { bucket, key: 'key', versionId }
      const answer = await bench.retain(target, 'GOVERNANCE', bench.inDays(1), { key: owner })
      expect([answer.status, answer.text, answer.headers['x-amz-version-id']]).toEqual([200, '', versionId])
      expect((await retention(target)).element('Mode')).toBe('GOVERNANCE')
    }
  })

  it('[PutObjectRetention.15] PutObjectRetention: a legal hold does not affect retention', async () => {
    const target = await version('GOVERNANCE', 1)
    await bench.hold(target, 'ON', { key: owner })
    expect((await bench.retain(target, 'GOVERNANCE', bench.inDays(2), { key: owner })).status).toBe(200)
    expect((await put(target.bucket, '<Retention/>', { headers: bypass })).status).toBe(200)
  })

  it('[E17] PutObjectRetention: no checksum is E17, a CRC is enough, a wrong MD5 is BadDigest', async () => {
    const { bucket } = await version('GOVERNANCE', 1)
    const body = `<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>${bench.inDays(9)}</RetainUntilDate></Retention>`
    const request = { method: 'PUT', path: path(bucket), query: { retention: '' }, body, key: owner }
    const none = await bench.unchanged(bucket, () => bench.send(request))
    expect(refusal(none)).toEqual(refused.documentChecksum)
    const wrong = { 'content-md5': '1B2M2Y8AsgTpgAmY7PhCfg==' }
    const answer = await bench.unchanged(bucket, () => bench.send({ ...request, headers: wrong }))
    expect([answer.status, answer.code]).toEqual([400, 'BadDigest'])
  })

  it.each([
    ['s3:PutObject', writer],
    ['s3:BypassGovernanceRetention alone (B-34)', onlyBypass],
  ])('[PutObjectRetention.16] PutObjectRetention: %s is not the permission', async (_name, key) => {
    const { bucket } = await version(null, 0)
    const answer = await bench.unchanged(bucket, () =>
      bench.retain({ bucket, key: 'key' }, 'GOVERNANCE', bench.inDays(1), { key, headers: bypass }),
    )
    expect(refusal(answer)).toEqual(refused.forbidden)
  })

  it.each([
    'x-amz-replication-status',
    'x-minio-source-replication-request',
    'x-minio-source-mtime',
    'x-amz-meta-x-amz-bypass-governance-retention',
  ])('[OtherHeaders.1] PutObjectRetention: %s relaxes nothing (I20)', async (name) => {
    const target = await version('GOVERNANCE', 2)
    const answer = await bench.unchanged(target.bucket, () =>
      bench.retain(target, 'GOVERNANCE', bench.inDays(1), { key: owner, headers: { [name]: 'true' } }),
    )
    expect(refusal(answer)).toEqual(refused.locked)
  })

  it.each(['True', 'TRUE'])('PutObjectRetention: the bypass header %s is true (B-40)', async (value) => {
    const target = await version('GOVERNANCE', 2)
    const headers = { 'x-amz-bypass-governance-retention': value }
    expect((await bench.retain(target, 'GOVERNANCE', bench.inDays(1), { key: owner, headers })).status).toBe(
      200,
    )
  })
})
