import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, open, readFile, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { readBootId, systemClock } from '../../../src/platform/clock.ts'
import {
  createFileWhole,
  errorCode,
  fileStamp,
  fileSystemKind,
  makeDirectory,
  pathExists,
} from '../../../src/platform/files.ts'
import { createLog, type LogLevel } from '../../../src/platform/log.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-platform-'))
})
afterEach(() => rm(directory, { recursive: true }))

describe('systemClock', () => {
  test("systemClock: the boot id, is the kernel's", async () => {
    const kernel = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
    expect(systemClock().bootId()).toBe(kernel.trim())
  })

  test('systemClock: a machine without boot id, counts every process as a boot of its own', () => {
    const missing = join(directory, 'boot_id')
    expect(readBootId(missing)).not.toBe(readBootId(missing))
  })

  test('systemClock: uptime of another process read in between, lies between two of ours', () => {
    const clock = systemClock()
    const before = clock.uptimeMs()
    const script = 'process.stdout.write(String(process.hrtime.bigint() / 1000000n))'
    const between = Number(execFileSync(process.execPath, ['-e', script]).toString())
    const after = clock.uptimeMs()
    expect(Number.isSafeInteger(before)).toBe(true)
    expect(before).toBeLessThanOrEqual(between)
    expect(between).toBeLessThanOrEqual(after)
  })

  test("systemClock: uptime, is the kernel's count since boot", async () => {
    const before = systemClock().uptimeMs()
    const uptimeMs = Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0]) * 1000
    // /proc/uptime counts suspended time too and has 10 ms steps: never behind ours.
    expect(uptimeMs).toBeGreaterThanOrEqual(before - 10)
  })

  test('systemClock: a library that sets the monotonic clock ten years ahead, moves uptime by less than 20 ms', () => {
    const clock = systemClock()
    const honest = process.hrtime.bigint
    const aheadNs = 10n * 366n * 86_400n * 1_000_000_000n
    const before = clock.uptimeMs()
    const set = vi.spyOn(process.hrtime, 'bigint').mockImplementation(() => honest() + aheadNs)
    onTestFinished(() => set.mockRestore())
    const faked = clock.uptimeMs()
    const after = Number(honest() / 1_000_000n)
    expect(faked).toBeGreaterThanOrEqual(before - 10)
    expect(faked).toBeLessThanOrEqual(after + 20)
  })
})

describe('createLog', () => {
  async function lines(level: LogLevel): Promise<Record<string, unknown>[]> {
    const path = join(directory, `log-${level}`)
    const file = await open(path, 'w')
    const log = createLog({ level, component: 'server', descriptor: file.fd })
    log.debug({ bucket: 'b' }, 'one')
    log.info({ bucket: 'b' }, 'two')
    log.warn({}, 'three')
    log.error({ error: new Error('broken') }, 'four')
    await file.close()
    const text = await readFile(path, 'utf8')
    return text === ''
      ? []
      : text
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line))
  }

  test('createLog: each level, writes its lines and those above', async () => {
    const counts = await Promise.all((['debug', 'info', 'warn', 'error', 'silent'] as const).map(lines))
    expect(counts.map(({ length }) => length)).toEqual([4, 3, 2, 1, 0])
  })

  test('createLog: a line, is JSON with time, level, component, fields, message and error', async () => {
    const [info, , error] = await lines('info')
    expect(info).toMatchObject({
      level: 'info',
      component: 'server',
      bucket: 'b',
      message: 'two',
      pid: process.pid,
    })
    expect(info?.['time']).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
    expect(error).toMatchObject({ level: 'error', error: { message: 'broken' } })
  })

  test('createLog: a disk that takes no line, ends nobody who writes one', async () => {
    const full = await open('/dev/full', 'w')
    const log = createLog({ level: 'info', component: 'server', descriptor: full.fd })
    for (const message of ['one', 'two', 'three']) log.error({ error: new Error('broken') }, message)
    await full.close()
  })
})

describe('files', () => {
  test('fileStamp: a path that cannot be looked at, is told by its error and does not throw', async () => {
    const path = join(directory, 'loop')
    await symlink(path, path)
    expect(fileStamp(path)).toBe('ELOOP')
    expect(fileStamp(join(directory, 'none'))).toBe('missing')
    expect(fileStamp(directory)).toMatch(/^\d+(:\d+){4}$/)
  })

  test('makeDirectory: nested and present, makes what is missing', async () => {
    const path = join(directory, 'a', 'b', 'c')
    await makeDirectory(path)
    await makeDirectory(path)
    expect((await stat(path)).isDirectory()).toBe(true)
  })

  test('createFileWhole: a file that is there, is kept; no part is left', async () => {
    const folder = join(directory, 'd')
    await mkdir(folder)
    const path = join(folder, 'f')
    await createFileWhole(path, Buffer.from('first'))
    await createFileWhole(path, Buffer.from('second'))
    expect(await readFile(path, 'utf8')).toBe('first')
    expect(execFileSync('ls', [folder]).toString()).toBe('f\n')
  })

  test('pathExists: a file, a gap and a file as a folder, tells and throws', async () => {
    expect(await pathExists(directory)).toBe(true)
    expect(await pathExists(join(directory, 'none'))).toBe(false)
    await createFileWhole(join(directory, 'f'), Buffer.from(''))
    await expect(pathExists(join(directory, 'f', 'g'))).rejects.toMatchObject({ code: 'ENOTDIR' })
    expect(errorCode(new Error('no code'))).toBeNull()
  })

  test('fileSystemKind: /proc, is its number', async () => {
    expect(await fileSystemKind('/proc')).toBe(0x9fa0)
  })
})
