/**
 * Root's key of a standalone server is durable before anything is served with it: neither a kill nor a power cut leaves half a
 * file, or a volume whose key is lost.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ensureCredentials, readCredentials } from '../../src/cli/credentials.ts'
import { type Faults, prepareFaults } from '../support/crash/faults.ts'
import { walkSteps } from '../support/crash/steps.ts'
import { startHoldfast } from '../support/holdfast.ts'
import { root } from '../support/standalone.ts'

let folder: string
let faults: Faults
let child: ChildProcess | null
// The watcher looks at what lies below a folder named data.
const data = () => join(folder, 'data')

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-key-'))
  faults = prepareFaults()
  child = null
})
afterEach(() => {
  child?.kill('SIGKILL')
  faults.remove()
  rmSync(folder, { recursive: true })
})

/** In a process of its own, so that its calls are held up and not ours. Resolves to its exit code. */
async function makeKey(directory: string): Promise<number> {
  const module = JSON.stringify(new URL('../../src/cli/credentials.ts', import.meta.url))
  const script = `await (await import(${module})).ensureCredentials(${JSON.stringify(directory)})`
  child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, ...faults.environment },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code] = await once(child, 'exit')
  return Number(code)
}

it('a first start, killed at every step: a whole key or none, then one; bytes are flushed before the name, the name before the end', async () => {
  const directory = join(data(), 'own')
  mkdirSync(directory, { recursive: true })
  const { status, steps, remove } = await walkSteps(faults, directory, () => makeKey(directory))
  expect(status).toBe(0)
  const names = steps.map(({ name }) => name.replace(/\.[0-9a-f]{16}$/, '.new'))
  expect(names).toEqual([
    'mkdir ',
    'create /credentials.json.new',
    'write /credentials.json.new',
    'sync /credentials.json.new',
    'link /credentials.json',
    'unlink /credentials.json.new',
    'volume flushed',
    // What a start that finds the file does, whoever made it.
    'sync /credentials.json',
    'volume flushed',
  ])
  const made = await readCredentials(directory)
  expect(statSync(join(directory, 'credentials.json')).mode & 0o777).toBe(0o600)
  for (const [index, { copy }] of steps.entries()) {
    const left = existsSync(join(copy, 'credentials.json')) ? made : null
    expect(await readCredentials(copy)).toEqual(left)
    expect(left !== null).toBe(index > names.indexOf('link /credentials.json'))
    const { credentials } = await ensureCredentials(copy)
    expect(await readCredentials(copy)).toEqual(credentials)
  }
  remove()
})

it('a key that is there: each start flushes it and its name, because who made it may not have lived to', async () => {
  const directory = join(data(), 'own')
  const { credentials } = await ensureCredentials(directory)
  const { status, steps, remove } = await walkSteps(faults, directory, () => makeKey(directory))
  remove()
  expect([status, steps.map(({ name }) => name)]).toEqual([0, ['sync /credentials.json', 'volume flushed']])
  expect(await readCredentials(directory)).toEqual(credentials)
})

it.each([
  ['of its bytes', '*/data/credentials.json.*'],
  ['of its name', '*/data'],
])('a flush %s that fails: nothing is served, no volume is made', async (_, place) => {
  faults.arm({ call: 'sync', place, action: { kind: 'fail', error: 'EIO' } })
  const listen = ['--s3-listen', '--admin-listen', '--metrics-listen'].flatMap((flag) => [
    flag,
    '127.0.0.1:0',
  ])
  const manifests = join(root, 'examples/quickstart')
  const started = startHoldfast(
    ['standalone', '--manifests', manifests, '--data', data(), ...listen],
    faults.environment,
  )
  child = started.child
  const { code, stdout, stderr } = await started.ended
  expect([code, stdout, stderr]).toEqual([1, '', expect.stringContaining('EIO')])
  expect(faults.hits()).toBe(1)
  const left = readdirSync(data())
  expect(left.filter((name) => name !== 'credentials.json')).toEqual([])
  if (left.length > 0)
    expect(readFileSync(join(data(), 'credentials.json'), 'utf8')).toContain('secretAccessKey')
})
