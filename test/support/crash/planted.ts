/** Servers that lie about durability: each must be found out by the power-cut rig, or the rig proves nothing. */
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Fault } from './faults.ts'
import type { CutFileSystem } from './power-cut.ts'

const checkout = fileURLToPath(new URL('../../../', import.meta.url))

export type PlantedFault = {
  readonly name: string
  readonly fault: Fault
  /** Where no other flush makes the same durable. */
  readonly fileSystem: CutFileSystem
}

export const lostSyncs: readonly PlantedFault[] = [
  {
    name: 'the bytes of a body are not flushed',
    fault: { call: 'sync', place: '*/data/stage/*/*', action: { kind: 'swallow' } },
    fileSystem: 'ext4',
  },
  {
    name: 'the name of a body is not flushed',
    fault: { call: 'sync', place: '*/data/bodies/??/??', action: { kind: 'swallow' } },
    fileSystem: 'xfs',
  },
  {
    name: 'the pages of a commit are not flushed',
    fault: { call: 'sync', place: '*/data/kv/*', action: { kind: 'swallow' } },
    fileSystem: 'ext4',
  },
  {
    name: 'the root of a commit is not flushed',
    fault: { call: 'open synchronous', place: '*/data/kv/*', action: { kind: 'unsynchronous' } },
    fileSystem: 'ext4',
  },
]

/** `from` is in the file once. */
export type SourceChange = { readonly file: string; readonly from: string; readonly to: string }

/** A copy of the sources with some lines changed; returns its server module. Errors: a line is not there once. */
export function serverWithChange(directory: string, ...changes: readonly SourceChange[]): string {
  const copy = join(directory, 'checkout')
  mkdirSync(join(copy, 'test'), { recursive: true })
  for (const folder of ['src', 'test/support'])
    cpSync(join(checkout, folder), join(copy, folder), { recursive: true })
  cpSync(join(checkout, 'package.json'), join(copy, 'package.json'))
  symlinkSync(join(checkout, 'node_modules'), join(copy, 'node_modules'))
  for (const { file, from, to } of changes) {
    const path = join(copy, file)
    const parts = readFileSync(path, 'utf8').split(from)
    if (parts.length !== 2) throw new Error(`${file} does not have once: ${from}`)
    rmSync(path)
    writeFileSync(path, parts.join(to))
  }
  return join(copy, 'test/support/server-main.ts')
}
