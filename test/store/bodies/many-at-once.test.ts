/** Bodies of clients that stall: only so many hold large buffers, however many are read or staged. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import type { StagedBody } from '../../../src/store/store.ts'
import { type BodiesUnderTest, createBodies, inChunks, openStaged, patternBytes, readAll } from './support.ts'

const { bodyBufferUsersMax, bodyBlockBytes, bodyReadBytes, bodyWriteBytes } = limits
/** More than is read at once. */
const bytes = patternBytes(bodyReadBytes + bodyBlockBytes + 1)
let underTest: BodiesUnderTest

beforeEach(async () => {
  underTest = await createBodies()
})
afterEach(() => underTest.remove())

async function published(): Promise<StagedBody> {
  const staged = await underTest.bodies.stage(inChunks(bytes, 65_000), { bytesMax: bytes.length })
  await underTest.bodies.publish(staged)
  await underTest.bodies.settle(staged)
  return staged
}

test('readers that stop after their first bytes: the next one is given a block at a time, all of it; one that ends makes room', async () => {
  const staged = await published()
  const begin = () => openStaged(underTest.bodies, staged)[Symbol.asyncIterator]()
  const stalled = Array.from({ length: bodyBufferUsersMax }, begin)
  for (const reader of stalled) expect((await reader.next()).value?.length).toBe(bodyReadBytes)

  const sparing = begin()
  expect((await sparing.next()).value?.length).toBe(bodyBlockBytes)
  expect((await readAll(openStaged(underTest.bodies, staged))).equals(bytes)).toBe(true)
  const range = { start: 10, end: bytes.length - 10 }
  const part = await readAll(openStaged(underTest.bodies, staged, range))
  expect(part.equals(bytes.subarray(range.start, range.end))).toBe(true)

  await stalled[0]?.return?.()
  // It did not come to have large ones, so it leaves no room for one.
  await sparing.return?.()
  const [ample, next] = [begin(), begin()]
  expect((await ample.next()).value?.length).toBe(bodyReadBytes)
  expect((await next.next()).value?.length).toBe(bodyBlockBytes)
  for (const reader of [...stalled, ample, next]) await reader.return?.()
})

test('uploads that stop in the middle: the next one is written block by block, and stored whole', async () => {
  const heldBytes = bodyWriteBytes - bodyBlockBytes
  const stageUntil = (end: Promise<void>) => {
    async function* source() {
      yield* inChunks(bytes.subarray(0, heldBytes), 50_000)
      await end
      yield bytes.subarray(heldBytes)
    }
    return underTest.bodies.stage(source(), { bytesMax: bytes.length })
  }
  const writtenBytes = () => {
    const folder = join(underTest.directory, 'stage', 'e1-w1')
    return readdirSync(folder).map((name) => statSync(join(folder, name)).size)
  }
  const leaving = Promise.withResolvers<void>()
  const going = Promise.withResolvers<void>()
  const stalled = Array.from({ length: bodyBufferUsersMax }, () => stageUntil(leaving.promise))
  await vi.waitUntil(() => writtenBytes().length === bodyBufferUsersMax, { timeout: 60_000 })
  const sparing = stageUntil(going.promise)
  // What is in no file is in memory: of this one less than its two blocks.
  await vi.waitUntil(() => Math.max(...writtenBytes()) >= heldBytes - 2 * bodyBlockBytes, { timeout: 60_000 })
  expect(writtenBytes().filter((size) => size > 0).length).toBe(1)
  const gone = new Error('the client went away')
  leaving.reject(gone)
  const outcomes = await Promise.allSettled(stalled)
  expect(outcomes.every((outcome) => outcome.status === 'rejected' && outcome.reason === gone)).toBe(true)
  going.resolve()
  const whole = await sparing
  await underTest.bodies.publish(whole)
  await underTest.bodies.settle(whole)
  expect((await readAll(openStaged(underTest.bodies, whole))).equals(bytes)).toBe(true)
  expect(writtenBytes()).toEqual([])
})
