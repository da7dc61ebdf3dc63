import { afterEach, expect, test } from 'vitest'
import type { Next } from '../../../src/operator/controller.ts'
import type { ObjectKey } from '../../../src/operator/objects.ts'
import type { Change } from '../../../src/operator/sources/source.ts'
import { change, endRigs, rigOf, verifyIntervalMs } from './runner-rig.ts'

afterEach(endRigs)

test('runController: an object that is gone and cannot be cleaned up yet, it is tried until it can', async () => {
  const tries: string[] = []
  const rig = await rigOf(['a'], async ({ name }) => {
    tries.push(name)
    if (name === 'gone' && tries.length < 5) return { kind: 'retry', error: new Error('the server is away') }
    return { kind: 'done' }
  })
  await rig.time.advance(1)
  rig.tell(change('gone'))
  await rig.time.advance(60_000)
  expect(tries).toEqual(['a', 'gone', 'gone', 'gone', 'gone'])
})

test('runController: leftovers are worked on at the start and at each verification, a failure to look is tried again', async () => {
  const tries: string[] = []
  let looks = 0
  const leftovers = async () => {
    looks += 1
    if (looks === 1) throw new Error('the server is away')
    return looks === 2 ? [{ namespace: 'default', name: 'gone' }] : []
  }
  const reconcile = async ({ name }: ObjectKey): Promise<Next> => {
    tries.push(name)
    return { kind: 'done' }
  }
  const rig = await rigOf([], reconcile, { leftovers })
  await rig.time.advance(31_000)
  expect([looks, tries]).toEqual([2, ['gone']])
  await rig.time.advance(2 * verifyIntervalMs)
  expect(looks).toBeGreaterThan(2)
  expect(tries).toEqual(['gone'])
})

test('runController: our own status of another kind is told to who wants it', async () => {
  const tries: string[] = []
  const keys = () => [{ namespace: 'default', name: 'a' }]
  const watch = { kind: 'LockedBucket', delayMs: 0, keys } as const
  const reconcile = async ({ name }: ObjectKey): Promise<Next> => {
    tries.push(name)
    return { kind: 'done' }
  }
  const own: Change = { kind: 'LockedBucket', namespace: 'default', name: 'b', cause: 'ownStatus' }
  for (const [watches, expected] of [
    [[watch], 1],
    [[{ ...watch, ownStatus: 'told' }], 3],
  ] as const) {
    tries.length = 0
    const rig = await rigOf(['a'], reconcile, { watches })
    await rig.time.advance(1)
    rig.tell(own)
    await rig.time.advance(1)
    if (expected > 1) rig.tell(own)
    await rig.time.advance(1)
    expect(tries).toHaveLength(expected)
  }
})
