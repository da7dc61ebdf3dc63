import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openBodies } from '../../../src/store/bodies/bodies.ts'
import type { Bodies } from '../../../src/store/bodies/contract.ts'
import type { StagedBody } from '../../../src/store/store.ts'
import {
  type BodiesUnderTest,
  bodyPath,
  createBodies,
  fixedClock,
  inChunks,
  openStaged,
  patternBytes,
  readAll,
} from './support.ts'

let underTest: BodiesUnderTest
let bodies: Bodies
beforeEach(async () => {
  underTest = await createBodies()
  bodies = underTest.bodies
})
afterEach(() => underTest.remove())

function stage(bytes: Uint8Array): Promise<StagedBody> {
  return bodies.stage(inChunks(bytes, 65_000), { bytesMax: bytes.length })
}

async function published(bytes: Uint8Array): Promise<StagedBody> {
  const staged = await stage(bytes)
  await bodies.publish(staged)
  await bodies.settle(staged)
  return staged
}

const stageFiles = () => readdir(join(underTest.directory, 'stage', 'e1-w1'))

describe('the trace of a staged body', () => {
  test('stages: a volume without the folder of stages, as restored where nothing more could be made, has none', async () => {
    await rm(join(underTest.directory, 'stage'), { recursive: true })
    expect(await bodies.stages()).toEqual([])
  })

  test('publish: before settle, keeps the stage name as trace; a discard removes both names', async () => {
    const staged = await stage(patternBytes(100_000))
    await expect(bodies.settle(staged)).rejects.toThrow('after it was published')
    await bodies.publish(staged)
    expect(await stageFiles()).toEqual([staged.bodyId])
    await expect(bodies.publish(staged)).rejects.toThrow('published once')
    await bodies.discard(staged)
    expect(await stageFiles()).toEqual([])
    await expect(stat(bodyPath(underTest.directory, staged.bodyId))).rejects.toThrow('ENOENT')
  })

  test('discard: of a settled body, leaves it', async () => {
    const bytes = patternBytes(100_000)
    const staged = await published(bytes)
    await bodies.discard(staged)
    expect((await readAll(openStaged(bodies, staged))).equals(bytes)).toBe(true)
  })

  test('publish, settle, discard: of bytes in memory, have nothing to do', async () => {
    const staged = await stage(patternBytes(100))
    expect(staged.inline?.length).toBe(100)
    await bodies.publish(staged)
    await bodies.settle(staged)
    await bodies.discard(staged)
  })

  test.each([0, 1, 100_000])('stage: %i bytes with the place `file`, are a file', async (length) => {
    const bytes = patternBytes(length)
    const staged = await bodies.stage(inChunks(bytes, 1000), { bytesMax: length, place: 'file' })
    expect(staged.inline).toBe(null)
    await bodies.publish(staged)
    await bodies.settle(staged)
    expect((await readFile(bodyPath(underTest.directory, staged.bodyId))).equals(bytes)).toBe(true)
  })

  test('close: of the follower of a worker that died in the same epoch, leaves the traces to the next start', async () => {
    const unfinished = await stage(patternBytes(100_000))
    const open = (epoch: string) =>
      openBodies({ directory: underTest.directory, epoch, worker: 'w1', clock: fixedClock })
    const follower = await open('e1')
    await follower.close()
    expect(await stageFiles()).toEqual([unfinished.bodyId])
    expect(await (await open('e2')).stages()).toEqual([{ name: 'e1-w1', epoch: 'e1', worker: 'w1' }])
  })

  test('stages: after a crash and a clean stop, names only what the crash left, which can be resolved', async () => {
    const unfinished = await stage(patternBytes(300_000))
    const kept = await stage(patternBytes(300_000))
    await bodies.publish(kept)
    const removed = await stage(patternBytes(300_000))
    await bodies.publish(removed)
    const other = await openBodies({
      directory: underTest.directory,
      epoch: 'e1',
      worker: 'w2',
      clock: fixedClock,
    })
    await other.close()
    const next = await openBodies({
      directory: underTest.directory,
      epoch: 'e2',
      worker: 'w1',
      clock: fixedClock,
    })
    expect(await bodies.stages()).toEqual([{ name: 'e2-w1', epoch: 'e2', worker: 'w1' }])
    const left = await next.stages()
    expect(left).toEqual([{ name: 'e1-w1', epoch: 'e1', worker: 'w1' }])
    for (const abandoned of left) {
      const traces: string[] = []
      for await (const bodyId of next.tracesIn(abandoned)) traces.push(bodyId)
      expect(traces.sort()).toEqual([unfinished.bodyId, kept.bodyId, removed.bodyId].sort())
      expect(await next.removeStage(abandoned)).toBe('traces')
      // Twice: it is idempotent.
      for (const fate of ['remove', 'remove'] as const) {
        await next.resolveTrace(abandoned, kept.bodyId, 'keep')
        await next.resolveTrace(abandoned, removed.bodyId, fate)
        await next.resolveTrace(abandoned, unfinished.bodyId, fate)
      }
      await next.removeStage(abandoned)
    }
    await stat(bodyPath(underTest.directory, kept.bodyId))
    await expect(stat(bodyPath(underTest.directory, removed.bodyId))).rejects.toThrow('ENOENT')
    expect(await next.stages()).toEqual([])
    expect(await readdir(join(underTest.directory, 'stage'))).toEqual(['e2-w1'])
    const own = { name: 'e2-w1', epoch: 'e2', worker: 'w1' }
    await expect(next.removeStage(own)).rejects.toThrow('running epoch')
    const elsewhere = { name: '../bodies', epoch: '..', worker: 'bodies' }
    await expect(next.removeStage(elsewhere)).rejects.toThrow('named after')
  })
})
