/** A volume beside its server through a mount for reading only: no lock can be taken there that keeps it as it is. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { run, unmount } from '../support/crash/power-cut.ts'
import { holdfast } from '../support/holdfast.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

let folder: string
/** The file system that is mounted for reading only, and the volume in it. */
let mounted: string
let volume: string
let server: TestServer

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-read-only-'))
  mounted = join(folder, 'mounted')
  volume = join(mounted, 'data')
  for (const name of ['own', 'mounted']) mkdirSync(join(folder, name))
  server = await startTestServer({ dataDirectory: join(folder, 'own', 'data') })
  expect((await server.client.send({ method: 'PUT', path: '/bucket' })).status).toBe(200)
  expect((await server.client.send({ method: 'PUT', path: '/bucket/key', body: 'bytes' })).status).toBe(200)
  run('mount', ['--bind', join(folder, 'own'), mounted])
  run('mount', ['-o', 'remount,ro,bind', mounted])
})
afterEach(async () => {
  await server.stop()
  await unmount(mounted)
  rmSync(folder, { recursive: true })
})

it('backup: of a served volume, is refused and makes no backup; of one at rest, it is whole', async () => {
  const to = join(folder, 'backup')
  const backup = () => holdfast('backup', '--data', volume, '--to', to)
  expect(await backup()).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringContaining(`${volume} is mounted for reading only, and a server writes to it`),
  })
  expect(existsSync(to)).toBe(false)
  expect(await server.terminate()).toBe(0)
  expect(await backup()).toMatchObject({ code: 0, stderr: '' })
  expect(await holdfast('verify', '--data', to)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(': nothing found\n'),
  })
})

it('verify, audit verify and restore: read what is mounted for reading only, but not beside its server', async () => {
  for (const command of [['verify'], ['audit', 'export']])
    expect(await holdfast(...command, '--data', volume)).toMatchObject({
      ...{
        code: 2,
        stdout: '',
        stderr: expect.stringContaining(`${volume} is in use by another holdfast server`),
      },
    })
  expect(await server.terminate()).toBe(0)
  for (const command of [['verify'], ['audit', 'verify']])
    expect(await holdfast(...command, '--data', volume)).toMatchObject({ code: 0, stderr: '' })
  const [backup, restored] = [join(mounted, 'backup'), join(folder, 'restored')]
  expect(await holdfast('backup', '--data', volume, '--to', join(folder, 'own', 'backup'))).toMatchObject({
    code: 0,
  })
  expect(await holdfast('restore', '--from', backup, '--data', restored)).toMatchObject({ code: 0 })
  expect(await holdfast('verify', '--data', restored)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(': nothing found\n'),
  })
})
