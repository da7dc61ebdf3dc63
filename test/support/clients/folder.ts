/** A folder for the files that a client reads and writes. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'

export type Folder = {
  readonly path: (name: string) => string
  /** Writes the file and gives its path. */
  readonly write: (name: string, content: string | Uint8Array) => string
  /** A file of random bytes. */
  readonly random: (name: string, sizeBytes: number) => string
  readonly sha256: (name: string) => string
}

/** One folder per test file, removed after its tests. */
export function clientFolder(): Folder {
  let directory = ''
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-client-'))
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  const path = (name: string) => join(directory, name)
  const write = (name: string, content: string | Uint8Array) => {
    writeFileSync(path(name), content)
    return path(name)
  }
  return {
    path,
    write,
    random: (name, sizeBytes) => write(name, randomBytes(sizeBytes)),
    sha256: (name) =>
      createHash('sha256')
        .update(readFileSync(path(name)))
        .digest('hex'),
  }
}
