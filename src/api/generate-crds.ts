/**
 * `node src/api/generate-crds.ts`: writes crds/. With `--check` it writes nothing and exits 1 when a file
 * differs from what would be written.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeCrdFiles } from './crd-yaml.ts'

const folder = join(import.meta.dirname, '../../crds')
const isCheck = process.argv.includes('--check')

for (const { fileName, text } of makeCrdFiles()) {
  const path = join(folder, fileName)
  if (!isCheck) {
    writeFileSync(path, text)
    process.stdout.write(`wrote crds/${fileName}\n`)
  } else if (readText(path) !== text) {
    process.stdout.write(`crds/${fileName} is not what src/api makes: run npm run crds\n`)
    process.exitCode = 1
  }
}

/** Null: there is no such file. Any other failure to read ends the script. */
function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}
