/**
 * Counters under controller-runtime's names and labels, so that existing dashboards read
 * them. A registry is a value that `run-operator` makes: no global.
 */
export type ReconcileResult = 'success' | 'error' | 'requeue_after' | 'terminal'

export type ControllerCounters = {
  readonly reconciles: Record<ReconcileResult, number>
  panics: number
  timeouts: number
  activeWorkers: number
  workers: number
  reconcileSeconds: number
  readonly queueDepth: () => number
}

export class OperatorMetrics {
  readonly #controllers = new Map<string, ControllerCounters>()

  /** The counters of one controller, made at its start. */
  register(controller: string, workers: number, queueDepth: () => number): ControllerCounters {
    const counters: ControllerCounters = {
      reconciles: { success: 0, error: 0, requeue_after: 0, terminal: 0 },
      panics: 0,
      timeouts: 0,
      activeWorkers: 0,
      workers,
      reconcileSeconds: 0,
      queueDepth,
    }
    this.#controllers.set(controller, counters)
    return counters
  }

  get(controller: string): ControllerCounters | null {
    return this.#controllers.get(controller) ?? null
  }

  /** The text format of Prometheus. */
  render(): string {
    const lines: string[] = []
    for (const family of families) {
      lines.push(`# TYPE ${family.name} ${family.type}`)
      for (const [controller, counters] of this.#controllers) {
        for (const [labels, value] of family.samples(controller, counters)) {
          lines.push(`${family.name}{${labels}} ${value}`)
        }
      }
    }
    return `${lines.join('\n')}\n`
  }
}

type Samples = readonly (readonly [labels: string, value: number])[]
type Family = {
  readonly name: string
  readonly type: 'counter' | 'gauge'
  readonly samples: (controller: string, counters: ControllerCounters) => Samples
}

const families: readonly Family[] = [
  {
    name: 'controller_runtime_reconcile_total',
    type: 'counter',
    samples: (controller, { reconciles }) =>
      Object.entries(reconciles)
        .filter(([result]) => result !== 'terminal')
        .map(([result, count]) => [`controller="${controller}",result="${result}"`, count]),
  },
  counter('controller_runtime_reconcile_errors_total', ({ reconciles }) => reconciles.error),
  counter('controller_runtime_terminal_reconcile_errors_total', ({ reconciles }) => reconciles.terminal),
  counter('controller_runtime_reconcile_panics_total', ({ panics }) => panics),
  counter('controller_runtime_reconcile_timeouts_total', ({ timeouts }) => timeouts),
  counter('controller_runtime_reconcile_time_seconds_sum', ({ reconcileSeconds }) => reconcileSeconds),
  { ...counter('controller_runtime_active_workers', ({ activeWorkers }) => activeWorkers), type: 'gauge' },
  { ...counter('controller_runtime_max_concurrent_reconciles', ({ workers }) => workers), type: 'gauge' },
  {
    name: 'workqueue_depth',
    type: 'gauge',
    samples: (controller, { queueDepth }) => [
      [`name="${controller}",controller="${controller}"`, queueDepth()],
    ],
  },
]

function counter(name: string, value: (counters: ControllerCounters) => number): Family {
  return {
    name,
    type: 'counter',
    samples: (controller, counters) => [[`controller="${controller}"`, value(counters)]],
  }
}
