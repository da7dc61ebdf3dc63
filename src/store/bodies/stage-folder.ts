/**
 * The folder in which one worker stages bodies in files. On a full volume it may find no room when the store is opened; all but
 * such bodies needs none, so it is then made for the first one that finds room.
 */
import { isVolumeFull, makeDirectory } from '../../platform/files.ts'

export class StageFolder {
  readonly path: string
  #isMade = false

  constructor(path: string) {
    this.path = path
  }

  async make(): Promise<void> {
    if (this.#isMade) return
    await makeDirectory(this.path)
    this.#isMade = true
  }

  async makeIfRoom(): Promise<void> {
    try {
      await this.make()
    } catch (error) {
      if (!isVolumeFull(error)) throw error
    }
  }
}
