/** The image as it is shipped: built by its Dockerfile without a registry, then run as its user on a read-only root. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createS3Client } from '../support/s3-client.ts'

const root = join(import.meta.dirname, '../..')
const cache =
  process.env['HOLDFAST_CACHE'] ??
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'holdfast')
const storage = [
  '--storage-driver',
  'vfs',
  '--root',
  join(cache, 'image/storage'),
  '--runroot',
  join(cache, 'image/run'),
]
const name = 'holdfast:test'
const credentials = { accessKeyId: 'ROOTEXAMPLE', secretAccessKey: 'root-secret-for-tests-only' }

let container: string
/** The image's file system. */
let tree: string

function buildah(...given: readonly string[]): string {
  return execFileSync('buildah', [...storage, ...given], { encoding: 'utf8' }).trim()
}

beforeAll(() => {
  execFileSync('bash', [join(root, 'tools/image/build.sh'), name], { stdio: ['ignore', 'ignore', 'inherit'] })
  container = buildah('from', '--pull-never', name)
  tree = buildah('mount', container)
}, 600_000)
afterAll(() => {
  buildah('rm', container)
})

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(tree.length))
}

describe('what is in it', () => {
  test('Size: less than 200 MB unpacked', () => {
    const sizeBytes = filesBelow(tree).reduce((sum, path) => sum + statSync(join(tree, path)).size, 0)
    process.stdout.write(`image: ${(sizeBytes / 1e6).toFixed(0)} MB unpacked\n`)
    expect(sizeBytes).toBeLessThan(200e6)
  })

  test('Programs: node alone, no shell and no package manager', () => {
    const executables = filesBelow(tree).filter(
      (path) => /\/s?bin\//.test(path) && !path.includes('node_modules'),
    )
    expect(executables).toEqual(expect.arrayContaining(['/usr/local/bin/node', '/app/bin/holdfast']))
    expect(executables).toHaveLength(2)
  })

  test('Sources: compiled ones; no types, no maps, no tests', () => {
    const useless = filesBelow(tree).filter(
      (path) => /\.(ts|map|md)$/.test(path) || path.startsWith('/app/test'),
    )
    expect(useless).toEqual([])
  })

  test('Packages: those of production only, and the SBOM names each with its version', () => {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const sbom = JSON.parse(readFileSync(join(tree, 'usr/share/holdfast/sbom.cdx.json'), 'utf8'))
    const listed = new Map<string, string>(
      sbom.components.map((component: { name: string; version: string }) => [
        component.name,
        component.version,
      ]),
    )
    for (const [dependency, version] of Object.entries(dependencies)) {
      expect([dependency, listed.get(dependency)]).toEqual([dependency, version])
      expect(statSync(join(tree, 'app/node_modules', dependency)).isDirectory()).toBe(true)
    }
    const installed = readdirSync(join(tree, 'app/node_modules'))
    for (const name of installed.filter((each) => !/^[.@]/.test(each))) {
      expect([name, listed.has(name)]).toEqual([name, true])
    }
    for (const dependency of ['typescript', 'vitest', 'knip', 'node']) {
      expect(Object.keys(devDependencies)).toContain(dependency)
      expect(installed).not.toContain(dependency)
    }
  })

  test('Configuration: user 65532, the volume, the ports and the OCI labels', () => {
    const { OCIv1 } = JSON.parse(buildah('inspect', '--type', 'image', name))
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const { config } = OCIv1
    expect(config.User).toBe('65532:65532')
    expect(config.Entrypoint).toEqual(['node', '/app/bin/holdfast'])
    expect(Object.keys(config.ExposedPorts).toSorted()).toEqual([
      '9000/tcp',
      '9001/tcp',
      '9002/tcp',
      '9443/tcp',
    ])
    expect(config.Labels).toMatchObject({
      'org.opencontainers.image.title': 'Holdfast',
      'org.opencontainers.image.licenses': 'Apache-2.0',
      'org.opencontainers.image.version': version,
      'org.opencontainers.image.revision': expect.stringMatching(/^([0-9a-f]{40}|unknown)$/),
    })
  })
})

describe('how it runs', () => {
  let folder: string
  let child: ChildProcess | null = null
  let output = ''

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-image-'))
    mkdirSync(join(folder, 'data'))
    chownSync(join(folder, 'data'), 65532, 65532)
  })
  afterAll(() => {
    child?.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  /** A mount namespace of its own: the tree read-only, a volume on /data, /tmp and /proc as a runtime gives them. */
  function run(command: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
    const mounts = [
      'mkdir -p "$0/proc" && mount --bind "$0" "$0" && mount -o remount,ro,bind "$0"',
      'mount --bind "$1" "$0/data" && mount -t tmpfs tmpfs "$0/tmp" && mount -t proc proc "$0/proc"',
      'tree=$0; shift; exec chroot --userspec=65532:65532 "$tree" /usr/local/bin/node /app/bin/holdfast "$@"',
    ].join(' && ')
    return spawn('unshare', ['--mount', 'sh', '-c', mounts, tree, join(folder, 'data'), ...command], {
      env: { PATH: process.env['PATH'] ?? '', HOLDFAST_DATA: '/data', HOME: '/tmp', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }

  async function startServer(): Promise<void> {
    output = ''
    const startedMs = performance.now()
    const env = {
      HOLDFAST_ACCESS_KEY_ID: credentials.accessKeyId,
      HOLDFAST_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      HOLDFAST_OPERATOR_ACCESS_KEY_ID: 'OPERATOREXAMPLE',
      HOLDFAST_OPERATOR_SECRET_ACCESS_KEY: 'operator-secret-for-tests-only',
    }
    const listen = ['--s3-listen', '127.0.0.1:29000', '--admin-listen', '127.0.0.1:29001']
    child = run(['server', ...listen, '--metrics-listen', '127.0.0.1:29002'], env)
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (piece) => (output += String(piece)))
    const ready = async () =>
      (await fetch('http://127.0.0.1:29002/readyz').catch(() => null))?.status ?? output
    await expect.poll(ready, { timeout: 60_000, interval: 20 }).toBe(200)
    process.stdout.write(`image: ready after ${Math.round(performance.now() - startedMs)} ms\n`)
  }

  async function stopServer(): Promise<number | null> {
    if (child === null) return null
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    const [code] = await exited
    child = null
    return code as number | null
  }

  test('holdfast version: the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const printed = run(['version'])
    let text = ''
    printed.stdout?.on('data', (piece) => (text += String(piece)))
    const [code] = await once(printed, 'close')
    expect([code, text]).toEqual([0, `holdfast ${version}\n`])
  })

  test('holdfast server: as 65532 on a read-only root, a locked version survives delete and restart', async () => {
    await startServer()
    const client = createS3Client({ endpoint: 'http://127.0.0.1:29000', credentials })
    const lock = { 'x-amz-bucket-object-lock-enabled': 'true' }
    expect((await client.send({ method: 'PUT', path: '/shipped', headers: lock })).status).toBe(200)
    const body = Buffer.alloc(300_000, 'shipped')
    const put = await client.send({
      method: 'PUT',
      path: '/shipped/backup',
      body,
      sign: 'unsigned-trailer',
      trailers: { 'x-amz-checksum-crc32': crc32Base64(body) },
      headers: {
        'x-amz-object-lock-mode': 'COMPLIANCE',
        'x-amz-object-lock-retain-until-date': '2140-01-01T00:00:00Z',
      },
    })
    expect([put.status, put.text]).toEqual([200, ''])
    const versionId = String(put.headers['x-amz-version-id'])
    const refused = await client.send({ method: 'DELETE', path: '/shipped/backup', query: { versionId } })
    expect([refused.status, refused.code]).toEqual([403, 'AccessDenied'])
    expect(await stopServer()).toBe(0)
    await startServer()
    expect((await client.send({ method: 'GET', path: '/shipped/backup' })).body.equals(body)).toBe(true)
    client.close()
    expect(await stopServer()).toBe(0)
  }, 120_000)
})

function crc32Base64(bytes: Uint8Array): string {
  const value = Buffer.alloc(4)
  value.writeUInt32BE(crc32(bytes))
  return value.toString('base64')
}
