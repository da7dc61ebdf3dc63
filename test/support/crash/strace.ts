/**
 * System calls of running processes, recorded by strace: what a server really asked of the disk, and when. One
 * file a thread, so that no call is cut in two by another thread's line.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

export type SystemCall = {
  readonly process: number
  readonly name: string
  /** Seconds since 1970 on strace's own clock, which all threads share. */
  readonly start: number
  readonly end: number
  /** The descriptor that the call is about; null for calls on paths. */
  readonly descriptor: number | null
  /** The path or socket behind it (`TCP:[…]`); for calls on paths the last path. */
  readonly target: string
  /** The first bytes read or written. */
  readonly text: string
  readonly result: number
  /** True: what is written through this descriptor is durable when the call ends. */
  readonly isSynchronous: boolean
}

export type Recording = {
  /** Resolves when such a call has ended and is written down: one that still runs at the detach is left out. */
  readonly until: (isMeant: (call: SystemCall) => boolean) => Promise<void>
  /** Detaches; the processes go on. In the order of their beginning. */
  readonly stop: () => Promise<readonly SystemCall[]>
  /** After the processes were killed: a strace that holds a dead process up does not end by itself. */
  readonly abandon: () => Promise<void>
}

const recorded = [
  ...['read', 'recvfrom', 'recvmsg', 'write', 'writev', 'sendto', 'sendmsg'],
  ...['pwrite64', 'pwritev', 'pwritev2', 'ftruncate', 'fallocate', 'copy_file_range', 'sendfile'],
  ...['fsync', 'fdatasync', 'msync', 'sync_file_range', 'sync', 'syncfs'],
  ...['mkdir', 'mkdirat', 'link', 'linkat', 'rename', 'renameat', 'renameat2', 'unlink', 'unlinkat'],
]
/** `O_DSYNC`, which is also one of the bits of `O_SYNC`, as /proc/…/fdinfo prints it. */
const synchronousFlag = 0o10000

/**
 * Resolves when every thread of the processes is traced. `inject`: strace's own words, e.g.
 * `fdatasync:delay_exit=300000`. Errors: strace is not installed, or may not trace.
 */
export async function recordSystemCalls(
  processes: readonly number[],
  inject: readonly string[] = [],
): Promise<Recording> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-strace-'))
  const child = spawn(
    'strace',
    [
      ...['-ff', '-ttt', '-T', '-yy', '-s', '64', '-o', join(directory, 'thread')],
      ...['-e', `trace=${recorded.join()}`, '-e', 'signal=none'],
      ...inject.flatMap((words) => ['-e', `inject=${words}`]),
      ...processes.flatMap((pid) => ['-p', String(pid)]),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  try {
    await attached(child, processes)
  } catch (error) {
    rmSync(directory, { recursive: true })
    throw error
  }
  const descriptors = new Map(processes.map((pid) => [pid, descriptorsOf(pid)]))
  const read = (owners: ReadonlyMap<number, number>): readonly SystemCall[] =>
    readdirSync(directory).flatMap((name) => {
      const thread = Number(name.slice(name.lastIndexOf('.') + 1))
      const process = owners.get(thread) ?? thread
      const text = readFileSync(join(directory, name), 'utf8')
      return parseThread(text, process, descriptors.get(process) ?? unknownDescriptors)
    })
  return {
    until: async (isMeant) => {
      while (!read(new Map()).some(isMeant)) await delay(10)
    },
    stop: async () => {
      // Before the end: threads that are gone by then have nothing recorded of interest.
      const owners = new Map(processes.flatMap((pid) => threadsOf(pid).map((thread) => [thread, pid])))
      await end(child, 'SIGINT')
      const calls = read(owners)
      rmSync(directory, { recursive: true })
      return calls.toSorted((a, b) => a.start - b.start)
    },
    abandon: async () => {
      await end(child, 'SIGKILL')
      rmSync(directory, { recursive: true })
    },
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}

async function attached(child: ChildProcess, processes: readonly number[]): Promise<void> {
  let said = ''
  await new Promise<void>((resolve, reject) => {
    child.on('error', (cause) => reject(new Error('strace is needed: apt-get install strace', { cause })))
    child.on('exit', () => reject(new Error(`strace ended: ${said}`)))
    child.stderr?.on('data', (piece: Buffer) => {
      said += piece.toString('utf8')
      if (processes.every((pid) => said.includes(`Process ${pid} attached`))) resolve()
    })
  })
}

/** None of a process that is gone. */
function threadsOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number)
  } catch {
    return []
  }
}

/** What a process had open before it was traced. */
export type Descriptors = {
  /** What is written through them is durable at once. */
  readonly synchronous: ReadonlySet<number>
  /** null: not known. */
  readonly pathOf: (descriptor: number) => string | null
}

export const unknownDescriptors: Descriptors = { synchronous: new Set(), pathOf: () => null }

function descriptorsOf(pid: number): Descriptors {
  const numbers = readdirSync(`/proc/${pid}/fdinfo`).map(Number)
  const synchronous = numbers.filter((descriptor) => {
    const flags = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'utf8'))?.[1]
    return (Number.parseInt(flags ?? '0', 8) & synchronousFlag) !== 0
  })
  const paths = new Map(numbers.map((descriptor) => [descriptor, pathBehind(pid, descriptor)]))
  return { synchronous: new Set(synchronous), pathOf: (descriptor) => paths.get(descriptor) ?? null }
}

/** null: it was closed meanwhile. */
function pathBehind(pid: number, descriptor: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/fd/${descriptor}`)
  } catch {
    return null
  }
}

/** A volume is reached through a descriptor of its folder; judged is the folder's own name. */
function resolved(path: string, { pathOf }: Descriptors): string {
  const [through = '', number] = /^\/proc\/self\/fd\/(\d+)/.exec(path) ?? []
  const folder = number === undefined ? null : pathOf(Number(number))
  return folder === null ? path : `${folder}${path.slice(through.length)}`
}

/** Lines of one thread; a call that had not ended at the detach has no line of this form and is left out. */
export function parseThread(text: string, process: number, descriptors: Descriptors): readonly SystemCall[] {
  return text.split('\n').flatMap((line) => {
    const found = /^(\d+\.\d+) (\w+)\((.*)\) += (-?\d+).* <(\d+\.\d+)>$/.exec(line)
    if (found === null) return []
    const [, start = '', name = '', given = '', result = '', seconds = ''] = found
    const [, number, place] = /^(\d+)<(.+?)>(?:,|$)/.exec(given) ?? []
    const quoted = [...given.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((match) =>
      resolved(match[1] ?? '', descriptors),
    )
    const descriptor = number === undefined ? null : Number(number)
    const call: SystemCall = {
      process,
      name,
      start: Number(start),
      end: Number(start) + Number(seconds),
      descriptor,
      target: place ?? quoted.at(-1) ?? '',
      text: quoted[0] ?? '',
      result: Number(result),
      isSynchronous: descriptor !== null && descriptors.synchronous.has(descriptor),
    }
    return [call]
  })
}
