/** Signals that depend on others, and let go of them. */

/**
 * Runs `work` with a signal that is aborted when one of `signals` is, with its reason. When the work has ended nothing of it is
 * left at them. AbortSignal.any is not for signals that live long: Node 24 keeps what depends on them for as long as they do
 * (nodejs/node 65995), so each request would stay with the process to its end.
 */
export async function withAnySignal<T>(
  signals: readonly AbortSignal[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal, letGo } = anySignal(signals)
  try {
    return await work(signal)
  } finally {
    letGo()
  }
}

export type AnySignal = {
  readonly signal: AbortSignal
  /** From then on nothing aborts it. */
  readonly letGo: () => void
}

/** As `withAnySignal`, for work that is no single promise: whoever asks lets go. */
export function anySignal(signals: readonly AbortSignal[]): AnySignal {
  const controller = new AbortController()
  const letGo = (): void => {
    for (const each of signals) each.removeEventListener('abort', abort)
  }
  function abort(this: AbortSignal): void {
    controller.abort(this.reason)
    letGo()
  }
  for (const each of signals) {
    if (each.aborted) {
      abort.call(each)
      break
    }
    each.addEventListener('abort', abort)
  }
  return { signal: controller.signal, letGo }
}
