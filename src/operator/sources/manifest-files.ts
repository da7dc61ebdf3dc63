import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { limits } from '../../lib/limits.ts'
import { errorCode } from '../../platform/files.ts'
import { parseYaml } from './yaml.ts'

/** What a file says, in its last state that could be read. */
export type ManifestFile = {
  readonly name: string
  readonly documents: readonly unknown[]
  /** Why the newest content was not taken; `documents` are then those before it. */
  readonly problem: string | null
}

/**
 * `isSettled: false`: something is being written right now, so look again soon; what is returned is the last
 * state. `unreadable`: the folder itself; nothing that was seen before is gone because of it.
 */
export type Look =
  | { readonly kind: 'files'; readonly files: readonly ManifestFile[]; readonly isSettled: boolean }
  | { readonly kind: 'unreadable'; readonly message: string }

type Seen = {
  readonly signature: string
  readonly taken: ManifestFile | null
  readonly takenSignature: string
}
type FileState = { readonly signature: string; readonly sizeBytes: number }

const goneCodes: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP'])
const manifestName = /^[^.].*\.(yaml|yml|json)$/

/**
 * The manifests of a folder. A file counts only when two looks in a row saw the same file (inode, size,
 * times), and is gone only when two looks missed it: editors, `cp` and a swapped `..data` link are caught in
 * the act otherwise, and half a manifest may well be valid. Links are followed, names beginning with a dot
 * are not manifests.
 */
export class ManifestFiles {
  readonly #directory: string
  #seen = new Map<string, Seen>()

  constructor(directory: string) {
    this.#directory = directory
  }

  async look(): Promise<Look> {
    let names: readonly string[]
    try {
      names = (await readdir(this.#directory)).filter((name) => manifestName.test(name)).sort()
    } catch (error) {
      return { kind: 'unreadable', message: `${this.#directory}: ${errorText(error)}` }
    }
    if (names.length > limits.manifestFilesMax) {
      return {
        kind: 'unreadable',
        message: `${this.#directory} has more than ${limits.manifestFilesMax} manifests`,
      }
    }
    const next = new Map<string, Seen>()
    try {
      for (const name of names) {
        const state = await this.#stateOf(name)
        if (state !== null) next.set(name, await this.#lookAt(name, state))
      }
    } catch (error) {
      return { kind: 'unreadable', message: `${this.#directory}: ${errorText(error)}` }
    }
    const vanished = this.#keepVanished(next)
    const isSettled =
      !vanished && [...next.values()].every(({ signature, takenSignature }) => signature === takenSignature)
    this.#seen = next
    const files = [...next.values()].flatMap(({ taken }) => (taken === null ? [] : [taken]))
    return { kind: 'files', files: files.sort(byName), isSettled }
  }

  async #stateOf(name: string): Promise<FileState | null> {
    try {
      const { dev, ino, size, mtimeMs, ctimeMs } = await stat(join(this.#directory, name))
      return { signature: [dev, ino, size, mtimeMs, ctimeMs].join('/'), sizeBytes: size }
    } catch (error) {
      // A dangling link or a file that went since readdir: the same as not listed. What cannot be looked at is not gone.
      if (goneCodes.has(errorCode(error) ?? '')) return null
      throw error
    }
  }

  async #lookAt(name: string, { signature, sizeBytes }: FileState): Promise<Seen> {
    const before = this.#seen.get(name)
    if (before === undefined || before.signature !== signature) {
      return { signature, taken: before?.taken ?? null, takenSignature: before?.takenSignature ?? '' }
    }
    if (before.takenSignature === signature) return before
    const taken = await this.#take(name, sizeBytes, before.taken)
    const after = await this.#stateOf(name)
    // Written while it was read: the next look decides.
    if (after?.signature !== signature) return { ...before, signature: after?.signature ?? '' }
    return { signature, taken, takenSignature: signature }
  }

  async #take(name: string, sizeBytes: number, before: ManifestFile | null): Promise<ManifestFile> {
    const kept = before?.documents ?? []
    if (sizeBytes > limits.manifestFileBytesMax) {
      return { name, documents: kept, problem: `it is longer than ${limits.manifestFileBytesMax} bytes` }
    }
    let text: string
    try {
      text = await readFile(join(this.#directory, name), 'utf8')
    } catch (error) {
      return { name, documents: kept, problem: errorText(error) }
    }
    const parsed = parseYaml(text)
    if (parsed.kind === 'bad') return { name, documents: kept, problem: parsed.message }
    return { name, documents: parsed.documents, problem: null }
  }

  /** A file missed for the first time stays for one more look; true when there was one. */
  #keepVanished(next: Map<string, Seen>): boolean {
    let hasVanished = false
    for (const [name, seen] of this.#seen) {
      if (next.has(name) || seen.signature === vanishedSignature || seen.taken === null) continue
      next.set(name, { ...seen, signature: vanishedSignature })
      hasVanished = true
    }
    return hasVanished
  }
}

const vanishedSignature = 'vanished'

function byName(a: ManifestFile, b: ManifestFile): number {
  return a.name < b.name ? -1 : 1
}

function errorText(error: unknown): string {
  const code = errorCode(error)
  return error instanceof Error ? error.message : (code ?? String(error))
}
