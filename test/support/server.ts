/**
 * Starts a real server for a test: a supervisor and workers as processes of their own, on a volume in a
 * temporary folder.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CertificateFiles } from '../../src/server/certificate.ts'
import type { ServerOptions } from '../../src/server/messages.ts'
import type { SigningCredentials } from '../../src/sigv4/sign.ts'
import { type ClockShift, clockFileVariable, unshifted, writeClockShift } from './file-clock.ts'
import { type RemovalWatch, removalWatch } from './removals/watch.ts'
import { createS3Client, type S3TestClient } from './s3-client.ts'
import type { ServerMainMessage } from './server-main.ts'

export const rootCredentials: SigningCredentials = {
  accessKeyId: 'ROOTEXAMPLE',
  secretAccessKey: 'root-secret-for-tests-only',
}
export const operatorCredentials: SigningCredentials = {
  accessKeyId: 'OPERATOREXAMPLE',
  secretAccessKey: 'operator-secret-for-tests-only',
}

export type TestServerOptions = {
  /** Entries of the --access-keys file; left out: no file. */
  readonly accessKeys?: readonly object[]
  /** Text of the --master-key-file; left out: no file. */
  readonly masterKey?: string
  /** Serves HTTPS too, on a port of its own; the admin API speaks it only. */
  readonly certificate?: CertificateFiles
  readonly workerCount?: number
  readonly domain?: string
  readonly region?: string
  /** Of buckets that CreateBucket makes; aws if left out. */
  readonly defaultProfile?: ServerOptions['defaultProfile']
  readonly shutdownGraceMs?: number
  /** Left out: an hour, which no test waits for. */
  readonly lifecycleIntervalMs?: number
  readonly logLevel?: ServerOptions['logLevel']
  /** On stdout, so in `logs()`. */
  readonly accessLog?: 'on'
  /** The wall clock of the server's first start, which goes on from there; left out: the machine's. */
  readonly startsAtMs?: number
  /** Kept by the caller; left out: a temporary one that `stop` removes. */
  readonly dataDirectory?: string
  /** The only volume that it takes; any if left out. */
  readonly volumeId?: string
  /** Added to that of the server's processes. */
  readonly environment?: Readonly<Record<string, string>>
  /** The module to run in place of test/support/server-main.ts. */
  readonly mainModule?: string
  /** Its removals are judged when it has stopped, and counted in this folder: see removals/watch.ts. */
  readonly removals?: string
}

export type TestServer = {
  /** These three stay the same over `restart`. */
  readonly endpoint: string
  readonly tlsEndpoint: string | null
  readonly adminEndpoint: string
  readonly metricsEndpoint: string
  readonly volumeId: string
  readonly credentials: SigningCredentials
  readonly operator: SigningCredentials
  readonly region: string
  readonly dataDirectory: string
  /** Signs as root, or with `key`, by the server's wall clock. */
  readonly client: S3TestClient
  readonly nowMs: () => number
  /** Where its clock is driven from. */
  readonly clockFile: string
  /** Sets the shifts of the server's clock against the machine's, for all its processes at once. */
  readonly setClock: (shift: Partial<ClockShift>) => void
  /** Lets time pass: wall clock and uptime go on together. */
  readonly advance: (ms: number) => void
  readonly writeAccessKeys: (text: string) => void
  readonly pid: () => number
  /** SIGTERM, then a new start on the same volume and ports. */
  readonly restart: () => Promise<void>
  /** SIGKILL to the supervisor and all workers at once; `start` brings them back. */
  readonly kill9: () => Promise<void>
  readonly start: () => Promise<void>
  /** SIGTERM; resolves to the exit code. The folder stays until `stop`. */
  readonly terminate: () => Promise<number | null>
  readonly stop: () => Promise<void>
  readonly logs: () => string
}

const mainModule = fileURLToPath(new URL('./server-main.ts', import.meta.url))

export async function startTestServer(given: TestServerOptions = {}): Promise<TestServer> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-server-'))
  const clockFile = join(directory, 'clock.json')
  const accessKeysFile = join(directory, 'access-keys.json')
  const masterKeyFile = join(directory, 'master.key')
  let shift: ClockShift =
    given.startsAtMs === undefined ? unshifted : { ...unshifted, wallShiftMs: given.startsAtMs - Date.now() }
  writeClockShift(clockFile, shift)
  if (given.masterKey !== undefined) writeFileSync(masterKeyFile, given.masterKey)
  if (given.accessKeys !== undefined) writeFileSync(accessKeysFile, JSON.stringify(given.accessKeys))
  let options: ServerOptions = {
    dataDirectory: given.dataDirectory ?? join(directory, 'data'),
    volumeId: given.volumeId ?? null,
    s3Listen: { host: '127.0.0.1', port: 0 },
    s3TlsListen: given.certificate === undefined ? null : { host: '127.0.0.1', port: 0 },
    certificate: given.certificate ?? null,
    adminListen: { host: '127.0.0.1', port: 0 },
    metricsListen: { host: '127.0.0.1', port: 0 },
    workerCount: given.workerCount ?? 2,
    domain: given.domain ?? null,
    region: given.region ?? 'us-east-1',
    defaultProfile: given.defaultProfile ?? 'aws',
    publicEndpoint: null,
    accessKeysFile: given.accessKeys === undefined ? null : accessKeysFile,
    masterKeyFile: given.masterKey === undefined ? null : masterKeyFile,
    root: rootCredentials,
    operator: operatorCredentials,
    shutdownGraceMs: given.shutdownGraceMs ?? 5000,
    lifecycleIntervalMs: given.lifecycleIntervalMs ?? 3_600_000,
    scrubBytesPerSecond: 32 * 1024 ** 2,
    logLevel: given.logLevel ?? 'warn',
    accessLog: given.accessLog === 'on',
    version: 'test',
  }
  const environment = { ...given.environment, [clockFileVariable]: clockFile }
  const watch = removalWatch(options.dataDirectory, given.removals)
  const processes = new ServerProcess(given.mainModule ?? mainModule, environment, watch)
  let started: Started
  try {
    started = await processes.start(options)
  } catch (error) {
    await processes.kill()
    rmSync(directory, { recursive: true, force: true })
    throw error
  }
  // The ports that were found free are asked for by number from now on.
  options = {
    ...options,
    s3Listen: addressOf(started.s3Endpoint),
    s3TlsListen: started.s3TlsEndpoint === null ? null : addressOf(started.s3TlsEndpoint),
    adminListen: addressOf(started.adminEndpoint),
    metricsListen: addressOf(started.metricsEndpoint),
  }
  const setClock = (change: Partial<ClockShift>): void => {
    shift = { ...shift, ...change }
    writeClockShift(clockFile, shift)
  }
  const nowMs = (): number => Date.now() + shift.wallShiftMs
  const client = createS3Client({
    endpoint: started.s3Endpoint,
    credentials: rootCredentials,
    region: options.region,
    nowMs,
  })
  const start = async (): Promise<void> => {
    await processes.start(options)
  }
  return {
    endpoint: started.s3Endpoint,
    tlsEndpoint: started.s3TlsEndpoint,
    adminEndpoint: started.adminEndpoint,
    metricsEndpoint: started.metricsEndpoint,
    volumeId: started.volumeId,
    credentials: rootCredentials,
    operator: operatorCredentials,
    region: options.region,
    dataDirectory: options.dataDirectory,
    client,
    nowMs,
    clockFile,
    setClock,
    advance: (ms) => {
      setClock({ wallShiftMs: shift.wallShiftMs + ms, uptimeShiftMs: shift.uptimeShiftMs + ms })
    },
    writeAccessKeys: (text) => writeFileSync(accessKeysFile, text),
    pid: () => processes.pid(),
    restart: async () => {
      await processes.terminate()
      await start()
    },
    kill9: () => processes.kill(),
    start,
    terminate: () => processes.terminate(),
    stop: async () => {
      client.close()
      await processes.terminate()
      if (watch !== null) {
        // What waits to be unlinked goes at the next start, where it is seen to go.
        await start()
        await watch.tidied()
        await processes.terminate()
        watch.report()
      }
      rmSync(directory, { recursive: true, force: true })
    },
    logs: () => processes.logs(),
  }
}

function addressOf(endpoint: string): { host: string; port: number } {
  const { hostname, port } = new URL(endpoint)
  return { host: hostname, port: Number(port) }
}

type Started = Extract<ServerMainMessage, { kind: 'started' }>

/** One server at a time; a process group of its own, so that one signal reaches supervisor and workers. */
class ServerProcess {
  readonly #mainModule: string
  readonly #environment: Readonly<Record<string, string>>
  readonly #watch: RemovalWatch | null
  #child: ChildProcess | null = null
  #logs = ''

  constructor(mainModule: string, environment: Readonly<Record<string, string>>, watch: RemovalWatch | null) {
    this.#mainModule = mainModule
    this.#environment = environment
    this.#watch = watch
  }

  async start(options: ServerOptions): Promise<Started> {
    const command = await this.#watch?.command()
    const child = fork(this.#mainModule, [], {
      detached: true,
      silent: true,
      execPath: command?.execPath ?? process.execPath,
      execArgv: command?.execArgv ?? [],
      env: {
        ...process.env,
        ...this.#environment,
        ...command?.environment,
        VITEST: undefined,
        NODE_OPTIONS: undefined,
      },
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (piece: Buffer) => {
        this.#logs += piece.toString('utf8')
      })
    }
    return new Promise((resolve, reject) => {
      child.on('error', reject)
      child.once('exit', (code) => reject(new Error(`the server ended with ${code}:\n${this.#logs}`)))
      child.on('message', (message: ServerMainMessage) => {
        if (message.kind === 'loaded') child.send(options)
        if (message.kind === 'started') resolve(message)
        if (message.kind === 'failed') reject(new Error(`${message.reason}\n${this.#logs}`))
      })
    })
  }

  pid(): number {
    return this.#child?.pid ?? 0
  }

  async terminate(): Promise<number | null> {
    const child = this.#child
    if (child === null || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const ended = this.#ended(child)
    child.kill('SIGTERM')
    await ended
    return child.exitCode
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = this.#ended(child)
    process.kill(-child.pid, 'SIGKILL')
    await ended
  }

  /** A tracer holds the pipes until it has written everything down. */
  async #ended(child: ChildProcess): Promise<void> {
    await once(child, this.#watch === null ? 'exit' : 'close')
    await this.#watch?.ended()
  }

  logs(): string {
    return this.#logs
  }
}
