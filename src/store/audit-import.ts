/** Reads an exported audit log back and computes every hash again: what the chain does not carry is not believed. */
import type { AuditLine } from './audit-export.ts'
import { parseAuditRecord } from './audit-record.ts'
import { CorruptRecordError, count, matching, shape, text } from './fields.ts'
import { hex } from './hex.ts'
import { chainHash, chainValue } from './kv/chain.ts'

/** A record that the log has to have, by its number and the hex of its hash. */
export type AuditAnchor = { readonly sequence: number; readonly hash: string }

export type AuditExport =
  | {
      readonly kind: 'read'
      readonly volumeId: string
      readonly head: AuditAnchor
      /** Those of the anchors that the chain goes through: one of the records, or the one before the first. */
      readonly passed: readonly AuditAnchor[]
      /** Those of `passed` that no break lies between and the first of the anchors. */
      readonly linked: readonly AuditAnchor[]
      readonly breakCount: number
    }
  /** Its first break; none was accepted. */
  | { readonly kind: 'broken'; readonly cause: string }
  | { readonly kind: 'noLog'; readonly cause: string }

/** Whether a log is taken where a record was damaged, and who is told of each such place. */
export type AuditBreaks =
  | { readonly kind: 'refuse' }
  | { readonly kind: 'accept'; readonly onBreak: (sentence: string) => void }

/** A record of the log. `doubted`: neither the record behind it nor an anchor names its hash, so that it may be another one. */
export type ImportedLine = AuditLine | { readonly sequence: number; readonly doubted: AuditLine }

type ReadLog = {
  readonly anchors: readonly AuditAnchor[]
  readonly breaks: AuditBreaks
}

/** No breaks make it a log. */
class NoLogError extends CorruptRecordError {}

const sha256 = matching(/^[0-9a-f]{64}$/)
const lineShape = shape({ sequence: count, previousHash: sha256, hash: sha256 })
const endShape = shape({ volumeId: text, head: shape({ sequence: count, hash: sha256 }) })

/** What `audit export` wrote, a line at a time. Writes nothing, keeps nothing. */
export async function verifyExport(lines: AsyncIterable<string>, log: ReadLog): Promise<AuditExport> {
  const chain = new ExportedChain(log)
  try {
    for await (const text of lines) chain.read(text)
    return chain.end()
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error
    return { kind: error instanceof NoLogError ? 'noLog' : 'broken', cause: error.message }
  }
}

class ExportedChain {
  readonly #anchors: readonly AuditAnchor[]
  readonly #breaks: AuditBreaks
  /** Names of anchors: there may be as many as somebody kept in years. */
  readonly #wanted: ReadonlySet<string>
  /** The stretch without a break that each was found in, by its name. */
  readonly #passed = new Map<string, number>()
  #lineNumber = 0
  #breakCount = 0
  /** null: there was none yet, or it could not be read. */
  #last: AuditLine | null = null
  /** Of all lines so far, over breaks too: lines that somebody added begin behind it, or are none. */
  #highest = 0
  #end: { readonly volumeId: string; readonly head: AuditAnchor } | null = null

  constructor({ anchors, breaks }: ReadLog) {
    this.#anchors = anchors
    this.#breaks = breaks
    this.#wanted = new Set(anchors.map(nameOf))
  }

  /** The line before, now that this one says whether it is the chain's. Throws CorruptRecordError, for a break unless they are accepted. */
  read(text: string): readonly ImportedLine[] {
    this.#lineNumber += 1
    if (this.#end !== null) throw new NoLogError(`line ${this.#lineNumber}: there is a line behind the head`)
    const before = this.#last
    try {
      const parsed = parseLine(text)
      if ('head' in parsed) {
        this.#end = endShape(parsed, 'the head')
        return []
      }
      this.#last = readRecord(parsed)
    } catch (error) {
      if (!(error instanceof CorruptRecordError)) throw error
      this.#break(error.message)
      this.#last = null
      return this.#settled(before, null)
    }
    const { sequence } = this.#last
    const named = { sequence: sequence - 1, hash: this.#last.previousHash }
    if (before !== null && !isSame(before, named)) this.#break('it does not continue the line before')
    if (sequence <= this.#highest)
      throw new NoLogError(
        `line ${this.#lineNumber}: record ${sequence} stands behind record ${this.#highest}`,
      )
    this.#highest = sequence
    this.#pass(named)
    this.#pass(this.#last)
    return this.#settled(before, named)
  }

  /** What was not settled, and what the log is. */
  settleLast(): readonly ImportedLine[] {
    return this.#settled(this.#last, this.#end?.head ?? null)
  }

  end(): Extract<AuditExport, { readonly kind: 'read' }> {
    if (this.#end === null) throw new NoLogError('it does not end with a head')
    const { volumeId, head } = this.#end
    if (head.sequence < this.#highest)
      throw new NoLogError(`it has records behind ${head.sequence}, its head`)
    if (this.#last !== null && !isSame(this.#last, head)) this.#break('the last record is not the head')
    this.#pass(head)
    const stretchOf = (anchor: AuditAnchor): number | undefined => this.#passed.get(nameOf(anchor))
    const passed = this.#anchors.filter((anchor) => stretchOf(anchor) !== undefined)
    const [first] = this.#anchors
    const stretch = first === undefined ? undefined : stretchOf(first)
    const linked = passed.filter((anchor) => stretchOf(anchor) === stretch)
    return { kind: 'read', volumeId, head, passed, linked, breakCount: this.#breakCount }
  }

  #settled(line: AuditLine | null, named: AuditAnchor | null): readonly ImportedLine[] {
    if (line === null) return []
    const isProven = (named !== null && isSame(line, named)) || this.#wanted.has(nameOf(line))
    return [isProven ? line : { sequence: line.sequence, doubted: line }]
  }

  #pass(record: AuditAnchor): void {
    const name = nameOf(record)
    if (this.#wanted.has(name) && !this.#passed.has(name)) this.#passed.set(name, this.#breakCount)
  }

  #break(cause: string): void {
    const sentence = `line ${this.#lineNumber}: ${cause}`
    if (this.#breaks.kind === 'refuse') throw new CorruptRecordError(sentence)
    this.#breakCount += 1
    this.#breaks.onBreak(sentence)
  }
}

type VerifiedLog = {
  readonly anchor: AuditAnchor
  /** What else a record may be known by, as `verifyExport` was given them. */
  readonly checkpoints: readonly AuditAnchor[]
  readonly head: AuditAnchor
  /** As `verifyExport` counted them. */
  readonly breakCount: number
}

/**
 * The records behind the anchor, of a log that was verified up to `head`. It is verified once more as it is read: throws
 * CorruptRecordError where it is another one now. What was yielded before counts for nothing then.
 */
export async function* exportedAfter(
  lines: AsyncIterable<string>,
  { anchor, checkpoints, head, breakCount }: VerifiedLog,
): AsyncGenerator<ImportedLine> {
  const breaks: AuditBreaks =
    breakCount === 0 ? { kind: 'refuse' } : { kind: 'accept', onBreak: () => undefined }
  const chain = new ExportedChain({ anchors: [anchor, ...checkpoints], breaks })
  const behind = ({ sequence }: ImportedLine): boolean => sequence > anchor.sequence
  try {
    for await (const text of lines) yield* chain.read(text).filter(behind)
    yield* chain.settleLast().filter(behind)
    const end = chain.end()
    if (!end.passed.includes(anchor) || !isSame(end.head, head) || end.breakCount !== breakCount)
      throw new CorruptRecordError('it ends elsewhere')
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error
    throw new CorruptRecordError(`it is another log now: ${error.message}`, { cause: error })
  }
}

/** Throws CorruptRecordError, also where the hash that a line names is not that of what it says. */
function readRecord(parsed: Readonly<Record<string, unknown>>): AuditLine {
  const { record, unreadableBytes, ...rest } = parsed
  const link = lineShape(rest, 'an audit line')
  if (link.sequence === 0) throw new CorruptRecordError('records are numbered from 1')
  const previous = new Uint8Array(Buffer.from(link.previousHash, 'hex'))
  const hashOf = (bytes: Uint8Array): string => hex(chainHash(chainValue(link.sequence, previous, bytes)))
  const demandHash = (bytes: Uint8Array): void => {
    if (hashOf(bytes) !== link.hash) throw new CorruptRecordError('its hash is not that of its record')
  }
  if (isObject(record)) {
    demandHash(Buffer.from(JSON.stringify(record)))
    return { ...link, record }
  }
  const bytes = text(unreadableBytes, 'unreadableBytes')
  // The hash is that of the bytes, whatever the line calls them.
  if (parseAuditRecord(Buffer.from(bytes, 'base64')).kind === 'record')
    throw new CorruptRecordError('it calls a record unreadable that can be read')
  demandHash(Buffer.from(bytes, 'base64'))
  return { ...link, unreadableBytes: bytes }
}

function parseLine(line: string): Readonly<Record<string, unknown>> {
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch (error) {
    throw new CorruptRecordError('it is not JSON', { cause: error })
  }
  if (!isObject(parsed)) throw new CorruptRecordError('it is not an object')
  return parsed
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function nameOf({ sequence, hash }: AuditAnchor): string {
  return `${sequence} ${hash}`
}

function isSame(one: AuditAnchor, other: AuditAnchor): boolean {
  return one.sequence === other.sequence && one.hash === other.hash
}
