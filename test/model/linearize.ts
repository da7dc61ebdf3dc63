/**
 * Whether what clients saw side by side could have happened one after the other: some order in which whoever had his answer
 * before another one began comes first, and in which every answer is the one that the rules give.
 */
export type Call<Action> = {
  readonly action: Action
  /** What the client was answered. */
  readonly result: string
  /** On one clock; an order of two calls is known only where one had ended before the other began. */
  readonly invokedMs: number
  readonly returnedMs: number
}

export type Step<State, Action> = (
  state: State,
  action: Action,
) => { readonly state: State; readonly result: string }

/** The calls in a legal order; null: there is none. Tries all orders, so it is for some ten calls at most. */
export function linearize<State, Action>(
  initial: State,
  calls: readonly Call<Action>[],
  step: Step<State, Action>,
): readonly Call<Action>[] | null {
  if (calls.length === 0) return []
  for (const first of calls) {
    const others = calls.filter((call) => call !== first)
    if (others.some((other) => other.returnedMs < first.invokedMs)) continue
    const { state, result } = step(initial, first.action)
    if (result !== first.result) continue
    const rest = linearize(state, others, step)
    if (rest !== null) return [first, ...rest]
  }
  return null
}
