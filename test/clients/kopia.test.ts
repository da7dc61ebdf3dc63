/** examples/kopia as its README says, with kopia built from its Go module. */
import { mkdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { type Outcome, runCommand } from '../support/clients/command.ts'
import { type ExampleStore, exampleStore } from '../support/clients/example-store.ts'
import { clientFolder } from '../support/clients/folder.ts'
import { toolPath } from '../support/cluster/binaries.ts'
import { until } from '../support/cluster/until.ts'

const folder = clientFolder()
/** Another than the bucket's default of 30 days, so that a lock tells whose it is. */
const periodDays = 45
const dayMs = 24 * 3600 * 1000
const waitMs = 60_000

/** Runs kopia with the key of the example; each name has a repository connection of its own. */
function kopiaOf(store: ExampleStore, name: string): (...args: readonly string[]) => Promise<Outcome> {
  const env = {
    ...store.environment,
    AWS_ACCESS_KEY_ID: store.key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: store.key.secretAccessKey,
    KOPIA_PASSWORD: 'only in this test',
    KOPIA_CHECK_FOR_UPDATES: 'false',
    KOPIA_CONFIG_PATH: folder.path(`${name}.config`),
    KOPIA_CACHE_DIRECTORY: folder.path(`${name}.cache`),
    KOPIA_LOG_DIR: folder.path(`${name}.log`),
  }
  return (...args) => runCommand(toolPath('kopia', 'kopia'), args, { env, directory: folder.path('.') })
}

const s3Flags = (store: ExampleStore) => [
  's3',
  ...['--bucket', store.bucket, '--region', 'us-east-1', '--disable-tls'],
  ...['--endpoint', new URL(store.endpoint).host],
]

/** When the lock of each version ends, in ms. */
async function untilDates(store: ExampleStore): Promise<ReadonlyMap<string, number>> {
  const dates = new Map<string, number>()
  for (const { Key, VersionId = '' } of await store.versions()) {
    const head = await store.s3.headObject({ Bucket: store.bucket, Key, VersionId })
    expect(head.ObjectLockMode).toBe('COMPLIANCE')
    dates.set(VersionId, head.ObjectLockRetainUntilDate?.getTime() ?? 0)
  }
  return dates
}

/** S3 and kopia tell time by seconds: what comes after it is later than `ms` by either. */
function secondAfter(ms: number): Promise<true> {
  return until('the next second', waitMs, async () => (Date.now() > ms + 1000 ? true : null))
}

it('kopia: its locks outlive root’s deletion, full maintenance extends them, and a snapshot of before comes back whole', async () => {
  const store = await exampleStore('kopia', folder)
  const run = kopiaOf(store, 'host')
  const kopia = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await run(...args)
    expect(code, stderr).toBe(0)
    return stdout
  }
  mkdirSync(folder.path('home'))
  folder.random('home/large', 3 * 1024 ** 2)
  folder.write('home/small', 'first')
  const lock = ['--retention-mode', 'COMPLIANCE', '--retention-period', `${periodDays}d`]
  await kopia('repository', 'create', ...s3Flags(store), ...lock)
  await kopia('maintenance', 'set', '--extend-object-locks', 'true')
  await kopia('snapshot', 'create', 'home')
  const started = Date.now()
  const before = await untilDates(store)
  // kopia locks the blobs of the repository; its own notes (of maintenance, of sessions) are the bucket's to lock.
  const locked = [...before].filter(([, endMs]) => endMs > started + (periodDays - 1) * dayMs)
  expect(locked.length).toBeGreaterThan(3)

  await secondAfter(Math.max(...locked.map(([, endMs]) => endMs)) - periodDays * dayMs)
  await kopia('maintenance', 'run', '--full')
  const after = await untilDates(store)
  const extended = locked.filter(([versionId, endMs]) => (after.get(versionId) ?? 0) > endMs)
  expect(extended.length).toBeGreaterThan(3)
  for (const [versionId, endMs] of before) expect(after.get(versionId)).toBeGreaterThanOrEqual(endMs)

  const versions = await store.versions()
  const { Deleted, Errors } = await store.s3.deleteObjects({
    Bucket: store.bucket,
    Delete: { Objects: versions.map(({ Key, VersionId }) => ({ Key, VersionId })) },
    BypassGovernanceRetention: true,
  })
  expect(Deleted).toBeUndefined()
  expect(new Set(Errors?.map(({ Code }) => Code))).toEqual(new Set(['AccessDenied']))
  expect(Errors).toHaveLength(versions.length)

  await secondAfter(Date.now())
  const whole = new Date().toISOString()
  await secondAfter(Date.now())
  const keys = [...new Set(versions.map(({ Key }) => Key))]
  await store.s3.deleteObjects({ Bucket: store.bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } })
  expect((await kopiaOf(store, 'after')('repository', 'connect', ...s3Flags(store))).code).not.toBe(0)

  const then = kopiaOf(store, 'then')
  const connected = await then('repository', 'connect', ...s3Flags(store), '--point-in-time', whole)
  expect(connected.code, connected.stderr).toBe(0)
  const restored = await then('snapshot', 'restore', folder.path('home'), folder.path('back'))
  expect(restored.code, restored.stderr).toBe(0)
  for (const name of ['large', 'small']) {
    const [was, is] = [`home/${name}`, `back/${name}`].map((path) => readFileSync(folder.path(path)))
    expect(is?.equals(was ?? Buffer.alloc(0)), name).toBe(true)
  }

  expect(await store.undelete('')).toMatchObject({ code: 0, stderr: '' })
  expect(await store.hiddenKeys()).toEqual([])
  expect(await kopia('snapshot', 'list', folder.path('home'))).toContain('latest-1')
  await kopia('snapshot', 'verify', '--verify-files-percent=100')
})
