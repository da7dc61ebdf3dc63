import {
  closeSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeDirectory } from '../../../src/platform/files.ts'
import { openPlace } from '../../../src/platform/place.ts'

let directory: string
const at = (name: string) => join(directory, name)

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-place-'))
  for (const name of ['own', 'other']) {
    mkdirSync(at(name))
    writeFileSync(join(at(name), 'name'), name)
  }
})
afterEach(() => rmSync(directory, { recursive: true }))

function swap(): void {
  renameSync(at('own'), at('away'))
  renameSync(at('other'), at('own'))
}

function swapBack(): void {
  renameSync(at('own'), at('other'))
  renameSync(at('away'), at('own'))
}

test('openPlace: another folder at its path, is not in place, and its root leads to what was opened', async () => {
  const place = openPlace(at('own'))
  const name = () => readFile(join(place.root, 'name'), 'utf8')
  expect([place.isInPlace(), await name()]).toEqual([true, 'own'])
  swap()
  expect([place.isInPlace(), await name()]).toEqual([false, 'own'])
  expect(openPlace(at('own')).identity).not.toBe(place.identity)
  expect(openPlace(at('away')).identity).toBe(place.identity)
  rmSync(at('own'), { recursive: true })
  expect([place.isInPlace(), await name()]).toEqual([false, 'own'])
  mkdirSync(at('other'))
  renameSync(at('away'), at('own'))
  expect([place.isInPlace(), await name()]).toEqual([true, 'own'])
  place.close()
})

test('openPlace: where the system does not show descriptors, says so, and still tells another folder', () => {
  const place = openPlace(at('own'), at('nowhere'))
  expect([place.root, place.heldBy, place.isInPlace()]).toEqual([at('own'), 'path', true])
  swap()
  expect(place.isInPlace()).toBe(false)
  swapBack()
  expect(place.isInPlace()).toBe(true)
  place.close()
})

test('makeDirectory: below a folder that was removed while it was open, fails and does not try for ever', async () => {
  const place = openPlace(at('own'))
  rmSync(at('own'), { recursive: true })
  await expect(makeDirectory(join(place.root, 'a', 'b'))).rejects.toThrow('ENOENT')
  place.close()
})

test('openPlace: closed twice, closes no file that was opened in between', () => {
  const place = openPlace(at('own'))
  place.close()
  const descriptor = openSync(at('own'), 'r')
  place.close()
  expect(fstatSync(descriptor).isDirectory()).toBe(true)
  closeSync(descriptor)
})
