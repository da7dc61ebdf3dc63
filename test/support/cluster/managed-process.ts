import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'

const LOG_TAIL_LINES = 25

export type ManagedProcess = {
  readonly name: string
  readonly pid: number
  /** Throws, with the end of the log, if the process has ended. */
  assertRunning(): void
  /** SIGKILL, and waits for the end. A process that has ended already is fine. */
  kill(): Promise<void>
}

export type ProcessSpec = {
  readonly name: string
  readonly file: string
  readonly args: readonly string[]
  readonly logPath: string
}

/**
 * Starts a process that cannot outlive this one. An exit handler kills it when this process ends by itself; the kernel
 * does it (PR_SET_PDEATHSIG, by setpriv, which then becomes the process: the pid is the same) when this one is killed.
 * Its output is appended to `logPath`.
 */
export async function startProcess(spec: ProcessSpec): Promise<ManagedProcess> {
  const log = openSync(spec.logPath, 'a')
  const args = ['--pdeathsig', 'KILL', spec.file, ...spec.args]
  const child = spawn('setpriv', args, { stdio: ['ignore', log, log] })
  closeSync(log)
  try {
    await once(child, 'spawn')
  } catch (cause) {
    throw new Error(`cannot start ${spec.name}: setpriv does not run; install util-linux`, { cause })
  }
  const killOnExit = () => child.kill('SIGKILL')
  // First in line: other exit handlers remove the files that the process writes.
  process.prependListener('exit', killOnExit)
  const ended = once(child, 'exit').then(() => process.off('exit', killOnExit))
  return {
    name: spec.name,
    pid: pidOf(child, spec),
    assertRunning() {
      if (!hasEnded(child)) return
      const reason = child.signalCode ?? `exit code ${child.exitCode}`
      throw new Error(`${spec.name} has ended (${reason}); the end of its log:\n${tail(spec.logPath)}`)
    },
    async kill() {
      if (!hasEnded(child)) child.kill('SIGKILL')
      await ended
    },
  }
}

function pidOf(child: ChildProcess, spec: ProcessSpec): number {
  if (child.pid === undefined) throw new Error(`${spec.name} was spawned without a pid`)
  return child.pid
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

function tail(path: string): string {
  return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n')
}
