/** `holdfast restore` of a backup whose trusted time is damaged, as a user runs it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { silentLog } from '../../src/lib/log.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { openVolumeOwner } from '../../src/server/open-volume.ts'
import { metaKey } from '../../src/store/keys.ts'
import { flipBit } from '../store/base/at-rest.ts'
import { holdfast } from '../support/holdfast.ts'

const directory = await mkdtemp(join(tmpdir(), 'holdfast-lost-clock-'))
afterAll(() => rm(directory, { recursive: true, force: true }))
const at = (name: string) => join(directory, name)

test('restore: is refused with what to do, and with --lost-clock take makes a volume and tells of the damage', async () => {
  await (await openVolumeOwner({ directory: at('data'), clock: systemClock(), log: silentLog })).close()
  await flipBit(at('data'), metaKey('clock'), 0)
  const damaged = /^damaged: the trusted time cannot be read: .*\n/
  expect(await holdfast('backup', '--data', at('data'), '--to', at('backup'))).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(damaged),
  })
  const restore = ['restore', '--from', at('backup'), '--data', at('restored')]
  expect(await holdfast(...restore)).toMatchObject({
    code: 2,
    stdout: expect.stringMatching(damaged),
    stderr: expect.stringMatching(/^holdfast restore: the trusted time of the backup .* --lost-clock take, /),
  })
  expect(await holdfast(...restore, '--lost-clock', 'take')).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(
      /; 1 damaged\nholdfast verify --data \S+\/backup names the .*\nread-only until root accepts it/,
    ),
    stderr: '',
  })
  expect(await holdfast('verify', '--data', at('restored'))).toMatchObject({ code: 0 })
})
