import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { lockVolume, VolumeLockedError } from '../../../src/platform/volume-lock.ts'

describe('lockVolume', () => {
  let directory = ''
  const children: ChildProcess[] = []
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-lock-'))
  })
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    await rm(directory, { recursive: true })
  })

  /** A process that holds the lock. */
  async function startHolder(): Promise<ChildProcess> {
    const script = join(import.meta.dirname, 'processes', 'hold-lock.ts')
    const child = spawn(process.execPath, [script, directory], { stdio: ['pipe', 'pipe', 'inherit'] })
    children.push(child)
    if (child.stdout === null) throw new Error('the holder has an output')
    await once(child.stdout, 'data')
    return child
  }

  test('lockVolume: held by another process, is refused with the process id', async () => {
    const holder = await startHolder()
    const attempt = lockVolume(directory)
    await expect(attempt).rejects.toBeInstanceOf(VolumeLockedError)
    await expect(attempt).rejects.toThrow(new RegExp(`process ${holder.pid}\\).*stop it first`))
  })

  test('lockVolume: held twice in one process, is refused and stays with the first', async () => {
    const first = await lockVolume(directory)
    await expect(lockVolume(directory)).rejects.toBeInstanceOf(VolumeLockedError)
    await expect(lockVolume(directory)).rejects.toBeInstanceOf(VolumeLockedError)
    await first.release()
    const second = await lockVolume(directory)
    await second.release()
  })

  test('lockVolume: the holder killed with SIGKILL, is free', async () => {
    const holder = await startHolder()
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    const lock = await lockVolume(directory)
    await lock.release()
  })
})
