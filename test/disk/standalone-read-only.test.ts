/** Standalone on a volume that takes no writes: what is stored is read, and what cannot be done is told. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, it, onTestFinished } from 'vitest'
import { ensureCredentials, writeAwsCredentials } from '../../src/cli/credentials.ts'
import { md5 } from '../support/conformance.ts'
import { run, unmount } from '../support/crash/power-cut.ts'
import { createS3Client, type SendOptions } from '../support/s3-client.ts'
import { makeDirectory, type Standalone, startStandalone } from '../support/standalone.ts'

let directory: string
const data = () => join(directory, 'data')

beforeEach(() => {
  directory = makeDirectory()
})

function mountReadOnly(): void {
  const own = join(directory, 'own')
  renameSync(data(), own)
  mkdirSync(data())
  run('mount', ['--bind', own, data()])
  onTestFinished(() => unmount(data()))
  run('mount', ['-o', 'remount,ro,bind', data()])
}

async function send(server: Standalone, options: SendOptions) {
  const client = createS3Client({ endpoint: server.endpoint(), credentials: server.credentials() })
  try {
    return await client.send(options)
  } finally {
    client.close()
  }
}

async function startedWithAnObject(): Promise<void> {
  const first = startStandalone(directory)
  await first.printed(/LockedBucket default\/backups: Ready[\s\S]*Try it|default\/ledger: Ready[\s\S]*Try it/)
  const headers = { 'content-md5': md5('kept') }
  const put = await send(first, { method: 'PUT', path: '/backups/kept', body: 'kept', headers })
  expect(put.status).toBe(200)
  expect(await first.end('SIGTERM')).toBe(0)
  // What the controllers would take at once if they ran.
  const path = join(first.manifests, 'governance-policy.yaml')
  writeFileSync(path, readFileSync(path, 'utf8').replace('days: 7', 'days: 9'))
}

async function expectReads(server: Standalone): Promise<void> {
  await server.printed(/WARNING the manifests are not applied and no status is written\. .*is read-only/)
  const got = await send(server, { method: 'GET', path: '/backups/kept' })
  expect([got.status, got.text]).toEqual([200, 'kept'])
}

it('started where nothing can be written: it reads, says that manifests are not applied, stops; once it takes writes it ends', async () => {
  await startedWithAnObject()
  rmSync(join(data(), 'aws-credentials'))
  mountReadOnly()
  const second = startStandalone(directory)
  await expectReads(second)
  expect(second.output()).toContain(`Credentials   ${join(data(), 'credentials.json')}\n`)
  expect(await second.end('SIGTERM')).toBe(0)

  const third = startStandalone(directory)
  await expectReads(third)
  run('mount', ['-o', 'remount,rw,bind', data()])
  expect(await third.exited).toBe(1)
  expect(third.output()).toContain('takes writes again: the server has to be started again')
  expect(readdirSync(data())).not.toContain('aws-credentials')
})

it('the files of the key: those that are there are taken, another key has none, and a missing one is not made up', async () => {
  mkdirSync(data())
  const { credentials } = await ensureCredentials(data())
  const path = await writeAwsCredentials(data(), credentials)
  mountReadOnly()
  expect(await ensureCredentials(data())).toEqual({ credentials, isNew: false })
  expect(await writeAwsCredentials(data(), credentials)).toBe(path)
  expect(await writeAwsCredentials(data(), { ...credentials, accessKeyId: 'OTHER' })).toBeNull()
  rmSync(join(directory, 'own', 'credentials.json'))
  await expect(ensureCredentials(data())).rejects.toThrow(
    /there is no .*credentials\.json, and its file system is read-only: .* set HOLDFAST_ACCESS_KEY_ID and/,
  )
})
