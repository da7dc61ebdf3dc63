import { describe } from 'vitest'
import { bounds } from './suite-bounds.ts'
import { conflicts } from './suite-conflicts.ts'
import { ownWrites, readsAndOrder } from './suite-reads.ts'
import { type EngineUnderTest, storeForEachTest } from './suite-store.ts'
import { blindWrites } from './suite-writes.ts'

/** Every engine must pass this, in the same words. */
export function keyValueSuite(engine: EngineUnderTest): void {
  describe(engine.name, () => {
    const store = storeForEachTest(engine)
    readsAndOrder(store)
    ownWrites(store)
    conflicts(store)
    blindWrites(store)
    bounds(store)
  })
}
