/**
 * One client under load: it sends one request after the other, each chosen by its seed, on keys of its own, and
 * writes down what it was told. It never repeats a request, so that an answer that got lost stays unknown.
 */
import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Answer, createS3Client, type S3TestClient, type SendOptions } from '../s3-client.ts'
import type { TestServer } from '../server.ts'
import { type Entry, type Ledger, type Lock, noLock, type ObjectEntry, type Planned } from './ledger.ts'
import type { Random } from './random.ts'

export type ClientKey = { readonly accessKeyId: string; readonly secretAccessKey: string }
export type LoadClientOptions = {
  readonly server: TestServer
  readonly ledger: Ledger
  readonly random: Random
  readonly key: ClientKey
  readonly name: string
  /** Makes the names of operations differ from those of other rounds. */
  readonly round: number
  /** Called before each request leaves. */
  readonly onSend: () => void
  /** From then on the client hears nothing: what is answered later counts as not answered. */
  readonly isCutOff: () => boolean
}

/** `done`: an answer with one of the statuses that were asked for. `unknown`: no answer, or one without a verdict. */
export type Outcome =
  | { readonly kind: 'done'; readonly answer: Answer }
  | { readonly kind: 'refused' }
  | { readonly kind: 'unknown' }

export type Sent = {
  readonly options: SendOptions
  readonly bucket: string
  /** The status of success, or of the refusal that is expected. */
  readonly status: number
  /** Whether the answer must be in the audit log. */
  readonly audited: 'allow' | 'deny' | 'no'
}

const answerMsMax = 30_000
const pool = createPool(512 * 1024)

export class LoadClient {
  readonly ledger: Ledger
  readonly random: Random
  readonly name: string
  /** What this client may act on: its own, with nothing unanswered about it. */
  readonly own: Entry[] = []
  /** Places where the null version is in doubt: left alone until somebody has looked. */
  readonly doubtful = new Set<string>()
  readonly #options: LoadClientOptions
  readonly #client: S3TestClient
  #operationCount = 0

  constructor(options: LoadClientOptions) {
    this.#options = options
    this.ledger = options.ledger
    this.random = options.random
    this.name = options.name
    this.#client = createS3Client({
      endpoint: options.server.endpoint,
      credentials: options.key,
      nowMs: options.server.nowMs,
    })
  }

  nowMs(): number {
    return this.#options.server.nowMs()
  }

  close(): void {
    this.#client.close()
  }

  /** A name that no other request has. */
  newOperation(): string {
    this.#operationCount += 1
    return `${this.name}-${this.#options.round}-${this.#operationCount}`
  }

  async send({ options, bucket, status, audited }: Sent): Promise<Outcome> {
    this.#options.onSend()
    const answer = await this.#answer(options)
    if (answer === null) return { kind: 'unknown' }
    const where = `${options.method} ${options.path} ${JSON.stringify(options.query ?? {})}`
    if (answer.status === status) {
      const requestId = String(answer.headers['x-amz-request-id'])
      const { accessKeyId } = this.#options.key
      if (audited !== 'no') this.ledger.answered.push({ requestId, bucket, accessKeyId, verdict: audited })
      return { kind: 'done', answer }
    }
    // Eight conflicts: the transaction was given up, nothing was written.
    if (answer.status === 503 && answer.code === 'SlowDown') return { kind: 'refused' }
    this.ledger.surprises.push(
      `${where}: ${answer.status} instead of ${status}: ${answer.text.slice(0, 300)}`,
    )
    return { kind: 'unknown' }
  }

  async #answer(options: SendOptions): Promise<Answer | null> {
    const late = new AbortController()
    const waiting = delay(answerMsMax, 'late' as const, { signal: late.signal }).catch(() => 'late' as const)
    const answer = await Promise.race([this.#client.send(options).catch(() => null), waiting])
    late.abort()
    if (this.#options.isCutOff()) return null
    if (answer !== 'late') return answer
    this.ledger.surprises.push(`${options.method} ${options.path}: no answer in ${answerMsMax} ms`)
    return null
  }

  /** Bytes that no other request sends. */
  body(operation: string, sizeBytes: number): Buffer {
    const start = this.random.below(pool.length - sizeBytes)
    const bytes = Buffer.from(pool.subarray(start, start + sizeBytes))
    bytes.write(operation.slice(0, sizeBytes))
    return bytes
  }

  /** Takes an entry out of what may be acted on, while something about it is unanswered, or for good. */
  forget(entry: Entry): void {
    const index = this.own.indexOf(entry)
    if (index >= 0) this.own.splice(index, 1)
  }

  /** A random entry of its own for which `fits` holds. */
  choose(fits: (entry: Entry) => boolean): Entry | null {
    const fitting = this.own.filter(fits)
    return fitting.length === 0 ? null : this.random.pick(fitting)
  }

  chooseObject(fits: (entry: ObjectEntry) => boolean): ObjectEntry | null {
    const entry = this.choose((candidate) => candidate.kind === 'object' && fits(candidate))
    return entry?.kind === 'object' ? entry : null
  }
}

export function digests(body: Uint8Array): { readonly sha256: string; readonly md5: string } {
  const sha256 = createHash('sha256').update(body).digest('hex')
  return { sha256, md5: createHash('md5').update(body).digest('base64') }
}

export function plannedHeaders(planned: Planned): Readonly<Record<string, string>> {
  const { lock, operation } = planned
  const { mode, retainUntilMs, legalHold } = lock === 'rule' ? noLock : lock
  const date = retainUntilMs === null ? null : new Date(retainUntilMs).toISOString()
  return {
    'x-amz-meta-operation': operation,
    ...(mode === null ? {} : { 'x-amz-object-lock-mode': mode }),
    ...(date === null ? {} : { 'x-amz-object-lock-retain-until-date': date }),
    ...(legalHold === null ? {} : { 'x-amz-object-lock-legal-hold': legalHold }),
  }
}

export function isLocked(lock: Lock | 'rule', nowMs: number): boolean {
  if (lock === 'rule') return true
  return lock.legalHold === 'ON' || (lock.retainUntilMs !== null && lock.retainUntilMs >= nowMs)
}

function createPool(sizeBytes: number): Buffer {
  const seed = createHash('sha512').update('the pool').digest()
  const bytes = Buffer.alloc(sizeBytes)
  for (let offset = 0; offset < sizeBytes; offset += 64) {
    createHash('sha512').update(seed).update(String(offset)).digest().copy(bytes, offset)
  }
  return bytes
}
