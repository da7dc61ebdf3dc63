/** docs/SECURITY.md against the titles of the tests that it names. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { filesOfTags } from '../support/title-tags.ts'

const text = readFileSync(join(import.meta.dirname, '../../docs/SECURITY.md'), 'utf8')

type Row = { readonly id: string; readonly cells: readonly string[]; readonly files: readonly string[] }

/** Rows of the tables whose first cell is such an id; the last cell names test files. */
function rowsOf(id: RegExp): readonly Row[] {
  return text.split('\n').flatMap((line) => {
    const cells = line.split('|').slice(1, -1)
    const [first = ''] = cells
    if (!id.test(first.trim())) return []
    const files = [...(cells.at(-1) ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '')
    return [{ id: first.trim(), cells: cells.map((cell) => cell.trim()), files }]
  })
}

function numbered(count: number, name: (number: number) => string): readonly string[] {
  return Array.from({ length: count }, (_unused, index) => name(index + 1))
}

describe.each([
  {
    what: 'the catalogue',
    rows: rowsOf(/^B-\d+$/),
    tags: filesOfTags(/\bB-\d\d\b/g),
    ids: numbered(68, (number) => `B-${String(number).padStart(2, '0')}`),
  },
  {
    what: 'the invariants',
    rows: rowsOf(/^I\d+$/),
    tags: filesOfTags(/\bI(?:1?\d|2[0-3])(?=[ ):,`'])/g),
    ids: numbered(23, (number) => `I${number}`),
  },
])('docs/SECURITY.md, $what', ({ rows, tags, ids }) => {
  test('Security: every id once, in order, with a text in every cell and a test', () => {
    expect(rows.map(({ id }) => id)).toEqual(ids)
    expect(rows.filter(({ cells }) => cells.some((cell) => cell === ''))).toEqual([])
    expect(rows.filter(({ files }) => files.length === 0)).toEqual([])
  })

  test('Security: every file that a row names has a title with its id', () => {
    const wrong = rows.flatMap(({ id, files }) =>
      files.filter((file) => tags.get(id)?.includes(file) !== true).map((file) => `${id}: ${file}`),
    )
    expect(wrong).toEqual([])
  })

  test('Security: no title names an id that is not there', () => {
    expect([...tags].filter(([id]) => !ids.includes(id))).toEqual([])
  })
})

test('Security: the words that nobody may claim are not in any document', () => {
  const root = join(import.meta.dirname, '../..')
  for (const path of ['README.md', 'docs/SECURITY.md', 'docs/ARCHITECTURE.md', 'CHANGELOG.md']) {
    const words = readFileSync(join(root, path), 'utf8').match(
      /tamper[- ]?proof|SEC[- ]compliant|unhackable/gi,
    )
    expect([path, words]).toEqual([path, null])
  }
})
