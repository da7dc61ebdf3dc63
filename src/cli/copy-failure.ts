import { errorCode, FolderFailedError } from '../platform/files.ts'
import { CopyRefusedError, UnprovenCopyError } from '../server/copy-target.ts'
import { BodyUnavailableError } from '../store/bodies/contract.ts'
import { CorruptRecordError } from '../store/fields.ts'
import { RestoreRefusedError } from '../store/volume-copy.ts'
import { CheckpointFileError } from './checkpoint.ts'
import { isVolumeRefusal } from './offline-volume.ts'

/** Says why nothing was finished and gives the exit code: 2 refused, 1 failed. An error that nobody expected goes up. */
export function copyFailure(command: string, error: unknown): number {
  const isRefusal =
    isVolumeRefusal(error) ||
    error instanceof CopyRefusedError ||
    error instanceof RestoreRefusedError ||
    error instanceof CheckpointFileError
  const isFailure =
    error instanceof CorruptRecordError ||
    error instanceof BodyUnavailableError ||
    error instanceof FolderFailedError ||
    error instanceof UnprovenCopyError ||
    errorCode(error) !== null
  if (!(error instanceof Error) || (!isRefusal && !isFailure)) throw error
  const isEnd = isRefusal || error instanceof UnprovenCopyError
  const sentence = isEnd ? error.message : `${error.message}; run it again when that is mended, it goes on`
  process.stderr.write(`${command}: ${sentence}\n`)
  return isRefusal ? 2 : 1
}
