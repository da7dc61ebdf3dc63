/**
 * `node src/api/generate-crds.ts`: writes crds/. With `--check` it writes nothing and exits 1 when a file
 * differs from what would be written.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeCrdFiles } from './crd-yaml.ts'

const folder = join(import.meta.dirname, '../../crds')
const isCheck = process.argv.includes('--check')

for (const { fileName, text } of makeCrdFiles()) {
  const path = join(folder, fileName)
  if (!isCheck) {
    writeFileSync(path, text)
    process.stdout.write(`wrote crds/${fileName}\n`)
  } else if (!existsSync(path) || readFileSync(path, 'utf8') !== text) {
    process.stdout.write(`crds/${fileName} is not what src/api makes: run npm run crds\n`)
    process.exitCode = 1
  }
}
