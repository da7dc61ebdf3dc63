/** How a volume that takes no writes is met: nothing is written to it, and what is stored can be read. */

/** `full`: there was no room to begin, or a commit failed for want of room. */
export type WritesRefused = 'readOnly' | 'full'

/** What a server does with its volume, for as long as it lives. */
export type VolumeAccess = 'readWrite' | WritesRefused

/** The volume takes no writes now; the message says why, for people. Nothing was written, and what is stored can be read. */
export class VolumeReadOnlyError extends Error {
  override readonly name: string = 'VolumeReadOnlyError'
}

/** Another folder, or none, is where the volume was. What is open stays the volume: it is read on, and written to again when it is back. */
export class VolumeAwayError extends VolumeReadOnlyError {
  override readonly name = 'VolumeAwayError'

  constructor() {
    super(
      'The volume of this server is not in its place: it was unmounted, moved or covered by another. ' +
        'What is stored can be read, nothing is written until it is back.',
    )
  }
}

/** The same for want of room, until the volume is opened anew. */
export class VolumeFullError extends VolumeReadOnlyError {
  override readonly name = 'VolumeFullError'
}

/** No commit was begun, because there is too little room for one: asked again it may be. The message is for people. */
export class NoRoomError extends Error {
  override readonly name = 'NoRoomError'
}

/** Nothing was written, because there was no room: S3's 507. */
export function isWantOfRoom(error: unknown): error is NoRoomError | VolumeFullError {
  return error instanceof NoRoomError || error instanceof VolumeFullError
}

/** Nothing was written, because the volume takes no writes now. */
export type WritesRefusal = NoRoomError | VolumeReadOnlyError

export function isWritesRefusal(error: unknown): error is WritesRefusal {
  return error instanceof NoRoomError || error instanceof VolumeReadOnlyError
}

/** The reason where the machine says EROFS: as a rule the disk failed and the kernel protects what is on it. */
export const fileSystemReadOnly =
  'The file system of the volume is read-only: what is stored can be read, nothing can be written. ' +
  'Mend it, then start the server again.'

/** The reason where there is no room even for a delete or a lock. */
export const volumeFull =
  'The volume is full: what is stored can be read, nothing can be written, not even a delete or a lock. ' +
  'Grow it, or remove from it what is not of the server: then the server goes on by itself.'

export function refusalSentence(why: WritesRefused): string {
  return why === 'full' ? volumeFull : fileSystemReadOnly
}

export function writesRefused(why: WritesRefused, options?: ErrorOptions): VolumeReadOnlyError {
  return why === 'full'
    ? new VolumeFullError(volumeFull, options)
    : new VolumeReadOnlyError(fileSystemReadOnly, options)
}
