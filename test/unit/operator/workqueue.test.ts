import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { TokenBucket } from '../../../src/operator/rate-limit.ts'
import { Workqueue } from '../../../src/operator/workqueue.ts'
import { ManualTime, settle } from './manual-timers.ts'

const retry = { delayMsMin: 5, delayMsMax: 1_000_000 }

function queueOf(time: ManualTime, retryBucket: TokenBucket | null = null): Workqueue {
  return new Workqueue({ timers: time, retry, retryBucket }, () => time.uptimeMs())
}

/** Takes keys as they come and says so, without ever finishing one. */
function takeAll(queue: Workqueue, taken: string[]): void {
  void queue.get().then((key) => {
    if (key === null) return
    taken.push(key)
    takeAll(queue, taken)
  })
}

test('Workqueue: a key added three times before it is taken, it is given out once', async () => {
  const queue = queueOf(new ManualTime())
  queue.add('a')
  queue.add('b')
  queue.add('a')
  queue.add('a')
  expect(queue.depth).toBe(2)
  expect(await queue.get()).toBe('a')
  expect(await queue.get()).toBe('b')
  expect(queue.depth).toBe(0)
})

test('Workqueue: a key added while it is processed, it is held back until done and then runs once more', async () => {
  const queue = queueOf(new ManualTime())
  queue.add('a')
  expect(await queue.get()).toBe('a')
  queue.add('a')
  queue.add('a')
  const taken: string[] = []
  takeAll(queue, taken)
  await settle()
  expect(taken).toEqual([])
  queue.done('a')
  await settle()
  expect(taken).toEqual(['a'])
  queue.done('a')
  await settle()
  expect(taken).toEqual(['a'])
})

test('Workqueue: two workers wait, each key goes to one of them', async () => {
  const queue = queueOf(new ManualTime())
  const first = queue.get()
  const second = queue.get()
  queue.add('a')
  queue.add('b')
  expect([await first, await second]).toEqual(['a', 'b'])
  expect(queue.processingCount).toBe(2)
})

test('Workqueue: several delays of one key, the earliest wins and the key comes once', async () => {
  const time = new ManualTime()
  const queue = queueOf(time)
  const taken: string[] = []
  takeAll(queue, taken)
  queue.addAfter('a', 1000)
  queue.addAfter('a', 200)
  queue.addAfter('a', 500)
  expect(time.pendingCount).toBe(1)
  await time.advance(199)
  expect(taken).toEqual([])
  await time.advance(1)
  expect(taken).toEqual(['a'])
  queue.done('a')
  await time.advance(5000)
  expect(taken).toEqual(['a'])
})

test('Workqueue: a failing key, its delay doubles from 5 ms up to 1000 s and forget starts it again', async () => {
  const time = new ManualTime()
  const queue = queueOf(time)
  const delaysMs: number[] = []
  for (let failure = 0; failure < 20; failure += 1) {
    const startMs = time.uptimeMs()
    queue.addRateLimited('a')
    const next = queue.get()
    let dueMs = -1
    void next.then(() => {
      dueMs = time.uptimeMs()
    })
    await time.advance(limits.reconcileRetryDelayMsMax)
    expect(await next).toBe('a')
    delaysMs.push(dueMs - startMs)
    queue.done('a')
  }
  expect(delaysMs.slice(0, 5)).toEqual([5, 10, 20, 40, 80])
  expect(delaysMs.at(-1)).toBe(1_000_000)
  expect(Math.max(...delaysMs)).toBe(1_000_000)
  queue.forget('a')
  expect(queue.failureCount('a')).toBe(0)
})

test('Workqueue: a retry with its own bound, the delay stops growing there', async () => {
  const time = new ManualTime()
  const queue = queueOf(time)
  for (let failure = 0; failure < 12; failure += 1) {
    queue.addRateLimited('a', 30)
    const next = queue.get()
    await time.advance(30)
    expect(await next).toBe('a')
    queue.done('a')
  }
})

test('Workqueue: more retries than the shared bucket holds, the rest come at its rate', async () => {
  const time = new ManualTime()
  const bucket = new TokenBucket({ perSecond: 10, burst: 100, uptimeMs: () => time.uptimeMs() })
  const queue = queueOf(time, bucket)
  const taken: string[] = []
  takeAll(queue, taken)
  for (let index = 0; index < 120; index += 1) queue.addRateLimited(`key-${index}`)
  await time.advance(5)
  expect(taken).toHaveLength(100)
  await time.advance(995)
  expect(taken).toHaveLength(110)
  await time.advance(1000)
  expect(taken).toHaveLength(120)
})

test('Workqueue: shutDown, waiting workers get null, waiting keys go and it resolves after the running key', async () => {
  const time = new ManualTime()
  const queue = queueOf(time)
  queue.add('running')
  expect(await queue.get()).toBe('running')
  queue.add('running')
  queue.add('waiting')
  queue.addAfter('later', 1000)
  let isDrained = false
  const drained = queue.shutDown().then(() => {
    isDrained = true
  })
  expect(await queue.get()).toBeNull()
  await settle()
  expect(isDrained).toBe(false)
  queue.done('running')
  await drained
  queue.add('after')
  expect(await queue.get()).toBeNull()
  expect(time.pendingCount).toBe(0)
})

test('Workqueue: shutDown while a worker waits, the worker is told', async () => {
  const queue = queueOf(new ManualTime())
  const waiting = queue.get()
  await queue.shutDown()
  expect(await waiting).toBeNull()
})

test('Workqueue: any order of adds and dones by three workers, no key is lost and none is worked on twice at once', async () => {
  const step = fc.record({ kind: fc.constantFrom('add', 'done'), index: fc.nat(5) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const queue = queueOf(new ManualTime())
      const working: string[] = []
      const owed = new Set<string>()
      const work = (): void => {
        void queue.get().then((key) => {
          if (key === null) return
          expect(working).not.toContain(key)
          working.push(key)
          owed.delete(key)
        })
      }
      const finish = async (key: string): Promise<void> => {
        working.splice(working.indexOf(key), 1)
        queue.done(key)
        work()
        await Promise.resolve()
      }
      for (let worker = 0; worker < 3; worker += 1) work()
      for (const { kind, index } of steps) {
        const running = working[index]
        if (kind === 'add') {
          owed.add(`key-${index}`)
          queue.add(`key-${index}`)
          await Promise.resolve()
        } else if (running !== undefined) await finish(running)
      }
      while (working.length > 0) await finish(working[0] ?? '')
      expect([...owed]).toEqual([])
      expect(queue.depth).toBe(0)
      await queue.shutDown()
    }),
    { numRuns: 300 },
  )
})
