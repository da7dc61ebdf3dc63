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

/** The reason where the machine says EROFS: as a rule the disk failed and the kernel protects what is on it. */
export const fileSystemReadOnly =
  'The file system of the volume is read-only: what is stored can be read, nothing can be written. ' +
  'Mend it, then start the server again.'
