/**
 * One worker process: it opens the volume's store for the running epoch and serves the S3 and the admin API
 * on the ports that all workers share. It lives and ends with its supervisor.
 */
import cluster from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { createAdminHandler } from '../admin/handler.ts'
import type { ListenAddress } from '../config/values.ts'
import { assert } from '../lib/assert.ts'
import type { Clock } from '../lib/clock.ts'
import type { OwnAccessKeys } from '../lib/identity.ts'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { MetricSet, type MetricSnapshot } from '../lib/metrics.ts'
import { createLog } from '../platform/log.ts'
import { accessKeys, operatorKey, rootKey } from '../s3/auth/access-keys.ts'
import { operationChooser } from '../s3/match.ts'
import type { Operation } from '../s3/operation.ts'
import { operations } from '../s3/operations/index.ts'
import { notImplemented, type UnbuiltOperation, unbuiltOperations } from '../s3/operations/not-implemented.ts'
import { signingKeys } from '../sigv4/keys.ts'
import type { Store } from '../store/store.ts'
import { accessKeysFile } from './access-keys-file.ts'
import { adminPort } from './admin-port.ts'
import { createBucketPolicies } from './bucket-policies.ts'
import { followCertificate } from './certificate.ts'
import { judgeError } from './error-answer.ts'
import { readMasterKey } from './master-key.ts'
import { measureStore } from './measured-store.ts'
import type { FromWorker, ServerOptions, ToWorker, WorkerStart } from './messages.ts'
import { openWorkerStore } from './open-volume.ts'
import { createPipeline, type PipelineOptions } from './pipeline.ts'
import { processMetrics } from './process-metrics.ts'
import { createRequestObserver } from './request-observer.ts'
import {
  type CertificateSource,
  createHttpServer,
  type Http1Handler,
  type Http2Handler,
  type HttpServer,
} from './server.ts'
import { storedAccessKeys } from './stored-access-keys.ts'

export type WorkerParts = { readonly clock: Clock }

/**
 * Speaks with the supervisor until it says stop; the process then ends. Call it once, in a forked process.
 */
export function runWorker(parts: WorkerParts): void {
  let running: Promise<RunningWorker> | null = null
  const fail = (error: unknown): void => {
    const reason = error instanceof Error ? error.message : 'it failed without an error'
    tell({ kind: 'failed', reason }, endAtOnce)
  }
  process.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'start':
        running = startWorker(message.start, parts, fail)
        running.then(() => tell({ kind: 'listening' }), fail)
        return
      case 'metrics':
        running?.then(
          ({ snapshot }) => tell({ kind: 'metrics', snapshot: snapshot() }),
          () => {},
        )
        return
      case 'stop':
        stopWorker(running, message.graceMs).then(() => endAfterMetrics(running), fail)
    }
  })
  // Without a supervisor nobody holds the volume: another server may begin any moment.
  cluster.worker?.on('disconnect', endAtOnce)
  // Ctrl-C reaches the whole group; draining is the supervisor's to order.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  tell({ kind: 'loaded' })
}

/**
 * `process.exit` would join lmdb's writer thread, which may wait for this very thread with LMDB's write lock in its hands: the
 * process would hang and no other could write. A killed process leaves the lock to the next (test/crash/orphan-workers).
 */
function endAtOnce(): void {
  process.kill(process.pid, 'SIGKILL')
}

/** What it counted since it was asked last is not lost. */
async function endAfterMetrics(running: Promise<RunningWorker> | null): Promise<void> {
  const end = (): never => process.exit(0)
  if (running === null) end()
  else tell({ kind: 'metrics', snapshot: (await running).snapshot() }, end)
}

function tell(message: FromWorker, after: () => void = () => {}): void {
  if (process.send !== undefined && process.connected) process.send(message, undefined, undefined, after)
  else after()
}

type RunningWorker = {
  readonly store: Store
  readonly servers: readonly HttpServer[]
  readonly drain: () => void
  readonly snapshot: () => MetricSnapshot
}

async function startWorker(
  start: WorkerStart,
  { clock }: WorkerParts,
  fail: (error: unknown) => void,
): Promise<RunningWorker> {
  const { options, epoch, access, volumeId, placeIdentity, workerName } = start
  const log = createLog({ level: options.logLevel, component: workerName })
  const metrics = new MetricSet()
  const renewProcessMetrics = processMetrics(metrics, workerName)
  const store = await openWorkerStore({
    directory: options.dataDirectory,
    epoch,
    access,
    volumeId,
    placeIdentity,
    worker: workerName,
    clock,
    log,
    onRefused: (why) => tell({ kind: 'refused', why }),
    measures: measureStore(metrics, workerName),
    masterKey: options.masterKeyFile === null ? null : readMasterKey(options.masterKeyFile),
  })
  const keys = keysOf(options, store, log)
  const knownSigningKeys = signingKeys(limits.signingKeysMax)
  const hostId = randomBytes(24).toString('base64')
  let isDraining = false
  const onFault = faultHandler(log, fail)
  const pipeline = createPipeline({
    store,
    clock,
    log,
    facts: {
      region: options.region,
      publicEndpoint: start.publicEndpoint,
      domain: options.domain,
      defaultProfile: options.defaultProfile,
    },
    authentication: {
      accessKeys: keys,
      expected: { region: options.region, service: 's3' },
      signingKeys: knownSigningKeys,
    },
    policies: createBucketPolicies(store, log),
    choose: chooser(),
    hostId,
    isDraining: () => isDraining,
    observer: createRequestObserver({ metrics, accessLog: accessLogOf(options), clock, worker: workerName }),
    onFault,
  })
  const admin = createAdminHandler({
    store,
    accessKeys: keys,
    signingKeys: knownSigningKeys,
    facts: { region: options.region, s3Endpoint: start.publicEndpoint, version: options.version },
    clock,
    log,
    onError: (error) => {
      const { consequence } = judgeError(error)
      if (consequence !== 'none') onFault(consequence, error)
    },
  })
  const servers = await listenAll(options, log, {
    s3: (request, response) => void pipeline(request, response),
    admin: adminPort({ handler: admin, clock, hostId, isDraining: () => isDraining }),
  })
  const drain = (): void => {
    isDraining = true
  }
  const snapshot = (): MetricSnapshot => {
    renewProcessMetrics()
    return metrics.snapshot()
  }
  return { store, servers, drain, snapshot }
}

/** On stdout, apart from what the server says of itself on stderr. */
function accessLogOf({ accessLog }: ServerOptions): Log | null {
  return accessLog ? createLog({ level: 'info', component: 'access', descriptor: 1 }) : null
}

type Handlers = { readonly s3: Http2Handler; readonly admin: Http1Handler }

/** Where a certificate is, the admin API is behind it: an operator's key opens every bucket. */
async function listenAll(
  { s3Listen, s3TlsListen, adminListen, certificate }: ServerOptions,
  log: Log,
  handlers: Handlers,
): Promise<readonly HttpServer[]> {
  const source: CertificateSource | null =
    certificate === null ? null : (renew) => followCertificate(certificate, log, renew)
  const servers: HttpServer[] = []
  const listen = async (server: HttpServer, address: ListenAddress): Promise<void> => {
    await server.listen(address)
    servers.push(server)
  }
  if (s3Listen !== null)
    await listen(createHttpServer({ http1: handlers.s3, http2: null, certificate: null }), s3Listen)
  if (s3TlsListen !== null) {
    assert(source !== null, 'HTTPS has a certificate')
    await listen(
      createHttpServer({ http1: handlers.s3, http2: handlers.s3, certificate: source }),
      s3TlsListen,
    )
  }
  await listen(createHttpServer({ http1: handlers.admin, http2: null, certificate: source }), adminListen)
  return servers
}

function keysOf(options: ServerOptions, store: Store, log: Log): OwnAccessKeys {
  const own = [
    rootKey(options.root.accessKeyId, options.root.secretAccessKey),
    operatorKey(options.operator.accessKeyId, options.operator.secretAccessKey),
  ]
  const path = options.accessKeysFile
  const none = new Map<string, never>()
  const file = path === null ? () => none : accessKeysFile(path, log)
  return accessKeys(own, { file, stored: storedAccessKeys(store) })
}

/** The whole S3 model: what is in the table is done, every other operation is refused by its name. */
export function chooser(): PipelineOptions['choose'] {
  const choose = operationChooser<Operation | UnbuiltOperation>([...operations, ...unbuiltOperations])
  return (input) => {
    const found = choose(input)
    if ('handle' in found) return found
    throw notImplemented(found.name)
  }
}

/**
 * A fault is told, and the supervisor replaces this worker in its own time; after a failed store nothing of this process can be trusted,
 * and a new one opens it again.
 */
function faultHandler(log: Log, fail: (error: unknown) => void): PipelineOptions['onFault'] {
  return (consequence, error) => {
    if (consequence === 'fault') {
      tell({ kind: 'fault' })
      return
    }
    log.error({ error }, 'the store failed; this worker ends')
    // The answers that are under way get out; none of them claims that anything was written.
    setTimeout(() => fail(error), limits.failedWorkerMs)
  }
}

async function stopWorker(running: Promise<RunningWorker> | null, graceMs: number): Promise<void> {
  if (running === null) return
  const { store, servers, drain } = await running
  drain()
  await Promise.all(servers.map((server) => server.drain(graceMs)))
  await store.close()
}
