/** Loaded before a watched server's first module, with `--import`: its engine writes through the journal. */
import { registerHooks } from 'node:module'

// Of this checkout, or of the copy of one that a test has changed.
const environment = '/src/store/kv/lmdb/environment.ts'
const journaled = new URL('./journaled-environment.ts', import.meta.url).href

registerHooks({
  resolve(specifier, context, nextResolve) {
    const resolved = nextResolve(specifier, context)
    const isReplaced = resolved.url.endsWith(environment) && context.parentURL !== journaled
    return isReplaced ? { ...resolved, url: journaled } : resolved
  },
})
