/** Counts of values up to each bound, as Prometheus wants them. */
export class Histogram {
  readonly #bounds: readonly number[]
  readonly #counts: number[]
  #sum = 0
  #count = 0

  /** `bounds` ascend. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = bounds.map(() => 0)
  }

  get count(): number {
    return this.#count
  }

  observe(value: number): void {
    this.#sum += value
    this.#count += 1
    const index = this.#bounds.findIndex((bound) => value <= bound)
    if (index >= 0) this.#counts[index] = (this.#counts[index] ?? 0) + 1
  }

  /** The samples of the family: cumulative buckets, sum and count. */
  samples(): readonly { readonly suffix: string; readonly bound: string | null; readonly value: number }[] {
    let below = 0
    const buckets = this.#bounds.map((bound, index) => {
      below += this.#counts[index] ?? 0
      return { suffix: '_bucket', bound: String(bound), value: below }
    })
    return [
      ...buckets,
      { suffix: '_bucket', bound: '+Inf', value: this.#count },
      { suffix: '_sum', bound: null, value: this.#sum },
      { suffix: '_count', bound: null, value: this.#count },
    ]
  }
}

/** controller-runtime's bounds for the time of a reconcile, in seconds. */
export const reconcileSecondsBounds: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5,
  1.75, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
]

/** controller-runtime's bounds for waiting and working, in seconds: twelve powers of ten from 10 ns. */
export const workqueueSecondsBounds: readonly number[] = Array.from({ length: 12 }, (_, power) =>
  Number(`1e${power - 8}`),
)
