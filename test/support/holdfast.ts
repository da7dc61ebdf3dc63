/** Runs a command as a user would, to its end. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { root } from './standalone.ts'

export type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string }

export type RunningCommand = { readonly child: ChildProcess; readonly ended: Promise<Ended> }

/** `environment` is all there is, beside PATH. */
export function startHoldfast(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): RunningCommand {
  const child = spawn(process.execPath, [join(root, 'bin/holdfast'), ...args], {
    env: {
      PATH: process.env['PATH'],
      // The command compiles nothing that another one compiled.
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
      ...environment,
    },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }))
  return { child, ended }
}

export function holdfast(...args: readonly string[]): Promise<Ended> {
  return startHoldfast(args).ended
}
