/**
 * The power-cut rig itself: a server that leaves out one flush, or runs lmdb with its own defaults, is found out; the
 * server as it is passes the same cuts.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { buckets } from '../support/crash/actions.ts'
import { type Faults, prepareFaults } from '../support/crash/faults.ts'
import { Ledger, noLock, type Planned } from '../support/crash/ledger.ts'
import { createBuckets } from '../support/crash/load.ts'
import { plannedHeaders } from '../support/crash/load-client.ts'
import { lostSyncs, serverWithChange } from '../support/crash/planted.ts'
import { type CutFileSystem, type PowerCutVolume, preparePowerCutVolume } from '../support/crash/power-cut.ts'
import { until } from '../support/crash/processes.ts'
import { expectRecovered } from '../support/crash/recovered.ts'
import { rootCredentials, startTestServer, type TestServer } from '../support/server.ts'

/** A flush that is left out is only found where nothing else has flushed the same by then. */
const cutsMax = 4
/** Of the server as it is, on each file system. */
const passedCuts = 2
const replacedCount = 6

/** The store is opened otherwise; what is left of its options is what it cannot be read without. */
const defaults = [
  {
    name: 'with commits that are seen before they are flushed',
    from: 'overlappingSync: false,',
    to: 'overlappingSync: true,',
  },
  {
    name: 'with all options of lmdb as they are by default',
    from: '  return settings\n',
    to: '  const { readOnly, encoding, keyEncoding } = settings\n  return { readOnly, encoding, keyEncoding }\n',
  },
]
let volume: PowerCutVolume
let faults: Faults
let server: TestServer | null

beforeEach(() => {
  faults = prepareFaults()
  server = null
})
afterEach(async () => {
  await server?.kill9()
  await server?.stop()
  await volume.remove()
  faults.remove()
})

async function start(fileSystem: CutFileSystem, mainModule?: string): Promise<TestServer> {
  const { environment } = faults
  volume = await preparePowerCutVolume(fileSystem)
  const options = { dataDirectory: volume.directory, environment }
  server = await startTestServer(mainModule === undefined ? options : { ...options, mainModule })
  await createBuckets(server, rootCredentials)
  return server
}

type Put = { readonly bucket: string; readonly key: string; readonly sizeBytes: number }

async function put(running: TestServer, ledger: Ledger, { bucket, key, sizeBytes }: Put): Promise<void> {
  const operation = `o${ledger.answered.length}`
  const body = Buffer.alloc(sizeBytes, operation)
  const planned: Planned = {
    ...{ operation, bucket, key, sizeBytes, lock: noLock },
    sha256: createHash('sha256').update(body).digest('hex'),
    sentMs: running.nowMs(),
  }
  const path = `/${bucket}/${key}`
  const answer = await running.client.send({ method: 'PUT', path, headers: plannedHeaders(planned), body })
  expect(answer.status).toBe(200)
  const versionId = String(answer.headers['x-amz-version-id'] ?? 'null')
  const requestId = String(answer.headers['x-amz-request-id'])
  const { accessKeyId } = rootCredentials
  ledger.add({ kind: 'object', planned, versionId, lock: noLock, unanswered: [], fate: 'stays' })
  ledger.answered.push({ requestId, bucket, accessKeyId, verdict: 'allow' })
}

/** One after the other, the last in a file of its own; the power goes with the last answer. */
async function putAndCut(running: TestServer, ledger: Ledger): Promise<void> {
  for (const key of ['k0', 'k1', 'k2'])
    await put(running, ledger, { bucket: buckets.locked, key, sizeBytes: 100 })
  await put(running, ledger, { bucket: buckets.locked, key: 'file', sizeBytes: 200_000 })
  volume.cut()
}

/**
 * A flush of a file that grew takes along the names that were made before it. So the ballast is there first, and
 * pages of the store that nothing uses any more: neither grows from then on.
 */
async function growFiles(running: TestServer, ledger: Ledger): Promise<void> {
  await until('the ballast is there', () => existsSync(join(running.dataDirectory, 'ballast')))
  for (const sizeBytes of [...Array<number>(replacedCount).fill(60_000), 100])
    await put(running, ledger, { bucket: buckets.plain, key: 'replaced', sizeBytes })
}

/** What the rig finds wrong; null after as many cuts as it makes. */
async function findings(running: TestServer, cutsMax: number): Promise<string | null> {
  const ledger = new Ledger()
  await growFiles(running, ledger)
  for (let round = 0; round < cutsMax; round += 1) {
    await putAndCut(running, ledger)
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

const fileSystems: readonly CutFileSystem[] = ['ext4', 'xfs']

it.each(fileSystems)(
  'the rig, %s: a server that flushes everything passes, however long a flush takes',
  async (fileSystem) => {
    const running = await start(fileSystem)
    faults.arm({ call: 'sync', place: '*/data/*', action: { kind: 'delay', delayMs: 100 } })
    expect(await findings(running, passedCuts)).toBeNull()
  },
)

it.each(lostSyncs)(
  'the rig: where $name, it says that acknowledged data is lost',
  async ({ fault, fileSystem }) => {
    // From the start: roots go through a descriptor that each process opens once.
    faults.arm(fault)
    const found = await findings(await start(fileSystem), cutsMax)
    expect(faults.hits()).toBeGreaterThan(0)
    expect(found).not.toBeNull()
  },
)

it.each(defaults)('the rig: $name, it says that somebody read what is not durable', async ({ from, to }) => {
  const scratch = mkdtempSync(join(tmpdir(), 'holdfast-planted-'))
  try {
    const mainModule = serverWithChange(scratch, { file: 'src/store/kv/lmdb/environment.ts', from, to })
    expect(await readAndCut(await start('ext4', mainModule))).toBe('read, then gone')
  } finally {
    rmSync(scratch, { recursive: true })
  }
})

it('the rig: with lmdb as the server opens it, what somebody read stays', async () => {
  expect(await readAndCut(await start('ext4'))).toBe('read, and there')
})
