/**
 * The volume goes away, or another takes its place, while the server runs: readiness says so, what is open is read on, and nothing is
 * written anywhere until it is back.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { run, unmount } from '../support/crash/power-cut.ts'
import { until, untilReady, workerPids } from '../support/crash/processes.ts'
import { expectSound } from '../support/crash/recovered.ts'
import { copyVolume, treeOf } from '../support/crash/steps.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

let folder: string
let mounted: string
let server: TestServer

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-gone-'))
  mounted = join(folder, 'mounted')
  for (const name of ['own', 'other', 'mounted']) mkdirSync(join(folder, name))
  bind('own')
  server = await startTestServer({ dataDirectory: join(mounted, 'data') })
  const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
  expect((await server.client.send({ method: 'PUT', path: '/bucket', headers })).status).toBe(200)
  expect((await put('known')).status).toBe(200)
})
afterEach(async () => {
  await server.kill9()
  await server.stop()
  await unmount(mounted)
  rmSync(folder, { recursive: true })
})

function bind(name: 'own' | 'other'): void {
  run('mount', ['--bind', join(folder, name), mounted])
}

/** What is open stays open: only the name is gone. */
function uncover(): void {
  execFileSync('umount', ['-l', mounted])
}

function md5Of(body: string | Buffer): { readonly 'content-md5': string } {
  return { 'content-md5': createHash('md5').update(body).digest('base64') }
}

const put = (key: string) =>
  server.client.send({ method: 'PUT', path: `/bucket/${key}`, body: key, headers: md5Of(key) })

async function read(key: string): Promise<string> {
  return (await server.client.send({ method: 'GET', path: `/bucket/${key}` })).text
}

async function readyText(): Promise<string> {
  return (await fetch(new URL('/readyz', server.metricsEndpoint))).text()
}

/** The worker that is started in its place must not take what is there now for the volume. */
async function killWorker(reason: string): Promise<void> {
  const [pid = 0] = workerPids(server)
  process.kill(pid, 'SIGKILL')
  await until('a new worker has refused', () => server.logs().includes(reason))
  expect(await read('known')).toBe('known')
}

const gone = 'is not the volume that this server opened'
const large = Buffer.alloc(1024 ** 2, 'in a file ')

async function putLarge(): Promise<string> {
  const path = '/bucket/large'
  const answer = await server.client.send({ method: 'PUT', path, body: large, headers: md5Of(large) })
  expect(answer.status).toBe(200)
  return String(answer.headers['x-amz-version-id'])
}

/** By either worker. */
async function expectLargeRead(): Promise<void> {
  for (let round = 0; round < 4; round += 1) {
    const got = await server.client.send({ method: 'GET', path: '/bucket/large' })
    expect([got.status, got.body.equals(large)]).toEqual([200, true])
  }
}

/** In a file and in the store, held and free, new and gone: rows and bytes are written both or neither. */
async function expectNothingWritten(versionId: string): Promise<void> {
  const held = {
    'x-amz-object-lock-mode': 'COMPLIANCE',
    'x-amz-object-lock-retain-until-date': new Date(server.nowMs() + 600_000).toISOString(),
  }
  const path = '/bucket/large'
  for (const [index, request] of [
    { method: 'PUT', path: '/bucket/held', body: large, headers: { ...held, ...md5Of(large) } },
    { method: 'PUT', path: '/bucket/held', body: 'small', headers: { ...held, ...md5Of('small') } },
    { method: 'PUT', path: '/bucket/free', body: large, headers: md5Of(large) },
    { method: 'DELETE', path, query: { versionId } },
    { method: 'DELETE', path },
    { method: 'POST', path, query: { uploads: '' } },
  ].entries()) {
    const answer = await server.client.send(request)
    expect([index, answer.status, answer.code]).toEqual([index, 503, 'ServiceUnavailable'])
    expect(answer.text).toContain('The volume of this server is not in its place')
  }
}

async function expectAllBack(): Promise<void> {
  await expectLargeRead()
  const metrics = await (await fetch(new URL('/metrics', server.metricsEndpoint))).text()
  expect(metrics).toContain('\nholdfast_quarantined_lists 0\n')
}

it('a volume that goes missing: told, read on from what is open, no new one is made; back, all is well', async () => {
  const versionId = await putLarge()
  uncover()
  expect(await readyText()).toContain(gone)
  expect(await read('known')).toBe('known')
  await expectLargeRead()
  await expectNothingWritten(versionId)
  await killWorker('there is no volume in')
  expect(readdirSync(mounted)).toEqual([])
  bind('own')
  await untilReady(server)
  await expectAllBack()
  expect((await put('later')).status).toBe(200)
  await expectSound(server)
})

it('a server that is started without its mount, or with another: does not start by --volume-id, and makes nothing there', async () => {
  const { dataDirectory, volumeId } = server
  const other = await startTestServer({ dataDirectory: join(folder, 'other', 'data') })
  for (const running of [other, server]) expect(await running.terminate()).toBe(0)
  const start = () => startTestServer({ dataDirectory, volumeId })
  uncover()
  await expect(start()).rejects.toThrow(
    `there is no volume in ${dataDirectory}, and --volume-id names ${volumeId}: is it mounted? Nothing was made there`,
  )
  expect(readdirSync(mounted)).toEqual([])
  bind('other')
  await expect(start()).rejects.toThrow(
    `${dataDirectory} has volume ${other.volumeId}, and --volume-id names ${volumeId}`,
  )
  uncover()
  bind('own')
  const again = await start()
  expect((await again.client.send({ method: 'GET', path: '/bucket/known' })).text).toBe('known')
  await expectSound(again)
  await again.stop()
})

it('another volume in its place: told, not served, not written to; away, all is well', async () => {
  const other = await startTestServer({ dataDirectory: join(folder, 'other', 'data') })
  expect((await other.client.send({ method: 'PUT', path: '/theirs' })).status).toBe(200)
  expect(await other.terminate()).toBe(0)
  const versionId = await putLarge()
  bind('other')
  expect(await readyText()).toContain(gone)
  await expectLargeRead()
  await expectNothingWritten(versionId)
  await killWorker(gone)
  expect((await server.client.send({ method: 'HEAD', path: '/theirs' })).status).toBe(404)
  uncover()
  await untilReady(server)
  await expectAllBack()
  expect((await put('later')).status).toBe(200)
  await other.start()
  expect((await other.client.send({ method: 'HEAD', path: '/theirs' })).status).toBe(200)
  for (const running of [server, other]) await expectSound(running)
  await other.stop()
})

const swaps = [
  {
    name: 'mounted over it',
    copyAt: 'other/data',
    swap: () => bind('other'),
    back: uncover,
  },
  {
    name: 'moved to its path',
    copyAt: 'own/copy',
    swap: () => move('data', 'away', 'copy', 'data'),
    back: () => move('data', 'copy', 'away', 'data'),
  },
]

function move(...[from, to, secondFrom, secondTo]: readonly [string, string, string, string]): void {
  renameSync(join(mounted, from), join(mounted, to))
  renameSync(join(mounted, secondFrom), join(mounted, secondTo))
}

/** It has the id, the epoch and the stages of the volume: by these nobody tells them apart. */
it.each(swaps)(
  'a copy of the volume $name: not written to, and nothing is acknowledged that only one of them has',
  async (how) => {
    const versionId = await putLarge()
    const copy = join(folder, how.copyAt)
    copyVolume(server.dataDirectory, copy)
    const before = treeOf(copy)
    how.swap()
    expect(await readyText()).toContain(gone)
    await expectLargeRead()
    await expectNothingWritten(versionId)
    await killWorker(gone)
    await expectNothingWritten(versionId)
    how.back()
    expect(treeOf(copy)).toBe(before)
    await untilReady(server)
    await expectAllBack()
    expect((await put('later')).status).toBe(200)
    await expectSound(server)
  },
)
