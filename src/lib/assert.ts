/** A failed assertion is a programmer's error: the transaction is aborted and the client gets InternalError. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** Throws AssertionError unless `condition` holds. `sentence` states what should be true. */
export function assert(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new AssertionError(`assertion failed: ${sentence}`)
}

/** Ends an exhaustive switch: the compiler proves that `value` cannot occur. */
export function unreachable(value: never, sentence: string): never {
  throw new AssertionError(`unreachable: ${sentence}: ${JSON.stringify(value)}`)
}
