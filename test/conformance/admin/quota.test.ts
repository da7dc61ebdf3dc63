import { describe, expect, test } from 'vitest'
import { applyDocument, sendAdmin } from '../../support/admin.ts'
import { conformance, md5 } from '../../support/conformance.ts'

/** Two workers: a quota is one promise of the volume, not one of each process. */
const bench = conformance({ workerCount: 2 })
let count = 0

/** A managed bucket with this quota; again with its name for another quota. */
async function managed(quotaBytes: number | null, name?: string): Promise<string> {
  if (name === undefined) count += 1
  const bucket = name ?? `quota-${count}`
  const { document } = await sendAdmin(bench.server(), {
    method: 'POST',
    path: '/v1/leadership',
    document: { holder: 'test' },
  })
  const applied = await sendAdmin(bench.server(), {
    method: 'PUT',
    path: `/v1/buckets/${bucket}`,
    document: applyDocument({ quotaBytes }),
    epoch: Number(document['epoch']),
  })
  expect(applied.status).toBe(200)
  return bucket
}

function put(bucket: string, key: string, sizeBytes: number) {
  const body = 'x'.repeat(sizeBytes)
  return bench.send({
    method: 'PUT',
    path: `/${bucket}/${key}`,
    body,
    headers: { 'content-md5': md5(body) },
  })
}

const facts = async (bucket: string) =>
  (await sendAdmin(bench.server(), { method: 'GET', path: `/v1/buckets/${bucket}` })).document

describe('quota', () => {
  test('PutObject: over the quota, 403 QuotaExceeded with both sizes, and nothing is stored', async () => {
    const bucket = await managed(100)
    expect((await put(bucket, 'a', 90)).status).toBe(200)
    const refused = await bench.unchanged(bucket, () => put(bucket, 'b', 11))
    expect(refused.status).toBe(403)
    expect(refused.text).toContain('<Code>QuotaExceeded</Code>')
    expect(refused.text).toContain('<QuotaBytes>100</QuotaBytes><SizeBytes>90</SizeBytes>')
    expect(await facts(bucket)).toMatchObject({
      profile: 'aws',
      requireChecksum: true,
      quotaBytes: 100,
      sizeBytes: 90,
    })
  })

  test('CopyObject: over the quota, refused; with more room, done', async () => {
    const bucket = await managed(100)
    await put(bucket, 'a', 60)
    const copy = () =>
      bench.send({
        method: 'PUT',
        path: `/${bucket}/b`,
        headers: { 'x-amz-copy-source': `/${bucket}/a` },
      })
    expect((await bench.unchanged(bucket, copy)).text).toContain('<Code>QuotaExceeded</Code>')
    await managed(120, bucket)
    expect((await copy()).status).toBe(200)
  })

  test('DELETE and locks: not refused in a bucket that is over its quota', async () => {
    const bucket = await managed(100)
    await put(bucket, 'a', 60)
    await managed(0, bucket)
    expect((await put(bucket, 'b', 1)).text).toContain('<Code>QuotaExceeded</Code>')
    expect((await bench.hold({ bucket, key: 'a' }, 'ON')).status).toBe(200)
    expect((await bench.send({ method: 'DELETE', path: `/${bucket}/a` })).status).toBe(204)
  })

  test('60 PutObject at once over two workers: exactly as many as fit are stored', async () => {
    const bucket = await managed(200)
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_value, index) => put(bucket, `k${index}`, 9)),
    )
    const codes = answers.map(({ status }) => status).sort()
    expect(codes).toEqual([...Array(22).fill(200), ...Array(38).fill(403)])
    expect(await facts(bucket)).toMatchObject({ sizeBytes: 198, versionCount: 22 })
  })

  test('ApplyBucket: a profile that is none, or a quota below 0, is a bad document', async () => {
    for (const change of [{ profile: 'other' }, { quotaBytes: -1 }, { requireChecksum: 'yes' }]) {
      const answer = await sendAdmin(bench.server(), {
        method: 'PUT',
        path: '/v1/buckets/never-made',
        document: applyDocument(change),
        epoch: 1,
      })
      expect([answer.status, answer.document['code']]).toEqual([400, 'InvalidDocument'])
    }
  })
})
