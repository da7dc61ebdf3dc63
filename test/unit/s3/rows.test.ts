import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { operations } from '../../../src/s3/operations/index.ts'
import { rows, s3testsNames, s3testsRowIds } from '../../conformance/rows.ts'
import { testsOfRows } from '../../support/row-tests.ts'
import { makeS3Document } from '../../support/s3-document.ts'

const tested = testsOfRows()
const ids = new Set(rows.map(({ id }) => id))

test('Rows: every id is there once, and every row is tested over HTTP by a title that names it', () => {
  expect(ids.size).toBe(rows.length)
  expect(rows.filter(({ id }) => !tested.has(id)).map(({ id }) => id)).toEqual([])
})

test('Rows: no title names a row that is not there', () => {
  expect([...tested].filter(([id]) => !ids.has(id))).toEqual([])
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

test('docs/S3.md: as npm run docs:s3 writes it', () => {
  const written = readFileSync(join(import.meta.dirname, '../../../docs/S3.md'), 'utf8')
  expect(written === makeS3Document() ? 'as written' : 'older than its sources: npm run docs:s3').toBe(
    'as written',
  )
})
