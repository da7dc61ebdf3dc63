import { rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { type Look, ManifestFiles } from '../../../src/operator/sources/manifest-files.ts'
import { parseYaml } from '../../../src/operator/sources/yaml.ts'
import { type Folder, makeFolder } from './directory-fixtures.ts'

let folder: Folder
let files: ManifestFiles

beforeEach(async () => {
  folder = await makeFolder()
  files = new ManifestFiles(folder.manifests)
})

afterEach(() => folder.remove())

function write(name: string, text: string): Promise<void> {
  return writeFile(join(folder.manifests, name), text)
}

/** What a look shows: `name: documents`, and whether something is being written. */
function shown(look: Look): readonly unknown[] {
  if (look.kind === 'unreadable') return ['unreadable']
  return [look.isSettled, ...look.files.map(({ name, documents }) => `${name}: ${JSON.stringify(documents)}`)]
}

test('ManifestFiles: a new file, it counts from the second look on', async () => {
  await write('a.yaml', 'x: 1')
  expect(shown(await files.look())).toEqual([false])
  expect(shown(await files.look())).toEqual([true, 'a.yaml: [{"x":1}]'])
})

test('ManifestFiles: a file that changes between two looks, the last settled content stays until it stands still', async () => {
  await write('a.yaml', 'x: 1')
  await files.look()
  await files.look()
  await write('a.yaml', 'x: 22')
  expect(shown(await files.look())).toEqual([false, 'a.yaml: [{"x":1}]'])
  await write('a.yaml', 'x: 333')
  expect(shown(await files.look())).toEqual([false, 'a.yaml: [{"x":1}]'])
  expect(shown(await files.look())).toEqual([true, 'a.yaml: [{"x":333}]'])
})

test('ManifestFiles: a file that is missing once, it stays; missing twice, it is gone', async () => {
  await write('a.yaml', 'x: 1')
  await files.look()
  await files.look()
  await rm(join(folder.manifests, 'a.yaml'))
  expect(shown(await files.look())).toEqual([false, 'a.yaml: [{"x":1}]'])
  expect(shown(await files.look())).toEqual([true])
})

test('ManifestFiles: a file that cannot be looked at, it is not gone, nor is any other', async () => {
  await write('a.yaml', 'x: 1')
  await write('b.yaml', 'x: 2')
  await files.look()
  await files.look()
  await rm(join(folder.manifests, 'a.yaml'))
  await symlink('too-long'.repeat(40), join(folder.manifests, 'a.yaml'))
  for (let count = 0; count < 3; count += 1) expect(shown(await files.look())).toEqual(['unreadable'])
  await rm(join(folder.manifests, 'a.yaml'))
  expect(shown(await files.look())).toEqual([false, 'a.yaml: [{"x":1}]', 'b.yaml: [{"x":2}]'])
})

test('ManifestFiles: a file that cannot be parsed, its last documents stay with the problem', async () => {
  await write('a.yaml', 'x: 1')
  await files.look()
  await files.look()
  await write('a.yaml', '{half')
  await files.look()
  const look = await files.look()
  expect(look).toMatchObject({
    files: [{ name: 'a.yaml', documents: [{ x: 1 }], problem: expect.any(String) }],
  })
})

test('ManifestFiles: a file longer than the limit, it is not read; a dangling link is not there', async () => {
  await write('big.yaml', `x: ${'1'.repeat(limits.manifestFileBytesMax)}`)
  await symlink('nowhere', join(folder.manifests, 'dangling.yaml'))
  await files.look()
  const look = await files.look()
  expect(look).toMatchObject({
    files: [{ name: 'big.yaml', documents: [], problem: expect.stringContaining('longer than') }],
  })
})

test('parseYaml: aliases, duplicate keys and tabs are refused, several documents and JSON are read', () => {
  const bomb = 'a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n'
  for (const text of [bomb, 'a: 1\na: 2', 'a:\n\t- 1', '{half']) {
    expect(parseYaml(text).kind, text).toBe('bad')
  }
  expect(parseYaml('')).toEqual({ kind: 'ok', documents: [] })
  expect(parseYaml('# nothing\n---\n')).toEqual({ kind: 'ok', documents: [] })
  expect(parseYaml('a: 1\n---\nb: yes\n')).toEqual({ kind: 'ok', documents: [{ a: 1 }, { b: 'yes' }] })
  expect(parseYaml('{"a": [1, null]}')).toEqual({ kind: 'ok', documents: [{ a: [1, null] }] })
})
