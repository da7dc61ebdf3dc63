import { describe, expect, test } from 'vitest'
import { conformance } from '../../support/conformance.ts'
import type { SendOptions, Wire } from '../../support/s3-client.ts'

const bench = conformance()

/** The body is another than the one that was signed. */
function otherBody(wire: Wire): Wire {
  return { ...wire, body: Buffer.from('other') }
}

describe('a body that the operation has no use for', () => {
  test.each([
    [
      'DeleteObject',
      (bucket: string, versionId: string) => ({
        method: 'DELETE',
        path: `/${bucket}/key`,
        query: { versionId },
      }),
    ],
    [
      'CopyObject',
      (bucket: string) => ({
        method: 'PUT',
        path: `/${bucket}/copy`,
        headers: { 'x-amz-copy-source': `${bucket}/key` },
      }),
    ],
    ['DeleteBucket', (bucket: string) => ({ method: 'DELETE', path: `/${bucket}` })],
  ] as const)('%s: must be the one that was signed, else nothing is done', async (_name, make) => {
    const bucket = await bench.bucket('enabled')
    const versionId = await bench.put(bucket, 'key')
    const request: SendOptions = { ...make(bucket, versionId), body: 'words' }
    const refused = await bench.unchanged(bucket, () => bench.send({ ...request, mutate: otherBody }))
    expect([refused.status, refused.code]).toEqual([400, 'XAmzContentSHA256Mismatch'])
  })

  test('DeleteObject: as it was signed, it is dropped and the version goes', async () => {
    const bucket = await bench.bucket('enabled')
    const versionId = await bench.put(bucket, 'key')
    const request = { method: 'DELETE', path: `/${bucket}/key`, query: { versionId }, body: 'words' }
    expect((await bench.send(request)).status).toBe(204)
  })

  test('DeleteObject: more than a document, MaxMessageLengthExceeded and nothing is done', async () => {
    const bucket = await bench.bucket('enabled')
    const versionId = await bench.put(bucket, 'key')
    const request = {
      method: 'DELETE',
      path: `/${bucket}/key`,
      query: { versionId },
      body: 'x'.repeat(100_000),
    }
    const refused = await bench.unchanged(bucket, () => bench.send(request))
    expect([refused.status, refused.code]).toEqual([400, 'MaxMessageLengthExceeded'])
  })
})
