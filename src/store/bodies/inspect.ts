/** A volume's bodies for tools that change nothing: no stage folder is made, nothing is flushed or removed. */
import { opendir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { limits } from '../../lib/limits.ts'
import { errorCode } from '../../platform/files.ts'
import { isBodyId, shardOf } from './body-id.ts'
import { BufferPool } from './buffer-pool.ts'
import type { Bodies, BodiesHold } from './contract.ts'
import { readBody } from './read-body.ts'
import { holdBodies } from './removals.ts'

export type BodyInspector = Pick<Bodies, 'open'> & {
  /** Ids of all files under `bodies/`, in no order; a file that is not ours is told by its path. */
  files(): AsyncIterable<BodyFile>
  /** Ids that a stage has a trace of: a server that was killed left them to the next start. */
  traces(): AsyncIterable<string>
  /** Until it is released no body is removed. null: they are being removed, or another backup runs. */
  hold(): Promise<BodiesHold | null>
}

export type BodyFile =
  | { readonly kind: 'body'; readonly bodyId: string }
  | { readonly kind: 'foreign'; readonly path: string }

export function inspectBodies(directory: string): BodyInspector {
  const pool = new BufferPool(limits.bodyReadBytes)
  const pathOf = (bodyId: string) => join(directory, 'bodies', ...shardOf(bodyId), bodyId)
  return {
    open: (reference, crcs, range) =>
      readBody({ path: pathOf(reference.bodyId), reference, crcs, range, pool, isInPlace: () => true }),
    async *files() {
      for await (const { name, shard } of filesBelow(join(directory, 'bodies'), '')) {
        const isOwn = isBodyId(name) && join(...shardOf(name)) === shard
        yield isOwn ? { kind: 'body', bodyId: name } : { kind: 'foreign', path: join('bodies', shard, name) }
      }
    },
    async *traces() {
      for await (const { name } of filesBelow(join(directory, 'stage'), '')) if (isBodyId(name)) yield name
    },
    hold: () => holdBodies(directory),
  }
}

/** Whether a volume ever named a body in the directory: its folder stays when the body goes. */
export async function hasBodies(directory: string): Promise<boolean> {
  try {
    return (await readdir(join(directory, 'bodies'))).length > 0
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}

/** `bodies/` and `stage/` are at most three folders deep. */
async function* filesBelow(
  root: string,
  shard: string,
): AsyncGenerator<{ readonly name: string; readonly shard: string }> {
  try {
    for await (const entry of await opendir(join(root, shard))) {
      if (entry.isDirectory()) yield* filesBelow(root, join(shard, entry.name))
      else yield { name: entry.name, shard }
    }
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}
