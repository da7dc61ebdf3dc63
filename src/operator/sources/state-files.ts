import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../lib/log.ts'
import { errorCode, replacedNameBytesMax, replaceFileWhole } from '../../platform/files.ts'
import { type ObjectRef, objectKinds } from '../objects.ts'
import { type AnyObject, parseObject } from '../parse-object.ts'
import { formatYaml, parseYaml } from './yaml.ts'

/** What a name had before it was deleted: a re-created object keeps its uid and goes on counting. */
export type Tombstone = {
  readonly uid: string
  readonly generation: number
  readonly resourceVersion: string
}

export type LoadedState = {
  readonly objects: readonly AnyObject[]
  readonly tombstones: ReadonlyMap<string, Tombstone>
}

/**
 * The accepted objects with their status, one file each: `<kind>/<namespace>.<name>.yaml` (`stateName`). It is what an API
 * server keeps in etcd: a restart compares the manifests with it, so that weakening a policy while nothing
 * ran is refused as well. Deleted ones leave a line in `deleted/`.
 */
export class StateFiles {
  readonly #directory: string
  readonly #log: Log

  constructor(directory: string, log: Log) {
    this.#directory = directory
    this.#log = log
  }

  /**
   * Makes the folders. A file that cannot be read is reported and left out: the server's own floor still
   * holds.
   */
  async load(): Promise<LoadedState> {
    const objects: AnyObject[] = []
    const tombstones = new Map<string, Tombstone>()
    for (const kind of objectKinds) {
      await mkdir(join(this.#directory, kind), { recursive: true })
      await mkdir(join(this.#directory, 'deleted', kind), { recursive: true })
      for (const raw of await this.#readAll(kind)) {
        const object = this.#understand(raw)
        if (object !== null) objects.push(object)
      }
      for (const { name, value } of await this.#readAll(join('deleted', kind))) {
        const tombstone = parseTombstone(value)
        if (tombstone !== null) tombstones.set(`${kind}/${name}`, tombstone)
      }
    }
    return { objects, tombstones }
  }

  /** Durable when it resolves. One call at a time for an object: the source sees to that. */
  save(object: AnyObject): Promise<void> {
    return this.#write(this.#path(refOf(object)), object)
  }

  /** Replaces the object by its tombstone. */
  async delete(object: AnyObject): Promise<void> {
    const { uid, generation, resourceVersion } = object.metadata
    const ref = refOf(object)
    await this.#write(this.#path(ref, 'deleted'), { uid, generation, resourceVersion })
    await unlink(this.#path(ref)).catch((error: unknown) => {
      if (errorCode(error) !== 'ENOENT') throw error
    })
  }

  #write(path: string, value: unknown): Promise<void> {
    return replaceFileWhole(path, Buffer.from(formatYaml(value)))
  }

  async #readAll(folder: string): Promise<readonly { name: string; path: string; value: unknown }[]> {
    const found: { name: string; path: string; value: unknown }[] = []
    for (const file of (await readdir(join(this.#directory, folder))).sort()) {
      const path = join(this.#directory, folder, file)
      if (file.endsWith('.part')) await unlink(path)
      if (!file.endsWith(extension)) continue
      const parsed = parseYaml(await readFile(path, 'utf8'))
      if (parsed.kind === 'ok')
        found.push({ name: file.slice(0, -extension.length), path, value: parsed.documents[0] })
      else this.#log.warn({ path, error: parsed.message }, 'a file of the accepted state cannot be read')
    }
    return found
  }

  #understand({ path, value }: { path: string; value: unknown }): AnyObject | null {
    try {
      return parseObject(value)
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error)
      this.#log.warn({ path, error: detail }, 'an object of the accepted state cannot be understood')
      return null
    }
  }

  #path(ref: ObjectRef, folder = '.'): string {
    return join(this.#directory, folder, `${stateName(ref)}${extension}`)
  }
}

const extension = '.yaml'

/**
 * Of each object another one, also as the name of its file: a namespace has no dot, so the first one divides. One that would be too long
 * for a file ends in a hash of the whole, behind a character that no object has in its name.
 */
export function stateName({ kind, namespace, name }: ObjectRef): string {
  const whole = `${namespace}.${name}`
  const lengthMax = replacedNameBytesMax - extension.length
  if (whole.length <= lengthMax) return `${kind}/${whole}`
  const end = `~${createHash('sha256').update(whole).digest('hex')}`
  return `${kind}/${whole.slice(0, lengthMax - end.length)}${end}`
}

export function refOf(object: AnyObject): ObjectRef {
  return { kind: object.kind, namespace: object.metadata.namespace, name: object.metadata.name }
}

function parseTombstone(value: unknown): Tombstone | null {
  if (typeof value !== 'object' || value === null) return null
  const uid: unknown = Reflect.get(value, 'uid')
  const generation: unknown = Reflect.get(value, 'generation')
  const resourceVersion: unknown = Reflect.get(value, 'resourceVersion')
  if (typeof uid !== 'string' || typeof generation !== 'number' || typeof resourceVersion !== 'string')
    return null
  return { uid, generation, resourceVersion }
}
