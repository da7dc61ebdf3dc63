/**
 * What the owner of a volume does by itself, stopped at every step: the volume as it lies there passes `holdfast verify`, and
 * recovers to a state that some commit made, whole. See every-step.test.ts, which does the same with requests.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { hasVolume } from '../../src/server/open-volume.ts'
import { choreMain, order } from '../support/crash/chore-process.ts'
import { type Chore, chores } from '../support/crash/chores.ts'
import { type Faults, prepareFaults } from '../support/crash/faults.ts'
import { copyVolume, recoveredState, type Step, type Walk, walkSteps } from '../support/crash/steps.ts'

import { offlineFindings } from '../support/crash/volume-state.ts'
import { type ClockShift, unshifted, writeClockShift } from '../support/file-clock.ts'

let faults: Faults
let folder: string
let directory: string
let clockFile: string
let child: ChildProcess | null

beforeAll(() => {
  faults = prepareFaults()
})
afterAll(() => {
  faults.remove()
})
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-chore-'))
  // The watcher looks at what lies below a folder named data.
  mkdirSync(join(folder, 'data'))
  directory = join(folder, 'data/volume')
  clockFile = join(folder, 'clock.json')
  writeClockShift(clockFile, unshifted)
  child = null
})
afterEach(async () => {
  faults.disarm()
  if (child !== null && child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  rmSync(folder, { recursive: true })
})

function advance(ms: number): void {
  const shift: ClockShift = { ...unshifted, wallShiftMs: ms, uptimeShiftMs: ms }
  writeClockShift(clockFile, shift)
}

function startOwner(): ChildProcess {
  const env = { ...process.env, ...faults.environment, VITEST: undefined, NODE_OPTIONS: undefined }
  child = fork(choreMain, [directory, clockFile], { env })
  return child
}

const commit = ['store pages written', 'store pages flushed', 'store root written']

/** Repeated ones once; a shard is made once for each process. */
function named(steps: readonly Step[]): readonly string[] {
  const names: string[] = []
  for (const { name } of steps) {
    if (name === 'shard' || name === names.at(-1)) continue
    names.push(name)
    if (commit.join() !== names.slice(-commit.length).join()) continue
    names.splice(-commit.length)
    if (names.at(-1) !== 'commit') names.push('commit')
  }
  return names
}

async function walkChore({ order: name }: Chore, versionId: string): Promise<Walk> {
  const owner = startOwner()
  const isAlone = name === 'open' || name === 'ballast' || name === 'noBallast'
  if (!isAlone) await order(owner, { name: 'open', versionId })
  return walkSteps(faults, directory, () => order(owner, { name, versionId }))
}

describe('what a server does by itself, killed at each of its steps', () => {
  it.each(chores)('$name: every step is a state that a commit made, and recovers', async (chore) => {
    const versionId = await chore.prepare({ directory, clockFile, advance })
    const isThere = await hasVolume(directory)
    const known = isThere ? await offlineFindings(directory) : []
    const walk = await walkChore(chore, versionId)
    try {
      const after = join(folder, 'after')
      copyVolume(directory, after)
      const root = walk.steps.findIndex(({ name }) => name === 'store root written')
      // Where there was no volume, each copy without a root becomes one of its own.
      const judged = isThere ? 0 : root + 1
      const states: string[] = []
      for (const [index, { name, copy }] of [...walk.steps, { name: 'done', copy: after }].entries()) {
        const previous = walk.steps[index - 1]
        if (copy === previous?.copy) continue
        const { state, findings } = await recoveredState(copy, index < judged ? 'none' : 'volume')
        expect([name, findings]).toEqual([name, index < judged ? [] : [...known, ...known]])
        if (index < judged) continue
        if (previous?.name !== 'store root written' && index > judged)
          expect([name, state]).toEqual([name, states.at(-1)])
        states.push(state)
      }
      expect(new Set(states).size > 1 ? 'more' : 'same').toBe(chore.states)
      expect(named(walk.steps)).toEqual(chore.steps)
    } finally {
      walk.remove()
    }
  })
})
