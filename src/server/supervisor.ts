/**
 * The process that owns the volume: it takes the lock, begins a server epoch, recovers, keeps the clock and
 * the garbage, and keeps workers alive. It serves health only; S3 and admin requests are the workers'.
 */
import type { ListenAddress } from '../config/values.ts'
import { assert } from '../lib/assert.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { type Counter, MetricSet, mergeMetrics, renderMetrics } from '../lib/metrics.ts'
import { NoRoomError, refusalSentence, type VolumeAccess, type WritesRefused } from '../lib/read-only.ts'
import { lockServedVolume, type VolumeLock } from '../platform/volume-lock.ts'
import { CorruptRecordError } from '../store/fields.ts'
import { hasRoomAgain, hasRoomForCommit } from '../store/free-space.ts'
import type { Store } from '../store/store.ts'
import { startChores } from './chores.ts'
import { type Health, listenHealth } from './health.ts'
import type { ServerOptions, WorkerStart } from './messages.ts'
import { demandVolume, openOwner, type VolumeOwner } from './open-volume.ts'
import { endpointOf, settlePort } from './ports.ts'
import { processMetrics } from './process-metrics.ts'
import { type ReadOnlyWatch, type VolumeLooks, watchReadOnly } from './read-only-watch.ts'
import { volumeMetrics } from './volume-metrics.ts'
import { WorkerPool } from './worker-pool.ts'

export type SupervisorParts = {
  readonly clock: Clock
  readonly log: Log
  /** The module that each worker runs: src/server/worker-main.ts, or a test's that wires another Clock. */
  readonly workerModule: URL
}

export type RunningServer = {
  /** Plain HTTP, or HTTPS where that is all there is. */
  readonly s3Endpoint: string
  readonly s3TlsEndpoint: string | null
  readonly adminEndpoint: string
  readonly metricsEndpoint: string
  readonly volumeId: string
  /** Leads to the folder that is open, whatever is at its path by now, until `stop`; to be put before the names in it. */
  readonly volumeRoot: string
  /** Other than `readWrite`: the volume took no writes at the start; once it does the server ends by itself. */
  readonly access: VolumeAccess
  /** Resolves when the server has ended by itself: the volume failed and serving must not go on. */
  readonly failed: Promise<Error>
  /** Finishes running requests up to the grace period, then ends. May be called again. */
  readonly stop: () => Promise<void>
}

/** How often free ports are drawn again. */
const drawTriesMax = 4

/**
 * Starts everything and resolves when all workers listen. Errors: WrongVolumeError, VolumeLockedError, VolumeFormatError,
 * UnsupportedFileSystemError, and what a worker says when it cannot start.
 */
export async function startServer(options: ServerOptions, parts: SupervisorParts): Promise<RunningServer> {
  // The lock is a file: it is not to be made beside a mount that is missing.
  await demandVolume(options.dataDirectory, options.volumeId)
  const volumeLock = await lockServedVolume(options.dataDirectory)
  const closers: (() => Promise<void>)[] = [() => volumeLock.release()]
  const closeAll = async () => {
    for (const close of closers.reverse().splice(0)) await close()
  }
  try {
    return await startOnVolume(options, parts, volumeLock, { closers, closeAll })
  } catch (error) {
    await closeAll()
    throw error
  }
}

type Closing = { readonly closers: (() => Promise<void>)[]; readonly closeAll: () => Promise<void> }

async function startOnVolume(
  options: ServerOptions,
  { clock, log, workerModule }: SupervisorParts,
  volumeLock: VolumeLock,
  { closers, closeAll }: Closing,
): Promise<RunningServer> {
  const { dataDirectory: directory, volumeId } = options
  const { promise: refused, resolve: noteRefused } = Promise.withResolvers<WritesRefused>()
  const owner = await openOwner(
    { directory, volumeId, lock: volumeLock, clock, log, onRefused: noteRefused },
    volumeLock.access,
  )
  closers.push(() => owner.close())
  const { access } = owner
  const faults = new FaultCount()
  const watch = watchReadOnly(looksAt(owner, volumeLock), (why) =>
    log.error({ directory, reason: refusalSentence(why) }, 'the volume takes no writes: reads go on'),
  )
  closers.push(async () => watch.stop())
  void refused.then(watch.note)
  if (access === 'readWrite') await tickAtStart(owner.store, log)
  else watch.note(access)
  const serving = await startServing(options, owner, { log, workerModule, clock, volumeLock, watch, faults })
  closers.push(() => serving.stop())
  const failures = [watch.ended]
  // All that the owner does by itself is to write.
  if (access === 'readWrite') {
    const chores = startChores(owner.store, log, { ...options, onFault: faults.note })
    closers.push(() => chores.stop())
    failures.push(chores.failed.then(watch.dueAfter))
  }
  return {
    ...endpointsOf({ ...options, ...serving.listen }),
    metricsEndpoint: endpointOf(serving.listen.metricsListen, 'http'),
    volumeId: owner.store.volume.volumeId,
    volumeRoot: owner.place.root,
    access,
    failed: Promise.race(failures),
    stop: closeAll,
  }
}

/** Of the folder that is open, whatever is at its path. */
function looksAt({ store, place }: VolumeOwner, { takesWrites }: VolumeLock): VolumeLooks {
  return {
    takesWrites,
    // What is wrong with a disk that cannot be looked at is not that it is full.
    hasRoom: () => store.space().then(hasRoomForCommit, () => true),
    hasRoomAgain: async () => hasRoomAgain(await store.space()),
    isInPlace: place.isInPlace,
  }
}

/**
 * Of a damaged clock nothing is believed: what depends on it is denied, /readyz says so, and all else is served. Where the room went
 * meanwhile, the chore ticks when there is some.
 */
async function tickAtStart(store: Store, log: Log): Promise<void> {
  try {
    await store.clock.tick()
  } catch (error) {
    if (!(error instanceof CorruptRecordError || error instanceof NoRoomError)) throw error
    log.error({ error }, 'the trusted time was not marked: reads go on')
  }
}

/** Errors that nobody expected, of the workers and of the chores. */
class FaultCount {
  #count = 0
  readonly note = (): void => {
    this.#count += 1
  }
  count(): number {
    return this.#count
  }
}

type Endpoints = Pick<RunningServer, 's3Endpoint' | 's3TlsEndpoint' | 'adminEndpoint'>

function endpointsOf({ s3Listen, s3TlsListen, adminListen, certificate }: ServerOptions): Endpoints {
  const s3TlsEndpoint = s3TlsListen === null ? null : endpointOf(s3TlsListen, 'https')
  const s3Endpoint = s3Listen === null ? s3TlsEndpoint : endpointOf(s3Listen, 'http')
  assert(s3Endpoint !== null, 'a server listens for S3 requests')
  return { s3Endpoint, s3TlsEndpoint, adminEndpoint: endpointOf(adminListen, schemeOf(certificate)) }
}

function schemeOf(certificate: ServerOptions['certificate']): 'http' | 'https' {
  return certificate === null ? 'http' : 'https'
}

type Listen = Pick<ServerOptions, 's3Listen' | 's3TlsListen' | 'adminListen' | 'metricsListen'>
type Serving = { readonly listen: Listen; readonly stop: () => Promise<void> }
type ServingParts = SupervisorParts & {
  readonly volumeLock: VolumeLock
  readonly watch: ReadOnlyWatch
  readonly faults: FaultCount
}

/** A port that was free may be taken by another process before our workers listen: then others are drawn. */
async function startServing(
  options: ServerOptions,
  owner: VolumeOwner,
  parts: ServingParts,
): Promise<Serving> {
  const { s3Listen, s3TlsListen, adminListen, metricsListen } = options
  const isDrawn = [s3Listen, s3TlsListen, adminListen, metricsListen].some((address) => address?.port === 0)
  for (let tries = 1; ; tries += 1) {
    try {
      return await listenAndServe(options, owner, parts)
    } catch (error) {
      const isTaken = error instanceof Error && error.message.includes('EADDRINUSE')
      if (!isDrawn || !isTaken || tries >= drawTriesMax) throw error
    }
  }
}

async function listenAndServe(
  options: ServerOptions,
  owner: VolumeOwner,
  { log, workerModule, clock, volumeLock, watch, faults }: ServingParts,
): Promise<Serving> {
  const listen = await settlePorts(options)
  const { s3Endpoint, s3TlsEndpoint } = endpointsOf({ ...options, ...listen })
  const publicEndpoint = options.publicEndpoint ?? s3TlsEndpoint ?? s3Endpoint
  const pool = new WorkerPool({
    workerModule,
    workerCount: options.workerCount,
    graceMs: options.shutdownGraceMs,
    log,
    onFault: faults.note,
    onRefused: watch.note,
    startOf: (workerName): WorkerStart => ({
      options: { ...options, ...listen },
      epoch: owner.epoch,
      access: owner.access,
      volumeId: owner.store.volume.volumeId,
      placeIdentity: owner.place.identity,
      workerName,
      publicEndpoint,
    }),
  })
  const ready = async (): Promise<Health> =>
    owner.place.isInPlace() && (await volumeLock.isInPlace())
      ? readiness(await watch.refusal(), owner.store, pool)
      : volumeGone(options.dataDirectory)
  try {
    await pool.start()
    const health = await listenHealth(listen.metricsListen, {
      readiness: ready,
      metrics: metricsOf({ owner, pool, faults, clock, version: options.version, ready }),
    })
    return {
      listen,
      stop: async () => {
        await health.close()
        await pool.stop()
      },
    }
  } catch (error) {
    await pool.stop()
    throw error
  }
}

type MetricSources = {
  readonly owner: VolumeOwner
  readonly pool: WorkerPool
  readonly faults: FaultCount
  readonly clock: Clock
  readonly version: string
  readonly ready: () => Promise<Health>
}

/** The supervisor's own and all workers'. */
function metricsOf({
  owner,
  pool,
  faults,
  clock,
  version,
  ready: isReady,
}: MetricSources): () => Promise<string> {
  const own = new MetricSet()
  own.gauge('holdfast_build_info', 'Always 1').set({ version }, 1)
  const listening = own.gauge('holdfast_workers_listening', 'Workers that take requests')
  const ready = own.gauge('holdfast_ready', '1: /readyz says so')
  const removalsFailed = own.gauge(
    'holdfast_removals_failed',
    '1: the disk failed a removal; nothing more is removed until the server starts again',
  )
  const workersEnded = own.counter(
    'holdfast_workers_ended_total',
    'Workers that ended although nobody stopped them; each is started again',
  )
  const faultsMet = own.counter(
    'holdfast_faults_total',
    'Errors that nobody expected: of requests, and of the server’s own work',
  )
  const replaced = own.counter(
    'holdfast_workers_replaced_total',
    'Workers whose place another took because they had met an error that nobody expected',
  )
  const countEnded = upTo(workersEnded)
  const countFaults = upTo(faultsMet)
  const countReplaced = upTo(replaced)
  const renewProcess = processMetrics(own, 'supervisor')
  const renewVolume = volumeMetrics(own, owner.store, clock)
  return async () => {
    renewProcess()
    listening.set({}, pool.listeningCount())
    ready.set(
      {},
      await isReady().then(
        ({ kind }) => (kind === 'ready' ? 1 : 0),
        () => 0,
      ),
    )
    countEnded(pool.endedCount())
    countFaults(faults.count())
    countReplaced(pool.replacedCount())
    removalsFailed.set({}, owner.hasFailedRemoval() ? 1 : 0)
    await renewVolume()
    return renderMetrics(mergeMetrics([own.snapshot(), await pool.metrics()]))
  }
}

/** Brings a counter to what was counted elsewhere. */
function upTo(counter: Counter): (count: number) => void {
  let before = 0
  counter.add({}, 0)
  return (count) => {
    counter.add({}, count - before)
    before = count
  }
}

async function settlePorts(options: ServerOptions): Promise<Listen> {
  const taken: ListenAddress[] = []
  const settle = async (address: ListenAddress): Promise<ListenAddress> => {
    const settled = await settlePort(address, taken)
    taken.push(settled)
    return settled
  }
  const s3Listen = options.s3Listen === null ? null : await settle(options.s3Listen)
  const s3TlsListen = options.s3TlsListen === null ? null : await settle(options.s3TlsListen)
  const adminListen = await settle(options.adminListen)
  return { s3Listen, s3TlsListen, adminListen, metricsListen: await settle(options.metricsListen) }
}

/** What is open is served on as far as it goes; no worker starts on what is there now. */
function volumeGone(directory: string): Health {
  const reason = `${directory} is not the volume that this server opened: it was unmounted, moved or covered by another`
  return { kind: 'notReady', reasons: [reason] }
}

async function readiness(readOnly: string | null, store: Store, pool: WorkerPool): Promise<Health> {
  const reasons: string[] = []
  const refusal = readOnly ?? (await store.writeRefusal())
  if (refusal !== null) reasons.push(refusal)
  const listening = pool.listeningCount()
  if (listening < pool.workerCount) reasons.push(`${listening} of ${pool.workerCount} workers listen`)
  return reasons.length === 0 ? { kind: 'ready' } : { kind: 'notReady', reasons }
}
