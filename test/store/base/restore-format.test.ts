import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { silentLog } from '../../../src/lib/log.ts'
import { backupVolume, restoreVolume } from '../../../src/server/copy-volume.ts'
import { openVolumeOwner } from '../../../src/server/open-volume.ts'
import type { FormatStep } from '../../../src/store/format-steps.ts'
import { openLmdb } from '../../../src/store/kv/lmdb/lmdb.ts'
import { readVolume, VolumeFormatError } from '../../../src/store/volume.ts'
import { markRestored } from '../../../src/store/volume-copy.ts'
import { actor, TestClock } from './support.ts'

const directory = await mkdtemp(join(tmpdir(), 'holdfast-restore-format-'))
afterAll(() => rm(directory, { recursive: true, force: true }))
const at = (name: string) => join(directory, name)

/** What a newer release would know, and the backup's does not. */
const steps: readonly FormatStep[] = [{ to: 2, tables: ['bucket'], change: (_row, value) => value }]

test('restore: the backup of an older release has the format of this one before anything is written to it', async () => {
  const clock = new TestClock()
  const onProblem = (sentence: string) => expect(sentence).toBe('no problem')
  await (await openVolumeOwner({ directory: at('data'), clock, log: silentLog })).close()
  const folders = { from: at('data'), to: at('backup') }
  await backupVolume({ ...folders, check: 'sizes', onProblem, onMended: onProblem }, clock)
  const formats: number[] = []
  await restoreVolume({
    ...{ from: at('backup'), to: at('restored'), onProblem, steps },
    prepare: async (kv) => {
      formats.push((await readVolume(kv, steps)).format)
      await markRestored(kv, { clock, actor, auditLog: null, lostClock: 'refuse' })
    },
  })
  expect(formats).toEqual([2])
  for (const [name, format] of [
    ['backup', 1],
    ['restored', 2],
  ] as const) {
    const kv = await openLmdb({ directory: join(at(name), 'kv'), readOnly: true })
    expect((await readVolume(kv, steps)).format).toBe(format)
    await kv.close()
  }
  const older = openVolumeOwner({ directory: at('restored'), clock, log: silentLog })
  await expect(older).rejects.toBeInstanceOf(VolumeFormatError)
})
