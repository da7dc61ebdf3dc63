import { expect, test } from 'vitest'
import { type AdminSend, sendAdmin } from '../../support/admin.ts'
import { conformance } from '../../support/conformance.ts'

const account = '111111111111'
const writer = {
  accessKeyId: 'WRITEREXAMPLE',
  secretAccessKey: 'writer-secret-for-tests',
  accountId: account,
}
const statements = [{ effect: 'Allow', actions: ['s3:PutObject'], buckets: ['*'] }]
const owner = { ...writer, accessKeyId: 'OWNEREXAMPLE', displayName: 'owner' }
const bench = conformance({ accessKeys: [owner, { ...writer, displayName: 'writer', statements }] })

async function facts(bucket: string, more: Partial<AdminSend> = {}) {
  return sendAdmin(bench.server(), { method: 'GET', path: `/v1/buckets/${bucket}`, ...more })
}

test('GetBucket: the last denials by lock and by permission, newest first, by whichever worker; reads are none', async () => {
  const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
  const versionId = await bench.put(bucket, 'ledger/1', { key: owner })
  expect((await facts(bucket)).document['lastDenials']).toEqual([])
  const remove = { method: 'DELETE', path: `/${bucket}/ledger/1`, query: { versionId } }
  expect((await bench.send({ ...remove, key: owner })).status).toBe(403)
  expect((await bench.send({ ...remove, key: writer })).status).toBe(403)
  expect((await bench.send({ method: 'GET', path: `/${bucket}/ledger/1`, key: writer })).status).toBe(403)
  const { document } = await facts(bucket)
  const base = { operation: 'DeleteObject', key: 'ledger/1', count: 1, time: expect.stringMatching(/Z$/) }
  expect(document['lastDenials']).toEqual([
    expect.objectContaining({ ...base, accessKeyId: 'WRITEREXAMPLE', rule: 'NoStatement' }),
    expect.objectContaining({ ...base, accessKeyId: 'OWNEREXAMPLE', rule: 'ComplianceRetention', versionId }),
  ])
  expect(document['integrity']).toEqual({
    lastScrub: null,
    unreadableCount: 0,
    owners: 'known',
    stoppedCount: 0,
    quarantinedCount: 0,
    quarantined: [],
  })
})
