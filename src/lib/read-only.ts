/** The volume takes no writes now; the message says why, for people. Nothing was written, and what is stored can be read. */
export class VolumeReadOnlyError extends Error {
  override readonly name = 'VolumeReadOnlyError'
}

/** The reason where the machine says EROFS: as a rule the disk failed and the kernel protects what is on it. */
export const fileSystemReadOnly =
  'The file system of the volume is read-only: what is stored can be read, nothing can be written. ' +
  'Mend it, then start the server again.'
