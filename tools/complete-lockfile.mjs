// Gives every optional dependency in package-lock.json an entry, whatever the registry had when the file was
// written. npm leaves out the builds for other platforms that a registry does not serve, and then `npm ci` refuses
// the file everywhere. An entry made here has no digest: it is only installed on the platform that its name says.
// Usage: node tools/complete-lockfile.mjs [--check] [FILE]; --check changes nothing and exits 1 if some are missing.
import { readFileSync, writeFileSync } from 'node:fs'

const isCheck = process.argv.includes('--check')
const file = process.argv.slice(2).find((argument) => argument !== '--check') ?? 'package-lock.json'
const lock = JSON.parse(readFileSync(file, 'utf8'))
const missing = missingEntries(lock.packages)

if (isCheck) {
  for (const { from, name, version } of missing) console.log(`${from}: ${name}@${version} has no entry`)
  process.exitCode = missing.length === 0 ? 0 : 1
} else {
  const added = missing.map(({ from, name, version }) => [
    `node_modules/${name}`,
    platformEntry(name, version, lock.packages[from]),
  ])
  const entries = [...Object.entries(lock.packages), ...added]
  lock.packages = Object.fromEntries(entries.sort(([left], [right]) => left.localeCompare(right, 'en')))
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
  console.log(`${added.length} entries added`)
}

function missingEntries(packages) {
  return Object.entries(packages).flatMap(([from, { optionalDependencies = {} }]) =>
    Object.entries(optionalDependencies)
      .filter(([name]) => !isFound(packages, from, name))
      .map(([name, version]) => ({ from, name, version })),
  )
}

/** As Node looks a package up: beside the one that asks, then in every node_modules above it. */
function isFound(packages, from, name) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    if (packages[at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`] !== undefined) return true
    if (at === '') return false
  }
}

/** Names of such packages end in platform, architecture and C library: linux-x64-musl, darwin-arm64. */
function platformEntry(name, version, { dev, license }) {
  const words = /(android|darwin|freebsd|linux|openharmony|win32)-([a-z0-9]+)(?:-([a-z]+))?$/.exec(name)
  if (words === null || !/^\d+\.\d+\.\d+$/.test(version))
    throw new Error(`${name}@${version}: its name does not say for which platform it is`)
  const [, os, cpu, abi = ''] = words
  const libc = os !== 'linux' ? null : abi.startsWith('musl') ? 'musl' : abi.startsWith('gnu') ? 'glibc' : null
  return {
    version,
    cpu: [cpu],
    ...(dev === true ? { dev } : {}),
    ...(libc === null ? {} : { libc: [libc] }),
    license,
    optional: true,
    os: [os],
  }
}
