import { expect, test } from 'vitest'
import { defaultWorkerCount } from '../../../src/cli/server-options.ts'

const gib = 1024 ** 3

test.each([
  ['a small machine', 1, 24 * gib, 2],
  ['a core and memory for each', 8, 24 * gib, 8],
  ['the limit of the chart on a large machine', 64, 2 * gib, 8],
  ['little memory', 64, gib / 4, 2],
])('workers: %s', (_given, cores, bytes, count) => {
  expect(defaultWorkerCount(cores, bytes)).toBe(count)
})
