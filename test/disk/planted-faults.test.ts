/**
 * The power-cut rig itself: a server that leaves out one flush, or runs lmdb with its own defaults, is found out; the
 * server as it is passes the same cuts.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { buckets } from '../support/crash/actions.ts'
import { type Faults, prepareFaults } from '../support/crash/faults.ts'
import { Ledger, noLock, type Planned } from '../support/crash/ledger.ts'
import { createBuckets } from '../support/crash/load.ts'
import { plannedHeaders } from '../support/crash/load-client.ts'
import { lostSyncs, serverWithChange } from '../support/crash/planted.ts'
import { type PowerCutVolume, preparePowerCutVolume } from '../support/crash/power-cut.ts'
import { until } from '../support/crash/processes.ts'
import { expectRecovered } from '../support/crash/recovered.ts'
import { rootCredentials, startTestServer, type TestServer } from '../support/server.ts'

/** A flush that is left out is only found where nothing else has flushed the same by then. */
const cutsMax = 4
let volume: PowerCutVolume
let faults: Faults
let server: TestServer | null

beforeEach(async () => {
  volume = await preparePowerCutVolume()
  faults = prepareFaults()
  server = null
})
afterEach(async () => {
  await server?.kill9()
  await server?.stop()
  await volume.remove()
  faults.remove()
})

async function start(mainModule?: string): Promise<TestServer> {
  const { environment } = faults
  const options = { dataDirectory: volume.directory, environment }
  server = await startTestServer(mainModule === undefined ? options : { ...options, mainModule })
  await createBuckets(server, rootCredentials)
  return server
}

/** One after the other, the last in a file of its own; the power goes with the last answer. */
async function putAndCut(running: TestServer, ledger: Ledger, round: number): Promise<void> {
  for (const [index, sizeBytes] of [100, 100, 100, 200_000].entries()) {
    const operation = `r${round}-${index}`
    const body = Buffer.alloc(sizeBytes, operation)
    const planned: Planned = {
      ...{ operation, bucket: buckets.locked, key: `k${index}`, sizeBytes, lock: noLock },
      sha256: createHash('sha256').update(body).digest('hex'),
      sentMs: running.nowMs(),
    }
    const path = `/${planned.bucket}/${planned.key}`
    const answer = await running.client.send({ method: 'PUT', path, headers: plannedHeaders(planned), body })
    expect(answer.status).toBe(200)
    const versionId = String(answer.headers['x-amz-version-id'])
    const requestId = String(answer.headers['x-amz-request-id'])
    const { accessKeyId } = rootCredentials
    ledger.add({ kind: 'object', planned, versionId, lock: noLock, unanswered: [], fate: 'stays' })
    ledger.answered.push({ requestId, bucket: planned.bucket, accessKeyId, verdict: 'allow' })
  }
  volume.cut()
}

/** What the rig finds wrong; null after as many cuts as it makes. */
async function findings(running: TestServer): Promise<string | null> {
  const ledger = new Ledger()
  for (let round = 0; round < cutsMax; round += 1) {
    await putAndCut(running, ledger, round)
    await running.kill9()
    await volume.restore()
    try {
      await running.start()
      await expectRecovered(running, ledger)
    } catch (error) {
      return error instanceof Error ? error.message : 'an error without words'
    }
  }
  return null
}

/** The power goes as soon as somebody can read a version whose flush takes long. */
async function readAndCut(running: TestServer): Promise<'read, and there' | 'read, then gone'> {
  const path = `/${buckets.plain}/seen`
  faults.arm({ call: 'sync', place: '*/data/kv/*', action: { kind: 'delay', delayMs: 500 } })
  const put = running.client.send({ method: 'PUT', path, body: 'seen' }).catch(() => null)
  const read = async () => (await running.client.send({ method: 'GET', path })).status
  await until('the version is read', async () => (await read()) === 200)
  volume.cut()
  await running.kill9()
  await put
  expect(faults.hits()).toBeGreaterThan(0)
  faults.disarm()
  await volume.restore()
  await running.start()
  return (await read()) === 200 ? 'read, and there' : 'read, then gone'
}

it('the rig: a server that flushes everything passes, however long a flush takes', async () => {
  const running = await start()
  faults.arm({ call: 'sync', place: '*/data/*', action: { kind: 'delay', delayMs: 100 } })
  expect(await findings(running)).toBeNull()
})

it.each(lostSyncs)('the rig: where $name, it says that acknowledged data is lost', async ({ fault }) => {
  // From the start: roots go through a descriptor that each process opens once.
  faults.arm(fault)
  const found = await findings(await start())
  expect(faults.hits()).toBeGreaterThan(0)
  expect(found).not.toBeNull()
})

it('the rig: with lmdb as it is by default, it says that somebody read what is not durable', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'holdfast-planted-'))
  try {
    const mainModule = serverWithChange(scratch, {
      file: 'src/store/kv/lmdb/environment.ts',
      from: 'overlappingSync: false,',
      to: 'overlappingSync: true,',
    })
    expect(await readAndCut(await start(mainModule))).toBe('read, then gone')
  } finally {
    rmSync(scratch, { recursive: true })
  }
})

it('the rig: with lmdb as the server opens it, what somebody read stays', async () => {
  expect(await readAndCut(await start())).toBe('read, and there')
})
