import { join } from 'node:path'
import { expect, test } from 'vitest'
import { operations } from '../../../src/s3/operations/index.ts'
import { rows } from '../../conformance/rows.ts'
import { s3tests } from '../../conformance/s3-tests.ts'
import { testsOfRows } from '../../support/row-tests.ts'
import { makeS3Document } from '../../support/s3-document.ts'

const tested = testsOfRows()
const ids = new Set(rows.map(({ id }) => id))

test('Rows: every id is there once, and every row is tested by a title that names it', () => {
  expect(ids.size).toBe(rows.length)
  expect(rows.filter(({ id }) => !tested.has(id)).map(({ id }) => id)).toEqual([])
})

test('Rows: no title names a row that is not there', () => {
  expect([...tested].filter(([id]) => !ids.has(id))).toEqual([])
})

test('Rows: those of an operation are about one of THE TABLE', () => {
  const names = new Set(operations.map(({ name }) => name))
  const others = ['Choice', 'Format', 'Error', 'OtherHeaders', 'Lifecycle']
  const unknown = rows.filter(({ subject }) => !names.has(subject) && !others.includes(subject))
  expect(unknown).toEqual([])
})

test('Rows: each of the 39 lock tests of ceph/s3-tests has its rows', () => {
  expect(Object.keys(s3tests).length).toBe(39)
  const unknown = Object.values(s3tests)
    .flat()
    .filter((id) => !ids.has(id))
  expect(unknown).toEqual([])
})

// `npm run docs:s3` is this test with --update.
test('docs/S3.md: says what code and tests say, else npm run docs:s3', async () => {
  await expect(makeS3Document()).toMatchFileSnapshot(join(import.meta.dirname, '../../../docs/S3.md'))
})
