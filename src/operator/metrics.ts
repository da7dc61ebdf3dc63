/**
 * What the operator counts, under the names and labels of controller-runtime and client-go, so that existing
 * dashboards read it. A value that the command makes: no global.
 */
import { Histogram, reconcileSecondsBounds } from './histogram.ts'
import type { Workqueue } from './workqueue.ts'

export type ReconcileResult = 'success' | 'error' | 'requeue_after' | 'terminal'

/** What the runner asks of its queue for the metrics. */
export type QueueView = Pick<
  Workqueue,
  | 'depth'
  | 'addCount'
  | 'retryCount'
  | 'queueSeconds'
  | 'workSeconds'
  | 'unfinishedSeconds'
  | 'longestRunningSeconds'
>

export type ControllerCounters = {
  readonly reconciles: Record<ReconcileResult, number>
  panics: number
  timeouts: number
  activeWorkers: number
  workers: number
  readonly reconcileSeconds: Histogram
  queue: QueueView
}

/** One answer of the API server; `code` is `<error>` when there was none, as in client-go. */
export type RestAnswer = { readonly code: string; readonly method: string; readonly host: string }

export class OperatorMetrics {
  readonly #controllers = new Map<string, ControllerCounters>()
  readonly #requests = new Map<string, number>()
  readonly #leaseName: string
  /** Whether this replica leads. */
  leading: 0 | 1 = 0

  /** The Lease's name is the label of whether this replica leads. */
  constructor(leaseName = 'none') {
    this.#leaseName = leaseName
  }

  /** The counters of one controller; those of an earlier term go on. */
  register(controller: string, workers: number, queue: QueueView): ControllerCounters {
    const known = this.#controllers.get(controller)
    if (known !== undefined) {
      known.queue = queue
      known.workers = workers
      return known
    }
    const counters: ControllerCounters = {
      reconciles: { success: 0, error: 0, requeue_after: 0, terminal: 0 },
      panics: 0,
      timeouts: 0,
      activeWorkers: 0,
      workers,
      reconcileSeconds: new Histogram(reconcileSecondsBounds),
      queue,
    }
    this.#controllers.set(controller, counters)
    return counters
  }

  get(controller: string): ControllerCounters | null {
    return this.#controllers.get(controller) ?? null
  }

  countRequest({ code, method, host }: RestAnswer): void {
    const labels = `code="${code}",method="${method}",host="${host}"`
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1)
  }

  /** The text format of Prometheus. */
  render(): string {
    const lines: string[] = []
    for (const family of families) {
      lines.push(...head(family))
      for (const [controller, counters] of this.#controllers)
        lines.push(...family.lines(controller, counters))
    }
    lines.push(...head(restRequests))
    for (const [labels, count] of this.#requests) lines.push(`${restRequests.name}{${labels}} ${count}`)
    lines.push(...head(masterStatus), `${masterStatus.name}{name="${this.#leaseName}"} ${this.leading}`)
    return `${lines.join('\n')}\n`
  }
}

type FamilyHead = {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
}
type Family = FamilyHead & {
  readonly lines: (controller: string, counters: ControllerCounters) => readonly string[]
}

const restRequests: FamilyHead = {
  name: 'rest_client_requests_total',
  type: 'counter',
  help: 'Requests to the API server, by status code, method and host.',
}
const masterStatus: FamilyHead = {
  name: 'leader_election_master_status',
  type: 'gauge',
  help: 'Whether this replica is the leader.',
}

const families: readonly Family[] = [
  {
    name: 'controller_runtime_reconcile_total',
    type: 'counter',
    help: 'Reconciles, by result.',
    lines: (controller, { reconciles }) => {
      const results = {
        error: reconciles.error + reconciles.terminal,
        requeue: 0,
        requeue_after: reconciles.requeue_after,
        success: reconciles.success,
      }
      return Object.entries(results).map(
        ([result, count]) =>
          `controller_runtime_reconcile_total{controller="${controller}",result="${result}"} ${count}`,
      )
    },
  },
  perController(
    'controller_runtime_reconcile_errors_total',
    'Reconciles that failed.',
    ({ reconciles }) => reconciles.error + reconciles.terminal,
  ),
  perController(
    'controller_runtime_terminal_reconcile_errors_total',
    'Reconciles that failed for good: somebody has to act.',
    ({ reconciles }) => reconciles.terminal,
  ),
  perController(
    'controller_runtime_reconcile_panics_total',
    'Reconciles that threw.',
    ({ panics }) => panics,
  ),
  perController(
    'controller_runtime_reconcile_timeouts_total',
    'Reconciles that exceeded their deadline.',
    ({ timeouts }) => timeouts,
  ),
  gauge('controller_runtime_active_workers', 'Workers in use.', ({ activeWorkers }) => activeWorkers),
  gauge('controller_runtime_max_concurrent_reconciles', 'Workers there are.', ({ workers }) => workers),
  {
    name: 'controller_runtime_reconcile_time_seconds',
    type: 'histogram',
    help: 'Duration of a reconcile.',
    lines: (controller, { reconcileSeconds }) =>
      histogramLines(
        'controller_runtime_reconcile_time_seconds',
        `controller="${controller}"`,
        reconcileSeconds,
      ),
  },
  queueSamples(
    { name: 'workqueue_depth', type: 'gauge', help: 'Keys that wait for a worker.' },
    ({ depth }) => depth,
  ),
  queueSamples(
    { name: 'workqueue_adds_total', type: 'counter', help: 'Keys added.' },
    ({ addCount }) => addCount,
  ),
  queueSamples(
    { name: 'workqueue_retries_total', type: 'counter', help: 'Keys added again after a failure.' },
    ({ retryCount }) => retryCount,
  ),
  queueSamples(
    {
      name: 'workqueue_unfinished_work_seconds',
      type: 'gauge',
      help: 'How long the keys being worked on have been, together.',
    },
    (queue) => queue.unfinishedSeconds(),
  ),
  queueSamples(
    {
      name: 'workqueue_longest_running_processor_seconds',
      type: 'gauge',
      help: 'How long the longest of them has been.',
    },
    (queue) => queue.longestRunningSeconds(),
  ),
  queueHistogram(
    'workqueue_queue_duration_seconds',
    'How long a key waits for a worker.',
    ({ queueSeconds }) => queueSeconds,
  ),
  queueHistogram(
    'workqueue_work_duration_seconds',
    'How long a worker needs for a key.',
    ({ workSeconds }) => workSeconds,
  ),
]

function head({ name, type, help }: FamilyHead): readonly string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`]
}

function perController(name: string, help: string, value: (counters: ControllerCounters) => number): Family {
  return {
    name,
    type: 'counter',
    help,
    lines: (controller, counters) => [`${name}{controller="${controller}"} ${value(counters)}`],
  }
}

function gauge(name: string, help: string, value: (counters: ControllerCounters) => number): Family {
  return { ...perController(name, help, value), type: 'gauge' }
}

function queueSamples(family: FamilyHead, value: (queue: QueueView) => number): Family {
  return {
    ...family,
    lines: (controller, { queue }) => [`${family.name}{${queueLabels(controller)}} ${value(queue)}`],
  }
}

function queueHistogram(name: string, help: string, histogram: (queue: QueueView) => Histogram): Family {
  return {
    name,
    type: 'histogram',
    help,
    lines: (controller, { queue }) => histogramLines(name, queueLabels(controller), histogram(queue)),
  }
}

function queueLabels(controller: string): string {
  return `name="${controller}",controller="${controller}"`
}

function histogramLines(name: string, labels: string, histogram: Histogram): readonly string[] {
  return histogram.samples().map(({ suffix, bound, value }) => {
    const all = bound === null ? labels : `${labels},le="${bound}"`
    return `${name}${suffix}{${all}} ${value}`
  })
}
