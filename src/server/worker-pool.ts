/**
 * Forks workers, starts again those that die, replaces those that met an unexpected error (decisions/0059), and drains them. The only
 * user of node:cluster's primary side.
 */
import cluster, { type Worker } from 'node:cluster'
import { fileURLToPath } from 'node:url'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { type MetricSnapshot, mergeMetrics, withoutGauges } from '../lib/metrics.ts'
import type { WritesRefused } from '../lib/read-only.ts'
import type { FromWorker, ToWorker, WorkerStart } from './messages.ts'
import { closePassingConnections } from './passing-connections.ts'
import { ReplacementPace } from './replacement-pace.ts'

export type WorkerPoolOptions = {
  readonly workerModule: URL
  readonly workerCount: number
  readonly graceMs: number
  readonly log: Log
  readonly startOf: (workerName: string) => WorkerStart
  /** A worker met an error that nobody expected. */
  readonly onFault: () => void
  /** A worker found that the volume takes no writes. */
  readonly onRefused: (why: WritesRefused) => void
}

const restartDelayMsMin = 100
const restartDelayMsMax = 10_000
/** A worker that lived this long has started well: the next delay is the shortest again. */
const steadyMs = 60_000
/** After the grace period: what is still running is ended by force. */
const exitMsMax = 2_000

/** A replaced worker may finish requests, such as a large upload, as long as this; another serves meanwhile. */
const replacedWorkerMsMax = 600_000

/** Commits and body flushes of all requests wait in libuv's pool, whose default is four threads. */
const workerEnvironment = { UV_THREADPOOL_SIZE: '16' }

/**
 * What a request leaves behind dies young. In spaces of 4 MiB instead of 16 it goes sooner, and with it the buffers of large
 * uploads, which lie outside of the heap: less memory, and fewer full collections while large bodies arrive.
 */
const workerFlags = ['--max-semi-space-size=4']

/** A worker, and whichever is started again in its place. */
type Slot = {
  /** Of its stage and its metrics: no two that run have the same. */
  readonly name: string
  worker: Worker | null
  isListening: boolean
  /** It met an unexpected error, and waits to be replaced. */
  hasFault: boolean
  /** It was told to end. */
  isStopped: boolean
  delayMs: number
  timer: NodeJS.Timeout | null
  /** What the running worker told last. */
  metrics: MetricSnapshot
}

function newSlot(name: string): Slot {
  return {
    name,
    worker: null,
    isListening: false,
    hasFault: false,
    isStopped: false,
    delayMs: restartDelayMsMin,
    timer: null,
    metrics: [],
  }
}

export class WorkerPool {
  readonly workerCount: number
  readonly #options: WorkerPoolOptions
  readonly #slots: Slot[]
  #isStopping = false
  #endedCount = 0
  #replacedCount = 0
  readonly #pace = new ReplacementPace()
  #pause: NodeJS.Timeout | null = null
  /** The one process beside the workers: it starts to replace one of them, or has been replaced and ends. */
  #beside: Slot | null = null
  /** Counts of workers that ended: what was counted never falls. */
  #ended: MetricSnapshot = []
  readonly #asked = new Set<() => void>()

  constructor(options: WorkerPoolOptions) {
    this.#options = options
    this.workerCount = options.workerCount
    this.#slots = Array.from({ length: options.workerCount }, (_none, index) => newSlot(`w${index}`))
  }

  listeningCount(): number {
    return this.#slots.filter(({ isListening }) => isListening).length
  }

  /** Workers that ended although nobody stopped them: a write or a flush failed, or they were killed. */
  endedCount(): number {
    return this.#endedCount
  }

  /** Workers whose place another took because they had met an unexpected error. */
  replacedCount(): number {
    return this.#replacedCount
  }

  /** All workers' metrics; one that does not answer in time is there with what it told last. */
  async metrics(): Promise<MetricSnapshot> {
    const workers = this.#processes().filter(({ isListening }) => isListening)
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
    return mergeMetrics([this.#ended, ...this.#processes().map(({ metrics }) => metrics)])
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
    if (this.#pause !== null) clearTimeout(this.#pause)
    await Promise.all(this.#processes().map((slot) => this.#drain(slot, this.#options.graceMs)))
  }

  #processes(): readonly Slot[] {
    return this.#beside === null ? this.#slots : [...this.#slots, this.#beside]
  }

  #fork(slot: Slot, index: number): Promise<void> {
    const { log, startOf } = this.#options
    const startedMs = performance.now()
    const worker = cluster.fork(workerEnvironment)
    slot.worker = worker
    closePassingConnections(worker)
    return new Promise((resolve, reject) => {
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'loaded') send(worker, { kind: 'start', start: startOf(slot.name) })
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
        slot.hasFault = false
        // One that was replaced has ended as it was told to; one that was to replace another had not begun.
        if (this.#isStopping || this.#slots[index] !== slot) return
        this.#endedCount += 1
        this.#restartLater(slot, index, performance.now() - startedMs)
      })
    })
  }

  /** What a worker tells while it serves. */
  #keepTold(slot: Slot, message: FromWorker): void {
    if (message.kind === 'fault') this.#noteFault(slot)
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

  #noteFault(slot: Slot): void {
    this.#options.onFault()
    slot.hasFault = true
    this.#replaceLater()
  }

  /** One at a time, so that there is never more than one process more than workers. */
  #replaceLater(): void {
    const isDue = this.#slots.some(({ hasFault }) => hasFault)
    if (!isDue || this.#isStopping || this.#pause !== null || this.#beside !== null) return
    const replace = async (): Promise<void> => {
      this.#pause = null
      await this.#replaceOne()
      this.#beside = null
      this.#replaceLater()
    }
    this.#pause = setTimeout(() => void replace(), this.#pace.waitMs(performance.now()))
  }

  /** The new worker listens before the old one stops: no client is refused for it. Never rejects. */
  async #replaceOne(): Promise<void> {
    const { log } = this.#options
    const index = this.#slots.findIndex(({ hasFault }) => hasFault)
    const old = this.#slots[index]
    // It died meanwhile, and was started again.
    if (old === undefined) return
    this.#pace.begin(performance.now())
    const next = newSlot(nameBeside(old.name))
    this.#beside = next
    try {
      await this.#fork(next, index)
    } catch (error) {
      log.error(
        { worker: old.name, error },
        'a worker that met an unexpected error could not be replaced: it serves on',
      )
      return
    }
    if (this.#isStopping) return
    this.#slots[index] = next
    this.#beside = old
    this.#replacedCount += 1
    log.warn(
      { worker: old.name, next: next.name },
      'a worker met an unexpected error: another took its place',
    )
    await this.#drain(old, replacedWorkerMsMax)
  }

  /** May be called again, with less time: it is told once. */
  async #drain(slot: Slot, graceMs: number): Promise<void> {
    if (slot.timer !== null) clearTimeout(slot.timer)
    const { worker } = slot
    if (worker === null || worker.isDead()) return
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    if (!slot.isStopped) send(worker, { kind: 'stop', graceMs })
    slot.isStopped = true
    const timer = setTimeout(() => worker.process.kill('SIGKILL'), graceMs + exitMsMax)
    await exited
    clearTimeout(timer)
  }
}

/** Of the two names that a place has in turns: a stage is its worker's alone. */
function nameBeside(name: string): string {
  return name.endsWith('b') ? name.slice(0, -1) : `${name}b`
}

/** A worker that has just died takes no message; its exit says so. */
function send(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send(message, () => {})
}
