/**
 * What becomes of a server whose volume turned read-only under it, as ext4 does after an error. It reads on as long as that lasts,
 * also with workers that open the store without locks. Once the volume takes writes again the server ends: only a start brings all
 * of it back to one state.
 */
import { fileSystemReadOnly } from '../lib/read-only.ts'

const lookIntervalMs = 1_000

export type ReadOnlyWatch = {
  /** Somebody met it. */
  readonly note: () => void
  /** The reason for people; null: as far as is known the volume takes writes. */
  readonly refusal: () => Promise<string | null>
  /** Resolves when the server has to end: the volume was read-only and is not any more. */
  readonly ended: Promise<Error>
  /** When a failure of the store has to end the server: at once, or when a volume that is read-only is not any more. */
  readonly dueAfter: (failure: Error) => Promise<Error>
  readonly stop: () => void
}

export function watchReadOnly(takesWrites: () => Promise<boolean>, onReadOnly: () => void): ReadOnlyWatch {
  const { promise: ended, resolve } = Promise.withResolvers<Error>()
  let timer: NodeJS.Timeout | null = null
  const look = async (): Promise<void> => {
    if (await takesWrites())
      resolve(
        new Error('the volume was read-only and takes writes again: the server has to be started again'),
      )
  }
  const note = (): void => {
    if (timer !== null) return
    onReadOnly()
    // What hinders the look is no reason to end what still reads.
    timer = setInterval(() => void look().catch(() => {}), lookIntervalMs)
  }
  const refusal = async (): Promise<string | null> => {
    if (timer === null && !(await takesWrites())) note()
    return timer === null ? null : fileSystemReadOnly
  }
  return {
    note,
    refusal,
    ended,
    dueAfter: async (failure) => ((await refusal()) === null ? failure : ended),
    stop: () => {
      if (timer !== null) clearInterval(timer)
    },
  }
}
