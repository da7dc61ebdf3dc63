/** Backups and restores of volumes that no server has: what is refused, and what stays as it was. */

import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { addMs, dayMs } from '../../../src/lib/units.ts'
import { lockVolume, tryShareVolume, VolumeLockedError } from '../../../src/platform/volume-lock.ts'
import { CopyRefusedError } from '../../../src/server/copy-target.ts'
import { backupVolume, restoreVolume } from '../../../src/server/copy-volume.ts'
import { openVolumeOwner } from '../../../src/server/open-volume.ts'
import { inspectBodies } from '../../../src/store/bodies/inspect.ts'
import { rangeOf, tablePrefix } from '../../../src/store/keys.ts'
import { openLmdb } from '../../../src/store/kv/lmdb/lmdb.ts'
import type { ApplyBucket } from '../../../src/store/requests.ts'
import type { Store } from '../../../src/store/store.ts'
import { markRestored, readVolumeCopy, VolumeIsBackupError } from '../../../src/store/volume-copy.ts'
import { applyRequest } from '../core/apply-request.ts'
import { createLedger, onVolume as onVolumeIn } from './at-rest.ts'
import { putBytes, removeVersion } from './rig.ts'
import { actor, TestClock } from './support.ts'

const large = limits.inlineBodyBytesMax + 1

describe('copies of a volume', () => {
  const clock = new TestClock()
  let directory: string
  let problems: string[]
  let mended: string[]
  const at = (name: string) => join(directory, name)
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-copy-'))
    problems = []
    mended = []
    await onVolume('data', async (store) => {
      await createLedger(store)
      await put(store, 'first')
    })
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  const onVolume = <T>(name: string, work: (store: Store) => Promise<T>): Promise<T> =>
    onVolumeIn({ directory: at(name), clock }, work)
  const put = (store: Store, key: string) => {
    clock.pass(1)
    return putBytes(store.versions, key, new Uint8Array(large).fill(key.length))
  }
  const onProblem = (sentence: string) => problems.push(sentence)
  const onMended = (sentence: string) => mended.push(sentence)
  const backup = (from: string, to: string, check: 'sizes' | 'checksums' = 'sizes') =>
    backupVolume({ from: at(from), to: at(to), check, onProblem, onMended }, clock)
  const restore = (from: string, to: string) =>
    restoreVolume({
      from: at(from),
      to: at(to),
      onProblem,
      prepare: (kv) => markRestored(kv, { clock, actor, auditLog: null, lostClock: 'refuse' }),
    })
  const files = async (name: string) => (await readdir(at(name), { recursive: true })).sort()
  const bodyFiles = async (name: string) => (await files(name)).filter((path) => /\/[0-9a-f]{32}$/.test(path))

  test('a copy of nothing: is refused and makes nothing', async () => {
    await expect(backup('nothing', 'new')).rejects.toThrow('there is no volume in')
    await expect(restore('nothing', 'new')).rejects.toThrow('there is no finished backup in')
    expect(await readdir(directory)).toEqual(['data'])
  })

  test('backup: of another volume, or of an older state of this one, is refused and the newer one stays', async () => {
    await backup('data', 'backup')
    await cp(at('data'), at('older'), { recursive: true })
    await onVolume('data', (store) => put(store, 'second'))
    expect(await backup('data', 'backup')).toMatchObject({ copiedCount: 1, keptCount: 1, droppedCount: 0 })
    const before = await readFile(at('backup/kv/data.mdb'))
    await onVolume('older', (store) => put(store, 'another'))
    await onVolume('other', (store) => store.audit.denied(actor, { ...nothing, rule: 'r', reason: 'r' }))
    await expect(backup('older', 'backup')).rejects.toThrow('is an older or another state of it')
    await expect(backup('other', 'backup')).rejects.toThrow('has a backup of another volume')
    expect(await readFile(at('backup/kv/data.mdb'))).toEqual(before)
    expect(await bodyFiles('backup')).toHaveLength(2)
  })

  test('backup: into a volume, beside foreign bodies or of a backup, is refused', async () => {
    await backup('data', 'backup')
    await restore('backup', 'restored')
    await mkdir(at('foreign/bodies'), { recursive: true })
    const refusals = [
      ['data', 'restored', 'is not a backup'],
      ['data', 'foreign', 'has "bodies", which no copy'],
      ['backup', 'new', 'is itself a backup'],
    ] as const
    for (const [from, to, sentence] of refusals) {
      const answer = await backup(from, to).catch((error: unknown) => error)
      expect(answer, to).toBeInstanceOf(CopyRefusedError)
      expect(String(answer)).toContain(sentence)
    }
    await expect(restore('backup', 'restored')).rejects.toThrow('a restore never replaces one')
    await expect(restore('restored', 'new')).rejects.toThrow('is not a backup')
    await expect(restore('backup', 'foreign')).rejects.toThrow('has "bodies", which no copy')
    expect(await files('foreign')).toEqual(['bodies'])
  })

  test('backup and restore: into a folder, or of a backup, that somebody has, are refused', async () => {
    await backup('data', 'backup')
    const lock = await lockVolume(at('backup'))
    await expect(backup('data', 'backup')).rejects.toBeInstanceOf(VolumeLockedError)
    await expect(restore('backup', 'new')).rejects.toBeInstanceOf(VolumeLockedError)
    await lock.release()
  })

  test('restore: what another restore left is not built upon', async () => {
    await backup('data', 'backup')
    const failing = restoreVolume({
      from: at('backup'),
      to: at('new'),
      onProblem,
      prepare: async () => {
        await mkdir(at('new/bodies'))
        throw new Error('the power went')
      },
    })
    await expect(failing).rejects.toThrow('the power went')
    await onVolume('data', (store) => put(store, 'second'))
    await backup('data', 'backup')
    await expect(restore('backup', 'new')).rejects.toThrow('what is left of another copy')
    expect(await files('new')).toEqual(['bodies', 'copying.txt', 'lock'])
  })

  test('a backup: is served by nobody, and a restored volume is what it was', async () => {
    await backup('data', 'backup')
    const serve = openVolumeOwner({ directory: at('backup'), clock, log: silentLog })
    await expect(serve).rejects.toBeInstanceOf(VolumeIsBackupError)
    await restore('backup', 'restored')
    const kv = await openLmdb({ directory: at('restored/kv'), readOnly: true })
    expect(await readVolumeCopy(kv)).toMatchObject({ kind: 'restored', auditSequence: 2 })
    await kv.close()
    expect(await bodyFiles('restored')).toEqual(await bodyFiles('data'))
  })

  test('a restored volume: removes nothing, stages nothing and expires nothing before it is accepted', async () => {
    const gone = await onVolume('data', async (store) => {
      const version = await put(store, 'gone')
      await removeVersion(store.versions, version)
      return version
    })
    await backup('data', 'backup')
    await restore('backup', 'restored')
    await onVolume('restored', async (store) => {
      const { signal } = new AbortController()
      expect(await store.restore.state()).toMatchObject({ backupMs: clock.wallMs() })
      expect(await store.writeRefusal()).toContain('read-only until root accepts it')
      expect(await store.lifecycle.run(signal)).toEqual({ kind: 'readOnly' })
      expect(await store.collectGarbage(signal)).toBe(0)
      expect(await store.applyToExisting(signal)).toBe(0)
      await expect(put(store, 'new')).rejects.toThrow('read-only until root accepts it')
      await expect(removeVersion(store.versions, gone)).rejects.toThrow('read-only until root accepts it')
      await store.clock.tick()
      expect(await store.restore.accept(actor, 'looked')).toEqual({ kind: 'accepted' })
      expect(await store.restore.accept(actor, 'looked')).toEqual({ kind: 'notRestored' })
      expect(await store.restore.state()).toBeNull()
      expect(await store.writeRefusal()).toBeNull()
      expect(await store.collectGarbage(signal)).toBe(1)
      await put(store, 'new')
    })
  })

  test('a restored volume: gives no account and no epoch that the volume may have given after the backup', async () => {
    const accountOf = async (store: Store, namespace: string) => {
      const { epoch } = await store.leadership.next(actor, 'operator')
      const applied = await store.buckets.apply(actor, application(namespace, epoch))
      return { epoch, account: applied.kind === 'applied' ? Number(applied.bucket.accountId) : Number.NaN }
    }
    const known = await onVolume('data', (store) => accountOf(store, 'known'))
    await backup('data', 'backup')
    const later = await onVolume('data', (store) => accountOf(store, 'later'))
    expect(later).toEqual({ epoch: known.epoch + 1, account: known.account + 1 })
    const given: number[] = []
    for (const name of ['one', 'two']) {
      await restore('backup', name)
      await onVolume(name, async (store) => {
        await store.restore.accept(actor, 'looked')
        const [again, other] = [await accountOf(store, 'known'), await accountOf(store, 'other')]
        expect(again.account).toBe(known.account)
        for (const [before, after] of [
          [later.account, other.account],
          [later.epoch, again.epoch],
        ] as const) {
          expect(after - before).toBeGreaterThanOrEqual(limits.restoreSkippedMin)
          expect(after - before).toBeLessThanOrEqual(limits.restoreSkippedMax)
        }
        given.push(other.account)
      })
    }
    expect(new Set(given).size).toBe(2)
  })

  test('bodies: are not removed while a backup copies them, and afterwards they are', async () => {
    const keyed = await onVolume('data', (store) => put(store, 'doomed'))
    await onVolume('data', async (store) => {
      await removeVersion(store.versions, keyed)
      const held = await inspectBodies(at('data')).hold()
      expect(await store.collectGarbage(new AbortController().signal)).toBe(0)
      expect(await bodyFiles('data')).toHaveLength(2)
      await held?.release()
      expect(await store.collectGarbage(new AbortController().signal)).toBe(1)
      expect(await bodyFiles('data')).toHaveLength(1)
    })
  })

  /** One bit of the last row of a table, in the volume or its backup. */
  async function damage(name: string, table: 'list' | 'version', text: string | null): Promise<void> {
    const kv = await openLmdb({ directory: at(`${name}/kv`), readOnly: false })
    await kv.transact(async (transaction) => {
      const row = (await transaction.range({ ...rangeOf(tablePrefix(table)), limit: 100 })).at(-1)
      if (row === undefined) throw new Error(`no ${table} row`)
      const value = Buffer.from(row.value)
      const index = text === null ? value.length - 1 : value.indexOf(text)
      value[index] = (value[index] ?? 0) ^ 1
      transaction.put(row.key, new Uint8Array(value))
    })
    await kv.close()
  }

  const damages = [
    ['bytes that are in a row', 'list', null, 'is damaged'],
    ['a lock', 'version', 'COMPLIANCE', 'version.lock is not what was written'],
  ] as const
  test.each(damages)(
    'backup: of damage to %s, is told and the metadata of before stay until it is mended',
    async (_name, table, text, cause) => {
      await onVolume('data', async (store) => {
        clock.pass(1)
        await putBytes(store.versions, 'small', new Uint8Array(100).fill(7), {
          retention: { mode: 'COMPLIANCE', retainUntilMs: addMs(clock.wallMs(), dayMs) },
          legalHold: null,
        })
      })
      expect(await backup('data', 'backup')).toMatchObject({ problemCount: 0, keptMetadata: null })
      const good = await readFile(at('backup/kv/data.mdb'))
      await cp(at('data'), at('mended'), { recursive: true })
      await damage('data', table, text)
      for (const time of [1, 2]) {
        expect(await backup('data', 'backup')).toMatchObject({
          problemCount: 1,
          keptMetadata: { path: at('backup/kept'), problemCount: 0 },
        })
        expect(problems).toHaveLength(time)
        expect(problems.at(-1)).toContain(cause)
        expect(await readFile(at('backup/kept/data.mdb'))).toEqual(good)
      }
      // Damaged itself it hinders no backup: nothing is known of it.
      await truncate(at('backup/kept/data.mdb'), good.length / 2)
      const unknown = { path: at('backup/kept'), problemCount: null }
      expect(await backup('data', 'backup')).toMatchObject({ problemCount: 1, keptMetadata: unknown })
      expect(await backup('mended', 'backup')).toMatchObject({ problemCount: 0, keptMetadata: null })
      expect(await readdir(at('backup'))).not.toContain('kept')
    },
  )

  test('tryShareVolume: beside a server null, else no server begins until it is released', async () => {
    const server = await lockVolume(at('data'))
    expect(await tryShareVolume(at('data'))).toBeNull()
    await server.release()
    const [one, two] = [await tryShareVolume(at('data')), await tryShareVolume(at('data'))]
    await expect(lockVolume(at('data'))).rejects.toBeInstanceOf(VolumeLockedError)
    await one?.release()
    await expect(lockVolume(at('data'))).rejects.toBeInstanceOf(VolumeLockedError)
    await two?.release()
    await (await lockVolume(at('data'))).release()
    await mkdir(at('never'))
    await (await tryShareVolume(at('never')))?.release()
  })

  test('a backup: drops what the volume removed, but keeps a body that is damaged in the volume', async () => {
    const second = await onVolume('data', (store) => put(store, 'second'))
    expect(await backup('data', 'backup')).toMatchObject({ copiedCount: 2, problemCount: 0 })
    await onVolume('data', async (store) => {
      await removeVersion(store.versions, second)
      await store.collectGarbage(new AbortController().signal)
    })
    expect(await backup('data', 'backup')).toMatchObject({ copiedCount: 0, keptCount: 1, droppedCount: 1 })
    const [path = ''] = await bodyFiles('data')
    await chmod(join(at('data'), path), 0o600)
    await truncate(join(at('data'), path), 10)
    expect(await backup('data', 'backup')).toMatchObject({ copiedCount: 0, problemCount: 0 })
    expect(await backup('data', 'fresh')).toMatchObject({ copiedCount: 0, problemCount: 1, droppedCount: 0 })
    expect(problems).toEqual([expect.stringMatching(/^body [0-9a-f]{32} has 10 bytes, not 65537$/)])
    expect((await readFile(join(at('backup'), path))).length).toBe(large)
    expect(await bodyFiles('fresh')).toEqual([])
  })

  /** Another byte in a body, of the same size. */
  async function rot(name: string, path: string): Promise<void> {
    const whole = join(at(name), path)
    const bytes = await readFile(whole)
    bytes.writeUInt8(bytes.readUInt8(9) ^ 1, 9)
    await chmod(whole, 0o600)
    await writeFile(whole, bytes)
  }
  const bytesOf = (name: string, path: string) => readFile(join(at(name), path))

  test('a body that rotted in the backup: kept by size, found by its checksums and replaced by the whole one', async () => {
    await backup('data', 'backup')
    const [path = ''] = await bodyFiles('data')
    await rot('backup', path)
    expect(await backup('data', 'backup')).toMatchObject({ keptCount: 1, mendedCount: 0, problemCount: 0 })
    expect(await bytesOf('backup', path)).not.toEqual(await bytesOf('data', path))
    const made = await backup('data', 'backup', 'checksums')
    expect(made).toMatchObject({ copiedCount: 0, keptCount: 0, mendedCount: 1, problemCount: 0 })
    expect(mended).toEqual([expect.stringMatching(/^body [0-9a-f]{32} block 0 is damaged$/)])
    expect(await bytesOf('backup', path)).toEqual(await bytesOf('data', path))
    expect(await backup('data', 'backup', 'checksums')).toMatchObject({ keptCount: 1, mendedCount: 0 })
  })

  test('a body that rotted in the volume: is told, and what is whole in the backup stays', async () => {
    await backup('data', 'backup')
    const [path = ''] = await bodyFiles('data')
    const whole = await bytesOf('data', path)
    await rot('data', path)
    expect(await backup('data', 'backup')).toMatchObject({ keptCount: 1, problemCount: 0 })
    expect(await backup('data', 'backup', 'checksums')).toMatchObject({
      ...{ copiedCount: 0, keptCount: 1, mendedCount: 0, problemCount: 1 },
      keptMetadata: { path: at('backup/kept'), problemCount: 0 },
    })
    expect(problems).toEqual([expect.stringContaining('block 0 is damaged')])
    expect(await bytesOf('backup', path)).toEqual(whole)
  })

  test('a body that rotted in both: is told, and neither replaces the other', async () => {
    await backup('data', 'backup')
    const [path = ''] = await bodyFiles('data')
    await rot('data', path)
    await writeFile(join(at('backup'), path), new Uint8Array(large).fill(200))
    expect(await backup('data', 'backup', 'checksums')).toMatchObject({
      ...{ copiedCount: 0, keptCount: 0, mendedCount: 0, problemCount: 1 },
    })
    expect((await bytesOf('backup', path)).every((byte) => byte === 200)).toBe(true)
    expect(await bodyFiles('backup')).toEqual([path])
  })

  test('a body that many copies share: is read once', async () => {
    await onVolume('data', async (store) => {
      const found = await store.versions.read({ bucket: 'ledger', key: 'first', versionId: null })
      if (found.kind !== 'found') throw new Error(found.kind)
      for (const key of ['second', 'third']) {
        const copied = await store.versions.put(actor, {
          ...{ bucket: 'ledger', key, content: { kind: 'shared', source: found.version } },
          description: { headers: {}, userMetadata: {}, tags: {}, checksum: null },
          lock: { retention: null, legalHold: null },
          precondition: { ifMatch: null, ifNoneMatch: null },
        })
        expect(copied.kind).toBe('put')
      }
    })
    await backup('data', 'backup')
    expect(await backup('data', 'backup', 'checksums')).toMatchObject({ keptCount: 1, copiedCount: 0 })
  })
})

function application(namespace: string, epoch: number): ApplyBucket {
  const asked = applyRequest(
    { defaultRetention: { mode: 'COMPLIANCE', period: { unit: 'DAYS', count: 1 } } },
    {
      ...{ epoch, name: `bucket-${namespace}`, accountNamespace: { clusterId: 'c1', namespace } },
      owner: { clusterId: 'c1', namespace, name: 'bucket', uid: namespace },
    },
  )
  return { ...asked, policy: { ...asked.policy, namespace } }
}

const nothing = { bucket: '', key: null, versionId: null }
