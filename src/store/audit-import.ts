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
      readonly kind: 'intact'
      readonly volumeId: string
      readonly head: AuditAnchor
      /** Those of the anchors that the chain goes through: one of the records, or the one before the first. */
      readonly passed: readonly AuditAnchor[]
    }
  | { readonly kind: 'broken'; readonly cause: string }

const sha256 = matching(/^[0-9a-f]{64}$/)
const lineShape = shape({ sequence: count, previousHash: sha256, hash: sha256 })
const endShape = shape({ volumeId: text, head: shape({ sequence: count, hash: sha256 }) })

/** What `audit export` wrote, a line at a time. Writes nothing, keeps nothing. */
export async function verifyExport(
  lines: AsyncIterable<string>,
  anchors: readonly AuditAnchor[],
): Promise<AuditExport> {
  const chain = new ExportedChain(anchors)
  let lineNumber = 0
  try {
    for await (const text of lines) {
      lineNumber += 1
      chain.read(parseLine(text))
    }
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error
    return { kind: 'broken', cause: `line ${lineNumber}: ${error.message}` }
  }
  return chain.end()
}

class ExportedChain {
  readonly #anchors: readonly AuditAnchor[]
  /** Names of anchors: there may be as many as somebody kept in years. */
  readonly #wanted: ReadonlySet<string>
  readonly #passed = new Set<string>()
  #last: AuditAnchor | null = null
  #end: { readonly volumeId: string; readonly head: AuditAnchor } | null = null

  constructor(anchors: readonly AuditAnchor[]) {
    this.#anchors = anchors
    this.#wanted = new Set(anchors.map(nameOf))
  }

  /** null: the line is the head. Throws CorruptRecordError for a line that does not continue the one before. */
  read(parsed: Readonly<Record<string, unknown>>): AuditLine | null {
    if (this.#end !== null) throw new CorruptRecordError('there is a line behind the head')
    if (!('head' in parsed)) return this.#readRecord(parsed)
    this.#end = endShape(parsed, 'the head')
    return null
  }

  end(): AuditExport {
    if (this.#end === null) return { kind: 'broken', cause: 'it does not end with a head' }
    const { volumeId, head } = this.#end
    if (this.#last !== null && !isSame(this.#last, head))
      return { kind: 'broken', cause: 'the last record is not the head' }
    this.#pass(head)
    const passed = this.#anchors.filter((anchor) => this.#passed.has(nameOf(anchor)))
    return { kind: 'intact', volumeId, head, passed }
  }

  #readRecord(parsed: Readonly<Record<string, unknown>>): AuditLine {
    const { line, hash } = hashedLine(parsed)
    const before = { sequence: line.sequence - 1, hash: line.previousHash }
    if (this.#last !== null && !isSame(this.#last, before))
      throw new CorruptRecordError('it does not continue the line before')
    if (hash !== line.hash) throw new CorruptRecordError('its hash is not that of its record')
    this.#last = { sequence: line.sequence, hash }
    this.#pass(before)
    this.#pass(this.#last)
    return line
  }

  #pass(record: AuditAnchor): void {
    const name = nameOf(record)
    if (this.#wanted.has(name)) this.#passed.add(name)
  }
}

/**
 * The records behind the anchor, of a log that was verified up to `head`. It is verified once more as it is read: throws
 * CorruptRecordError where it is another one now. What was yielded before counts for nothing then.
 */
export async function* exportedAfter(
  lines: AsyncIterable<string>,
  { anchor, head }: { readonly anchor: AuditAnchor; readonly head: AuditAnchor },
): AsyncGenerator<AuditLine> {
  const chain = new ExportedChain([anchor])
  for await (const text of lines) {
    const line = chain.read(parseLine(text))
    if (line !== null && line.sequence > anchor.sequence) yield line
  }
  const end = chain.end()
  if (end.kind === 'broken') throw new CorruptRecordError(`it is another log now: ${end.cause}`)
  if (end.passed.length === 0 || !isSame(end.head, head))
    throw new CorruptRecordError('it is another log now: it ends elsewhere')
}

/** The line, and the hash of what it says. */
function hashedLine(parsed: Readonly<Record<string, unknown>>): {
  readonly line: AuditLine
  readonly hash: string
} {
  const { record, unreadableBytes, ...rest } = parsed
  const link = lineShape(rest, 'an audit line')
  if (link.sequence === 0) throw new CorruptRecordError('records are numbered from 1')
  const previous = new Uint8Array(Buffer.from(link.previousHash, 'hex'))
  const hashOf = (bytes: Uint8Array): string => hex(chainHash(chainValue(link.sequence, previous, bytes)))
  if (isObject(record)) {
    return { line: { ...link, record }, hash: hashOf(Buffer.from(JSON.stringify(record))) }
  }
  const bytes = text(unreadableBytes, 'unreadableBytes')
  // The hash is that of the bytes, whatever the line calls them.
  if (parseAuditRecord(Buffer.from(bytes, 'base64')).kind === 'record')
    throw new CorruptRecordError('it calls a record unreadable that can be read')
  return { line: { ...link, unreadableBytes: bytes }, hash: hashOf(Buffer.from(bytes, 'base64')) }
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
