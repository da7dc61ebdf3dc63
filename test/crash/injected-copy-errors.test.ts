/**
 * Errors of the disk at each kind of step of a backup and of a restore: exit code and sentence name the folder that failed, nothing is
 * called damaged, what was there is whole as it was, and the same command, given again, ends with the new one.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, type MockInstance, vi } from 'vitest'
import { backupCommand } from '../../src/cli/backup.ts'
import { restoreCommand } from '../../src/cli/restore.ts'
import { limits } from '../../src/lib/limits.ts'
import { hasVolume } from '../../src/server/open-volume.ts'
import { putBytes, removeVersion } from '../store/base/rig.ts'
import { actor } from '../store/base/support.ts'
import { type FaultAction, type FaultCall, type Faults, prepareFaults } from '../support/crash/faults.ts'
import { fail } from '../support/crash/injected.ts'
import { inVolume, offlineFindings, readVolume, rowsOf } from '../support/crash/volume-state.ts'
import { startHoldfast } from '../support/holdfast.ts'

const large = new Uint8Array(limits.inlineBodyBytesMax + 1)
let folder: string
let faults: Faults
let muted: readonly MockInstance[] = []
const at = (name: string) => join(folder, name)
const target = () => at('data/target')

const mute = () => {
  muted = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, 'write').mockReturnValue(true))
}
const unmute = () => {
  for (const stream of muted) stream.mockRestore()
}

/** A volume, an older backup of it, and a body since then; one that the backup has is gone. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-copy-errors-'))
  faults = prepareFaults()
  mkdirSync(at('data'))
  const gone = await inVolume(at('volume'), async ({ buckets, versions }) => {
    const bucket = { name: 'ledger', accountId: actor.accountId, region: 'r', objectLock: 'enabled' } as const
    await buckets.create(actor, bucket)
    await putBytes(versions, 'old', large)
    return putBytes(versions, 'gone', large)
  })
  mute()
  expect(await backupCommand(['--data', at('volume'), '--to', at('older')])).toBe(0)
  unmute()
  await inVolume(at('volume'), async (store) => {
    await putBytes(store.versions, 'new', large)
    await removeVersion(store.versions, gone)
    await store.collectGarbage(AbortSignal.timeout(60_000))
  })
  await inVolume(at('volume'), (store) => store.collectGarbage(AbortSignal.timeout(60_000)))
})
afterAll(() => {
  faults.remove()
  rmSync(folder, { recursive: true })
})
beforeEach(() => {
  faults.disarm()
  rmSync(target(), { recursive: true, force: true })
})
afterEach(unmute)

type Row = {
  readonly name: string
  readonly call: FaultCall
  /** Below the folder that is written to. */
  readonly place: string
  readonly action: FaultAction
  readonly passed?: number
}

const id = '?'.repeat(32)
const shorten: FaultAction = { kind: 'shorten' }
const metadata = 'copying/kv/data.mdb'
const body = `copying/${id}`
const named = `bodies/??/??/${id}`

/** Of all copies. */
const common: readonly Row[] = [
  { name: 'the lock is not opened: EIO', call: 'open', place: 'lock', action: fail('EIO') },
  { name: 'the metadata are not made: EMFILE', call: 'open', place: metadata, action: fail('EMFILE') },
  { name: 'the metadata are not written: ENOSPC', call: 'write', place: metadata, action: fail('ENOSPC') },
  { name: 'the metadata are not written: EIO', call: 'write', place: metadata, action: fail('EIO') },
  { name: 'the metadata are not flushed: EIO', call: 'sync', place: metadata, action: fail('EIO') },
  {
    ...{ name: 'the mark of the copy is not flushed: EIO', call: 'sync', place: metadata },
    ...{ action: fail('EIO'), passed: 1 },
  },
  {
    ...{ name: 'the root of the mark is not written: ENOSPC', call: 'write synchronous', place: metadata },
    action: fail('ENOSPC'),
  },
  { name: 'a body is not made: ENOSPC', call: 'open', place: body, action: fail('ENOSPC') },
  { name: 'a body is not written: ENOSPC', call: 'write', place: body, action: fail('ENOSPC') },
  { name: 'a body is not written: EIO', call: 'write', place: body, action: fail('EIO') },
  { name: 'a body is not flushed: EIO', call: 'sync', place: body, action: fail('EIO') },
  { name: 'a body gets no name: EIO', call: 'rename', place: named, action: fail('EIO') },
  { name: 'a body gets no name: ENOSPC', call: 'rename', place: named, action: fail('ENOSPC') },
  {
    ...{ name: 'the name of a body is not flushed: EIO', call: 'sync', place: 'bodies/??/??' },
    ...{ action: fail('EIO'), passed: 1 },
  },
  { name: 'the metadata get no name: EIO', call: 'rename', place: 'kv/data.mdb', action: fail('EIO') },
  { name: 'the metadata get no name: ENOSPC', call: 'rename', place: 'kv/data.mdb', action: fail('ENOSPC') },
]
/** Where nothing was before. */
const claims: readonly Row[] = [
  { name: 'the folder is not made: ENOSPC', call: 'mkdir', place: '', action: fail('ENOSPC') },
  { name: 'the claim is not written: ENOSPC', call: 'write', place: 'copying.txt.*', action: fail('ENOSPC') },
  { name: 'the claim gets no name: EIO', call: 'link', place: 'copying.txt', action: fail('EIO') },
  { name: 'the claim gets no name: ENOSPC', call: 'link', place: 'copying.txt', action: fail('ENOSPC') },
]

/** Where something was. */
const replaced: readonly Row[] = [
  {
    name: 'the new name of the metadata is not flushed: EIO',
    call: 'sync',
    place: 'kv',
    action: fail('EIO'),
  },
]

const shortRows: readonly Row[] = [
  { name: 'the metadata', call: 'write', place: metadata, action: shorten },
  { name: 'a body', call: 'write', place: body, action: shorten },
]

const commands = { backup: backupCommand, restore: restoreCommand }
type Command = keyof typeof commands

function argumentsOf(command: Command): readonly string[] {
  return command === 'backup'
    ? ['--data', at('volume'), '--to', target()]
    : ['--from', at('older'), '--data', target()]
}

function arm({ call, place, action, passed = 0 }: Row, faulted: number): void {
  faults.arm({ call, place: place === '' ? target() : `${target()}/${place}`, action, passed, faulted })
}

const run = (command: Command) => startHoldfast([command, ...argumentsOf(command)], faults.environment).ended

async function runAgain(command: Command): Promise<number> {
  faults.disarm()
  mute()
  try {
    return await commands[command](argumentsOf(command))
  } finally {
    unmute()
  }
}

/** The keys of the objects, and how many bodies there are. */
async function contents(): Promise<{ readonly versions: number; readonly bodies: number }> {
  const files = readdirSync(join(target(), 'bodies'), { recursive: true, withFileTypes: true })
  const versions = await readVolume(target(), async (reader) => (await rowsOf(reader, 'version')).length)
  return { versions, bodies: files.filter((entry) => entry.isFile()).length }
}

/** Bodies that the new metadata will name are there before them. */
const isEarly = (finding: string) => /the file of body \w+ belongs to nothing/.test(finding)

const kinds = [
  { kind: 'backup over an older one', command: 'backup', older: true, rows: [...common, ...replaced] },
  { kind: 'backup into no folder', command: 'backup', older: false, rows: claims },
  { kind: 'restore', command: 'restore', older: false, rows: common },
] as const

for (const { kind, command, older, rows } of kinds) {
  it.each(rows)(
    `${kind}: where $name, the folder is named, what was there stays, and again it is made`,
    async (row) => {
      if (older) cpSync(at('older'), target(), { recursive: true })
      arm(row, 1)
      const failed = await run(command)
      expect(faults.hits()).toBe(1)
      expect(failed).toMatchObject({ code: 1, stdout: '' })
      expect(failed.stderr).toContain(`holdfast ${command}: ${target()}`)
      expect(failed.stderr).toMatch(/; run it again when that is mended, it goes on\n$/)
      expect(failed.stderr).not.toMatch(/damaged|^Node\.js v/m)
      expect(await hasVolume(target())).toBe(older)
      if (older) {
        expect((await offlineFindings(target())).filter((finding) => !isEarly(finding))).toEqual([])
        expect((await contents()).versions).toBe(2)
      }
      expect(await runAgain(command)).toBe(0)
      expect([await contents(), await offlineFindings(target())]).toEqual([{ versions: 2, bodies: 2 }, []])
      expect(readdirSync(target())).not.toContain('copying.txt')
    },
  )
}

it.each(shortRows.flatMap((row) => (['backup', 'restore'] as const).map((command) => ({ ...row, command }))))(
  '$command: where half of $name is written at a time, nothing is cut',
  async (row) => {
    arm(row, 3)
    expect((await run(row.command)).code).toBe(0)
    expect(faults.hits()).toBeGreaterThan(0)
    faults.disarm()
    expect([await contents(), await offlineFindings(target())]).toEqual([{ versions: 2, bodies: 2 }, []])
  },
)

it('restore: where the name of the volume is not flushed, what to do is said, and the volume is not replaced', async () => {
  const row = { name: '', call: 'sync', place: 'kv', action: fail('EIO'), passed: 1 } as const
  arm(row, 1)
  const failed = await run('restore')
  expect([faults.hits(), failed.code]).toEqual([1, 1])
  expect(failed.stderr).toMatch(/its name could not be flushed .*Empty the folder and restore it again\n$/)
  expect(await runAgain('restore')).toBe(2)
  rmSync(target(), { recursive: true })
  expect(await runAgain('restore')).toBe(0)
})

it('restore: that is refused before it made anything, leaves no claim', async () => {
  expect(await runAgain('restore')).toBe(0)
  rmSync(target(), { recursive: true })
  const refused = await startHoldfast([
    ...['restore', ...argumentsOf('restore')],
    ...['--audit', at('no-such-log')],
  ]).ended
  expect(refused.code).not.toBe(0)
  expect(readdirSync(target())).toEqual(['lock'])
})

it.each([
  ['before a record is believed', 0],
  ['when records are applied', 1],
])('restore --audit: where the log cannot be read %s, its folder is named', async (_when, passed) => {
  mkdirSync(at('logs'), { recursive: true })
  const exported = await startHoldfast(['audit', 'export', '--data', at('volume')]).ended
  writeFileSync(at('logs/audit.jsonl'), exported.stdout)
  const command = ['restore', ...argumentsOf('restore'), '--audit', at('logs/audit.jsonl')]
  faults.arm({ call: 'open', place: at('logs/audit.jsonl'), action: fail('EIO'), passed, faulted: 1 })
  const failed = await startHoldfast(command, faults.environment).ended
  expect([faults.hits(), failed.code]).toEqual([1, 1])
  expect(failed.stderr).toContain(`holdfast restore: ${at('logs')}: EIO`)
  expect(failed.stderr).not.toContain(target())
  expect(await hasVolume(target())).toBe(false)
  faults.disarm()
  expect((await startHoldfast(command).ended).code).toBe(0)
})

it.each(['EIO', 'ENOSPC'] as const)(
  'backup of a damaged volume: where the older metadata are not kept: %s, they stay in their place, and again they are kept',
  async (error) => {
    cpSync(at('older'), target(), { recursive: true })
    cpSync(at('volume'), at('damaged'), { recursive: true })
    rmSync(join(at('damaged'), 'bodies'), { recursive: true })
    const command = ['backup', '--data', at('damaged'), '--to', target()]
    arm({ name: '', call: 'link', place: 'kept/data.mdb', action: fail(error) }, 1)
    const failed = await startHoldfast(command, faults.environment).ended
    expect([faults.hits(), failed.code]).toEqual([1, 1])
    expect(failed.stderr).toContain(`holdfast backup: ${target()}: ${error}`)
    expect(await offlineFindings(target())).toEqual([])
    faults.disarm()
    const again = await startHoldfast(command).ended
    expect([again.code, again.stderr]).toEqual([1, ''])
    expect(readdirSync(target())).toContain('kept')
    rmSync(at('damaged'), { recursive: true })
  },
)
