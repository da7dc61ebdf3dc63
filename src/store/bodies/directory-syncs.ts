/**
 * Flushes of directories, shared: callers that ask while one flush of a directory is running wait together
 * for the
 * next, because the running one may have begun before their change.
 */
import { syncDirectory } from '../../platform/files.ts'

type State = { running: Promise<void>; next: Promise<void> | null }

export class DirectorySyncs {
  readonly #states = new Map<string, State>()
  readonly #flush: (path: string) => Promise<void>

  constructor(flush: (path: string) => Promise<void> = syncDirectory) {
    this.#flush = flush
  }

  /** Resolves when a flush that began after this call has ended. */
  sync(path: string): Promise<void> {
    const state = this.#states.get(path)
    if (state === undefined) return this.#start(path)
    // A failed flush may have dropped their changes too: they fail with it, a second flush would prove nothing.
    state.next ??= state.running.then(() => this.#start(path))
    return state.next
  }

  #start(path: string): Promise<void> {
    const state: State = { running: this.#flush(path), next: null }
    this.#states.set(path, state)
    const forget = () => {
      if (state.next === null) this.#states.delete(path)
    }
    state.running.then(forget, forget)
    return state.running
  }
}
