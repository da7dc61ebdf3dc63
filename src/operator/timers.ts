import { assert } from '../lib/assert.ts'
import { limits } from '../lib/limits.ts'

/** The door to delays: tests drive their own, so that no test waits. */
export interface Timers {
  /** Runs `run` once after `delayMs`; the result cancels it and is harmless afterwards. */
  after(delayMs: number, run: () => void): () => void
}

export const systemTimers: Timers = {
  after(delayMs, run) {
    assert(delayMs >= 0 && delayMs <= limits.timerMsMax, 'a delay fits a timer')
    const timer = setTimeout(run, delayMs)
    return () => clearTimeout(timer)
  },
}

/**
 * Resolves after `delayMs`, or at once when the signal is or gets aborted: the caller looks at the signal.
 */
export function sleep(timers: Timers, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const wake = () => {
      cancel()
      signal.removeEventListener('abort', wake)
      resolve()
    }
    const cancel = timers.after(delayMs, wake)
    signal.addEventListener('abort', wake, { once: true })
  })
}
