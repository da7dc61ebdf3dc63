/**
 * A backup and a restore that go on with what another one left. It may have been ended before any of its flushes of names, so
 * all of them are made again before the copy counts as one: else a power cut takes away what was found.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { limits } from '../../src/lib/limits.ts'
import { silentLog } from '../../src/lib/log.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { openVolumeOwner } from '../../src/server/open-volume.ts'
import { putBytes } from '../store/base/rig.ts'
import { actor } from '../store/base/support.ts'
import { type Faults, prepareFaults } from '../support/crash/faults.ts'
import { type Ended, startHoldfast } from '../support/holdfast.ts'

let directory: string
let faults: Faults
const at = (name: string) => join(directory, name)

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-broken-off-'))
  // The watcher looks at what lies below a folder named data.
  mkdirSync(at('data/copies'), { recursive: true })
  faults = prepareFaults()
  const owner = await openVolumeOwner({ directory: at('volume'), clock: systemClock(), log: silentLog })
  const bucket = { name: 'ledger', accountId: actor.accountId, region: 'r', objectLock: 'none' } as const
  await owner.store.buckets.create(actor, bucket)
  await putBytes(owner.store.versions, 'key', new Uint8Array(limits.inlineBodyBytesMax + 1))
  await owner.close()
})
afterEach(() => {
  faults.remove()
  rmSync(directory, { recursive: true })
})

const run = (args: readonly string[]) => startHoldfast(args, faults.environment).ended

/** What the command asked of the disk below data/, in that order: the call and the path. */
async function watched(args: readonly string[]): Promise<{ ended: Ended; calls: readonly string[] }> {
  faults.hold()
  const state = { isOver: false }
  const running = run(args).finally(() => {
    state.isOver = true
  })
  const calls: string[] = []
  while (!state.isOver) {
    const held = faults.held()
    if (held !== null) {
      calls.push(`${held.call} ${held.place.slice(at('data/').length)}`)
      faults.release()
    }
    await delay(1)
  }
  faults.disarm()
  return { ended: await running, calls }
}

test.each([
  ['backup', '--to'],
  ['restore', '--data'],
] as const)(
  '%s: of what was broken off, flushes every name on the way to a body before it counts',
  async (name, flag) => {
    if (name === 'restore')
      expect((await run(['backup', '--data', at('volume'), '--to', at('whole')])).code).toBe(0)
    const source = name === 'backup' ? ['--data', at('volume')] : ['--from', at('whole')]
    const command = [name, ...source, flag, at('data/copies/new')]
    faults.arm({ call: 'rename', place: '*/new/kv/data.mdb', action: { kind: 'fail', error: 'EIO' } })
    expect((await run(command)).code).toBe(1)
    expect(faults.hits()).toBe(1)
    const [path = ''] = readdirSync(at('data/copies/new/bodies'), { recursive: true })
      .map(String)
      .filter((file) => /\/[0-9a-f]{32}$/.test(file))
    const [outer = '', inner = ''] = path.split('/')

    const { ended, calls } = await watched(command)
    expect(ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/copied 0 bodies .* 1 were there/) })
    const named = calls.indexOf('rename copies/new/kv/data.mdb')
    const shard = `copies/new/bodies/${outer}/${inner}`
    const folders = ['copies', 'copies/new', 'copies/new/bodies', `copies/new/bodies/${outer}`, shard]
    for (const folder of folders) expect(calls.slice(0, named)).toContain(`sync ${folder}`)
    expect(calls.slice(named)).toEqual(expect.arrayContaining(['sync copies/new/kv', 'sync copies/new']))
  },
)
