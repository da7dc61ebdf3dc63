import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../../src/lib/clock.ts'
import { epochMs } from '../../../src/lib/units.ts'
import { openBodies } from '../../../src/store/bodies/bodies.ts'
import type { Bodies, BodyReader } from '../../../src/store/bodies/contract.ts'
import type { StagedBody } from '../../../src/store/store.ts'

export const wallMs = 1_795_000_000_000
export const fixedClock: Clock = { wallMs: () => epochMs(wallMs), uptimeMs: () => 0, bootId: () => 'boot' }

export type BodiesUnderTest = { readonly directory: string; readonly bodies: Bodies; remove(): Promise<void> }

export async function createBodies(clock: Clock = fixedClock): Promise<BodiesUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-bodies-'))
  const bodies = await openBodies({ directory, epoch: 'e1', worker: 'w1', clock })
  return { directory, bodies, remove: () => rm(directory, { recursive: true }) }
}

/** Bytes that differ at every place and with every seed. */
export function patternBytes(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = seed >>> 0
  for (let index = 0; index < length; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[index] = state >>> 24
  }
  return bytes
}

/** The same buffer again and again, overwritten after each: what a careless source might do. */
export async function* inChunks(bytes: Uint8Array, chunkBytes: number): AsyncGenerator<Uint8Array> {
  const reused = new Uint8Array(chunkBytes)
  for (let offset = 0; offset < bytes.length; offset += chunkBytes) {
    const part = bytes.subarray(offset, offset + chunkBytes)
    reused.set(part)
    yield reused.subarray(0, part.length)
    reused.fill(0xaa)
  }
}

export async function readAll(reader: BodyReader): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of reader) parts.push(chunk)
  return Buffer.concat(parts)
}

export function openStaged(
  bodies: Bodies,
  staged: StagedBody,
  range?: { start: number; end: number },
): BodyReader {
  return bodies.open(
    { bodyId: staged.bodyId, sizeBytes: staged.sizeBytes },
    { firstBlockIndex: 0, crcs: staged.blockCrcs },
    { startByte: range?.start ?? 0, endByteExclusive: range?.end ?? staged.sizeBytes },
  )
}

export function bodyPath(directory: string, bodyId: string): string {
  return join(directory, 'bodies', bodyId.slice(3, 5), bodyId.slice(5, 7), bodyId)
}
