/** kill -9 in the middle of a walk over existing versions: it goes on where it was, and changes each version once. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { decodeVersion } from '../../src/store/codec.ts'
import { versionCreatedMs } from '../../src/store/creation.ts'
import { tablePrefix } from '../../src/store/keys.ts'
import { walk } from '../../src/store/stats.ts'
import { readAudit } from '../store/core/rows.ts'
import { applyDocument, sendAdmin } from '../support/admin.ts'
import { md5 } from '../support/conformance.ts'
import { until, untilReady } from '../support/crash/processes.ts'
import { expectSound } from '../support/crash/recovered.ts'
import { readVolume } from '../support/crash/volume-state.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const objectCount = 600
const concurrency = 20
let server: TestServer

beforeEach(async () => {
  server = await startTestServer()
})
afterEach(async () => {
  await server.stop()
})

async function fill(): Promise<void> {
  const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
  expect((await server.client.send({ method: 'PUT', path: '/ledger', headers })).status).toBe(200)
  const writer = async (first: number) => {
    for (let index = first; index < objectCount; index += concurrency) {
      const put = {
        method: 'PUT',
        path: `/ledger/k${index}`,
        body: 'x',
        headers: { 'content-md5': md5('x') },
      }
      expect((await server.client.send(put)).status).toBe(200)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, (_value, index) => writer(index)))
}

async function apply(): Promise<void> {
  const lead = { method: 'POST', path: '/v1/leadership', document: { holder: 'test' } }
  const epoch = Number((await sendAdmin(server, lead)).document['epoch'])
  const document = applyDocument({ adoptionPolicy: 'IfUnowned', applyToExisting: 'ExtendOnly' })
  const applied = await sendAdmin(server, { method: 'PUT', path: '/v1/buckets/ledger', document, epoch })
  expect(applied).toEqual({ status: 200, document: { kind: 'applied', change: 'adopted' } })
}

type Progress = { readonly seenCount: number; readonly extendedCount: number; readonly ended: string | null }

async function progress(): Promise<Progress> {
  const { document } = await sendAdmin(server, { method: 'GET', path: '/v1/buckets/ledger' })
  return document['applyToExisting'] as Progress
}

it('applyToExisting: killed in the middle, it ends after the restart with every version locked once', async () => {
  await fill()
  await apply()
  let atKill: Progress | null = null
  await until('the walk is under way', async () => {
    atKill = await progress()
    return atKill.seenCount > 0
  })
  await server.kill9()
  expect(atKill).toMatchObject({ ended: null })
  await server.start()
  await untilReady(server)
  const resumed = await progress()
  expect(resumed.seenCount).toBeGreaterThan(0)
  await until('the walk has ended', async () => (await progress()).ended !== null)
  expect(await progress()).toMatchObject({ seenCount: objectCount, extendedCount: objectCount })
  await readVolume(server.dataDirectory, async (reader) => {
    const changes = new Map<string, number>()
    for await (const { key, value } of walk(reader, tablePrefix('version'))) {
      const version = decodeVersion(key, value)
      const { versionId, change, lock } = version
      const retention = { mode: 'COMPLIANCE', retainUntilMs: versionCreatedMs(version) + 86_400_000 }
      expect(lock).toEqual({ kind: 'known', retention, legalHold: null })
      changes.set(versionId, change)
    }
    expect([...changes.values()]).toEqual(Array(objectCount).fill(2))
    const recorded = (await readAudit(reader))
      .filter(({ actor }) => JSON.stringify(actor).includes('"ApplyToExisting"'))
      .map(({ versionId }) => String(versionId))
    expect(recorded.toSorted()).toEqual([...changes.keys()].toSorted())
  })
  await expectSound(server)
})
