/**
 * The engine's environment, each of whose commits is a line of the journal first: written while the process is alone in its
 * write transaction, so lines are in the order of commits, and before anybody can see what they say.
 */
import { openSync, writeSync } from 'node:fs'
import {
  type Environment,
  type EnvironmentOptions,
  openEnvironment as openUnwatched,
} from '../../../../src/store/kv/lmdb/environment.ts'
import { type Change, durableLine, isJournaled, journalVariable, lineOf } from '../journal.ts'

// Whatever else it has; what is exported below comes before it.
export * from '../../../../src/store/kv/lmdb/environment.ts'

export function openEnvironment(options: EnvironmentOptions): Environment {
  const environment = openUnwatched(options)
  const path = process.env[journalVariable]
  if (path === undefined || options.access === 'readOnly') return environment
  const descriptor = openSync(path, 'a')
  let commitCount = 0
  return {
    openSnapshot: () => environment.openSnapshot(),
    close: () => environment.close(),
    write: async (apply) => {
      commitCount += 1
      const id = `${process.pid}-${commitCount}`
      const changes: Change[] = []
      await environment.write((view) => {
        const note = (key: Uint8Array, value: Uint8Array | null): void => {
          if (isJournaled(key)) changes.push({ key, value })
        }
        apply({
          ...view,
          put: (key, value) => {
            note(key, value)
            view.put(key, value)
          },
          remove: (key) => {
            note(key, null)
            view.remove(key)
          },
        })
        if (changes.length > 0) writeSync(descriptor, lineOf({ id, atMs: Date.now(), changes }))
      })
      if (changes.length > 0) writeSync(descriptor, durableLine(id))
    },
  }
}
