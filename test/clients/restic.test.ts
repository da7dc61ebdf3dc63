/** examples/restic as its README says, with restic as Debian has it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { type Outcome, runCommand } from '../support/clients/command.ts'
import { exampleStore } from '../support/clients/example-store.ts'
import { clientFolder } from '../support/clients/folder.ts'

const folder = clientFolder()

it('restic: prune by the key that appends only is refused; what root prunes stays locked, comes back and is restored', async () => {
  const store = await exampleStore('restic', folder)
  const environment = {
    ...store.environment,
    AWS_ACCESS_KEY_ID: store.key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: store.key.secretAccessKey,
    RESTIC_REPOSITORY: `s3:${store.endpoint}/${store.bucket}/host1`,
    RESTIC_PASSWORD: 'only in this test',
  }
  const run = (env: Readonly<Record<string, string>>, args: readonly string[]): Promise<Outcome> =>
    runCommand('restic', args, { env, directory: folder.path('.') })
  const restic = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await run(environment, args)
    expect(code, stderr).toBe(0)
    return stdout
  }
  const snapshots = async () => (JSON.parse(await restic('snapshots', '--json')) as readonly object[]).length
  mkdirSync(folder.path('home'))
  folder.random('home/large', 3 * 1024 ** 2)
  await restic('init')
  for (const text of ['first', 'second']) {
    folder.write('home/small', text)
    await restic('backup', 'home')
  }

  const refused = await refusedForget(environment)
  expect(refused).toMatch(
    /Remove\(<snapshot\/[0-9a-f]+>\) returned error.*client\.RemoveObject: Access Denied/,
  )
  await restic('unlock', '--remove-all')
  expect(await snapshots()).toBe(2)
  const hiddenByHost = await store.hiddenKeys()
  expect(hiddenByHost.filter((key) => !key.startsWith('host1/locks/'))).toEqual([])

  const pruned = await run({ ...environment, ...store.rootEnvironment }, [
    'forget',
    '--keep-last',
    '1',
    '--prune',
  ])
  expect(pruned.code, pruned.stderr).toBe(0)
  expect(await snapshots()).toBe(1)
  const hiddenByRoot = await store.hiddenKeys()
  for (const folderName of ['snapshots', 'data', 'index']) {
    expect(
      hiddenByRoot.filter((key) => key.startsWith(`host1/${folderName}/`)),
      folderName,
    ).not.toEqual([])
  }
  const versions = await store.versions()
  const { Deleted, Errors } = await store.s3.deleteObjects({
    Bucket: store.bucket,
    Delete: { Objects: versions.map(({ Key, VersionId }) => ({ Key, VersionId })) },
    BypassGovernanceRetention: true,
  })
  expect(Deleted).toBeUndefined()
  expect(Errors?.map(({ Code, VersionId }) => [Code, VersionId])).toEqual(
    versions.map(({ VersionId }) => ['AccessDenied', VersionId]),
  )

  const undeleted = await store.undelete('host1/')
  expect([undeleted.code, undeleted.stderr]).toEqual([0, ''])
  expect(undeleted.stdout).toBe(`${hiddenByRoot.length} markers removed\n`)
  expect(await store.hiddenKeys()).toEqual([])
  await restic('unlock', '--remove-all')
  expect(await snapshots()).toBe(2)
  await restic('check', '--read-data')
  await restic('restore', 'latest', '--target', 'back')
  for (const name of ['home/large', 'home/small']) {
    expect(readFileSync(folder.path(`back/${name}`)).equals(readFileSync(folder.path(name))), name).toBe(true)
  }
})

/** What it says until the first refusal; it would try again for minutes. */
async function refusedForget(environment: Readonly<Record<string, string>>): Promise<string> {
  const forget = spawn('restic', ['forget', '--keep-last', '1', '--prune'], { env: environment })
  const ended = once(forget, 'close')
  let said = ''
  const refused = new Promise<void>((resolve) => {
    forget.stderr.on('data', (piece: Buffer) => {
      said += piece.toString()
      if (said.includes('client.RemoveObject: Access Denied')) resolve()
    })
  })
  await Promise.race([refused, ended])
  forget.kill('SIGINT')
  await ended
  return said
}
