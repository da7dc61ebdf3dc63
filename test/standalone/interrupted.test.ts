/** Ctrl-C, and SIGTERM, in the commands that may take hours: a sentence says what is left, and the same command goes on. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { limits } from '../../src/lib/limits.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { createLedger, onVolume } from '../store/base/at-rest.ts'
import { putBytes } from '../store/base/rig.ts'
import { holdfast, startHoldfast } from '../support/holdfast.ts'

const directory = mkdtempSync(join(tmpdir(), 'holdfast-interrupted-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const at = (...names: readonly string[]) => join(directory, ...names)

beforeAll(async () => {
  await onVolume({ directory: at('data'), clock: systemClock() }, async (store) => {
    await createLedger(store)
    await putBytes(store.versions, 'key', new Uint8Array(limits.inlineBodyBytesMax + 1).fill(1))
  })
  expect((await holdfast('backup', '--data', at('data'), '--to', at('whole'))).code).toBe(0)
}, 120_000)

/** The only body of a volume. */
function bodyOf(volume: string): string {
  const [file] = readdirSync(join(volume, 'bodies'), { recursive: true, withFileTypes: true }).filter(
    (each) => each.isFile(),
  )
  if (file === undefined) throw new Error('there is a body')
  return join(file.parentPath, file.name)
}

/** Who opens the body waits, for as long as `work` takes. */
async function stalled(volume: string, work: () => Promise<void>): Promise<void> {
  const body = bodyOf(volume)
  renameSync(body, at('aside'))
  execFileSync('python3', ['-c', 'import os, sys; os.mkfifo(sys.argv[1])', body])
  await work()
  renameSync(at('aside'), body)
}

/** Resolves when the process has locked the folder: who does has begun its work. */
async function isHeld(folder: string, processId: number | undefined): Promise<void> {
  const lock = join(folder, 'lock')
  while (!existsSync(lock) || readFileSync(lock, 'utf8') !== `process ${processId}\n`) await sleep(20)
}

const rows = [
  {
    signal: 'SIGINT',
    args: ['backup', '--data', at('data'), '--to', at('backup')],
    read: at('data'),
    held: at('backup'),
    left: `${at('backup')} has the last backup that was finished, or none; what was copied stays, and the same command goes on`,
    again: /; whole\n$/,
  },
  {
    signal: 'SIGTERM',
    args: ['restore', '--from', at('whole'), '--data', at('restored')],
    read: at('whole'),
    held: at('restored'),
    left: `${at('restored')} has a volume once it is whole, and none before; what was copied stays, and the same command goes on`,
    again: /; whole\nread-only until/,
  },
  {
    signal: 'SIGINT',
    args: ['verify', '--data', at('data')],
    read: at('data'),
    held: at('data'),
    left: 'not everything was read; what was found is above, nothing was changed, and the same command begins anew',
    again: /: nothing found\n$/,
  },
] as const

describe.each(rows)('$signal in holdfast $args.0', ({ signal, args, read, held, left, again }) => {
  test('ends it as that signal does, with a sentence; the same command goes on', async () => {
    await stalled(read, async () => {
      const command = startHoldfast(args)
      await isHeld(held, command.child.pid)
      command.child.kill(signal)
      const [code, endedBy] = await once(command.child, 'exit')
      const { stdout, stderr } = await command.ended
      expect([code, endedBy, stdout]).toEqual([null, signal, ''])
      expect(stderr).toBe(`holdfast ${args[0]}: ended by ${signal}: ${left}\n`)
    })
    expect(await holdfast(...args)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(again),
      stderr: '',
    })
  }, 120_000)
})
