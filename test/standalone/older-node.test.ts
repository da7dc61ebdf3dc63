/** `bin/holdfast` by a Node that is too old: what became of the Node that it brings is told as a shell would. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { root } from '../support/standalone.ts'

const directory = mkdtempSync(join(tmpdir(), 'holdfast-older-node-'))
const at = (name: string) => join(directory, name)
beforeAll(() => {
  for (const folder of ['bin', 'node_modules/node/bin']) mkdirSync(at(folder), { recursive: true })
  copyFileSync(join(root, 'bin/holdfast'), at('bin/holdfast'))
  writeFileSync(at('package.json'), JSON.stringify({ type: 'module' }))
  const versions = "{ value: { ...process.versions, node: '20.0.0' } }"
  writeFileSync(at('older.js'), `Object.defineProperty(process, 'versions', ${versions})`)
})
afterAll(() => rmSync(directory, { recursive: true }))

test.each([
  ['kill -SEGV $$', 139, 'holdfast: ended by SIGSEGV\n'],
  ['kill -BUS $$', 135, 'holdfast: ended by SIGBUS\n'],
  ['kill -INT $$', 130, 'holdfast: ended by SIGINT\n'],
  ['exit 2', 2, ''],
])('bin/holdfast: where the Node that it runs does `%s`, exits %i and says why', (work, status, stderr) => {
  const node = at('node_modules/node/bin/node')
  writeFileSync(node, `#!/bin/sh\n${work}\n`)
  chmodSync(node, 0o755)
  const ended = spawnSync(process.execPath, ['--import', at('older.js'), at('bin/holdfast'), 'version'], {
    encoding: 'utf8',
  })
  expect(ended).toMatchObject({ status, stderr })
})

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)(
  'bin/holdfast: %s is passed on, the command tells of it, and nobody else; exit %i',
  async (signal, status) => {
    const node = at('node_modules/node/bin/node')
    const name = signal.slice('SIG'.length)
    const work = `trap 'echo told >&2; trap - ${name}; kill -${name} $$' ${name}; echo ready; for each in $(seq 600); do sleep 0.1; done`
    writeFileSync(node, `#!/bin/sh\n${work}\n`)
    chmodSync(node, 0o755)
    const child = spawn(process.execPath, ['--import', at('older.js'), at('bin/holdfast'), 'version'])
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    await once(child.stdout, 'data')
    const closed = once(child, 'close')
    child.kill(signal)
    expect((await closed)[0]).toBe(status)
    expect(stderr).toBe('told\n')
  },
  60_000,
)
