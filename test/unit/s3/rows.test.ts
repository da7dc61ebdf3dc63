import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { operations } from '../../../src/s3/operations/index.ts'
import { rows, s3testsNames, s3testsRowIds } from '../../conformance/rows.ts'

const root = join(import.meta.dirname, '../../..')
const files = globSync('test/{conformance,auth,profiles}/**/*.ts', { cwd: root }).filter(
  (path) => path !== 'test/conformance/rows.ts',
)
const subjects = [...new Set(rows.map(({ subject }) => subject)), 'E']
const idPattern = new RegExp(`\\[((?:${subjects.join('|')})[.\\d]\\d*)\\]`, 'g')
const claimed = new Map<string, string>()
for (const path of files) {
  const text = readFileSync(join(root, path), 'utf8')
  for (const [, id = ''] of text.matchAll(idPattern)) claimed.set(id, path)
}
const ids = new Set(rows.map(({ id }) => id))

test('Rows: every id is there once, and every row is tested over HTTP by a title that names it', () => {
  expect(ids.size).toBe(rows.length)
  expect(rows.filter(({ id }) => !claimed.has(id)).map(({ id }) => id)).toEqual([])
})

test('Rows: no title names a row that is not there', () => {
  expect([...claimed].filter(([id]) => !ids.has(id))).toEqual([])
})

test('Rows: those of an operation are about one of THE TABLE', () => {
  const names = new Set(operations.map(({ name }) => name))
  const others = ['Choice', 'Format', 'Error', 'OtherHeaders']
  const unknown = rows.filter(({ subject }) => !names.has(subject) && !others.includes(subject))
  expect(unknown).toEqual([])
})

test('Rows: each of the 39 lock tests of ceph/s3-tests has its rows', () => {
  expect(s3testsNames.length).toBe(39)
  expect(s3testsRowIds.filter((id) => !ids.has(id))).toEqual([])
})
