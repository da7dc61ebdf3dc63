import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const run = promisify(execFile)
const processPath = (name: string) => join(import.meta.dirname, 'processes', `${name}.ts`)

describe('bodies and the disk', () => {
  let directory = ''
  let data = ''
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-bodies-'))
    data = join(directory, 'data')
  })
  afterEach(() => rm(directory, { recursive: true }))

  /**
   * Runs put.ts under strace; gives what it printed and its system calls, unfinished ones where they
   * ended.
   */
  async function traced(injections: readonly string[]): Promise<{ output: string[]; calls: string[] }> {
    const trace = join(directory, 'trace')
    const { stdout } = await run('strace', [
      ...['-f', '-qq', '-y', '-s', '200', '-o', trace],
      ...['-e', 'trace=write,pwrite64,fsync,fdatasync,link,linkat,rename,unlink,mkdir'],
      ...injections.flatMap((injection) => ['-e', `inject=${injection}`]),
      // strace counts calls for `when` in each thread: with one thread the count is that of the process.
      ...['-E', 'UV_THREADPOOL_SIZE=1', process.execPath, processPath('put'), data, '600'],
    ])
    const pending = new Map<string, string>()
    const calls: string[] = []
    for (const line of (await readFile(trace, 'utf8')).split('\n')) {
      const [, thread = '', text = ''] = line.match(/^(\d+) +(.*)$/) ?? []
      const [, begun] = text.match(/^(.*) <unfinished \.\.\.>$/) ?? []
      const [, rest] = text.match(/^<\.\.\. \w+ resumed>(.*)$/) ?? []
      if (begun !== undefined) pending.set(thread, begun)
      else calls.push(rest === undefined ? text : `${pending.get(thread)}${rest}`)
    }
    return { output: stdout.trim().split('\n'), calls }
  }

  /** Which flush of a run without faults, counted from 1, is the first of a path that matches. */
  async function flushNumber(path: RegExp): Promise<number> {
    const { calls } = await traced([])
    await rm(data, { recursive: true })
    const number = calls.filter((call) => call.startsWith('fsync(')).findIndex((call) => path.test(call)) + 1
    expect(number).toBeGreaterThan(0)
    return number
  }

  /** Places of the calls that match, between two marks that put.ts printed. */
  function placesBetween(calls: readonly string[], from: string, to: string) {
    const start = calls.findIndex((call) => call.includes(`"${from}\\n"`))
    const end = calls.findIndex((call) => call.includes(`"${to}\\n"`))
    expect(start).toBeGreaterThanOrEqual(0)
    expect(end).toBeGreaterThan(start)
    return (pattern: RegExp) =>
      calls.flatMap((call, place) => (place > start && place < end && pattern.test(call) ? [place] : []))
  }

  test('stage, publish, remove: each resolves after bytes, name and both folders are flushed, in this order', async () => {
    const { output, calls } = await traced([])
    expect(output).toContain('publish ends')
    const staging = placesBetween(calls, 'stage begins', 'stage ends')
    const writes = staging(/^p?write(64)?\(\d+<[^>]*\/stage\/e1-w1\//)
    const flushes = staging(/^fsync\(\d+<[^>]*\/stage\/e1-w1\/[0-9a-f]+>\) += 0/)
    expect(writes.length).toBeGreaterThan(0)
    expect(flushes.length).toBe(1)
    expect(Math.max(...writes)).toBeLessThan(flushes[0] ?? 0)

    const publishing = placesBetween(calls, 'publish begins', 'publish ends')
    const [linked = -1, ...more] = publishing(
      /^link(at)?\(.*\/stage\/e1-w1\/.*\/bodies\/..\/..\/[0-9a-f]{32}"(, 0)?\) += 0/,
    )
    expect(more).toEqual([])
    const made = publishing(/^mkdir\(.*\/bodies\/..\/..", \d+\) += 0/)
    const outer = publishing(/^fsync\(\d+<[^>]*\/bodies\/..>\) += 0/)
    const top = publishing(/^fsync\(\d+<[^>]*\/bodies>\) += 0/)
    expect(Math.max(...made)).toBeLessThan(Math.max(...outer))
    expect(Math.max(...outer, ...top)).toBeLessThan(linked)
    expect(publishing(/^fsync\(\d+<[^>]*\/bodies\/..\/..>\) += 0/).some((place) => place > linked)).toBe(true)
    expect(publishing(/^fsync\(\d+<[^>]*\/stage\/e1-w1>\) += 0/).some((place) => place > linked)).toBe(true)

    const removing = placesBetween(calls, 'remove begins', 'remove ends')
    const [unlinked = -1] = removing(/^unlink\(.*\/bodies\/..\/..\/[0-9a-f]{32}"\) += 0/)
    expect(unlinked).toBeGreaterThan(0)
    expect(removing(/^fsync\(\d+<[^>]*\/bodies\/..\/..>\) += 0/).some((place) => place > unlinked)).toBe(true)
  })

  test('publish: into a folder that another process made, flushes its name all the same', async () => {
    await traced([])
    const { calls } = await traced([])
    const publishing = placesBetween(calls, 'publish begins', 'publish ends')
    const [linked = -1] = publishing(/^link(at)?\(/)
    for (const folder of [/^fsync\(\d+<[^>]*\/bodies\/..>\) += 0/, /^fsync\(\d+<[^>]*\/bodies>\) += 0/]) {
      expect(publishing(folder).some((place) => place < linked)).toBe(true)
    }
  })

  test('a flush of bytes that fails: is fatal, is not tried again, and nothing is published', async () => {
    const ofBytes = await flushNumber(/\/stage\/e1-w1\/[0-9a-f]+>/)
    const { output, calls } = await traced([`fsync:error=EIO:when=${ofBytes}`])
    expect(output).toEqual([
      'stage begins',
      'stage BodyStoreFailedError',
      'again begins',
      'again BodyStoreFailedError',
    ])
    expect(calls.filter((call) => /^fsync\(.*\/stage\/e1-w1\/[0-9a-f]+>/.test(call)).length).toBe(1)
    expect(await readdir(join(data, 'bodies'))).toEqual([])
    expect(await readdir(join(data, 'stage', 'e1-w1'))).toEqual([])
  })

  test('a flush of a folder that fails: is fatal for publish and all after it', async () => {
    const { output } = await traced([`fsync:error=EIO:when=${await flushNumber(/\/bodies\/..\/..>/)}`])
    const failed = ['publish BodyStoreFailedError', 'remove begins', 'remove BodyStoreFailedError']
    expect(output).toEqual(expect.arrayContaining([...failed, 'again BodyStoreFailedError']))
    expect(output).not.toContain('publish ends')
  })

  test('a flush that fails for want of room: is fatal too, unlike a write', async () => {
    const { output } = await traced([
      `fsync:error=ENOSPC:when=${await flushNumber(/\/stage\/e1-w1\/[0-9a-f]+>/)}`,
    ])
    expect(output).toContain('again BodyStoreFailedError')
    expect(output.some((line) => line.endsWith('BodyStoreFullError'))).toBe(false)
  })

  test('a full volume: the body is refused, nothing is left, a smaller one is taken', async () => {
    const script = [
      `mount -t tmpfs -o size=2m tmpfs ${directory}`,
      `${process.execPath} ${processPath('put')} ${data} 4000`,
      `ls ${data}/stage/e1-w1 | wc -l`,
      `${process.execPath} ${processPath('put')} ${data} 1000`,
    ].join(' && ')
    const namespaces = process.getuid?.() === 0 ? ['--mount'] : ['--user', '--map-root-user', '--mount']
    // The mount lives in the namespace of the script: it is gone with it, whatever happens.
    const { stdout } = await run('unshare', [...namespaces, 'sh', '-c', script])
    const lines = stdout.trim().split('\n')
    expect(lines.slice(0, 5)).toEqual([
      'stage begins',
      'stage BodyStoreFullError',
      'again begins',
      'again BodyStoreFullError',
      '0',
    ])
    expect(lines).toEqual(expect.arrayContaining(['stage ends', 'publish ends', 'remove ends', 'again ends']))
  })

  test('1 GiB: staged, published and read, in bounded memory', async () => {
    const { stdout } = await run(process.execPath, [processPath('large'), data, '1024'])
    const { startKib, peakKib, readBytes, sizeBytes } = JSON.parse(stdout)
    expect(sizeBytes).toBe(2 ** 30)
    expect(readBytes).toBe(2 ** 30)
    expect(peakKib - startKib).toBeLessThan(100 * 1024)
  })
})
