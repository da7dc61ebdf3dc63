import { type LockServer, ServerUnreachableError } from '../../client/lock-server.ts'
import type { VolumeHistory } from './volume-history.ts'

/**
 * What the lock server says of locks, where it is believed: what an older copy lacks is no proof that nothing is locked.
 * The volume is looked at after the answer: so it is the one that gave it. Errors: ServerUnreachableError on a doubted
 * volume too, ServerRefusedError.
 */
export function believedLocks(
  lockServer: Pick<LockServer, 'findLocked'>,
  history: Pick<VolumeHistory, 'readNow'>,
): Pick<LockServer, 'findLocked'> {
  return {
    findLocked: async () => {
      const locked = await lockServer.findLocked()
      if (locked === null && (await history.readNow()).kind === 'doubted')
        throw new ServerUnreachableError('its volume is not the one that it was')
      return locked
    },
  }
}
