/** The images of the node, in one OCI archive: no registry is asked, and what two of them share is in it once. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../../..')
const cache =
  process.env['HOLDFAST_CACHE'] ??
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'holdfast')
const folders = ['--root', join(cache, 'image/storage'), '--runroot', join(cache, 'image/run')]
/** What an image is made of. */
const sources = [
  ...['Dockerfile', 'LICENSE', 'bin', 'src', 'tools/image/prune.mjs', 'tools/image/sbom.mjs'],
  ...['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'],
]

/** As the chart names it, completed by the rules of containerd. */
export const holdfastRepository = 'docker.io/library/holdfast'
export const pauseImage = 'localhost/pause:1'

type Descriptor = { readonly mediaType: string; readonly digest: string; readonly size: number }
type Manifest = { readonly config: Descriptor; readonly layers: readonly Descriptor[] }

/**
 * Builds the product's image by its Dockerfile, unless it is there already, and writes `directory`/images.tar: the image under each of `tags`, every one
 * with a configuration, and so a digest, of its own, and pause. Returns the path.
 */
export function makeArchive(directory: string, tags: readonly string[], pauseProgram: string): string {
  const layout = join(directory, 'images')
  buildah(
    'push',
    '--quiet',
    ['holdfast:test', 'holdfast:e2e'].find(isOfThisTree) ?? build(),
    `oci:${layout}:built`,
  )
  const { manifests } = readJson<{ manifests: readonly [Descriptor] }>(join(layout, 'index.json'))
  const manifest = readBlob<Manifest>(layout, manifests[0])
  const named = tags.map((tag) => retag(layout, manifest, tag))
  const index = { schemaVersion: 2, manifests: [...named, addPause(layout, pauseProgram)] }
  writeFileSync(join(layout, 'index.json'), JSON.stringify(index))
  const archive = join(directory, 'images.tar')
  execFileSync('tar', ['--create', '--file', archive, '--directory', layout, '.'])
  rmSync(layout, { recursive: true })
  return archive
}

function build(): string {
  execFileSync('bash', [join(root, 'tools/image/build.sh'), 'holdfast:e2e'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  return 'holdfast:e2e'
}

/** Whether nothing that goes into an image has changed since the revision that it was built of. */
function isOfThisTree(image: string): boolean {
  const git = (...args: readonly string[]) =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' })
  try {
    const { OCIv1 } = JSON.parse(buildah('inspect', '--type', 'image', image)) as Inspection
    const revision = OCIv1.config.Labels['org.opencontainers.image.revision'] ?? ''
    const paths = ['--', ...sources]
    return git('diff', '--name-only', revision, ...paths) + git('ls-files', '--others', ...paths) === ''
  } catch {
    return false
  }
}

type Inspection = {
  readonly OCIv1: { readonly config: { readonly Labels: Readonly<Record<string, string>> } }
}

function buildah(...args: readonly string[]): string {
  return execFileSync('buildah', ['--storage-driver', 'vfs', ...folders, ...args], {
    encoding: 'utf8',
    stdio: 'pipe',
  })
}

/** The same layers under another name, with a label that only this one has. */
function retag(layout: string, manifest: Manifest, tag: string): Descriptor {
  const image = readBlob<{ config: { Labels?: object } }>(layout, manifest.config)
  const Labels = { ...image.config.Labels, 'org.opencontainers.image.version': tag }
  const config = writeBlob(layout, manifest.config.mediaType, {
    ...image,
    config: { ...image.config, Labels },
  })
  return writeManifest(layout, { config, layers: manifest.layers }, `${holdfastRepository}:${tag}`)
}

function addPause(layout: string, program: string): Descriptor {
  const folder = join(layout, 'pause')
  mkdirSync(folder)
  execFileSync('cp', [program, join(folder, 'pause')])
  const layer = execFileSync('tar', ['--create', '--directory', folder, 'pause'], {
    maxBuffer: 16 * 1024 ** 2,
  })
  rmSync(folder, { recursive: true })
  const image = {
    architecture: { x64: 'amd64' }[String(process.arch)] ?? process.arch,
    os: 'linux',
    config: { Entrypoint: ['/pause'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
  }
  const config = writeBlob(layout, 'application/vnd.oci.image.config.v1+json', image)
  const layers = [writeBytes(layout, 'application/vnd.oci.image.layer.v1.tar', layer)]
  return writeManifest(layout, { config, layers }, pauseImage)
}

function writeManifest(layout: string, manifest: Manifest, name: string): Descriptor {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const annotations = { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name }
  return { ...writeBlob(layout, mediaType, { schemaVersion: 2, mediaType, ...manifest }), ...{ annotations } }
}

function writeBlob(layout: string, mediaType: string, content: object): Descriptor {
  return writeBytes(layout, mediaType, Buffer.from(JSON.stringify(content)))
}

function writeBytes(layout: string, mediaType: string, bytes: Buffer): Descriptor {
  const hash = sha256(bytes)
  const path = join(layout, 'blobs/sha256', hash)
  writeFileSync(path, bytes)
  return { mediaType, digest: `sha256:${hash}`, size: statSync(path).size }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function readBlob<T>(layout: string, { digest }: Descriptor): T {
  return readJson<T>(join(layout, 'blobs', digest.replace(':', '/')))
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T
}
