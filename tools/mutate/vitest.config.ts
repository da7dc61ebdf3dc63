/** The tests that Stryker runs against every change of the decision: `npm run mutate`. */
import { defineConfig } from 'vitest/config'

export default defineConfig({ test: { include: ['test/lock/**/*.test.ts'], isolate: false } })
