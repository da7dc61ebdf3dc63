/** The folder that a backup or a restore is told to write to: what is not its own is named, and stays as it was. */
import { createHash } from 'node:crypto'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { lockVolume, VolumeLockedError } from '../../../src/platform/volume-lock.ts'
import { CopyRefusedError } from '../../../src/server/copy-target.ts'
import { backupVolume, restoreVolume } from '../../../src/server/copy-volume.ts'
import { openVolumeOwner } from '../../../src/server/open-volume.ts'
import { markRestored } from '../../../src/store/volume-copy.ts'
import { putBytes } from './rig.ts'
import { actor, TestClock } from './support.ts'

describe('the folder of a copy', () => {
  const clock = new TestClock()
  let directory: string
  const at = (name: string) => join(directory, name)
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-target-'))
    const owner = await openVolumeOwner({ directory: at('data'), clock, log: silentLog })
    const bucket = { name: 'ledger', accountId: actor.accountId, region: 'r', objectLock: 'none' } as const
    await owner.store.buckets.create(actor, bucket)
    await putBytes(owner.store.versions, 'key', new Uint8Array(limits.inlineBodyBytesMax + 1))
    await owner.close()
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  const onProblem = () => {}
  const backup = (from: string, to: string) =>
    backupVolume({ from: at(from), to: at(to), check: 'sizes', onProblem, onMended: onProblem }, clock)
  const restore = (from: string, to: string) =>
    restoreVolume({
      ...{ from: at(from), to: at(to), onProblem },
      prepare: (kv) => markRestored(kv, { clock, actor, auditLog: null, lostClock: 'refuse' }),
    })
  const copies = {
    backup: (to: string) => backup('data', to),
    restore: (to: string) => restore('whole', to),
  } as const

  function write(path: string, text: string): void {
    mkdirSync(dirname(at(path)), { recursive: true })
    writeFileSync(at(path), text)
  }

  /** Every name below a folder with what it is: bytes, or where a link leads. Not LMDB's table of readers: a look is one. */
  function treeOf(name: string): readonly string[] {
    return readdirSync(at(name), { recursive: true, withFileTypes: true })
      .map((entry) => {
        const path = join(entry.parentPath, entry.name)
        if (entry.isSymbolicLink()) return `${path} -> ${readlinkSync(path)}`
        if (!entry.isFile() || entry.name === 'lock.mdb') return path
        return `${path} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`
      })
      .toSorted()
  }

  async function expectRefused(command: keyof typeof copies, to: string, sentence: string): Promise<void> {
    const before = treeOf(to)
    const answer = await copies[command](to).catch((error: unknown) => error)
    expect(answer).toBeInstanceOf(CopyRefusedError)
    expect(String(answer)).toContain(sentence)
    expect(treeOf(to)).toEqual(before)
  }

  const foreign = [
    ['a file of another name', 'thesis.txt', '"thesis.txt"'],
    ['a folder named kept', 'kept/photo.jpg', '"kept"'],
    ['a folder named copying', 'copying/thesis.txt', '"copying"'],
    ['a folder named copying with a store', 'copying/kv/data.mdb', '"copying"'],
    ['a folder named bodies', 'bodies/poem.txt', '"bodies"'],
    ['a file named lock', 'lock', '"lock"'],
    ['a folder named lock', 'lock/key.txt', '"lock"'],
    ['a file named copying.txt', 'copying.txt', 'is left of another copy'],
    [
      'a file like a claim that was broken off',
      'copying.txt.0123456789abcdef',
      '"copying.txt.0123456789abcdef"',
    ],
    ["what a volume's folder has", 'ballast', '"ballast"'],
  ] as const
  for (const command of ['backup', 'restore'] as const)
    test.each(foreign)(
      `${command}: beside %s, is refused and touches nothing`,
      async (_name, path, sentence) => {
        if (command === 'restore') await backup('data', 'whole')
        write(`share/${path}`, 'years of work')
        await expectRefused(command, 'share', sentence)
      },
    )

  const beside = [
    ['kept/photo.jpg', 'backup/kept/photo.jpg'],
    ['copying/thesis.txt', 'backup/copying/thesis.txt'],
    ['kv/notes.txt', 'backup/kv/notes.txt'],
    ['stage/1-w0/body', 'backup/stage/1-w0/body'],
  ] as const
  test.each(beside)(
    'backup: over an older one that has %s, is refused and touches nothing',
    async (name, path) => {
      await backup('data', 'backup')
      write(path, 'years of work')
      await expectRefused('backup', 'backup', name.startsWith('stage') ? '"stage"' : JSON.stringify(name))
    },
  )

  test('backup: through a link inside of an older one, is refused and nothing behind it is removed', async () => {
    await backup('data', 'backup')
    write('elsewhere/data.mdb', 'years of work')
    symlinkSync(at('elsewhere'), at('backup/kept'))
    await expectRefused('backup', 'backup', '"kept"')
    expect(readFileSync(at('elsewhere/data.mdb'), 'utf8')).toBe('years of work')
  })

  test('backup: into a volume, or the backup of another one, touches neither', async () => {
    const owner = await openVolumeOwner({ directory: at('other'), clock, log: silentLog })
    await owner.close()
    await backup('other', 'backup')
    await backup('other', 'first')
    await restore('first', 'restored')
    await expectRefused('backup', 'backup', 'has a backup of another volume')
    await expectRefused('backup', 'restored', 'is not a backup')
    await expectRefused('backup', 'other', '"stage"')
    const lock = await lockVolume(at('restored'))
    const before = treeOf('restored')
    await expect(backup('data', 'restored')).rejects.toBeInstanceOf(VolumeLockedError)
    expect(treeOf('restored')).toEqual(before)
    await lock.release()
  })

  test('backup: of a restored volume that nobody accepted, is refused, and what it was restored from stays', async () => {
    await backup('data', 'whole')
    await restore('whole', 'restored')
    const before = treeOf('whole')
    await expect(backup('restored', 'whole')).rejects.toThrow('root has not accepted it')
    expect(treeOf('whole')).toEqual(before)
    const owner = await openVolumeOwner({ directory: at('restored'), clock, log: silentLog })
    await owner.store.restore.accept(actor, 'looked')
    await owner.close()
    expect(await backup('restored', 'whole')).toMatchObject({ keptCount: 1, problemCount: 0 })
  })

  test('backup and restore: of a folder into itself, into one inside of it, or around it, are refused by whatever name', async () => {
    await backup('data', 'whole')
    mkdirSync(at('data/empty'))
    symlinkSync(at('data'), at('link'))
    symlinkSync(at('data/empty'), at('link-inside'))
    const before = treeOf('.')
    const refusals = [
      [backup, 'data', 'data', 'is the folder that is to be copied'],
      [backup, 'data', 'link', 'is the folder that is to be copied'],
      [backup, 'link', 'data', 'is the folder that is to be copied'],
      [backup, 'data', 'data/backup', 'is inside of'],
      [backup, 'data', 'data/new/backup', 'is inside of'],
      [backup, 'data', 'link/backup', 'is inside of'],
      [backup, 'data', 'link-inside', 'is inside of'],
      [backup, 'data', '.', 'is inside of'],
      [restore, 'whole', 'whole', 'is the folder that is to be copied'],
      [restore, 'whole', 'whole/data', 'is inside of'],
      [restore, 'whole', '.', 'is inside of'],
    ] as const
    for (const [copy, from, to, sentence] of refusals) {
      const answer = await copy(from, to).catch((error: unknown) => error)
      expect([from, to, answer]).toEqual([from, to, expect.any(CopyRefusedError)])
      expect(String(answer)).toContain(sentence)
    }
    // The lock of removals is the volume's own, and so is LMDB's: a server that runs has both.
    expect(treeOf('.').map(nameAlone)).toEqual(before.map(nameAlone))
  })

  const nameAlone = (line: string) => line.split(' ')[0]

  test('backup and restore: into the root of a file system, go beside lost+found', async () => {
    for (const name of ['backup', 'new']) mkdirSync(at(`${name}/lost+found`), { recursive: true })
    expect(await backup('data', 'backup')).toMatchObject({ copiedCount: 1, problemCount: 0 })
    expect(await backup('data', 'backup')).toMatchObject({ keptCount: 1, problemCount: 0 })
    expect(await restore('backup', 'new')).toMatchObject({ copiedCount: 1, problemCount: 0 })
    for (const name of ['backup', 'new']) expect(readdirSync(at(name))).toContain('lost+found')
  })

  test('backup and restore: where one was ended as it began, go on and leave nothing of that one', async () => {
    await backup('data', 'whole')
    for (const command of ['backup', 'restore'] as const) {
      write(`${command}/lock`, 'process 4711\n')
      write(`${command}/copying.txt.0123456789abcdef`, `${command} of `)
      expect(await copies[command](command)).toMatchObject({ copiedCount: 1, problemCount: 0 })
      expect(readdirSync(at(command)).toSorted()).toEqual(['bodies', 'kv', 'lock'])
    }
  })

  test('backup and restore: what another copy left is not built upon, and stays', async () => {
    await backup('data', 'whole')
    write('left/copying.txt', 'backup of another volume\n')
    write('left/bodies/00/00/poem.txt', 'years of work')
    await expectRefused('backup', 'left', 'is left of another copy')
    await expectRefused('restore', 'left', 'is left of another copy')
  })
})
