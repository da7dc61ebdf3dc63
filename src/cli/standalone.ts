/** `holdfast standalone`: a server, and the same controllers as on Kubernetes fed from a folder of manifests. */
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { connectLockServer } from '../client/connect.ts'
import type { SettingValues } from '../config/settings.ts'
import type { Log } from '../lib/log.ts'
import { anySignal } from '../lib/signals.ts'
import { runOperator } from '../operator/run-operator.ts'
import { DirectorySource } from '../operator/sources/directory.ts'
import { systemTimers } from '../operator/timers.ts'
import { systemClock } from '../platform/clock.ts'
import { createLog } from '../platform/log.ts'
import { demandVolume, hasVolume } from '../server/open-volume.ts'
import { type RunningServer, startServer } from '../server/supervisor.ts'
import { commandSettings } from './command-settings.ts'
import {
  type Credentials,
  credentialsOf,
  credentialsPath,
  ensureCredentials,
  generateCredentials,
  writeAwsCredentials,
} from './credentials.ts'
import { serverFailure, serverOptions, serverSettingNames, workerModule } from './server-options.ts'
import { type ReportOptions, StandaloneReport } from './standalone-report.ts'

const names = [...serverSettingNames, 'manifests', 'verifyIntervalMs'] as const
type StandaloneSettings = SettingValues<(typeof names)[number]>

const serverTimeoutMs = 10_000
/** This machine only: nothing encrypts the connection. */
const initial = {
  s3Listen: '127.0.0.1:9000',
  adminListen: '127.0.0.1:9001',
  metricsListen: '127.0.0.1:9002',
  // Warnings are told in sentences by the report.
  logLevel: 'error',
} as const

/** Runs until SIGINT or SIGTERM. Exit codes: 0 stopped, 1 failed, 2 wrong use. */
export async function standaloneCommand(argv: readonly string[]): Promise<number> {
  const summary = 'A lock server and the controllers on one machine, fed from a folder of manifests.'
  const settings = commandSettings({ command: 'holdfast standalone', summary, names, initial }, argv)
  if (settings.kind === 'exit') return settings.code
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal)
  const log = createLog({ level: settings.values.logLevel, component: 'standalone' })
  try {
    return await run(settings.values, log, stop)
  } catch (error) {
    process.stderr.write(`holdfast standalone: ${serverFailure(error)}\n`)
    return 1
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal)
  }
}

async function run(values: StandaloneSettings, log: Log, stop: AbortController): Promise<number> {
  await assertFolder(values.manifests)
  // The key is a file: it is not to be made beside a mount that is missing.
  await demandVolume(values.data, values.volumeId)
  const { root, origin } = await rootKey(values)
  // Nobody else needs the operator's key here: a new one for every start, in memory only.
  const operator = generateCredentials()
  const server = await startServer(serverOptions(values, { root, operator }), {
    clock: systemClock(),
    log,
    workerModule,
  }).catch((error: unknown) => {
    // Ctrl-C reaches the workers too: that one of them ended before it listened is then what was asked for.
    if (stop.signal.aborted) return null
    throw error
  })
  if (server === null) return 0
  try {
    if (stop.signal.aborted) return 0
    const report = new StandaloneReport({
      endpoint: server.s3Endpoint,
      adminEndpoint: server.adminEndpoint,
      region: values.region,
      manifests: values.manifests,
      credentials: origin,
      awsCredentials: await writeAwsCredentials(values.data, root),
      write: (text) => process.stdout.write(text),
    })
    report.started()
    const failure = server.failed.then((error) => {
      stop.abort(error)
      return error
    })
    const { access } = server
    if (access === 'readWrite') await control(values, { server, operator, report, log, signal: stop.signal })
    else {
      // Controllers write: leadership into the volume, what they accepted beside it. The server ends itself once it takes writes again.
      report.readOnly(access)
      if (!stop.signal.aborted) await once(stop.signal, 'abort')
    }
    const failed = await Promise.race([failure, Promise.resolve(null)])
    if (failed !== null) throw failed
    report.stopping()
    return 0
  } finally {
    await server.stop()
  }
}

type RootKey = { readonly root: Credentials; readonly origin: ReportOptions['credentials'] }

async function rootKey({ accessKeyId, secretAccessKey, data }: StandaloneSettings): Promise<RootKey> {
  const given = credentialsOf(accessKeyId, secretAccessKey)
  if (given !== null) return { root: given, origin: { kind: 'environment' } }
  const isOlderVolume = await hasVolume(data)
  const { credentials, isNew } = await ensureCredentials(data)
  const path = credentialsPath(data)
  return { root: credentials, origin: { kind: 'file', path, isNewForVolume: isNew && isOlderVolume } }
}

type ControlParts = {
  readonly server: RunningServer
  readonly operator: Credentials
  readonly report: StandaloneReport
  readonly log: Log
  readonly signal: AbortSignal
}

async function control(values: StandaloneSettings, parts: ControlParts): Promise<void> {
  const { server, operator, report, log, signal } = parts
  const clock = systemClock()
  const lockServer = connectLockServer({
    adminEndpoint: server.adminEndpoint,
    s3Endpoint: server.s3Endpoint,
    region: values.region,
    ...operator,
    timeoutMs: serverTimeoutMs,
    trust: { kind: 'ownProcess' },
    clock,
  })
  const source = new DirectorySource({
    directory: values.manifests,
    stateDirectory: join(server.volumeRoot, 'status'),
    timers: systemTimers,
    log,
    onProblem: (problem) => report.problem(problem),
  })
  const ended = new AbortController()
  const either = anySignal([signal, ended.signal])
  try {
    await runOperator({
      source,
      lockServer,
      clock,
      log,
      clusterId: server.volumeId,
      holder: 'standalone',
      verifyIntervalMs: values.verifyIntervalMs,
      signal: either.signal,
      onStatus: (change) => report.changed(change, source),
    })
  } finally {
    // Nothing is written once the server lets go of the folder.
    ended.abort()
    either.letGo()
    await source.stopped()
    await lockServer.close()
  }
}

async function assertFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => null)
  if (found?.isDirectory() !== true)
    throw new Error(`--manifests: ${path} is not a directory; examples/quickstart shows what belongs there`)
}
