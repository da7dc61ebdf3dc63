import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

/** What the processes that tests start have compiled before: they start hundreds of times. */
const compileCache = join(import.meta.dirname, 'node_modules/.cache/holdfast-compile')

/** One project a tier (T1 …): `vitest run --project unit`. Heavy tiers run their files one after the other. */
function tier(name: string, folders: readonly string[], options: object = {}) {
  return {
    test: {
      name,
      include: folders.map((folder) => (folder.endsWith('.ts') ? folder : `test/${folder}/**/*.test.ts`)),
      testTimeout: 120_000,
      hookTimeout: 120_000,
      env: { NODE_COMPILE_CACHE: compileCache },
      ...options,
    },
  }
}

/** Watched servers (test/support/removals/watch.ts) start more slowly, and once more at their end to tidy. */
const patience =
  process.env['HOLDFAST_REMOVALS'] === undefined ? {} : { testTimeout: 120_000, hookTimeout: 300_000 }

export default defineConfig({
  test: {
    projects: [
      tier('unit', ['test/tidy.test.ts', 'unit', 'lock'], { maxWorkers: 2, isolate: false }),
      tier('store', ['store'], { maxWorkers: 2 }),
      tier('conformance', ['conformance', 'auth', 'profiles'], { maxWorkers: 2, ...patience }),
      tier('model', ['model'], { maxWorkers: 1, testTimeout: 240_000 }),
      tier('crash', ['crash'], { maxWorkers: 1, testTimeout: 240_000 }),
      tier('disk', ['disk'], { maxWorkers: 1, testTimeout: 240_000 }),
      tier('standalone', ['standalone'], { maxWorkers: 1, testTimeout: 120_000 }),
      tier('clients', ['clients'], { maxWorkers: 1, testTimeout: 180_000 }),
      tier('bench', ['bench'], { maxWorkers: 1, testTimeout: 600_000 }),
      tier('image', ['image'], { maxWorkers: 1, testTimeout: 120_000 }),
      tier('chart', ['chart'], { maxWorkers: 1, testTimeout: 120_000, hookTimeout: 120_000 }),
      tier('cluster', ['cluster'], {
        maxWorkers: 1,
        // A request that nobody answers takes half a minute, and the pause after it may take as long.
        testTimeout: 240_000,
        hookTimeout: 120_000,
        globalSetup: ['test/support/cluster/global-setup.ts'],
      }),
      tier('e2e', ['e2e'], { maxWorkers: 1, testTimeout: 400_000, hookTimeout: 120_000 }),
    ],
  },
})
