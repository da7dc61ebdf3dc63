// Removes from an installed node_modules what is never loaded at run time: types, source maps, documents, and native
// binaries of other platforms. Plain JavaScript: it runs in the image's build. Usage: node prune.mjs node_modules
import { lstatSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const [, , root] = process.argv
if (root === undefined) throw new Error('usage: node prune.mjs NODE_MODULES')

const platform = `${process.platform}-${process.arch}`
const uselessFile = /\.(d\.[mc]?ts|ts|mts|cts|map|md|markdown|flow)$/
const uselessFolder = new Set(['@types', 'undici-types', '.bin'])
/** lmdb ships a binary for each ABI; Node's stable one is what its loader takes first on glibc. */
const otherAbi = /^node\.(abi\d+\.(glibc|musl)|napi\.musl)\.node$/

function prune(folder, parent) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    const stat = lstatSync(path)
    if (stat.isDirectory()) {
      const isForeign = parent === 'prebuilds' && name !== platform
      if (uselessFolder.has(name) || isForeign) rmSync(path, { recursive: true })
      else prune(path, name)
    } else if (uselessFile.test(name) || otherAbi.test(name)) rmSync(path)
  }
}
prune(root, 'node_modules')
