/** The manifests of a plan: from a file, a folder or stdin, with everything else that a repository has left out. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { formatViolations, type Manifest, parseManifest } from '../api/manifest.ts'
import { apiGroup } from '../api/metadata.ts'
import { limits } from '../lib/limits.ts'
import { displayName } from '../operator/objects.ts'
import { parseYaml } from '../operator/sources/yaml.ts'
import { errorCode } from '../platform/files.ts'

/** `problems`: documents of our kinds that the API server would refuse as they are, a sentence each. */
export type PlanManifests = { readonly manifests: readonly Manifest[]; readonly problems: readonly string[] }

/** It cannot be read at all, so nothing can be said. */
export class PlanInputError extends Error {
  override readonly name = 'PlanInputError'
}

const stdin = 'stdin'
const manifestName = /^[^.].*\.(yaml|yml|json)$/

/** `path`: a file, a folder (not what lies below it) or `-`. Throws PlanInputError. */
export async function readPlanManifests(path: string): Promise<PlanManifests> {
  const manifests: Manifest[] = []
  const problems: string[] = []
  const seen = new Map<string, string>()
  for (const file of await filesOf(path)) {
    for (const document of documentsOf(file, await textOf(file))) {
      if (!isOurs(document)) continue
      const result = parseManifest(document)
      if (result.kind === 'invalid') {
        problems.push(`${file}: ${nameOf(document)}${formatViolations(result.violations)}`)
        continue
      }
      const { manifest } = result
      const key = `${manifest.kind} ${displayName(manifest.metadata)}`
      const first = seen.get(key)
      if (first !== undefined) problems.push(`${file}: ${key} is in ${first} already`)
      else manifests.push(manifest)
      seen.set(key, first ?? file)
    }
  }
  if (manifests.length > limits.manifestObjectsMax)
    throw new PlanInputError(`${path} has more than ${limits.manifestObjectsMax} objects`)
  return { manifests, problems }
}

async function filesOf(path: string): Promise<readonly string[]> {
  if (path === '-') return [stdin]
  try {
    if (!(await stat(path)).isDirectory()) return [path === stdin ? `./${path}` : path]
    const names = (await readdir(path)).filter((name) => manifestName.test(name)).sort()
    if (names.length > limits.manifestFilesMax)
      throw new PlanInputError(`${path} has more than ${limits.manifestFilesMax} manifests`)
    return names.map((name) => join(path, name))
  } catch (error) {
    throw asInputError(path, error)
  }
}

async function textOf(file: string): Promise<string> {
  try {
    return file === stdin ? await text(process.stdin) : await readFile(file, 'utf8')
  } catch (error) {
    throw asInputError(file, error)
  }
}

/** A List, as `kubectl get -o yaml` prints it, is its items. */
function documentsOf(file: string, yaml: string): readonly unknown[] {
  const parsed = parseYaml(yaml)
  if (parsed.kind === 'bad') throw new PlanInputError(`${file}: ${parsed.message}`)
  return parsed.documents.flatMap((document) => {
    const items = fieldOf(document, 'kind') === 'List' ? fieldOf(document, 'items') : undefined
    return Array.isArray(items) ? items : [document]
  })
}

/** By group alone: another version of it is refused, not passed over. */
function isOurs(document: unknown): boolean {
  const version = fieldOf(document, 'apiVersion')
  return typeof version === 'string' && version.split('/', 1)[0] === apiGroup
}

function nameOf(document: unknown): string {
  const [kind, name] = [fieldOf(document, 'kind'), fieldOf(fieldOf(document, 'metadata'), 'name')]
  return typeof kind === 'string' && typeof name === 'string' ? `${kind} ${name}: ` : ''
}

function fieldOf(value: unknown, field: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return new Map<string, unknown>(Object.entries(value)).get(field)
}

function asInputError(path: string, error: unknown): Error {
  if (error instanceof PlanInputError || !(error instanceof Error)) return new PlanInputError(String(error))
  return errorCode(error) === null ? error : new PlanInputError(`${path}: ${error.message}`)
}
