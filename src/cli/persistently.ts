import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { Backoff } from '../operator/backoff.ts'
import { sleep, systemTimers } from '../operator/timers.ts'

export type Patience = {
  readonly log: Log
  readonly signal: AbortSignal
  /** What is being waited for, for the log. */
  readonly sentence: string
  /** Whether trying again may help; other errors are thrown. */
  readonly isPassing: (error: unknown) => boolean
}

/** Tries until it succeeds, with the pauses of client-go. null: aborted meanwhile. */
export async function persistently<T>(patience: Patience, work: () => Promise<T>): Promise<T | null> {
  const { log, signal, sentence, isPassing } = patience
  const backoff = new Backoff({ delayMsMin: limits.kubeBackoffMsMin, delayMsMax: limits.kubeBackoffMsMax })
  while (!signal.aborted) {
    try {
      return await work()
    } catch (error) {
      if (!isPassing(error)) throw error
      const reason = error instanceof Error ? error.message : String(error)
      log.warn({ error: reason }, `${sentence}; trying again`)
      await sleep(systemTimers, backoff.nextMs(), signal)
    }
  }
  return null
}
