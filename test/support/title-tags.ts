/** Which test file has a title (or the name of a row that becomes one) with a tag such as B-07 or I4 in it. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')
const comment = /^\s*(\/\/|\/?\*)/

/** Paths below `test`, in order; `pattern` is global and finds the tags in a line of code. */
export function filesOfTags(pattern: RegExp): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  const paths = globSync('**/*.ts', { cwd: join(root, 'test'), exclude: ['support/**'] })
  for (const path of paths.sort()) {
    const lines = readFileSync(join(root, 'test', path), 'utf8').split('\n')
    const tags = lines.filter((line) => !comment.test(line)).flatMap((line) => line.match(pattern) ?? [])
    for (const tag of new Set(tags)) found.set(tag, [...(found.get(tag) ?? []), path])
  }
  return found
}
