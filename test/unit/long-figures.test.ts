import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { figuresVariable, readFigures, tellFigure, withOutcomes } from '../support/long-figures.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-figures-'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true })
})

const page = '# Page\n<!-- written by npm run long -->\nNone yet.\n<!-- until here -->\nThe end.\n'
const run = { date: '2030-01-01 10:00', commit: 'abc' }
const outcome = { file: 'test/a.test.ts', figures: '2 kills', passed: 3, failed: 0, seconds: 4 }

test('tellFigure: outside of a long run, writes nothing; in one, sums are read', () => {
  const path = join(folder, 'figures')
  vi.stubEnv(figuresVariable, undefined)
  tellFigure('kills', 1)
  expect(readFigures(path)).toBe('')
  vi.stubEnv(figuresVariable, path)
  for (const count of [1, 2]) tellFigure('kills', count)
  tellFigure('cuts', 5)
  expect(readFigures(path)).toBe('3 kills, 5 cuts')
})

test('withOutcomes: a row for each file, whatever else was between the marks goes', () => {
  expect(withOutcomes(page, run, [outcome])).toBe(
    '# Page\n<!-- written by npm run long -->\n' +
      '| File | What | Passed | Failed | Took | When | Commit |\n|---|---|---|---|---|---|---|\n' +
      '| `test/a.test.ts` | 2 kills | 3 | 0 | 4 s | 2030-01-01 10:00 | abc |\n<!-- until here -->\nThe end.\n',
  )
})

test('withOutcomes: a later run of some files, replaces their rows and keeps the others', () => {
  const other = { ...outcome, file: 'test/b.test.ts', figures: '' }
  const first = withOutcomes(page, run, [other, outcome])
  const later = withOutcomes(first, { date: '2030-01-02 10:00', commit: 'def' }, [{ ...outcome, failed: 1 }])
  expect(later.split('\n').filter((line) => line.startsWith('| `'))).toEqual([
    '| `test/a.test.ts` | 2 kills | 3 | 1 | 4 s | 2030-01-02 10:00 | def |',
    '| `test/b.test.ts` |  | 3 | 0 | 4 s | 2030-01-01 10:00 | abc |',
  ])
})

test('withOutcomes: a page without its marks, is an error', () => {
  expect(() => withOutcomes('# Page\n', run, [outcome])).toThrow('the page has no place for figures')
})

test('docs/RELIABILITY.md: has the place that a long run writes to', () => {
  const path = join(import.meta.dirname, '../../docs/RELIABILITY.md')
  const text = readFileSync(path, 'utf8')
  expect(withOutcomes(text, run, [outcome])).toContain('| `test/a.test.ts` | 2 kills |')
})
