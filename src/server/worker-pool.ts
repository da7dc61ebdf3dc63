/**
 * Forks workers, starts again those that die, and drains them. The only user of node:cluster's primary side.
 */
import cluster, { type Worker } from 'node:cluster'
import { fileURLToPath } from 'node:url'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { type MetricSnapshot, mergeMetrics, withoutGauges } from '../lib/metrics.ts'
import type { WritesRefused } from '../lib/read-only.ts'
import type { FromWorker, ToWorker, WorkerStart } from './messages.ts'
import { closePassingConnections } from './passing-connections.ts'

export type WorkerPoolOptions = {
  readonly workerModule: URL
  readonly workerCount: number
  readonly graceMs: number
  readonly log: Log
  readonly startOf: (workerName: string) => WorkerStart
  /** A worker found that the volume takes no writes. */
  readonly onRefused: (why: WritesRefused) => void
}

const restartDelayMsMin = 100
const restartDelayMsMax = 10_000
/** A worker that lived this long has started well: the next delay is the shortest again. */
const steadyMs = 60_000
/** After the grace period: what is still running is ended by force. */
const exitMsMax = 2_000

/** Commits and body flushes of all requests wait in libuv's pool, whose default is four threads. */
const workerEnvironment = { UV_THREADPOOL_SIZE: '16' }

/**
 * What a request leaves behind dies young. In spaces of 4 MiB instead of 16 it goes sooner, and with it the buffers of large
 * uploads, which lie outside of the heap: less memory, and fewer full collections while large bodies arrive.
 */
const workerFlags = ['--max-semi-space-size=4']

type Slot = {
  worker: Worker | null
  isListening: boolean
  delayMs: number
  timer: NodeJS.Timeout | null
  /** What the running worker told last. */
  metrics: MetricSnapshot
}

export class WorkerPool {
  readonly workerCount: number
  readonly #options: WorkerPoolOptions
  readonly #slots: Slot[]
  #isStopping = false
  #endedCount = 0
  #fault: string | null = null
  /** Counts of workers that ended: what was counted never falls. */
  #ended: MetricSnapshot = []
  readonly #asked = new Set<() => void>()

  constructor(options: WorkerPoolOptions) {
    this.#options = options
    this.workerCount = options.workerCount
    this.#slots = Array.from({ length: options.workerCount }, () => ({
      worker: null,
      isListening: false,
      delayMs: restartDelayMsMin,
      timer: null,
      metrics: [],
    }))
  }

  listeningCount(): number {
    return this.#slots.filter(({ isListening }) => isListening).length
  }

  /** Workers that ended although nobody stopped them: a write or a flush failed, or they were killed. */
  endedCount(): number {
    return this.#endedCount
  }

  /** The first bug that a worker met, or null: it stays until the server starts again. */
  fault(): string | null {
    return this.#fault
  }

  /** All workers' metrics; one that does not answer in time is there with what it told last. */
  async metrics(): Promise<MetricSnapshot> {
    const workers = this.#slots.filter(({ isListening }) => isListening)
    await new Promise<void>((resolve) => {
      let missing = workers.length
      const done = (): void => {
        clearTimeout(timer)
        this.#asked.delete(answered)
        resolve()
      }
      const answered = (): void => {
        missing -= 1
        if (missing <= 0) done()
      }
      const timer = setTimeout(done, limits.metricsAnswerMsMax)
      this.#asked.add(answered)
      if (missing === 0) done()
      for (const { worker } of workers) if (worker !== null) send(worker, { kind: 'metrics' })
    })
    return mergeMetrics([this.#ended, ...this.#slots.map(({ metrics }) => metrics)])
  }

  /** Resolves when every worker listens; rejects with what the first one that cannot start says. */
  async start(): Promise<void> {
    cluster.setupPrimary({
      exec: fileURLToPath(this.#options.workerModule),
      args: [],
      execArgv: [...process.execArgv, ...workerFlags],
      serialization: 'json',
    })
    await Promise.all(this.#slots.map((slot, index) => this.#fork(slot, index)))
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await Promise.all(this.#slots.map((slot) => this.#drain(slot)))
  }

  #fork(slot: Slot, index: number): Promise<void> {
    const { log, startOf } = this.#options
    const startedMs = performance.now()
    const worker = cluster.fork(workerEnvironment)
    slot.worker = worker
    closePassingConnections(worker)
    return new Promise((resolve, reject) => {
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'loaded') send(worker, { kind: 'start', start: startOf(`w${index}`) })
        if (message.kind === 'listening') {
          slot.isListening = true
          resolve()
        }
        this.#keepTold(slot, message)
        if (message.kind === 'failed') {
          log.error({ worker: index, reason: message.reason }, 'a worker failed')
          reject(new Error(message.reason))
        }
      })
      worker.on('error', reject)
      worker.on('exit', (code, signal) => {
        slot.worker = null
        slot.isListening = false
        this.#ended = mergeMetrics([this.#ended, withoutGauges(slot.metrics)])
        slot.metrics = []
        reject(new Error(`worker ${index} ended before it listened (code ${code}, signal ${signal})`))
        if (this.#isStopping) return
        this.#endedCount += 1
        this.#restartLater(slot, index, performance.now() - startedMs)
      })
    })
  }

  /** What a worker tells while it serves. */
  #keepTold(slot: Slot, message: FromWorker): void {
    if (message.kind === 'fault') this.#fault ??= message.reason
    if (message.kind === 'refused') this.#options.onRefused(message.why)
    if (message.kind !== 'metrics') return
    slot.metrics = message.snapshot
    for (const answered of [...this.#asked]) answered()
  }

  #restartLater(slot: Slot, index: number, livedMs: number): void {
    slot.delayMs = livedMs > steadyMs ? restartDelayMsMin : Math.min(slot.delayMs * 2, restartDelayMsMax)
    this.#options.log.warn({ worker: index, delayMs: slot.delayMs }, 'a worker ended; it is started again')
    slot.timer = setTimeout(() => {
      this.#fork(slot, index).catch((error: unknown) => {
        this.#options.log.error({ worker: index, error }, 'a worker did not start')
      })
    }, slot.delayMs)
  }

  async #drain(slot: Slot): Promise<void> {
    if (slot.timer !== null) clearTimeout(slot.timer)
    const { worker } = slot
    if (worker === null || worker.isDead()) return
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    send(worker, { kind: 'stop' })
    const timer = setTimeout(() => worker.process.kill('SIGKILL'), this.#options.graceMs + exitMsMax)
    await exited
    clearTimeout(timer)
  }
}

/** A worker that has just died takes no message; its exit says so. */
function send(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send(message, () => {})
}
