import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { epochMs } from '../../../src/lib/units.ts'
import { decodeVersion } from '../../../src/store/codec.ts'
import { parseVersionKey, rangeOf, tablePrefix } from '../../../src/store/keys.ts'
import { openLmdb } from '../../../src/store/kv/lmdb/lmdb.ts'
import { quarantine } from '../../../src/store/quarantine.ts'
import { type AdminSend, sendAdmin } from '../../support/admin.ts'
import { conformance } from '../../support/conformance.ts'
import { startHoldfast } from '../../support/holdfast.ts'

const bench = conformance()
const list: AdminSend = { method: 'GET', path: '/v1/quarantine' }

function command(...args: readonly string[]) {
  const { credentials, adminEndpoint, endpoint } = bench.server()
  return startHoldfast(['admin', ...args], {
    HOLDFAST_ACCESS_KEY_ID: credentials.accessKeyId,
    HOLDFAST_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    HOLDFAST_SERVER_ADMIN: adminEndpoint,
    HOLDFAST_SERVER_S3: endpoint,
  }).ended
}

/** What a scrub does with a version whose bytes are not those that were written. */
async function quarantineAll(key: string, foundMs: number): Promise<void> {
  const kv = await openLmdb({ directory: join(bench.server().dataDirectory, 'kv') })
  for (const row of await kv.range({ ...rangeOf(tablePrefix('version')), limit: 100 })) {
    if (parseVersionKey(row.key).key !== key) continue
    const found = { kind: 'damaged', foundMs: epochMs(foundMs), problem: 'block 0 is damaged' } as const
    expect(await quarantine(kv, decodeVersion(row.key, row.value), found)).toBe(true)
  }
  await kv.close()
}

describe('quarantine', () => {
  test('ListQuarantine and `holdfast admin quarantine`: name what is damaged, while its reads are refused', async () => {
    expect(await sendAdmin(bench.server(), list)).toEqual({
      status: 200,
      document: { listCount: 0, versions: [] },
    })
    expect(await command('quarantine')).toEqual({ code: 0, stdout: '0 damaged\n', stderr: '' })
    const bucket = await bench.bucket('locked')
    const key = 'a\nkey'
    const versionId = await bench.put(bucket, 'a\nkey')
    await bench.put(bucket, 'whole')
    // While it runs: what is whole is taken back by the second look at a start.
    await quarantineAll(key, Date.UTC(2031, 0, 2))

    const answer = await sendAdmin(bench.server(), list)
    const version = { bucket, bucketId: expect.stringMatching(/^[0-9a-f]{16}$/), key, versionId }
    const found = { found: '2031-01-02T00:00:00.000Z', problem: 'block 0 is damaged' }
    expect(answer).toEqual({ status: 200, document: { listCount: 1, versions: [{ ...version, ...found }] } })
    const line = `s3://${bucket}/a\\nkey?versionId=${versionId}: block 0 is damaged (found 2031-01-02T00:00:00.000Z)`
    expect(await command('quarantine')).toEqual({ code: 3, stdout: `${line}\n1 damaged\n`, stderr: '' })
    const read = await bench.send({ method: 'GET', path: `/${bucket}/a\nkey` })
    expect([read.status, read.code]).toEqual([500, 'InternalError'])
    expect((await bench.send({ method: 'GET', path: `/${bucket}/whole` })).status).toBe(200)
  }, 120_000)
})
