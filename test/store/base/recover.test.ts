import { mkdir, readdir, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { silentLog } from '../../../src/lib/log.ts'
import { openBodies } from '../../../src/store/bodies/bodies.ts'
import { shardOf } from '../../../src/store/bodies/body-id.ts'
import { holdBodies } from '../../../src/store/bodies/removals.ts'
import { attachStaged } from '../../../src/store/content.ts'
import { recoverRoom, recoverStages } from '../../../src/store/recover.ts'
import type { StagedBody } from '../../../src/store/store.ts'
import { createUploads } from '../../../src/store/uploads.ts'
import { createVersions } from '../../../src/store/versions.ts'
import { beginServerEpoch, fencedKeyValue, ServerEpochEndedError } from '../../../src/store/volume.ts'
import { bodyFiles, expectClean, expectNothingLost } from './consistency.ts'
import {
  anyParts,
  chunks,
  copyVersion,
  createUpload,
  Faults,
  Killed,
  openRig,
  pattern,
  putBytes,
  putPart,
  type Rig,
  readBytes,
  removeVersion,
  stageBytes,
} from './rig.ts'
import { actor, dump, engines } from './support.ts'

const fileBytes = 100_000

/** The next server on the same volume, after the one of `rig` was killed. */
async function nextServer(rig: Rig, epoch: string) {
  const { directory, clock } = rig
  return openBodies({ directory, epoch, worker: '1', clock })
}

async function withRig(engine: (typeof engines)[number], run: (rig: Rig) => Promise<void>): Promise<void> {
  const rig = await openRig(engine)
  try {
    await run(rig)
  } finally {
    await rig.close()
  }
}

const memory = engines.filter(({ name }) => name === 'memory')

describe.each(engines)('recovery on $name', (engine) => {
  test('recoverStages: staged, published, referenced, settled: only what nobody refers to goes', () =>
    withRig(engine, async (rig) => {
      const { bodies, kv } = rig
      const stage = () => bodies.stage(chunks(pattern(fileBytes, 1)), { bytesMax: fileBytes })
      const refer = (body: StagedBody) =>
        kv.transact(async (transaction) => {
          attachStaged(transaction, body, `V${body.bodyId}`)
        })
      const unfinished = await stage()
      const published = await stage()
      await bodies.publish(published)
      const referenced = await stage()
      await bodies.publish(referenced)
      await refer(referenced)
      const settled = await stage()
      await bodies.publish(settled)
      await refer(settled)
      await bodies.settle(settled)

      const next = await nextServer(rig, '2')
      const recovered = await recoverStages({ kv, bodies: next, log: silentLog })
      expect(recovered).toEqual({ keptCount: 1, removedCount: 2 })
      expect(await bodyFiles(rig.directory)).toEqual([referenced.bodyId, settled.bodyId].sort())
      expect(await readdir(join(rig.directory, 'stage'))).toEqual(['2-1'])
      expect(unfinished.bodyId).not.toBe(published.bodyId)
      expect(await recoverStages({ kv, bodies: next, log: silentLog })).toEqual({
        keptCount: 0,
        removedCount: 0,
      })
      await expectClean(kv, rig.directory)
    }))

  test('recoverRoom: staged, published, and referenced without its other name: only what was never published and nobody refers to goes', () =>
    withRig(engine, async (rig) => {
      const { bodies, kv, directory } = rig
      const stage = () => bodies.stage(chunks(pattern(fileBytes, 1)), { bytesMax: fileBytes })
      const unfinished = await stage()
      const published = await stage()
      await bodies.publish(published)
      const lost = await stage()
      await bodies.publish(lost)
      await kv.transact(async (transaction) => {
        attachStaged(transaction, lost, 'V1')
      })
      await unlink(join(directory, 'bodies', ...shardOf(lost.bodyId), lost.bodyId))
      const [folder = ''] = await readdir(join(directory, 'stage'))
      const staged = () => readdir(join(directory, 'stage', folder))
      expect((await staged()).sort()).toEqual([unfinished, published, lost].map((body) => body.bodyId).sort())

      const away = { kv, directory, isInPlace: () => false, log: silentLog, hasRoom: async () => false }
      expect(await recoverRoom(away)).toBe(false)
      expect(await staged()).toHaveLength(3)
      const own = { ...away, isInPlace: () => true }
      expect(await recoverRoom(own)).toBe(true)
      expect((await staged()).sort()).toEqual([published, lost].map((body) => body.bodyId).sort())
      expect(await bodyFiles(directory)).toEqual([published.bodyId])
      expect(await recoverRoom(own)).toBe(false)
      await expect(bodies.publish(unfinished)).rejects.toThrow('the volume of bodies failed')
    }))

  test('recoverRoom: garbage goes until there is room, what is referred to stays; the next collection finds the rest and all rows', () =>
    withRig(engine, async (rig) => {
      const { kv, directory, versions } = rig
      const kept = await putBytes(versions, 'kept', pattern(fileBytes, 1))
      const copied = await putBytes(versions, 'copied', pattern(fileBytes, 2))
      const copy = await copyVersion(versions, copied, 'copy')
      await removeVersion(versions, copied)
      for (let index = 0; index < 3; index += 1)
        await removeVersion(versions, await putBytes(versions, `gone ${index}`, pattern(fileBytes, index)))
      const rows = await dump(kv)
      const recover = async (bodiesMax: number, isInPlace = () => true) => {
        const hasRoom = async () => (await bodyFiles(directory)).length <= bodiesMax
        return recoverRoom({ kv, directory, isInPlace, log: silentLog, hasRoom })
      }
      expect(await recover(0, () => false)).toBe(false)
      expect(await recover(5)).toBe(false)
      expect(await bodyFiles(directory)).toHaveLength(5)
      expect(await recover(4)).toBe(true)
      expect(await bodyFiles(directory)).toHaveLength(4)
      const backup = await holdBodies(directory)
      expect(await recover(0)).toBe(false)
      await backup?.release()
      expect(await recover(0)).toBe(true)
      expect(await bodyFiles(directory)).toHaveLength(2)
      expect(await recover(0)).toBe(false)
      expect(await dump(kv)).toEqual(rows)
      expect(await rig.collect()).toBe(3)
      await expectClean(kv, directory)
      expect((await readBytes(versions, kept)).equals(pattern(fileBytes, 1))).toBe(true)
      expect((await readBytes(versions, copy)).equals(pattern(fileBytes, 2))).toBe(true)
    }))

  test('recoverStages: a foreign name in a stage, is left and stops nothing', () =>
    withRig(engine, async (rig) => {
      const version = await putBytes(rig.versions, 'a', pattern(fileBytes, 1))
      await mkdir(join(rig.directory, 'stage', '0-9'))
      await writeFile(join(rig.directory, 'stage', '0-9', 'lost+found'), 'x')
      const next = await nextServer(rig, '2')
      expect(await recoverStages({ kv: rig.kv, bodies: next, log: silentLog })).toMatchObject({
        removedCount: 0,
      })
      expect((await readdir(join(rig.directory, 'stage'))).sort()).toEqual(['0-9', '2-1'])
      expect((await readBytes(rig.versions, version)).equals(pattern(fileBytes, 1))).toBe(true)
    }))

  test('recoverStages: beside a worker that outlived its server, keeps what it had committed and lets nothing follow', () =>
    withRig(engine, async (rig) => {
      const { epoch } = await beginServerEpoch(rig.kv)
      const late = createVersions({ ...rig.context, kv: fencedKeyValue(rig.kv, epoch) })
      const before = await putBytes(late, 'before', pattern(fileBytes, 1))
      const body = await stageBytes(late, pattern(fileBytes, 2))
      // Published by the old worker, not yet committed, when the new server begins.
      await rig.bodies.publish(body)
      await beginServerEpoch(rig.kv)
      const next = await nextServer(rig, '2')
      await recoverStages({ kv: rig.kv, bodies: next, log: silentLog })
      const commit = fencedKeyValue(rig.kv, epoch).transact(async (transaction) =>
        attachStaged(transaction, body, 'V2'),
      )
      await expect(commit).rejects.toBeInstanceOf(ServerEpochEndedError)
      expect((await readBytes(rig.versions, before)).equals(pattern(fileBytes, 1))).toBe(true)
      await expectClean(rig.kv, rig.directory)
    }))
})

describe('killed', () => {
  /** Kills at every step of `act` in turn; then a new server recovers and collects. */
  async function killEverywhere(
    act: (rig: Rig) => Promise<unknown>,
    judge: (rig: Rig) => Promise<void>,
  ): Promise<number> {
    for (let step = 0; ; step += 1) {
      let isDone = false
      await withRig(memory[0] as (typeof engines)[number], async (rig) => {
        rig.faults.arm(Math.floor(step / 2) + 1, step % 2 === 0 ? 'before' : 'after')
        const outcome = await act(rig).catch((error: unknown) => error)
        rig.faults.disarm()
        const next = await nextServer(rig, '2')
        await recoverStages({ kv: rig.kv, bodies: next, log: silentLog })
        await expectNothingLost(rig.kv, rig.directory)
        const context = { ...rig.context, bodies: next }
        await judge({ ...rig, versions: createVersions(context), uploads: createUploads(context) })
        isDone = !(outcome instanceof Killed)
        if (isDone) expect(outcome).not.toBeInstanceOf(Error)
      })
      if (isDone) return step
    }
  }

  test('B-43 PutObject: at any step, leaves the version with its bytes or nothing at all', async () => {
    const steps = await killEverywhere(
      (rig) => putBytes(rig.versions, 'a', pattern(fileBytes, 1)),
      async (rig) => {
        const found = await rig.versions.read({ bucket: 'ledger', key: 'a', versionId: null })
        if (found.kind === 'found') {
          expect((await readBytes(rig.versions, found.version)).equals(pattern(fileBytes, 1))).toBe(true)
        }
        await expectClean(rig.kv, rig.directory)
      },
    )
    expect(steps).toBeGreaterThanOrEqual(6)
  })

  test('UploadPart and Complete: at any step, leave an upload that can go on, or the version', async () => {
    const bytes = pattern(fileBytes, 3)
    const steps = await killEverywhere(
      async (rig) => {
        const address = await createUpload(rig.uploads, 'a')
        const part = await putPart(rig, address, { partNumber: 1, bytes })
        const input = { ...address, parts: [part], checksum: null, precondition: anyParts }
        const done = await rig.uploads.complete(actor, input)
        if (done.kind !== 'completed') throw new Error(done.kind)
      },
      async (rig) => {
        const open = await rig.uploads.list({
          bucket: 'ledger',
          prefix: '',
          delimiter: '',
          maxKeys: 10,
          keyMarker: null,
          uploadIdMarker: null,
        })
        if (open.kind !== 'page') throw new Error(open.kind)
        const found = await rig.versions.read({ bucket: 'ledger', key: 'a', versionId: null })
        if (found.kind === 'found')
          expect((await readBytes(rig.versions, found.version)).equals(bytes)).toBe(true)
        for (const { uploadId } of open.uploads) {
          const address = { bucket: 'ledger', key: 'a', uploadId }
          const part = await putPart(rig, address, { partNumber: 1, bytes })
          const input = { ...address, parts: [part], checksum: null, precondition: anyParts }
          const done = await rig.uploads.complete(actor, input)
          if (done.kind !== 'completed') throw new Error(done.kind)
          expect((await readBytes(rig.versions, done.version)).equals(bytes)).toBe(true)
        }
        await rig.collect()
        await expectClean(rig.kv, rig.directory)
      },
    )
    expect(steps).toBeGreaterThanOrEqual(10)
  })

  test('recoverStages: at any step, goes on at the next start', () =>
    withRig(memory[0] as (typeof engines)[number], async (rig) => {
      for (const seed of [1, 2, 3]) {
        const body = await stageBytes(rig.versions, pattern(fileBytes, seed))
        await rig.bodies.publish(body)
        if (seed === 2) {
          await rig.kv.transact(async (transaction) => {
            attachStaged(transaction, body, 'V2')
          })
        }
      }
      const faults = new Faults()
      let outcome: unknown = new Killed()
      for (let failAt = 1; outcome instanceof Killed; failAt += 1) {
        const next = faults.overBodies(await nextServer(rig, String(failAt + 1)))
        faults.arm(failAt, failAt % 2 === 0 ? 'before' : 'after')
        outcome = await recoverStages({ kv: rig.kv, bodies: next, log: silentLog }).catch(
          (error: unknown) => error,
        )
        await expectNothingLost(rig.kv, rig.directory)
      }
      await expectClean(rig.kv, rig.directory)
      expect(await bodyFiles(rig.directory)).toHaveLength(1)
    }))
})
