/** Starts `bin/holdfast standalone` as a person would, on a directory of its own and free ports. */
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

export const root = join(import.meta.dirname, '..', '..')

export type Standalone = {
  readonly directory: string
  readonly manifests: string
  readonly data: string
  /** Everything printed so far. */
  readonly output: () => string
  /** Resolves when `pattern` is in the output; rejects when the process ends first or after 30 s. */
  readonly printed: (pattern: RegExp) => Promise<RegExpExecArray>
  readonly endpoint: () => string
  readonly credentials: () => { accessKeyId: string; secretAccessKey: string }
  /** Sends the signal and resolves to the exit code. */
  readonly end: (signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL') => Promise<number | null>
  /** Closes our end of its output, as `| head` does. */
  readonly closeOutput: () => void
  readonly exited: Promise<number | null>
}

/** A directory with a copy of the quickstart manifests; removed after the test. */
export function makeDirectory(prefix = 'holdfast-standalone-'): string {
  const directory = mkdtempSync(join(tmpdir(), prefix))
  cpSync(join(root, 'examples', 'quickstart'), join(directory, 'manifests'), { recursive: true })
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

const waitMsMax = 90_000

export function startStandalone(directory: string, flags: readonly string[] = []): Standalone {
  const manifests = join(directory, 'manifests')
  const data = join(directory, 'data')
  const listen = ['--s3-listen', '--admin-listen', '--metrics-listen'].flatMap((flag) =>
    flags.includes(flag) ? [] : [flag, '127.0.0.1:0'],
  )
  const child = spawn(
    process.execPath,
    [join(root, 'bin/holdfast'), 'standalone', '--manifests', manifests, '--data', data, ...listen, ...flags],
    { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  return watch(child, { directory, manifests, data })
}

function watch(
  child: ChildProcess,
  paths: { directory: string; manifests: string; data: string },
): Standalone {
  let text = ''
  const listeners = new Set<() => void>()
  const hear = (chunk: Buffer) => {
    text += chunk.toString()
    for (const listener of listeners) listener()
  }
  child.stdout?.on('data', hear)
  child.stderr?.on('data', hear)
  const exited = new Promise<number | null>((resolve) => child.on('exit', (code) => resolve(code)))
  const end = (signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL') => {
    if (child.exitCode === null) child.kill(signal)
    return exited
  }
  onTestFinished(async () => {
    await end('SIGKILL')
  })
  const printed = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const settle = (run: () => void) => {
        clearTimeout(timer)
        listeners.delete(look)
        run()
      }
      const fail = (why: string) =>
        settle(() => reject(new Error(`${pattern} was not printed: ${why}\n${text}`)))
      const look = () => {
        const found = pattern.exec(text)
        if (found !== null) settle(() => resolve(found))
      }
      const timer = setTimeout(() => fail('too late'), waitMsMax)
      listeners.add(look)
      void exited.then((code) => fail(`exit code ${code}`))
      look()
    })
  return {
    ...paths,
    output: () => text,
    printed,
    endpoint: () => /S3 endpoint\s+(\S+)/.exec(text)?.[1] ?? '',
    credentials: () => JSON.parse(readFileSync(join(paths.data, 'credentials.json'), 'utf8')),
    end,
    closeOutput: () => {
      child.stdout?.destroy()
    },
    exited,
  }
}
