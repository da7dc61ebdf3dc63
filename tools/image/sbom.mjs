// Prints the SBOM of an installed tree as CycloneDX 1.5: every package that lies in node_modules, and Node itself. `npm sbom`
// reads the graph instead and leaves out packages that development needs too. Usage: node sbom.mjs PACKAGE_FOLDER
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

const [, , root] = process.argv
if (root === undefined) throw new Error('usage: node sbom.mjs PACKAGE_FOLDER')
const own = readJson(join(root, 'package.json'))
const locked = readJson(join(root, 'package-lock.json')).packages

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'))
}

function* packageFolders(modules) {
  if (!existsSync(modules)) return
  for (const entry of readdirSync(modules, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name.startsWith('.')) continue
    const folder = join(modules, entry.name)
    if (entry.name.startsWith('@')) yield* packageFolders(folder)
    else {
      if (existsSync(join(folder, 'package.json'))) yield folder
      yield* packageFolders(join(folder, 'node_modules'))
    }
  }
}

function component(folder) {
  const { name, version, license } = readJson(join(folder, 'package.json'))
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
  const integrity = locked[relative(root, folder)]?.integrity
  const hash = /^sha512-(.+)$/.exec(integrity ?? '')?.[1]
  return {
    type: 'library',
    'bom-ref': `${purl}#${relative(root, folder)}`,
    name,
    version,
    purl,
    ...(typeof license === 'string' ? { licenses: [{ expression: license }] } : {}),
    ...(hash === undefined
      ? {}
      : { hashes: [{ alg: 'SHA-512', content: Buffer.from(hash, 'base64').toString('hex') }] }),
  }
}

const node = process.versions.node
const components = [
  { type: 'platform', 'bom-ref': 'node', name: 'node', version: node, purl: `pkg:generic/node@${node}` },
  ...[...packageFolders(join(root, 'node_modules'))].map(component),
]
const document = {
  bomFormat: 'CycloneDX',
  specVersion: '1.5',
  version: 1,
  metadata: { component: { type: 'application', name: own.name, version: own.version } },
  components,
}
process.stdout.write(`${JSON.stringify(document, null, 1)}\n`)
