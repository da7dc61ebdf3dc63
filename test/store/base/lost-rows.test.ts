/** A volume whose rows are gone, with bodies beside: it is not taken for a new one. */
import { mkdirSync, mkdtempSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { silentLog } from '../../../src/lib/log.ts'
import { openVolumeOwner } from '../../../src/server/open-volume.ts'
import { CorruptRecordError } from '../../../src/store/fields.ts'
import { openLmdb } from '../../../src/store/kv/lmdb/lmdb.ts'
import type { Store } from '../../../src/store/store.ts'
import { treeOf } from '../../support/crash/steps.ts'
import { createLedger, onVolume as onVolumeIn } from './at-rest.ts'
import { pattern, putBytes } from './rig.ts'
import { TestClock } from './support.ts'

const clock = new TestClock()
let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-lost-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const kv = () => join(directory, 'kv')
const open = () => openVolumeOwner({ directory, clock, log: silentLog })

const onVolume = <T>(work: (store: Store) => Promise<T>): Promise<T> => onVolumeIn({ directory, clock }, work)

async function makeBody(store: Store): Promise<void> {
  await createLedger(store)
  await putBytes(store.versions, 'kept', pattern(1024 ** 2, 1))
}

const losses = [
  { name: 'its folder is gone', lose: async () => rmSync(kv(), { recursive: true }) },
  { name: 'its file is gone', lose: async () => rmSync(join(kv(), 'data.mdb')) },
  { name: 'its file has no bytes', lose: async () => truncateSync(join(kv(), 'data.mdb')) },
]

test.each(losses)(
  'openVolumeOwner: bodies, and of the store $name, is refused before anything is made',
  async ({ lose }) => {
    await onVolume(makeBody)
    await lose()
    const before = treeOf(directory)
    await expect(open()).rejects.toThrow(CorruptRecordError)
    await expect(open()).rejects.toThrow(`${directory} has bodies but no volume`)
    expect(treeOf(directory)).toBe(before)
  },
)

test('openVolumeOwner: bodies and an empty store, is refused, and no volume is made of it', async () => {
  await onVolume(makeBody)
  rmSync(kv(), { recursive: true })
  await (await openLmdb({ directory: kv() })).close()
  for (let round = 0; round < 2; round += 1)
    await expect(open()).rejects.toThrow(`${directory} has bodies but no volume`)
})

test('openVolumeOwner: a folder for bodies with nothing in it, is a new volume', async () => {
  mkdirSync(join(directory, 'bodies'))
  mkdirSync(join(directory, 'kv'))
  const volumeId = await onVolume(async ({ volume }) => volume.volumeId)
  expect(await onVolume(async ({ volume }) => volume.volumeId)).toBe(volumeId)
})
