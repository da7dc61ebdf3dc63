import { setTimeout as delay } from 'node:timers/promises'

const POLL_INTERVAL_MS = 50

/**
 * Asks `probe` until it gives something other than null, and returns that; what the probe throws ends the wait.
 * After `timeoutMs` throws an error that names `what` was waited for. The probe bounds its own duration.
 */
export async function until<T>(what: string, timeoutMs: number, probe: () => Promise<T | null>): Promise<T> {
  const startMs = performance.now()
  while (performance.now() - startMs < timeoutMs) {
    const value = await probe()
    if (value !== null) return value
    await delay(POLL_INTERVAL_MS)
  }
  throw new Error(`waited ${timeoutMs} ms in vain: ${what}`)
}
