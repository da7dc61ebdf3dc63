/** Numbers that look random and follow from a seed alone (mulberry32), so that a failing run can be played again. */
export type Random = {
  /** From 0 to below `end`, whole. */
  readonly below: (end: number) => number
  /** True `percent` times in a hundred. */
  readonly happens: (percent: number) => boolean
  readonly pick: <T>(choices: readonly T[]) => T
}

export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (end: number): number => Math.floor(next() * end)
  return {
    below,
    happens: (percent) => below(100) < percent,
    pick: (choices) => choices[below(choices.length)] as (typeof choices)[number],
  }
}
