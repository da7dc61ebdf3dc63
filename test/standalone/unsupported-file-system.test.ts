/** A volume on a file system that the store cannot be on: every door says so in a sentence. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/platform/clock.ts'
import { createLedger, onVolume } from '../store/base/at-rest.ts'
import { holdfast, startHoldfast } from '../support/holdfast.ts'

const directory = mkdtempSync(join(tmpdir(), 'holdfast-fuse-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const at = (name: string) => join(directory, name)

/** Makes whatever lies under `fuse` be on FUSE, as statfs(2) tells it. */
const hook = `
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
const { statfs, realpath } = fs.promises
fs.promises.statfs = async (path, ...more) => {
  const told = await statfs(path, ...more)
  return (await realpath(path)).startsWith(${JSON.stringify(at('fuse/'))}) ? Object.assign(told, { type: 0x65735546 }) : told
}
syncBuiltinESMExports()
`

beforeAll(async () => {
  writeFileSync(at('hook.mjs'), hook)
  for (const name of ['fuse', 'manifests']) mkdirSync(at(name))
  for (const name of ['data', 'fuse/data'])
    await onVolume({ directory: at(name), clock: systemClock() }, createLedger)
  expect((await holdfast('backup', '--data', at('data'), '--to', at('backup'))).code).toBe(0)
}, 120_000)

const keys = {
  HOLDFAST_ACCESS_KEY_ID: 'ROOTEXAMPLE',
  HOLDFAST_SECRET_ACCESS_KEY: 'root-secret-for-tests-only',
  HOLDFAST_OPERATOR_ACCESS_KEY_ID: 'OPERATOREXAMPLE',
  HOLDFAST_OPERATOR_SECRET_ACCESS_KEY: 'operator-secret-for-tests-only',
}
const listen = ['--s3-listen', '--admin-listen', '--metrics-listen'].flatMap((flag) => [flag, '127.0.0.1:0'])
const onFuse = at('fuse/data')
const doors = [
  ['server on it', ['server', '--data', onFuse, ...listen], 1, 'data'],
  [
    'standalone on it',
    ['standalone', '--data', onFuse, '--manifests', at('manifests'), ...listen],
    1,
    'data',
  ],
  ['backup of it', ['backup', '--data', onFuse, '--to', at('backup-of-fuse')], 2, 'data'],
  ['backup to it', ['backup', '--data', at('data'), '--to', at('fuse/backup')], 2, 'backup'],
  ['restore to it', ['restore', '--from', at('backup'), '--data', at('fuse/restored')], 2, 'restored'],
  ['verify of it', ['verify', '--data', onFuse], 2, 'data'],
] as const

test.each(doors)(
  'a volume on FUSE, holdfast %s: is refused with a sentence',
  async (_title, args, code, name) => {
    const environment = { ...keys, NODE_OPTIONS: `--import ${pathToFileURL(at('hook.mjs')).href}` }
    const told = await startHoldfast(args, environment).ended
    expect([told.code, told.stderr]).toEqual([
      code,
      expect.stringMatching(
        new RegExp(
          `^holdfast ${args[0]}: ${at(`fuse/${name}`)}\\S* is on FUSE: the store needs a volume .* flushes\\. Name .* cp -a while nothing uses it\\n$`,
        ),
      ),
    ])
  },
  120_000,
)
