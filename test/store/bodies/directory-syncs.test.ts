import { expect, test } from 'vitest'
import { DirectorySyncs } from '../../../src/store/bodies/directory-syncs.ts'

/** Flushes that end when the test says so. */
function slowFlushes() {
  const flushes: { path: string; end: PromiseWithResolvers<void> }[] = []
  const syncs = new DirectorySyncs((path) => {
    const end = Promise.withResolvers<void>()
    flushes.push({ path, end })
    return end.promise
  })
  return { flushes, syncs }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('sync: asked for while a flush runs, waits for one that begins after; many share it', async () => {
  const { flushes, syncs } = slowFlushes()
  const ended: string[] = []
  const asked = (name: string) => syncs.sync('d').then(() => ended.push(name))
  const all = [asked('first'), asked('second'), asked('third')]
  expect(flushes.length).toBe(1)
  flushes[0]?.end.resolve()
  await turn()
  expect(ended).toEqual(['first'])
  expect(flushes.length).toBe(2)
  all.push(asked('fourth'))
  flushes[1]?.end.resolve()
  await turn()
  expect(ended).toEqual(['first', 'second', 'third'])
  expect(flushes.length).toBe(3)
  flushes[2]?.end.resolve()
  await Promise.all(all)
  const last = syncs.sync('d')
  expect(flushes.length).toBe(4)
  flushes[3]?.end.resolve()
  await last
})

test('sync: of two directories, do not wait for each other', () => {
  const { flushes, syncs } = slowFlushes()
  syncs.sync('d').catch(() => {})
  syncs.sync('e').catch(() => {})
  expect(flushes.map(({ path }) => path)).toEqual(['d', 'e'])
})

test('sync: a flush that fails, fails its callers and those that waited for the next', async () => {
  const { flushes, syncs } = slowFlushes()
  const callers = [syncs.sync('d'), syncs.sync('d'), syncs.sync('d')]
  const failure = new Error('EIO')
  flushes[0]?.end.reject(failure)
  for (const result of await Promise.allSettled(callers)) {
    expect(result).toEqual({ status: 'rejected', reason: failure })
  }
  expect(flushes.length).toBe(1)
})
