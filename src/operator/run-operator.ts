import type { LockServer } from '../client/lock-server.ts'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { withAnySignal } from '../lib/signals.ts'
import { Canary } from './canary.ts'
import { makeReconciler, type Reconciler, type StatusListener } from './controller.ts'
import { bucketAccessController, type SecretParts } from './controllers/BucketAccess.ts'
import { clusterRetentionPolicyController } from './controllers/ClusterRetentionPolicy.ts'
import { lockedBucketController } from './controllers/LockedBucket.ts'
import { retentionPolicyController } from './controllers/RetentionPolicy.ts'
import { type Election, soleCandidate, type Term } from './election.ts'
import { believedLocks } from './history/believed-locks.ts'
import { VolumeHistory } from './history/volume-history.ts'
import { acquireLeadership, type Leadership, LeadershipLostError, ServerFacts } from './leadership.ts'
import { OperatorMetrics } from './metrics.ts'
import type { ObjectKind } from './objects.ts'
import { type RunnerSignals, runController } from './runner.ts'
import { ServerKeys } from './server-keys.ts'
import type { EventRecord, Source } from './sources/source.ts'
import type { StorageGuard, StorageTerm } from './storage/storage-guard.ts'
import { sleep, systemTimers, type Timers } from './timers.ts'

export type OperatorOptions = {
  readonly source: Source
  readonly lockServer: LockServer
  readonly clock: Clock
  readonly log: Log
  /** Half of an owner's identity: the uid of kube-system, or the volume id in standalone. */
  readonly clusterId: string
  /** Who leads, for the server's record and people: a pod's name. */
  readonly holder: string
  /** Every bucket is compared with its spec at least this often. */
  readonly verifyIntervalMs: number
  readonly signal: AbortSignal
  /** Told of the status after every reconcile, and of every event; must not throw. */
  readonly onStatus?: StatusListener
  /** Told when the controllers work: the source has synced and the lock server gave its epoch. */
  readonly onReady?: (epoch: number) => void
  /** Which of several replicas works; absent: there is only this one. */
  readonly election?: Election
  readonly metrics?: OperatorMetrics
  readonly timers?: Timers
  /** Where the keys of BucketAccesses are written; absent: there are no Secrets. */
  readonly secrets?: SecretParts
  /** Whether its volume is the one that it was; absent: known from this process alone. */
  readonly history?: VolumeHistory
  /** What the lock server keeps its data on; absent: there is no API server. */
  readonly storage?: StorageGuard
}

const workersOf: Readonly<Record<ObjectKind, number>> = {
  BucketAccess: 2,
  LockedBucket: 4,
  RetentionPolicy: 1,
  ClusterRetentionPolicy: 1,
}

/**
 * Reads the source, waits to be elected, acquires the leadership of the lock server and runs the controllers,
 * each time it is elected, until the signal is aborted; waits out a server that does not answer. Resolves when
 * the running reconciles have ended. Errors: LeadershipLostError when an operator outside of the election took
 * over (nothing was written since), ServerRefusedError for a key that the server does not take.
 */
export async function runOperator(options: OperatorOptions): Promise<void> {
  const { source, verifyIntervalMs, signal, election = soleCandidate } = options
  if (verifyIntervalMs < limits.verifyIntervalMsMin || verifyIntervalMs > limits.verifyIntervalMsMax) {
    throw new RangeError('the verify interval must be within 100 ms and 24 h')
  }
  // The source is there for statuses and events of the last reconciles too, and for the next term.
  const reading = new AbortController()
  const stopReading = () => reading.abort()
  signal.addEventListener('abort', stopReading, { once: true })
  try {
    if (signal.aborted) return
    await source.start(reading.signal)
    signal.removeEventListener('abort', stopReading)
    const { timers = systemTimers, metrics = new OperatorMetrics() } = options
    const parts = { ...options, timers, metrics }
    // Over all terms: what one has seen the next must not forget.
    const history = options.history ?? new VolumeHistory({ ...parts, store: null })
    await election.run(signal, (term) => lead({ ...parts, history }, term))
  } finally {
    stopReading()
  }
}

type Parts = OperatorOptions & Required<Pick<OperatorOptions, 'timers' | 'metrics' | 'history'>>

/** One term: from the election until the signal, or until the right to lead is lost. */
async function lead(options: Parts, term: Term): Promise<void> {
  const { log, signal, timers } = options
  const epoch = await withAnySignal([signal, term.signal], (either) => acquireLeadership(options, either))
  if (epoch === null) return
  const abandon = new AbortController()
  let loss: LeadershipLostError | null = null
  const lost = (currentEpoch: number) => {
    if (loss !== null) return
    loss = new LeadershipLostError(
      `the lock server is led by epoch ${currentEpoch}, ours is ${epoch}: another operator took over, so this one stops`,
    )
    log.error({ epoch, currentEpoch }, loss.message)
    abandon.abort(loss)
  }
  const assertHeld = () => {
    term.assertHeld()
    if (loss !== null) throw loss
  }
  const cancelDrain = onAbort(signal, () =>
    timers.after(limits.drainMsMax, () => abandon.abort(new Error('the running reconciles took too long'))),
  )
  try {
    await withAnySignal([term.signal, abandon.signal], (abandoned) =>
      withAnySignal([signal, abandoned], (stop) =>
        work(options, { epoch, assertHeld, lost }, { stop, abandon: abandoned }),
      ),
    )
  } finally {
    cancelDrain()
  }
  if (loss !== null) throw loss
}

/** Resolves when the running reconciles have ended. */
async function work(options: Parts, leadership: Leadership, signals: RunnerSignals): Promise<void> {
  const { metrics, history, verifyIntervalMs, onReady } = options
  const { stop } = signals
  await history.begin(leadership, stop)
  const looking = history.run(verifyIntervalMs, stop)
  const guarding = await guardStorage(options, leadership, stop)
  const running = makeReconcilers(options, leadership).map((reconciler) => {
    const workers = workersOf[reconciler.kind]
    return runController(reconciler, { ...options, workers, reconcileMsMax: limits.reconcileMsMax }, signals)
  })
  metrics.leading(1)
  if (!stop.aborted) onReady?.(leadership.epoch)
  try {
    await Promise.all([...running, guarding.ended, looking])
  } finally {
    metrics.leading(0)
  }
}

/** Resolves after the first look, or when it takes too long: statuses that speak of it are then written once. */
async function guardStorage(
  { storage, source, lockServer, history, verifyIntervalMs, timers }: Parts,
  leadership: Leadership,
  stop: AbortSignal,
): Promise<{ readonly ended: Promise<void> }> {
  if (storage === undefined) return { ended: Promise.resolve() }
  const term: StorageTerm = {
    buckets: () => source.list('LockedBucket'),
    onBucket: (listener) =>
      source.subscribe(({ kind }) => {
        if (kind === 'LockedBucket') listener()
      }),
    lockServer: believedLocks(lockServer, history),
    leadership,
    intervalMs: verifyIntervalMs,
  }
  const looked = new AbortController()
  const ended = storage.run(term, stop, () => looked.abort())
  await withAnySignal([stop, looked.signal], (either) => sleep(timers, limits.storageLookWaitMs, either))
  return { ended }
}

/** Runs `start` when the signal is aborted; the result undoes it, also before. */
function onAbort(signal: AbortSignal, start: () => () => void): () => void {
  let undo: () => void = () => undefined
  const run = () => {
    undo = start()
  }
  if (signal.aborted) run()
  else signal.addEventListener('abort', run, { once: true })
  return () => {
    signal.removeEventListener('abort', run)
    undo()
  }
}

function makeReconcilers(options: Parts, leadership: Leadership): readonly Reconciler[] {
  const { source, lockServer, clock, log, clusterId, metrics, history } = options
  const { onStatus = () => undefined, secrets = null } = options
  const serverFacts = new ServerFacts({ lockServer, clock, leadership })
  const canary = new Canary({ lockServer, clock, log, metrics, intervalMs: options.verifyIntervalMs })
  const recordEvent = (event: EventRecord) => {
    onStatus({ kind: 'event', event })
    return source.recordEvent(event)
  }
  const serverKeys = new ServerKeys({ lockServer, clock, clusterId })
  const shared = { source, lockServer, serverFacts, leadership, log }
  const parts = { source, leadership, wallMs: () => clock.wallMs(), onStatus, recordEvent }
  return [
    makeReconciler(clusterRetentionPolicyController(source), parts),
    makeReconciler(retentionPolicyController(source), parts),
    makeReconciler(lockedBucketController({ ...shared, canary, history, clusterId, recordEvent }), parts),
    makeReconciler(bucketAccessController({ ...shared, clock, serverKeys, recordEvent, secrets }), parts),
  ]
}
