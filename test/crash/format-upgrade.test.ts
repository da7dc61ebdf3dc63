/**
 * The upgrade of a volume to a newer format, stopped at every commit: an older release refuses it from the first changed row on, and
 * the newer one goes on where it was, until every row is what the steps make of it, once.
 */
import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { silentLog } from '../../src/lib/log.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { openOfflineVolume, openVolumeOwner } from '../../src/server/open-volume.ts'
import { type Table, tables } from '../../src/store/keys.ts'
import { verifyVolume } from '../../src/store/verify.ts'
import { readVolume as readIdentity, VolumeFormatError } from '../../src/store/volume.ts'
import { archiveOf } from '../store/golden/volume.ts'
import { choreMain, order } from '../support/crash/chore-process.ts'
import { type Faults, prepareFaults } from '../support/crash/faults.ts'
import { madeUpRowsPerTransaction, madeUpSteps } from '../support/crash/made-up-format.ts'
import { walkSteps } from '../support/crash/steps.ts'
import { readVolume, rowsOf } from '../support/crash/volume-state.ts'
import { unshifted, writeClockShift } from '../support/file-clock.ts'

const upgrade = { steps: madeUpSteps, rowsPerTransaction: madeUpRowsPerTransaction }
let faults: Faults
let folder: string
let directory: string
let child: ChildProcess | null

beforeEach(() => {
  faults = prepareFaults()
  folder = mkdtempSync(join(tmpdir(), 'holdfast-upgrade-'))
  // The watcher looks at what lies below a folder named data.
  directory = join(folder, 'data/volume')
  mkdirSync(directory, { recursive: true })
  writeClockShift(join(folder, 'clock.json'), unshifted)
  expect(spawnSync('tar', ['-xzf', archiveOf(1).archive, '-C', directory]).status).toBe(0)
  child = null
})
afterEach(async () => {
  faults.disarm()
  if (child !== null && child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  faults.remove()
  rmSync(folder, { recursive: true })
})

type Rows = ReadonlyMap<string, string>

/** All but those of `meta`, by table and key. */
function rowsIn(volume: string): Promise<Rows> {
  return readVolume(volume, async (reader) => {
    const rows = new Map<string, string>()
    for (const table of tables.filter((name) => name !== 'meta'))
      for (const { key, value } of await rowsOf(reader, table)) rows.set(nameOf(table, key), text(value))
    return rows
  })
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')
const nameOf = (table: Table, key: Uint8Array) => `${table} ${Buffer.from(key).toString('hex')}`

/** What the steps make of them. */
function upgraded(rows: Rows): Rows {
  const changed = new Map(rows)
  for (const { tables: names, change } of madeUpSteps)
    for (const [name, value] of changed) {
      const [table = '', key = ''] = name.split(' ')
      if (!names.some((each) => each === table)) continue
      changed.set(name, text(change(Buffer.from(key, 'hex'), Buffer.from(value, 'latin1'))))
    }
  return changed
}

/** The format as a release with these steps reads it; `refused`: it does not take the volume. */
function formatFor(volume: string, steps?: typeof madeUpSteps): Promise<number | 'refused'> {
  return readVolume(volume, async (reader) => {
    try {
      return (await readIdentity(reader, steps)).format
    } catch (error) {
      if (error instanceof VolumeFormatError) return 'refused'
      throw error
    }
  })
}

async function findingsOf(volume: string): Promise<readonly string[]> {
  const { kv, bodies, close } = await openOfflineVolume(volume)
  const findings: string[] = []
  const source = { reader: kv, bodies, clock: systemClock(), steps: madeUpSteps }
  await verifyVolume(source, ({ problem }) => findings.push(problem))
  await close()
  return findings
}

it('an upgrade killed at each of its commits: refused by older releases, told by verify, and gone on with', async () => {
  const before = await rowsIn(directory)
  const wanted = upgraded(before)
  const env = { ...process.env, ...faults.environment, VITEST: undefined, NODE_OPTIONS: undefined }
  const owner = fork(choreMain, [directory, join(folder, 'clock.json')], { env })
  child = owner
  const walk = await walkSteps(faults, directory, () => order(owner, { name: 'upgrade', versionId: '' }))
  try {
    const formats: number[] = []
    // Before each root with all of its pages, and right after it.
    const judged = walk.steps.filter(({ name }, index, steps) =>
      [name, steps[index - 1]?.name].includes('store root written'),
    )
    for (const { name, copy } of judged) {
      const format = Number(await formatFor(copy, madeUpSteps))
      formats.push(format)
      const rows = await rowsIn(copy)
      const isChanged = [...rows].some(([row, value]) => before.get(row) !== value)
      expect([name, await formatFor(copy)]).toEqual([name, format === 1 ? 1 : 'refused'])
      expect([name, isChanged]).toEqual([name, format !== 1])
      const halfway = `its upgrade from format ${Math.floor(format)} to ${Math.ceil(format)} is not finished`
      const isHalf = !Number.isInteger(format)
      expect([name, await findingsOf(copy)]).toEqual([name, isHalf ? [expect.stringContaining(halfway)] : []])
      const resumed = await openVolumeOwner({
        directory: copy,
        clock: systemClock(),
        log: silentLog,
        upgrade,
      })
      expect(resumed.store.volume.format).toBe(3)
      await resumed.close()
      expect(await rowsIn(copy)).toEqual(wanted)
      expect([name, await findingsOf(copy)]).toEqual([name, []])
    }
    expect(formats).toEqual(formats.toSorted())
    expect(new Set(formats)).toEqual(new Set([1, 1.5, 2, 2.5, 3]))
    expect(await rowsIn(directory)).toEqual(wanted)
  } finally {
    walk.remove()
  }
})
