/**
 * What the operator counts, under the names and labels of controller-runtime and client-go, so that existing dashboards
 * read it. A value that the command makes: no global.
 */
import type { CanaryOutcome } from '../client/lock-server.ts'
import { type Counter, type Gauge, type Histogram, MetricSet, renderMetrics } from '../lib/metrics.ts'
import type { ObjectKind } from './objects.ts'

/** `terminal` counts as an error and by itself, as there. */
export type ReconcileResult = 'success' | 'error' | 'requeue' | 'requeue_after' | 'terminal'

/** One controller's. */
export type ControllerMetrics = {
  readonly reconciled: (result: ReconcileResult) => void
  /** It threw. */
  readonly panicked: () => void
  /** It exceeded its deadline. */
  readonly timedOut: () => void
  readonly workerBegan: () => void
  readonly workerEnded: (durationMs: number) => void
}

/** Of the queue of one controller. */
export type QueueMetrics = {
  readonly added: () => void
  readonly retried: () => void
  readonly handedOut: (waitedMs: number) => void
  readonly done: (workedMs: number) => void
}

/** What is read of a queue when somebody asks. */
export type QueueView = {
  readonly depth: number
  unfinishedMs(): number
  longestRunningMs(): number
}

/** One answer of the API server; `code` is `<error>` when there was none, as in client-go. */
export type RestAnswer = { readonly code: string; readonly method: string; readonly host: string }

/** controller-runtime's bounds for the time of a reconcile, in seconds. */
const reconcileSecondsBounds: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5,
  1.75, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
]
/** controller-runtime's bounds for waiting and working, in seconds: twelve powers of ten from 10 ns. */
const workqueueSecondsBounds: readonly number[] = Array.from({ length: 12 }, (_, power) =>
  Number(`1e${power - 8}`),
)

export class OperatorMetrics {
  readonly #set = new MetricSet()
  readonly #families = makeFamilies(this.#set)
  /** The queues of this term: a later one of the same controller takes its place. */
  readonly #queues = new Map<string, QueueView>()
  readonly #leaseName: string
  #isLeading = false
  #rollback: 0 | 1 = 0
  /** null: there is no API server, so no storage is looked at. */
  #storage: 'True' | 'False' | 'Unknown' | null = null

  /** The Lease's name is the label of whether this replica leads. */
  constructor(leaseName = 'none') {
    this.#leaseName = leaseName
    this.leading(0)
    for (const outcome of ['refused', 'deleted', 'untried']) this.#families.canaryAttempts.add({ outcome }, 0)
  }

  /** 1 while this replica leads. */
  leading(status: 0 | 1): void {
    this.#isLeading = status === 1
    this.#families.leading.set({ name: this.#leaseName }, status)
  }

  /** 1 while the admission policies are as they should be. */
  guardInstalled(status: 0 | 1): void {
    this.#families.guard.set({}, status)
  }

  /** As the condition StorageRetained says it. Who does not lead does not look, and knows nothing. */
  storageRetained(status: 'True' | 'False' | 'Unknown'): void {
    this.#storage = status
  }

  /** 1 while the volume of the lock server is not the one that it was; shown by who leads: another does not look. */
  rollbackDetected(status: 0 | 1): void {
    this.#rollback = status
  }

  /** How many objects of a kind are there and cannot be understood. */
  unparsableObjects(kind: ObjectKind, count: number): void {
    this.#families.unparsable.set({ kind }, count)
  }

  /** null: there is a place for checkpoints, and none in it. */
  checkpointKept(head: { readonly sequence: number; readonly wallMs: number } | null): void {
    if (head !== null) this.#families.checkpointSequence.set({}, head.sequence)
    this.#families.checkpointTime.set({}, head === null ? 0 : head.wallMs / 1000)
  }

  canaryTried(outcome: CanaryOutcome['kind']): void {
    this.#families.canaryAttempts.add({ outcome })
  }

  countRequest({ code, method, host }: RestAnswer): void {
    this.#families.restRequests.add({ code, method, host })
  }

  /** All counts of a controller exist from its start, with 0. */
  controller(controller: string, workers: number): ControllerMetrics {
    const families = this.#families
    const labels = { controller }
    const count = (result: string, amount: number) => families.reconciles.add({ controller, result }, amount)
    const fail = (amount: number) => {
      count('error', amount)
      families.errors.add(labels, amount)
    }
    for (const result of ['requeue', 'requeue_after', 'success']) count(result, 0)
    fail(0)
    for (const family of [families.terminal, families.panics, families.timeouts]) family.add(labels, 0)
    families.workers.set(labels, workers)
    let active = 0
    families.active.set(labels, active)
    return {
      reconciled: (result) => {
        if (result === 'terminal') families.terminal.add(labels)
        if (result === 'terminal' || result === 'error') fail(1)
        else count(result, 1)
      },
      panicked: () => families.panics.add(labels),
      timedOut: () => families.timeouts.add(labels),
      workerBegan: () => {
        active += 1
        families.active.set(labels, active)
      },
      workerEnded: (durationMs) => {
        active -= 1
        families.active.set(labels, active)
        families.seconds.observe(labels, durationMs / 1000)
      },
    }
  }

  /** Of the queue of a controller; both labels say its name, as in controller-runtime. */
  queue(controller: string): QueueMetrics {
    const { adds, retries, queueSeconds, workSeconds } = this.#families
    const labels = queueLabels(controller)
    adds.add(labels, 0)
    retries.add(labels, 0)
    return {
      added: () => adds.add(labels),
      retried: () => retries.add(labels),
      handedOut: (waitedMs) => queueSeconds.observe(labels, waitedMs / 1000),
      done: (workedMs) => workSeconds.observe(labels, workedMs / 1000),
    }
  }

  /** The queue that is asked when somebody looks. */
  watchQueue(controller: string, queue: QueueView): void {
    this.#queues.set(controller, queue)
  }

  /** The text format of Prometheus. */
  render(): string {
    const { depth, unfinished, longest, storage, rollback } = this.#families
    for (const [controller, queue] of this.#queues) {
      const labels = queueLabels(controller)
      depth.set(labels, queue.depth)
      unfinished.set(labels, queue.unfinishedMs() / 1000)
      longest.set(labels, queue.longestRunningMs() / 1000)
    }
    const shown = this.#isLeading ? this.#storage : 'Unknown'
    for (const status of this.#storage === null ? [] : ['True', 'False', 'Unknown'])
      storage.set({ status }, status === shown ? 1 : 0)
    rollback.set({}, this.#isLeading ? this.#rollback : 0)
    return renderMetrics(this.#set.snapshot())
  }
}

type Families = Readonly<
  Record<'reconciles' | 'errors' | 'terminal' | 'panics' | 'timeouts' | 'adds' | 'retries', Counter> &
    Record<'restRequests' | 'canaryAttempts', Counter> &
    Record<
      'active' | 'workers' | 'depth' | 'unfinished' | 'longest' | 'leading' | 'guard' | 'storage',
      Gauge
    > &
    Record<'rollback' | 'checkpointSequence' | 'checkpointTime' | 'unparsable', Gauge> &
    Record<'seconds' | 'queueSeconds' | 'workSeconds', Histogram>
>

function makeFamilies(set: MetricSet): Families {
  const counter = (name: string, help: string) => set.counter(name, help)
  const gauge = (name: string, help: string) => set.gauge(name, help)
  const waits = (name: string, help: string) => set.histogram(name, help, workqueueSecondsBounds)
  const reconcile = 'controller_runtime_reconcile'
  return {
    reconciles: counter(`${reconcile}_total`, 'Reconciles, by result.'),
    errors: counter(`${reconcile}_errors_total`, 'Reconciles that failed.'),
    terminal: counter(
      'controller_runtime_terminal_reconcile_errors_total',
      'Reconciles that failed for good.',
    ),
    panics: counter(`${reconcile}_panics_total`, 'Reconciles that threw.'),
    timeouts: counter(`${reconcile}_timeouts_total`, 'Reconciles that exceeded their deadline.'),
    seconds: set.histogram(`${reconcile}_time_seconds`, 'Duration of a reconcile.', reconcileSecondsBounds),
    active: gauge('controller_runtime_active_workers', 'Workers in use.'),
    workers: gauge('controller_runtime_max_concurrent_reconciles', 'Workers there are.'),
    depth: gauge('workqueue_depth', 'Keys that wait for a worker.'),
    adds: counter('workqueue_adds_total', 'Keys added.'),
    retries: counter('workqueue_retries_total', 'Keys added again after a failure.'),
    queueSeconds: waits('workqueue_queue_duration_seconds', 'How long a key waits for a worker.'),
    workSeconds: waits('workqueue_work_duration_seconds', 'How long a worker needs for a key.'),
    unfinished: gauge('workqueue_unfinished_work_seconds', 'How long the keys in work have been, together.'),
    longest: gauge('workqueue_longest_running_processor_seconds', 'How long the longest of them has been.'),
    restRequests: counter('rest_client_requests_total', 'Requests to the API server, by answer.'),
    leading: gauge('leader_election_master_status', 'Whether this replica is the leader.'),
    canaryAttempts: counter(
      'holdfast_canary_attempts_total',
      'Attempts to delete a locked version of the system, by outcome: refused is as it must be.',
    ),
    storage: gauge(
      'holdfast_storage_retained',
      'The condition StorageRetained, by status: 1 for the one that it has.',
    ),
    rollback: gauge(
      'holdfast_rollback_detected',
      'Whether the volume of the lock server was set back, or is another one than before.',
    ),
    checkpointSequence: gauge(
      'holdfast_checkpoint_sequence',
      'The record of the audit log that the last checkpoint names.',
    ),
    checkpointTime: gauge(
      'holdfast_checkpoint_timestamp_seconds',
      "When the last checkpoint was, by the lock server's wall clock; 0: none is kept.",
    ),
    unparsable: gauge(
      'holdfast_unparsable_objects',
      'Objects that are there and cannot be understood, by kind: nothing is done for them.',
    ),
    guard: gauge(
      'holdfast_admission_guard_installed',
      'Whether the admission policies are as they should be.',
    ),
  }
}

function queueLabels(controller: string) {
  return { name: controller, controller }
}
