/** A lock server, a place for checkpoints and what remembers between them, all in memory. */
import { expect } from 'vitest'
import { ServerRefusedError, ServerUnreachableError } from '../../../src/client/lock-server.ts'
import { limits } from '../../../src/lib/limits.ts'
import { silentLog } from '../../../src/lib/log.ts'
import {
  type CheckpointStore,
  type KeptHead,
  type NotedHead,
  VolumeHistory,
} from '../../../src/operator/history/volume-history.ts'
import { KubeStatusError, KubeUnreachableError } from '../../../src/operator/kube.ts'
import { OperatorMetrics } from '../../../src/operator/metrics.ts'
import { info } from './locked-bucket-fixtures.ts'
import { ManualTime } from './manual-timers.ts'

export const wall = '2026-11-21T12:00:00.000Z'
export const { signal } = new AbortController()
export const held = { assertHeld: () => undefined }

/** A volume whose records are called by one letter each: their hashes. */
class Server {
  chain: string
  volumeId = 'volume-1'
  isAway = false
  /** `untold`: tells of a record, not of what the chain names there. */
  release: 'new' | 'untold' | 'old' = 'new'
  /** The number of a record whose bytes are others now, while the chain names what it was. */
  damaged = 0
  /** The hash in the row of the head, where that was damaged. */
  damagedHead: string | null = null

  constructor(chain: string) {
    this.chain = chain
  }

  readonly info = async () => {
    if (this.isAway) throw new ServerUnreachableError('away')
    const clock = { ...info.clock, trusted: wall, wall }
    const { length } = this.chain
    const auditHead =
      length === 0 ? null : { sequence: length, hash: this.damagedHead ?? this.chain.at(-1) ?? '' }
    return { ...info, volumeId: this.volumeId, clock, auditHead }
  }

  readonly auditHash = async (sequence: number) => {
    if (this.release === 'old') throw new ServerRefusedError(404, 'NotFound', 'there is no such operation')
    const hash = this.chain[sequence - 1] ?? null
    return {
      hash: this.damaged === sequence ? '?' : hash,
      chainHash: this.release === 'untold' ? null : hash,
    }
  }
}

export class Store implements CheckpointStore {
  readonly place = 'ConfigMap here'
  kept: KeptHead
  readonly added: number[] = []
  failure: Error | null = null
  isAnswerLost = false

  constructor(kept: KeptHead = { kind: 'none' }) {
    this.kept = kept
  }

  async read() {
    if (this.failure !== null) throw this.failure
    return this.kept
  }

  async add(newest: NotedHead, mayFollow: (kept: KeptHead) => boolean) {
    if (this.failure !== null) throw this.failure
    if (!mayFollow(this.kept)) throw new Error('somebody else wrote')
    this.kept = { kind: 'kept', newest }
    this.added.push(newest.sequence)
    if (this.isAnswerLost) throw new KubeUnreachableError('no answer')
  }
}

export function rigOf(chain: string, store: Store | null = new Store()) {
  const time = new ManualTime()
  const server = new Server(chain)
  const metrics = new OperatorMetrics()
  metrics.leading(1)
  const options = { lockServer: server, clock: time, timers: time, log: silentLog, metrics, store }
  return { time, server, store: store ?? new Store(), metrics, history: new VolumeHistory(options) }
}

export const headOf = (sequence: number, hash: string, volumeId = 'volume-1'): KeptHead => ({
  kind: 'kept',
  newest: { volumeId, sequence, hash, trustedMs: 0, wallMs: 0, version: 'before' },
})
export const hourMs = limits.checkpointIntervalMs
export const forbidden = new KubeStatusError(403, { reason: 'Forbidden', message: 'no', retryAfterMs: null })
export const timestamp = (metrics: OperatorMetrics) =>
  /^holdfast_checkpoint_timestamp_seconds (.*)$/m.exec(metrics.render())?.[1]
export const rollback = expect.objectContaining({ kind: 'doubted', reason: 'RollbackDetected' })
export const continuous = { kind: 'continuous' }
