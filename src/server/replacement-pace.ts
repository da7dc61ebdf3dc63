/**
 * When a worker that met an unexpected error may be replaced: at once, and each time after a longer pause. Whoever can reach such an
 * error can reach it as often as it likes, and must not keep the server busy with starting workers.
 */

/** Each pause is twice the one before (decisions/0059). */
export const replacementDelayMsMin = 1000
export const replacementDelayMsMax = 600_000

export class ReplacementPace {
  #delayMs = 0
  #lastMs: number | null = null

  /** How long the next replacement waits. `nowMs`: of any clock that never goes back, always the same. */
  waitMs(nowMs: number): number {
    return this.#lastMs === null ? 0 : Math.max(0, this.#lastMs + this.#delayMs - nowMs)
  }

  /** One begins. After so long without any the pauses are short again. */
  begin(nowMs: number): void {
    const isSteady = this.#lastMs === null || nowMs - this.#lastMs >= 2 * replacementDelayMsMax
    this.#delayMs = isSteady ? replacementDelayMsMin : Math.min(2 * this.#delayMs, replacementDelayMsMax)
    this.#lastMs = nowMs
  }
}
