/** `npm run chart`: writes what of charts/holdfast is generated. `npm run crds` comes first if a kind changed. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { chartFiles } from './chart-files.ts'

const root = join(import.meta.dirname, '../..')

for (const [path, content] of chartFiles(root)) {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), content)
  process.stdout.write(`wrote ${path}\n`)
}
