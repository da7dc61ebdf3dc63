/** Which test file carries which row: found by the ids in the titles. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { rows } from '../conformance/rows.ts'

const root = join(import.meta.dirname, '../..')
const tables = new Set(['test/conformance/rows.ts'])

/** Paths below the checkout, in order; an id that no row has is among them. */
export function testsOfRows(): ReadonlyMap<string, readonly string[]> {
  const subjects = [...new Set(rows.map(({ subject }) => subject))]
  const pattern = new RegExp(`\\[(E\\d+|(?:${subjects.join('|')})\\.\\d+)\\]`, 'g')
  const found = new Map<string, string[]>()
  const paths = globSync('test/{conformance,auth,profiles,store}/**/*.ts', { cwd: root })
  for (const path of paths.filter((each) => !tables.has(each)).sort()) {
    const ids = [...readFileSync(join(root, path), 'utf8').matchAll(pattern)].map((match) => match[1] ?? '')
    for (const id of new Set(ids)) found.set(id, [...(found.get(id) ?? []), path])
  }
  return found
}
