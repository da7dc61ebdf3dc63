/**
 * Where a file that was written beside its place gets its name, by a link or a rename, and that fails: what was in the place stays, no
 * part is left, and a second try works. Written by halves, none of them is cut. That of bodies, claims and metadata of copies is
 * tested with the requests and the commands that name them.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { limits } from '../../src/lib/limits.ts'
import { readersMax } from '../../src/store/kv/lmdb/environment.ts'
import { type Faults, prepareFaults } from '../support/crash/faults.ts'
import { fail } from '../support/crash/injected.ts'
import { root } from '../support/standalone.ts'

let folder: string
let faults: Faults

beforeAll(() => {
  faults = prepareFaults()
})
afterAll(() => faults.remove())
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-names-'))
})
afterEach(() => {
  faults.disarm()
  rmSync(folder, { recursive: true })
})

type Outcome = { readonly code: number; readonly told: string }

type Row = {
  readonly name: string
  readonly call: 'link' | 'rename'
  /** Below the folder. */
  readonly path: string
  /** Of src/: what the script begins with. */
  readonly module: string
  /** Makes the file, by `module`, in `folder`, with `value`; returns what is told. */
  readonly script: string
  readonly isWhole: (bytes: Buffer, value: string) => boolean
  /** Whether there is an older one to be replaced. */
  readonly isReplaced: boolean
  /** What follows where there is no room; any other error ends it with 1. */
  readonly full: Outcome
}

const failed: Outcome = { code: 1, told: '' }

const rows: readonly Row[] = [
  {
    ...{ name: "root's key", call: 'link', path: 'credentials.json', module: 'cli/credentials.ts' },
    script: 'await module.ensureCredentials(folder)',
    isWhole: (bytes) => 'secretAccessKey' in JSON.parse(bytes.toString('utf8')),
    isReplaced: false,
    full: failed,
  },
  {
    ...{ name: 'the AWS credentials', call: 'rename', path: 'aws-credentials', module: 'cli/credentials.ts' },
    script:
      'return await module.writeAwsCredentials(folder, { accessKeyId: value, secretAccessKey: "secret" })',
    isWhole: (bytes, value) =>
      bytes.toString('utf8') === `[default]\naws_access_key_id = ${value}\naws_secret_access_key = secret\n`,
    isReplaced: true,
    // A convenience, which no start waits for.
    full: { code: 0, told: 'null' },
  },
  {
    ...{ name: 'an object of the accepted state', call: 'rename', path: 'LockedBucket/space.name.yaml' },
    module: 'operator/sources/state-files.ts',
    script:
      'const files = new module.StateFiles(folder, { warn() {} }); await files.load(); ' +
      'await files.save({ kind: "LockedBucket", metadata: { namespace: "space", name: "name" }, value, z: "end" })',
    isWhole: (bytes, value) => new RegExp(`\\nvalue: ${value}\\nz: end\\n$`).test(bytes.toString('utf8')),
    isReplaced: true,
    full: failed,
  },
  {
    ...{ name: "the store's lock", call: 'link', path: 'lock.mdb', module: 'store/kv/lmdb/lmdb.ts' },
    script: 'await (await module.openLmdb({ directory: folder })).close()',
    // LMDB makes it somewhat longer.
    isWhole: (bytes) => bytes.length >= (readersMax + 2) * 64,
    isReplaced: false,
    full: failed,
  },
  {
    ...{ name: 'the ballast', call: 'rename', path: 'ballast', module: 'store/bodies/space.ts' },
    script: 'return await module.ensureBallast(folder, { epoch: "1", worker: "w0" })',
    isWhole: (bytes) => bytes.length === limits.ballastBytes,
    isReplaced: false,
    // It is tried again with the next look at the free space.
    full: { code: 0, told: 'false' },
  },
]

/** In a process of its own, so that its calls are met and not ours. */
async function make({ module, script }: Row, value: string): Promise<Outcome> {
  const constants = { url: new URL(`../../src/${module}`, import.meta.url).href, folder, value }
  const text =
    `const { url, folder, value } = ${JSON.stringify(constants)}; const module = await import(url); ` +
    `const told = await (async () => { ${script} })(); if (told !== undefined) process.stdout.write(String(told))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', text], {
    env: { ...process.env, ...faults.environment },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let told = ''
  child.stdout.on('data', (chunk: Buffer) => (told += chunk.toString()))
  const [code] = await once(child, 'close')
  return { code: Number(code), told }
}

function files(): readonly string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

const bytesOf = ({ path }: Row): Buffer => readFileSync(join(folder, path))

const errors = ['EIO', 'ENOSPC'] as const

it.each(rows.flatMap((row) => errors.map((error) => ({ ...row, row, error }))))(
  '$name: where it gets no name: $error, what was there stays, no part is left, and again it is made',
  async ({ row, error }) => {
    if (row.isReplaced) expect((await make(row, 'first')).code).toBe(0)
    const before = files()
    faults.arm({ call: row.call, place: join(folder, row.path), action: fail(error) })
    expect(await make(row, 'second')).toEqual(error === 'ENOSPC' ? row.full : failed)
    expect([faults.hits(), files()]).toEqual([1, before])
    if (row.isReplaced) expect(row.isWhole(bytesOf(row), 'first')).toBe(true)
    faults.disarm()
    expect((await make(row, 'second')).code).toBe(0)
    expect(row.isWhole(bytesOf(row), 'second')).toBe(true)
  },
)

it.each(rows)('$name: where half of it is written at a time, nothing is cut', async (row) => {
  faults.arm({ call: 'write', place: join(folder, `${row.path}*`), action: { kind: 'shorten' }, faulted: 3 })
  expect((await make(row, 'value')).code).toBe(0)
  expect(faults.hits()).toBeGreaterThan(0)
  expect(row.isWhole(bytesOf(row), 'value')).toBe(true)
})

it('the list: nothing else gives names, and whoever gives one is met by an error', () => {
  const source = join(root, 'src')
  const giving = /(?<![.\w#])(rename|link|createFileWhole|replaceFileWhole)\(/g
  const givers = globSync('**/*.ts', { cwd: source }).flatMap((path) => {
    const text = readFileSync(join(source, path), 'utf8').replace(/^export async function .*$/gm, '')
    const calls = [...new Set([...text.matchAll(giving)].map(([, call]) => call))]
    return calls.map((call) => `${relative('.', path)} ${call}`)
  })
  expect(givers.toSorted()).toEqual([
    'cli/credentials.ts createFileWhole',
    'cli/credentials.ts replaceFileWhole',
    'operator/sources/state-files.ts replaceFileWhole',
    'platform/files.ts link',
    'platform/files.ts rename',
    // injected-copy-errors: a claim.
    'server/copy-volume.ts createFileWhole',
    // injected-errors and injected-errors-requests.
    'store/bodies/bodies.ts link',
    // injected-copy-errors: a body.
    'store/bodies/body-folder.ts rename',
    'store/bodies/space.ts rename',
    // injected-copy-errors: the metadata, and those that are kept.
    'store/kv/lmdb/copy.ts link',
    'store/kv/lmdb/copy.ts rename',
    'store/kv/lmdb/directory.ts createFileWhole',
  ])
})
