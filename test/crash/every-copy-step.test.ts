/**
 * A backup and a restore, stopped at every step: what lies in their folder is nothing yet, or the volume as it was, or the new one,
 * and the same command, given again, ends with the new one, whole.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, type MockInstance, vi } from 'vitest'
import { backupCommand } from '../../src/cli/backup.ts'
import { restoreCommand } from '../../src/cli/restore.ts'
import { limits } from '../../src/lib/limits.ts'
import { epochMs } from '../../src/lib/units.ts'
import { hasVolume } from '../../src/server/open-volume.ts'
import { putBytes, removeVersion } from '../store/base/rig.ts'
import { actor } from '../store/base/support.ts'
import { type Faults, prepareFaults } from '../support/crash/faults.ts'
import { copyVolume, treeOf, walkSteps } from '../support/crash/steps.ts'
import { inVolume, offlineFindings, readVolume, rowsOf } from '../support/crash/volume-state.ts'
import { holdfast, startHoldfast } from '../support/holdfast.ts'

const large = new Uint8Array(limits.inlineBodyBytesMax + 1)
const dayMs = 86_400_000
let folder: string
let faults: Faults
let muted: readonly MockInstance[]
const at = (name: string) => join(folder, name)
// The watcher looks at what lies below a folder named data.
const target = () => at('data/target')

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-copy-step-'))
  mkdirSync(target(), { recursive: true })
  faults = prepareFaults()
  muted = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, 'write').mockReturnValue(true))
})
afterEach(() => {
  for (const stream of muted) stream.mockRestore()
  faults.remove()
  rmSync(folder, { recursive: true })
})

const backup = (to: string) => ['--data', at('volume'), '--to', to]
const restore = (to: string) => ['--from', at('backup'), '--data', to]

async function fill(): Promise<string> {
  return inVolume(at('volume'), async ({ buckets, versions }) => {
    const bucket = { name: 'ledger', accountId: actor.accountId, region: 'r', objectLock: 'enabled' } as const
    await buckets.create(actor, bucket)
    await putBytes(versions, 'small', new Uint8Array(10))
    return (await putBytes(versions, 'key', large)).versionId
  })
}

type Row = {
  readonly name: string
  readonly command: 'backup' | 'restore'
  /** Makes what the command needs. Resolves to its arguments for a folder. */
  readonly prepare: () => Promise<(to: string) => readonly string[]>
}

const rows: readonly Row[] = [
  {
    ...{ name: 'backup into an empty folder', command: 'backup' },
    prepare: async () => {
      await fill()
      return backup
    },
  },
  {
    ...{ name: 'backup over an older one', command: 'backup' },
    prepare: async () => {
      await fill()
      const gone = await inVolume(at('volume'), ({ versions }) => putBytes(versions, 'gone', large))
      expect(await backupCommand(backup(target()))).toBe(0)
      await inVolume(at('volume'), async (store) => {
        await putBytes(store.versions, 'new', large)
        await removeVersion(store.versions, gone)
        await store.collectGarbage(AbortSignal.timeout(60_000))
      })
      return backup
    },
  },
  {
    ...{ name: 'restore --audit', command: 'restore' },
    prepare: async () => {
      const versionId = await fill()
      expect(await backupCommand(backup(at('backup')))).toBe(0)
      await inVolume(at('volume'), async ({ versions }) => {
        const address = { bucket: 'ledger', key: 'key', versionId }
        const retainUntilMs = epochMs(Math.ceil(Date.now() / 1000) * 1000 + dayMs)
        const next = { mode: 'COMPLIANCE', retainUntilMs } as const
        const changed = await versions.putRetention(actor, { ...address, next, bypassGovernance: false })
        expect(changed.kind).toBe('changed')
      })
      const log = await holdfast('audit', 'export', '--data', at('volume'))
      writeFileSync(at('audit.jsonl'), log.stdout)
      return (to) => [...restore(to), '--audit', at('audit.jsonl')]
    },
  },
]

/** The versions with their locks, and the files. */
function contentsOf(volume: string): Promise<readonly string[]> {
  return readVolume(volume, async (reader) => {
    const versions = await rowsOf(reader, 'version')
    const files = readdirSync(join(volume, 'bodies'), { recursive: true, withFileTypes: true })
    return [
      ...versions.map(
        ({ key, value }) => `${Buffer.from(key).toString('hex')} ${Buffer.from(value).toString()}`,
      ),
      ...files
        .filter((entry) => entry.isFile())
        .map((entry) => entry.name)
        .toSorted(),
    ]
  })
}

/** Bodies that the new metadata will name are there before them. */
const isEarly = (finding: string) => /the file of body \w+ belongs to nothing/.test(finding)

it.each(rows)('$name: killed at every step, what is there is whole, and the command ends it', async (row) => {
  const argumentsFor = await row.prepare()
  const isThere = await hasVolume(target())
  const before = isThere ? await contentsOf(target()) : null
  const running = () =>
    startHoldfast([row.command, ...argumentsFor(target())], faults.environment).ended.then(
      (ended) => ended.code ?? -1,
    )
  const walk = await walkSteps(faults, target(), running)
  try {
    expect(walk.status).toBe(0)
    const after = await contentsOf(target())
    expect(await offlineFindings(target())).toEqual([])
    expect(walk.steps.length).toBeGreaterThan(10)
    let wasDone = false
    let last = ''
    for (const { name, copy } of walk.steps) {
      const tree = treeOf(copy)
      if (tree === last) continue
      last = tree
      const hasOne = await hasVolume(copy)
      if (hasOne) {
        const findings = (await offlineFindings(copy)).filter((finding) => !isEarly(finding))
        expect([name, findings]).toEqual([name, []])
      }
      // Once it is done it stays done; a restore then says that there is a volume already.
      const isDone = hasOne && row.command === 'restore'
      expect([name, wasDone && !isDone]).toEqual([name, false])
      wasDone = isDone
      const command = row.command === 'backup' ? backupCommand : restoreCommand
      const again = at('again')
      copyVolume(copy, again)
      expect([name, await command(argumentsFor(again))]).toEqual([name, isDone ? 2 : 0])
      expect([name, await contentsOf(again)]).toEqual([name, after])
      expect([name, await offlineFindings(again)]).toEqual([name, []])
      rmSync(again, { recursive: true })
    }
    expect(before).not.toEqual(after)
  } finally {
    walk.remove()
  }
})
