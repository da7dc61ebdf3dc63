/**
 * What becomes of a server whose volume takes no writes: it turned read-only under it, as ext4 does after an error, or a commit met
 * its end. It reads on as long as that lasts, also with workers that open the store without locks. Once the volume takes writes
 * again the server ends: only a start brings all of it back to one state.
 */
import { refusalSentence, type WritesRefused } from '../lib/read-only.ts'

const lookIntervalMs = 1_000

/** Of this moment. */
export type VolumeLooks = {
  /** False: the file system says EROFS. */
  readonly takesWrites: () => Promise<boolean>
  /** False: no commit can begin. */
  readonly hasRoom: () => Promise<boolean>
  /** True: so much that it will not be full at once. */
  readonly hasRoomAgain: () => Promise<boolean>
  /** False: a start would find another volume, or none. */
  readonly isInPlace: () => boolean
}

export type ReadOnlyWatch = {
  /** Somebody met it. */
  readonly note: (why: WritesRefused) => void
  /** The reason for people; null: as far as is known the volume takes writes, or will without a start. */
  readonly refusal: () => Promise<string | null>
  /** Resolves when the server has to end: the volume took no writes and takes them again. */
  readonly ended: Promise<Error>
  /** When a failure of the store has to end the server: at once, or when a volume that takes no writes takes them again. */
  readonly dueAfter: (failure: Error) => Promise<Error>
  readonly stop: () => void
}

export function watchReadOnly(
  { takesWrites, hasRoom, hasRoomAgain, isInPlace }: VolumeLooks,
  onRefused: (why: WritesRefused) => void,
): ReadOnlyWatch {
  const { promise: ended, resolve } = Promise.withResolvers<Error>()
  let noted: { readonly why: WritesRefused; readonly timer: NodeJS.Timeout } | null = null
  const look = async (why: WritesRefused): Promise<void> => {
    const isOver = isInPlace() && (await takesWrites()) && (why === 'readOnly' || (await hasRoomAgain()))
    if (isOver) resolve(new Error(endSentences[why]))
  }
  const note = (why: WritesRefused): void => {
    if (noted !== null) return
    onRefused(why)
    // What hinders the look is no reason to end what still reads.
    noted = { why, timer: setInterval(() => void look(why).catch(() => {}), lookIntervalMs) }
  }
  const refusal = async (): Promise<string | null> => {
    if (noted === null && !(await takesWrites())) note('readOnly')
    return noted === null ? null : refusalSentence(noted.why)
  }
  const dueAfter = async (failure: Error): Promise<Error> => {
    if ((await refusal()) !== null) return ended
    if (await hasRoom()) return failure
    note('full')
    return ended
  }
  return {
    note,
    refusal,
    ended,
    dueAfter,
    stop: () => {
      if (noted !== null) clearInterval(noted.timer)
    },
  }
}

const endSentences = {
  readOnly: 'the volume was read-only and takes writes again: the server has to be started again',
  full: 'the volume was full and has room again: the server has to be started again',
} as const
