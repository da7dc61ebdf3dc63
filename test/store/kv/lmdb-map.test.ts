/** How the kernel is told to read the map of a store, as it says itself: proc(5), VmFlags of smaps. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openLmdb } from '../../../src/store/kv/lmdb/lmdb.ts'

/** Of the mapping of the file. */
async function flagsOf(path: string): Promise<readonly string[]> {
  const maps = (await readFile('/proc/self/smaps', 'utf8')).split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
  const own = maps.find((map) => map.split('\n')[0]?.endsWith(` ${path}`))
  return (
    /^VmFlags: (.*)$/m
      .exec(own ?? '')?.[1]
      ?.trim()
      .split(' ') ?? []
  )
}

test.each([
  ['scattered', true],
  ['inOrder', false],
] as const)(
  'openLmdb: for reads that are %s, the map is read without neighbours: %s',
  async (reads, isRandom) => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-map-'))
    const kv = await openLmdb({ directory, reads })
    onTestFinished(async () => {
      await kv.close()
      await rm(directory, { recursive: true })
    })
    const flags = await flagsOf(join(directory, 'data.mdb'))
    expect(flags).toContain('sh')
    expect(flags.includes('rr')).toBe(isRandom)
  },
)
