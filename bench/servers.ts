/** The servers that are compared: each as its own documentation starts it, on a folder of its own on the same disk. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { results } from './volumes.ts'
import type { Workload } from './workloads.ts'

export const serverNames = ['holdfast', 'minio', 'versitygw', 's3rver'] as const
export type ServerName = (typeof serverNames)[number]

export type RunningServer = {
  readonly name: ServerName
  readonly endpoint: string
  readonly credentials: Credentials
  /** What it has on the disk, and its log. */
  readonly directory: string
  /** Seconds of CPU that its processes have used. */
  readonly cpuSeconds: () => number
  /** Memory that is no file's. */
  readonly anonymousBytes: () => number
  readonly stop: () => Promise<void>
}

export type StartOptions = {
  readonly name: ServerName
  readonly directory: string
  /** A program that runs the server, e.g. strace with its arguments; none if left out. */
  readonly under?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

type Credentials = { readonly accessKeyId: string; readonly secretAccessKey: string }

/** Of every server that lets them be chosen. */
export const credentials: Credentials = {
  accessKeyId: 'BENCHEXAMPLE',
  secretAccessKey: 'bench-secret-key-for-this-run',
}

/** What a 200 means at each of them. */
export const durabilityOf: Readonly<Record<ServerName, string>> = {
  holdfast: 'data, name, lock and audit record are on the disk',
  minio: 'data is on the disk, its name is not yet',
  versitygw: 'nothing is flushed',
  s3rver: 'nothing is flushed',
}

/** The only ones that it has. */
const s3rverCredentials: Credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' }
/** s3rver has no versions, and answers a listing of thousands of keys with 500. */
export function isAnswered(name: ServerName, { needs }: Pick<Workload, 'needs'>): boolean {
  return name !== 's3rver' || needs === undefined
}

const root = join(import.meta.dirname, '..')
const startMsMax = 120_000

/** Errors: the server has not been built, does not start, or ends. */
export async function startServer(options: StartOptions): Promise<RunningServer> {
  const { name, directory, under = [] } = options
  mkdirSync(directory, { recursive: true })
  const port = await freePort()
  const { command, environment } = await launchOf(name, directory, port)
  const [program = '', ...parameters] = [...under, ...command]
  const log = openSync(join(directory, 'server.log'), 'a')
  const child = spawn(program, parameters, {
    cwd: root,
    stdio: ['ignore', log, log],
    env: { ...process.env, ...environment, ...options.environment },
  })
  endWithThis(child)
  const endpoint = `http://127.0.0.1:${port}`
  await untilAnswers(child, endpoint, name)
  const pids = (): readonly number[] => treeOf(child.pid ?? 0)
  return {
    name,
    endpoint,
    credentials: name === 's3rver' ? s3rverCredentials : credentials,
    directory,
    cpuSeconds: () => sum(pids().map(cpuSecondsOf)),
    anonymousBytes: () => sum(pids().map(anonymousBytesOf)),
    stop: () => stop(child, pids()),
  }
}

const running = new Set<ChildProcess>()

/** Nobody else would end it. */
function endWithThis(child: ChildProcess): void {
  if (running.size === 0) process.prependOnceListener('exit', endAll)
  running.add(child)
  child.once('exit', () => {
    running.delete(child)
    if (running.size === 0) process.off('exit', endAll)
  })
}

function endAll(): void {
  for (const child of running) child.kill('SIGKILL')
}

/** The program that tools/build.sh made. Errors: it has not. */
export function builtProgram(name: Exclude<ServerName, 'holdfast'> | 'bench-client'): string {
  const paths = join(root, 'tools/build.sh')
  return execFileSync('bash', [paths, name], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  }).trim()
}

type Launch = {
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

async function launchOf(name: ServerName, directory: string, port: number): Promise<Launch> {
  const address = `127.0.0.1:${port}`
  const { accessKeyId, secretAccessKey } = credentials
  switch (name) {
    case 'holdfast': {
      const ports = [await freePort(), await freePort()]
      const listen = ['--admin-listen', `127.0.0.1:${ports[0]}`, '--metrics-listen', `127.0.0.1:${ports[1]}`]
      const options = ['--data', join(directory, 'data'), '--s3-listen', address, ...listen]
      return {
        command: [process.execPath, shipped(), 'server', ...options],
        environment: {
          HOLDFAST_ACCESS_KEY_ID: accessKeyId,
          HOLDFAST_SECRET_ACCESS_KEY: secretAccessKey,
          HOLDFAST_OPERATOR_ACCESS_KEY_ID: 'OPERATOREXAMPLE',
          HOLDFAST_OPERATOR_SECRET_ACCESS_KEY: 'operator-secret-of-the-bench',
        },
      }
    }
    case 'minio':
      return {
        command: [builtProgram(name), 'server', '--quiet', '--address', address, join(directory, 'data')],
        environment: {
          MINIO_ROOT_USER: accessKeyId,
          MINIO_ROOT_PASSWORD: secretAccessKey,
          MINIO_BROWSER: 'off',
        },
      }
    case 'versitygw': {
      const [data, versions] = [join(directory, 'data'), join(directory, 'versions')]
      for (const folder of [data, versions]) mkdirSync(folder, { recursive: true })
      const keys = ['--access', accessKeyId, '--secret', secretAccessKey]
      // Without --keep-alive it closes every connection, which costs the client more than the server.
      const options = ['--port', address, '--keep-alive', '--quiet', ...keys]
      return {
        command: [builtProgram(name), ...options, 'posix', '--versioning-dir', versions, data],
        environment: {},
      }
    }
    case 's3rver': {
      const where = ['--directory', join(directory, 'data'), '--address', '127.0.0.1', '--port', `${port}`]
      const options = [...where, '--silent', '--no-vhost-buckets']
      return {
        command: [process.execPath, builtProgram(name), ...options],
        environment: { NODE_ENV: 'production' },
      }
    }
  }
}

let application: string | null = null

/**
 * Holdfast as its image has it: compiled, for a checkout has Node strip the types at every start. Returns its program, the same for
 * all servers of this process, which removes it when it ends.
 */
function shipped(): string {
  if (application !== null) return programIn(application)
  mkdirSync(results, { recursive: true })
  const folder = mkdtempSync(join(results, 'application-'))
  application = folder
  process.once('exit', removeApplication)
  mkdirSync(join(folder, 'bin'))
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const flags = ['-p', join(root, 'tsconfig.build.json'), '--outDir', join(folder, 'dist')]
  execFileSync(process.execPath, [compiler, ...flags], { stdio: 'inherit' })
  for (const file of ['bin/holdfast', 'package.json']) copyFileSync(join(root, file), join(folder, file))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return programIn(folder)
}

function programIn(folder: string): string {
  return join(folder, 'bin/holdfast')
}

/** What was compiled for this process, when no server is left; at its end by itself, if that is an orderly one. */
export function removeApplication(): void {
  if (application !== null) rmSync(application, { recursive: true, force: true })
  application = null
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('a port is a number')
  return address.port
}

async function untilAnswers(child: ChildProcess, endpoint: string, name: string): Promise<void> {
  const end = performance.now() + startMsMax
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}: see its server.log`)
    try {
      // Any answer: nobody is let in without a signature. MinIO says 503 until it is ready.
      if ((await fetch(endpoint)).status !== 503) return
    } catch (error) {
      if (performance.now() > end) throw new Error(`${name} does not answer`, { cause: error })
    }
    await delay(50)
  }
}

async function stop(child: ChildProcess, pids: readonly number[]): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  // A tracer would let its server go: the signal is for all of them.
  for (const pid of pids) signal(pid)
  await exited
}

function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM')
  } catch {
    // It ended with its parent.
  }
}

/** The process and all below it. */
function treeOf(pid: number): readonly number[] {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`)
    const children = tasks.flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
        .trim()
        .split(' ')
        .filter(Boolean)
        .map(Number),
    )
    return [pid, ...children.flatMap(treeOf)]
  } catch {
    return []
  }
}

const ticksPerSecond = 100

/** User and system time, the 14th and 15th field. */
function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

function anonymousBytesOf(pid: number): number {
  return 1024 * Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
