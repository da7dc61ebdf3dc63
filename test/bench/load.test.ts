/** The loader: what it leaves is what PutObject leaves, and nobody loads a volume that is served. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { bucketName, runClient } from '../../bench/client.ts'
import { loadObjects } from '../../bench/load.ts'
import { startAll } from '../../bench/measure.ts'
import { removeApplication, startServer } from '../../bench/servers.ts'

const root = join(import.meta.dirname, '../..')
const holdfast = (...command: readonly string[]) =>
  spawnSync(process.execPath, [join(root, 'bin/holdfast'), ...command], { encoding: 'utf8' })

it('loadObjects: verify finds nothing in what it wrote, and a server serves it', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'holdfast-load-'))
  const [empty] = await startAll(['holdfast'], parent, () => [])
  if (empty === undefined) throw new Error('a server was started')
  const { directory: folder } = empty
  const directory = join(folder, 'data')
  const load = { directory, bucket: bucketName, prefix: 'loaded-', keys: 5000, sizeBytes: 64 }
  try {
    try {
      await expect(loadObjects(load)).rejects.toMatchObject({ name: 'VolumeLockedError' })
    } finally {
      await empty.stop()
    }
    expect(await loadObjects(load)).toBeGreaterThan(0)
    const { status, stdout, stderr } = holdfast('verify', '--data', directory)
    expect([status, stderr]).toEqual([0, ''])
    // The bucket has a record of its own.
    expect(stdout).toMatch(
      /^verified 5000 versions, 320000 bytes, \d+ rows, 50\d\d audit records: nothing found$/m,
    )
    const server = await startServer({ name: 'holdfast', directory: folder })
    try {
      const same = { prefix: 'loaded-', keys: 5000, size: 64, concurrency: 2, seconds: 60, requests: 20 }
      for (const workload of ['get', 'list', 'list-versions'])
        expect(await runClient(server, { ...same, workload })).toMatchObject({ requests: 20, errors: 0 })
    } finally {
      await server.stop()
    }
  } finally {
    rmSync(parent, { recursive: true })
    // The test's process may be ended at once.
    removeApplication()
  }
})

it('npm run bench:stored -- --load: both stores are loaded and compared', () => {
  const command = ['bench/stored.ts', '--load', '1300', '--smoke']
  const { status, stdout } = spawnSync(process.execPath, command, {
    cwd: root,
    encoding: 'utf8',
    timeout: 500_000,
  })
  expect(status).toBe(0)
  expect(stdout).toMatch(/^1300 objects written in \d+ s, \d+ a second$/m)
  expect(stdout).toMatch(/\| LIST 1,000 of all c8 \| \d+ \| \d+ \| [0-9.]+, [0-9.]+ \|/)
})
