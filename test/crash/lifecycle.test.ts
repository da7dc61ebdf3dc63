/** kill -9 in the middle of a lifecycle run: the next server goes on, and nothing goes but what may. */
import { createHash } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { sendAdmin } from '../support/admin.ts'
import { dayMs, listedVersions } from '../support/conformance.ts'
import { until, untilReady } from '../support/crash/processes.ts'
import { expectSound } from '../support/crash/recovered.ts'
import { readVolume, rowsOf } from '../support/crash/volume-state.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
beforeEach(async () => {
  server = await startTestServer({ lifecycleIntervalMs: 100 })
  const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
  expect((await server.client.send({ method: 'PUT', path: '/bucket', headers })).status).toBe(200)
})
afterEach(() => server.stop())

const versionsMax = 400
const heldEvery = 8

type Put = {
  readonly key: string
  readonly versionId: string
  readonly body: string
  readonly isHeld: boolean
}

async function putVersion(index: number): Promise<Put> {
  const isHeld = index % heldEvery === 0
  const key = `key-${index % 4}`
  const body = `body of ${index}`
  const md5 = createHash('md5').update(body).digest('base64')
  const headers = { 'content-md5': md5, ...(isHeld ? { 'x-amz-object-lock-legal-hold': 'ON' } : {}) }
  const answer = await server.client.send({ method: 'PUT', path: `/bucket/${key}`, body, headers })
  expect(answer.status).toBe(200)
  return { key, versionId: String(answer.headers['x-amz-version-id']), body, isHeld }
}

async function listed(): Promise<ReadonlySet<string>> {
  const answer = await server.client.send({ method: 'GET', path: '/bucket', query: { versions: '' } })
  expect(answer.status).toBe(200)
  return new Set(listedVersions(answer).map(({ versionId }) => versionId))
}

it('kill -9 between two removals, three times: every run goes on, all that is held is whole, all that is due goes', async () => {
  const puts: Put[] = []
  // Four at a time are four keys: the versions of each stay in order.
  for (let index = 0; index < versionsMax; index += 4)
    puts.push(...(await Promise.all([index, index + 1, index + 2, index + 3].map(putVersion))))
  const body =
    '<LifecycleConfiguration><Rule><ID>old</ID><Filter></Filter><Status>Enabled</Status><NoncurrentVersionExpiration>' +
    '<NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration></Rule></LifecycleConfiguration>'
  const headers = { 'content-md5': createHash('md5').update(body).digest('base64') }
  const query = { lifecycle: '' }
  expect((await server.client.send({ method: 'PUT', path: '/bucket', query, body, headers })).status).toBe(
    200,
  )
  server.advance(3 * dayMs)
  const kept = puts.filter(({ isHeld }, index) => isHeld || index >= versionsMax - 4)
  const brokenOffAt: number[] = []
  for (let kill = 0; kill < 3; kill += 1) {
    const before = (await listed()).size
    await until('some more are removed', async () => (await listed()).size < before || before === kept.length)
    await server.kill9()
    brokenOffAt.push((await readVolume(server.dataDirectory, (reader) => rowsOf(reader, 'version'))).length)
    await server.start()
    await untilReady(server)
  }
  expect(brokenOffAt[0]).toBeLessThan(versionsMax)
  expect(brokenOffAt[0]).toBeGreaterThan(kept.length)
  await until('the run has ended', async () => (await listed()).size === kept.length)
  const left = await listed()
  expect(kept.filter(({ versionId }) => !left.has(versionId))).toEqual([])
  for (const { key, versionId, body: expected } of kept) {
    const answer = await server.client.send({ method: 'GET', path: `/bucket/${key}`, query: { versionId } })
    expect([answer.status, answer.text]).toEqual([200, expected])
  }
  await until('its counts are told', async () => {
    const { document } = await sendAdmin(server, { method: 'GET', path: '/v1/buckets/bucket' })
    expect(document).toMatchObject({ versionCount: kept.length, legalHoldCount: versionsMax / heldEvery })
    return document['lastLifecycleRun'] !== null
  })
  await expectSound(server)
})
