import { afterEach, expect, test } from 'vitest'
import { type Next, StatusConflictError, type Watch } from '../../../src/operator/controller.ts'
import { settle } from './manual-timers.ts'
import { change, counted, endRigs, reconcileMsMax, rigOf, verifyIntervalMs } from './runner-rig.ts'

afterEach(endRigs)

test('runController: objects exist at the start, each is reconciled once', async () => {
  const seen: string[] = []
  const rig = await rigOf(['a', 'b', 'c'], async ({ name }) => {
    seen.push(name)
    return { kind: 'done' }
  })
  await rig.time.advance(1000)
  expect(seen.sort()).toEqual(['a', 'b', 'c'])
  expect(counted(rig, 'reconcile_total', 'success')).toBe(3)
})

test('runController: nothing changes, every object is verified once within each interval', async () => {
  let count = 0
  const rig = await rigOf(['a'], async () => {
    count += 1
    return { kind: 'done' }
  })
  await rig.time.advance(0)
  for (let interval = 1; interval <= 5; interval += 1) {
    const before = count
    await rig.time.advance(verifyIntervalMs)
    expect(count).toBeGreaterThan(before)
    expect(count).toBeLessThanOrEqual(before + 2)
  }
})

test('runController: one key changes while it is reconciled, it never runs twice at once and runs again after', async () => {
  let running = 0
  let most = 0
  let count = 0
  const releases: (() => void)[] = []
  const rig = await rigOf(
    ['a'],
    async () => {
      running += 1
      count += 1
      most = Math.max(most, running)
      await new Promise<void>((resolve) => releases.push(resolve))
      running -= 1
      return { kind: 'done' }
    },
    { workers: 4 },
  )
  await rig.time.advance(0)
  rig.tell(change('a'))
  rig.tell(change('a'))
  await rig.time.advance(100)
  expect(count).toBe(1)
  releases.shift()?.()
  await rig.time.advance(100)
  expect(count).toBe(2)
  releases.shift()?.()
  await rig.time.advance(100)
  expect(most).toBe(1)
  expect(count).toBe(2)
})

test('runController: a retry, it comes back after 5, 10, 20 ms and is counted as an error', async () => {
  const atMs: number[] = []
  let outcome: Next = { kind: 'retry', error: new Error('not yet') }
  const rig = await rigOf(['a'], async (_key, _signal, time) => {
    atMs.push(time.uptimeMs())
    return outcome
  })
  await rig.time.advance(100)
  expect(atMs).toEqual([0, 5, 15, 35, 75])
  outcome = { kind: 'done' }
  await rig.time.advance(200)
  expect(atMs).toHaveLength(6)
  expect(counted(rig, 'reconcile_total', 'error')).toBe(5)
  expect(counted(rig, 'reconcile_total', 'success')).toBe(1)
  expect(counted(rig, 'reconcile_errors_total')).toBe(5)
})

test('runController: a status conflict, it is tried again and counts as a requeue, not as an error', async () => {
  let count = 0
  const rig = await rigOf(['a'], async () => {
    count += 1
    return count === 1 ? { kind: 'retry', error: new StatusConflictError('older') } : { kind: 'done' }
  })
  await rig.time.advance(10)
  expect(count).toBe(2)
  const results = ['error', 'requeue', 'success'].map((result) => counted(rig, 'reconcile_total', result))
  expect(results).toEqual([0, 1, 1])
})

test('runController: after a delay, it comes back then and not before', async () => {
  const atMs: number[] = []
  const rig = await rigOf(['a'], async (_key, _signal, time) => {
    atMs.push(time.uptimeMs())
    return atMs.length === 1 ? { kind: 'after', delayMs: 5000 } : { kind: 'done' }
  })
  await rig.time.advance(60_000)
  expect(atMs).toEqual([0, 5000])
})

test('runController: a terminal error, changes of the same generation are no work and the verify is', async () => {
  let count = 0
  const rig = await rigOf(['a'], async () => {
    count += 1
    return { kind: 'terminal', error: new Error('somebody has to act') }
  })
  await rig.time.advance(60_000)
  expect(count).toBe(1)
  rig.tell(change('a'))
  await rig.time.advance(1000)
  expect(count).toBe(1)
  await rig.time.advance(verifyIntervalMs)
  expect(count).toBeGreaterThanOrEqual(2)
  expect(counted(rig, 'terminal_reconcile_errors_total')).toBe(count)
  expect(counted(rig, 'reconcile_total', 'error')).toBe(count)
})

test('runController: the echo of our own status write, it is no work', async () => {
  let count = 0
  const rig = await rigOf(['a'], async () => {
    count += 1
    return { kind: 'done' }
  })
  await rig.time.advance(0)
  rig.tell(change('a', 'ownStatus'))
  await rig.time.advance(1000)
  expect(count).toBe(1)
  rig.tell(change('a'))
  await rig.time.advance(1000)
  expect(count).toBe(2)
})

test('runController: a reconcile throws, it is counted as a panic and tried again, and the others go on', async () => {
  const seen: string[] = []
  const rig = await rigOf(['bad', 'good'], async ({ name }) => {
    seen.push(name)
    if (name === 'bad' && seen.filter((each) => each === 'bad').length < 3) throw new TypeError('a bug')
    return { kind: 'done' }
  })
  await rig.time.advance(1000)
  expect(seen.filter((name) => name === 'bad')).toHaveLength(3)
  expect(seen).toContain('good')
  expect(counted(rig, 'reconcile_panics_total')).toBe(2)
  expect(counted(rig, 'reconcile_timeouts_total')).toBe(0)
})

test('runController: a reconcile beyond its deadline, its signal is aborted and it is tried again', async () => {
  let count = 0
  const rig = await rigOf(['a'], async (_key, signal) => {
    count += 1
    if (count > 1) return { kind: 'done' }
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  })
  await rig.time.advance(reconcileMsMax - 1)
  expect(count).toBe(1)
  await rig.time.advance(100)
  expect(count).toBe(2)
  expect(counted(rig, 'reconcile_panics_total')).toBe(0)
  expect(counted(rig, 'reconcile_timeouts_total')).toBe(1)
})

test('runController: many changes of a watched object, they are one piece of work after the delay', async () => {
  let count = 0
  const watch: Watch = {
    kind: 'LockedBucket',
    delayMs: 200,
    keys: () => [{ namespace: 'default', name: 'a' }],
  }
  const rig = await rigOf(
    ['a'],
    async () => {
      count += 1
      return { kind: 'done' }
    },
    { watches: [watch] },
  )
  await rig.time.advance(0)
  for (let index = 0; index < 50; index += 1) {
    rig.tell({ kind: 'LockedBucket', namespace: 'default', name: `b-${index}`, cause: 'object' })
  }
  await rig.time.advance(199)
  expect(count).toBe(1)
  await rig.time.advance(1000)
  expect(count).toBe(2)
  rig.tell({ kind: 'LockedBucket', namespace: 'default', name: 'own', cause: 'ownStatus' })
  await rig.time.advance(1000)
  expect(count).toBe(2)
})

test('runController: stopped while a reconcile runs, it resolves only after that one ended', async () => {
  let release: () => void = () => undefined
  const rig = await rigOf(['a'], async () => {
    await new Promise<void>((resolve) => {
      release = resolve
    })
    return { kind: 'done' }
  })
  await rig.time.advance(0)
  let isStopped = false
  const stopping = rig.stop().then(() => {
    isStopped = true
  })
  await settle()
  expect(isStopped).toBe(false)
  release()
  await stopping
})

test('runController: told to stop, the running reconcile may end and the waiting ones do not begin', async () => {
  const began: string[] = []
  let release: () => void = () => undefined
  let seen: AbortSignal | null = null
  const rig = await rigOf(['a', 'b', 'c'], async ({ name }, signal) => {
    began.push(name)
    seen = signal
    await new Promise<void>((resolve) => {
      release = resolve
    })
    return { kind: 'done' }
  })
  await rig.time.advance(0)
  rig.drain()
  await rig.time.advance(5000)
  expect(began).toHaveLength(1)
  expect(seen).toMatchObject({ aborted: false })
  release()
  await rig.running
  expect(began).toHaveLength(1)
  expect(counted(rig, 'reconcile_total', 'success')).toBe(1)
})

test('runController: abandoned, the running reconcile is told by its signal', async () => {
  let seen: AbortSignal | null = null
  const rig = await rigOf(['a'], async (_key, signal) => {
    seen = signal
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    throw new Error('aborted')
  })
  await rig.time.advance(0)
  await rig.stop()
  expect(seen).toMatchObject({ aborted: true })
  expect(counted(rig, 'reconcile_panics_total')).toBe(0)
})

test('runController: a terminal error and then a new reconcile-now, it is work again', async () => {
  let count = 0
  const rig = await rigOf(['a'], async () => {
    count += 1
    return { kind: 'terminal', error: new Error('somebody has to act') }
  })
  await rig.time.advance(0)
  rig.tell(change('a'))
  await rig.time.advance(1000)
  expect(count).toBe(1)
  rig.annotate('a', { 'holdfast.dev/reconcile-now': 'monday' })
  rig.tell(change('a'))
  await rig.time.advance(1000)
  expect(count).toBe(2)
  rig.tell(change('a'))
  await rig.time.advance(1000)
  expect(count).toBe(2)
})
