/** Another folder takes the place of a volume that is open: rows and bodies stay together, and neither folder is written to. */
import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { silentLog } from '../../../src/lib/log.ts'
import { VolumeAwayError } from '../../../src/lib/read-only.ts'
import { openPlace } from '../../../src/platform/place.ts'
import { lockVolume } from '../../../src/platform/volume-lock.ts'
import { openVolumeOwner, type VolumeOwner } from '../../../src/server/open-volume.ts'
import { openBodies } from '../../../src/store/bodies/bodies.ts'
import { BodyUnavailableError } from '../../../src/store/bodies/contract.ts'
import { openMemory } from '../../../src/store/kv/memory/memory.ts'
import { placedKeyValue } from '../../../src/store/placed.ts'
import type { VersionRecord } from '../../../src/store/records.ts'
import { copyVolume, treeOf } from '../../support/crash/steps.ts'
import { offlineFindings } from '../../support/crash/volume-state.ts'
import { chunks, pattern, putBytes, readBytes, removeVersion, stageBytes } from './rig.ts'
import { actor, TestClock } from './support.ts'

const bytes = pattern(1024 ** 2, 1)
const clock = new TestClock()
let directory: string
let owner: VolumeOwner
let kept: VersionRecord
const at = (name: string) => join(directory, name)
const open = () => openVolumeOwner({ directory: at('data'), clock, log: silentLog })
const collect = () => owner.store.collectGarbage(AbortSignal.timeout(60_000))

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-place-'))
  owner = await open()
  await owner.store.buckets.create(actor, {
    ...{ name: 'ledger', accountId: actor.accountId, region: 'us-east-1', objectLock: 'enabled' },
  })
  kept = await putBytes(owner.store.versions, 'kept', bytes)
})
afterEach(() => rmSync(directory, { recursive: true }))

/** A copy has the volume's id, its epoch and its stages. */
function swap(): void {
  copyVolume(at('data'), at('copy'))
  renameSync(at('data'), at('away'))
  renameSync(at('copy'), at('data'))
}

function swapBack(): void {
  renameSync(at('data'), at('copy'))
  renameSync(at('away'), at('data'))
}

/** Of bodies, published and staged. */
function filesIn(name: string): readonly string[] {
  return ['bodies', 'stage'].flatMap((folder) =>
    readdirSync(join(at(name), folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name),
  )
}

test('a copy in its place: all that writes is refused, garbage too, reads go on; back, it goes on', async () => {
  const { versions } = owner.store
  const waste = await putBytes(versions, 'waste', bytes)
  await removeVersion(versions, waste)
  swap()
  const [copy, files] = [treeOf(at('data')), filesIn('away')]
  expect(files).toHaveLength(2)
  await expect(putBytes(versions, 'large', bytes)).rejects.toThrow(VolumeAwayError)
  await expect(putBytes(versions, 'small', bytes.subarray(0, 9))).rejects.toThrow(VolumeAwayError)
  await expect(removeVersion(versions, kept)).rejects.toThrow(VolumeAwayError)
  await expect(collect()).rejects.toThrow(VolumeAwayError)
  await expect(owner.store.clock.tick()).rejects.toThrow(VolumeAwayError)
  expect(await readBytes(versions, kept)).toEqual(Buffer.from(bytes))
  expect([treeOf(at('data')), filesIn('away')]).toEqual([copy, files])
  swapBack()
  expect(await collect()).toBe(1)
  const later = await putBytes(versions, 'later', bytes)
  expect(await readBytes(versions, later)).toEqual(Buffer.from(bytes))
  expect(filesIn('data')).toHaveLength(2)
  await owner.close()
  expect(await offlineFindings(at('data'))).toEqual([])
})

test('a body that was staged before: is refused, and dropped where it lies', async () => {
  const { versions } = owner.store
  const body = await stageBytes(versions, bytes)
  swap()
  const copy = treeOf(at('data'))
  const put = versions.put(actor, {
    ...{ bucket: 'ledger', key: 'late', content: { kind: 'staged', body, etag: body.md5 } },
    description: { headers: {}, userMetadata: {}, tags: {}, checksum: null },
    lock: { retention: null, legalHold: null },
    precondition: { ifMatch: null, ifNoneMatch: null },
  })
  await expect(put).rejects.toThrow(VolumeAwayError)
  expect(treeOf(at('data'))).toBe(copy)
  expect(filesIn('away')).toHaveLength(1)
  swapBack()
  await owner.close()
  expect(await offlineFindings(at('data'))).toEqual([])
})

test('bodies under a place: are written, linked, listed and removed where it leads, not where its path does', async () => {
  await owner.close()
  const place = openPlace(at('data'))
  const bodies = await openBodies({ directory: place.root, epoch: '9', worker: '1', clock })
  swap()
  const copy = treeOf(at('data'))
  const body = await bodies.stage(chunks(bytes), { bytesMax: bytes.length, place: 'file' })
  await bodies.publish(body)
  expect(filesIn('away').filter((name) => name === body.bodyId)).toHaveLength(2)
  await bodies.settle(body)
  await bodies.remove(body.bodyId)
  expect(await bodies.ensureBallast()).toBe(true)
  await bodies.releaseBallast()
  await (await bodies.beginRemovals())?.release()
  await bodies.close()
  expect(filesIn('away')).toHaveLength(1)
  expect(treeOf(at('data'))).toBe(copy)
  place.close()
})

test('ensureBallast: out of place, makes none', async () => {
  await owner.close()
  const bodies = await openBodies({
    directory: at('data'),
    epoch: '9',
    worker: '1',
    clock,
    isInPlace: () => false,
  })
  expect(await bodies.ensureBallast()).toBe(false)
  expect(readdirSync(at('data')).filter((name) => name.startsWith('ballast'))).toEqual([])
})

test('ballast: once its store closes, none is begun and none is given up', async () => {
  const bodies = await openBodies({ directory: at('other'), epoch: '9', worker: '1', clock })
  const names = () => readdirSync(at('other')).filter((name) => name.startsWith('ballast'))
  const closed = bodies.close()
  expect(await bodies.ensureBallast()).toBe(false)
  await closed
  expect(await bodies.ensureBallast()).toBe(false)
  expect(names()).toEqual([])
  writeFileSync(join(at('other'), 'ballast'), 'of the next store')
  await bodies.releaseBallast()
  expect(names()).toEqual(['ballast'])
  await owner.close()
})

test('start: ballast that killed servers had begun goes before anything asks for room', async () => {
  await owner.close()
  for (const name of ['ballast.1-supervisor', 'ballast.7-w2']) writeFileSync(join(at('data'), name), 'part')
  owner = await open()
  expect(readdirSync(at('data')).filter((name) => name.startsWith('ballast.'))).toEqual([])
  await owner.close()
})

test('freeSpace: of a folder that is gone, is not known now, and no bug', async () => {
  const bodies = await openBodies({ directory: at('gone'), epoch: '9', worker: '1', clock })
  rmSync(at('gone'), { recursive: true })
  await expect(bodies.freeSpace()).rejects.toThrow(BodyUnavailableError)
  await owner.close()
})

test('placedKeyValue: out of place at the end of a transaction, nothing of it is committed', async () => {
  const memory = openMemory({ uptimeMs: () => 0 })
  let isInPlace = true
  const kv = placedKeyValue(memory, () => isInPlace)
  const key = Uint8Array.of(1)
  const put = kv.transact(async (transaction) => {
    transaction.put(key, key)
    isInPlace = false
  })
  await expect(put).rejects.toThrow(VolumeAwayError)
  expect(await kv.get(key)).toBeNull()
  await owner.close()
})

test('openVolumeOwner: a folder that is not the one whose lock is held, is not opened', async () => {
  await owner.close()
  const lock = await lockVolume(at('data'))
  swap()
  const copy = treeOf(at('data'))
  const opened = openVolumeOwner({ directory: at('data'), clock, log: silentLog, lock })
  await expect(opened).rejects.toThrow(`${at('data')} became another folder while it was opened`)
  expect(treeOf(at('data'))).toBe(copy)
  await lock.release()
})
