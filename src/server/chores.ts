/** What the owner of the volume does by itself, beside the workers that serve. */
import type { Log } from '../lib/log.ts'
import { NoRoomError } from '../lib/read-only.ts'
import { BodyStoreFailedError } from '../store/bodies/contract.ts'
import { StoreFailedError } from '../store/kv/contract.ts'
import type { Store } from '../store/store.ts'
import { judgeError } from './error-answer.ts'

const tickIntervalMs = 60_000
const garbageIntervalMs = 300_000
/** How soon a scrub that is due begins, or goes on after a start. */
const scrubLookMs = 600_000
/** How often what is in quarantine is read once more: it is as large as what was damaged. */
const lookAgainIntervalMs = 3_600_000
/** How soon what a policy asks for existing versions begins; a look at one empty range when there is nothing. */
const applyIntervalMs = 2_000

export type Chores = {
  /** Resolves when a commit failed: what is on the disk is known only after a new start. */
  readonly failed: Promise<Error>
  readonly stop: () => Promise<void>
}

export type ChoresOptions = {
  readonly lifecycleIntervalMs: number
  readonly scrubBytesPerSecond: number
  /** Told of each error that nobody expected. */
  readonly onFault: () => void
}

type ChoresStore = Pick<Store, 'applyToExisting' | 'collectGarbage'> & {
  readonly clock: Pick<Store['clock'], 'tick'>
  readonly lifecycle: Store['lifecycle']
  readonly scrub: Pick<Store['scrub'], 'run' | 'lookAgain'>
}

/**
 * The clock's mark every minute, left-over garbage every five and after each run of the lifecycle, which comes as often as
 * it is set, what policies ask for existing versions at once. A failure is logged and tried again next time, also one that
 * nobody expected (decisions/0059); so is what finds no room for its commit, which is told once. A failed commit is the end. A failed
 * removal is the end of removals: their rows stay for the next start, and meanwhile everything is read and written as ever.
 */
export function startChores(store: ChoresStore, log: Log, options: ChoresOptions): Chores {
  const stopping = new AbortController()
  const { promise: failed, resolve: fail } = Promise.withResolvers<Error>()
  const running = new Set<Promise<unknown>>()
  const waiting = new Set<string>()
  const judge = (chore: string, error: unknown): void => {
    if (error instanceof NoRoomError) {
      if (!waiting.has(chore)) log.warn({ chore, reason: error.message }, 'a chore waits for room')
      waiting.add(chore)
      return
    }
    log.error({ chore, error }, 'a chore failed')
    if (judgeError(error).consequence === 'fault') options.onFault()
    if (error instanceof StoreFailedError) fail(error)
  }
  const run = (name: string, work: () => Promise<unknown>) => {
    const done = work()
      .then(() => waiting.delete(name))
      .catch((error: unknown) => judge(name, error))
      .finally(() => running.delete(done))
    running.add(done)
  }
  // A long run goes on; the next one comes when it has ended.
  const oneAtATime = (name: string, work: () => Promise<unknown>) => {
    let isRunning = false
    return () => {
      if (isRunning) return
      isRunning = true
      run(name, () =>
        work().finally(() => {
          isRunning = false
        }),
      )
    }
  }
  let isRemoving = true
  const collectGarbage = async (): Promise<void> => {
    if (!isRemoving) return
    try {
      await store.collectGarbage(stopping.signal)
    } catch (error) {
      // A second flush of the same folder would succeed and prove nothing.
      if (error instanceof BodyStoreFailedError) isRemoving = false
      throw error
    }
  }
  const applyPolicies = oneAtATime('applyToExisting', () => store.applyToExisting(stopping.signal))
  // What the rules removed is room on the disk at once, not at the next collection.
  const expire = oneAtATime('lifecycle', async () => {
    const ended = await store.lifecycle.run(stopping.signal)
    if (ended.kind === 'done' && ended.bucketCount > 0) await collectGarbage()
  })
  const scrub = oneAtATime('scrub', () => store.scrub.run(stopping.signal, options.scrubBytesPerSecond))
  const lookAgain = oneAtATime('lookAgain', () =>
    store.scrub.lookAgain(stopping.signal, options.scrubBytesPerSecond),
  )
  const collect = oneAtATime('collectGarbage', collectGarbage)
  const timers = [
    setInterval(() => run('clock', () => store.clock.tick()), tickIntervalMs),
    setInterval(collect, garbageIntervalMs),
    setInterval(expire, options.lifecycleIntervalMs),
    setInterval(applyPolicies, applyIntervalMs),
    setInterval(scrub, scrubLookMs),
    setInterval(lookAgain, lookAgainIntervalMs),
  ]
  collect()
  expire()
  applyPolicies()
  lookAgain()
  return {
    failed,
    stop: async () => {
      for (const timer of timers) clearInterval(timer)
      stopping.abort()
      await Promise.all(running)
    },
  }
}
