/**
 * The policy of a form upload: what its signer allows, as a document and as a verdict. Pure. Source: "POST Policy", Amazon
 * S3 API reference, with the sentences of recorded answers.
 */
import { limits } from '../../lib/limits.ts'
import type { EpochMs } from '../../lib/units.ts'
import { parseIsoDate } from '../dates.ts'
import type { FormFields } from '../form/open-form.ts'
import { S3Error } from '../s3-error.ts'

/** `text`: the condition as S3 prints it when it is not met. `field`: lower case. */
type Condition =
  | { readonly kind: 'eq'; readonly field: string; readonly value: string; readonly text: string }
  | { readonly kind: 'starts-with'; readonly field: string; readonly value: string; readonly text: string }
  | { readonly kind: 'content-length-range'; readonly range: SizeRange; readonly text: string }
  /** S3 takes it as a condition and no form ever meets it. */
  | { readonly kind: 'never'; readonly text: string }

/** Both bounds belong to it. */
export type SizeRange = { readonly bytesMin: number; readonly bytesMax: number }

export type PostPolicy = { readonly expirationMs: EpochMs; readonly conditions: readonly Condition[] }

function invalid(reason: string, cause?: unknown): S3Error {
  return new S3Error('InvalidPolicyDocument', { message: `Invalid Policy: ${reason}`, cause })
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** `text` is base64 of UTF-8 JSON, and nothing in it is let pass that is not understood. Errors: InvalidPolicyDocument. */
export function parsePostPolicy(text: string): PostPolicy {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) throw invalid('invalid Base64 encoding.')
  let parsed: unknown
  try {
    parsed = JSON.parse(utf8.decode(Buffer.from(text, 'base64')))
  } catch (cause) {
    throw invalid('Invalid JSON.', cause)
  }
  if (!isObject(parsed)) throw invalid('Invalid JSON.')
  const unexpected = Object.keys(parsed).find((name) => name !== 'expiration' && name !== 'conditions')
  if (unexpected !== undefined) throw invalid(`Unexpected: '${unexpected.toLowerCase()}'`)
  const { expiration, conditions } = parsed
  if (expiration === undefined) throw invalid('Policy missing expiration.')
  if (conditions === undefined) throw invalid('Policy missing conditions.')
  if (!Array.isArray(conditions)) throw invalid("Invalid 'conditions' value: must be a List.")
  return { expirationMs: parseExpiration(expiration), conditions: conditions.map(parseCondition) }
}

type JsonObject = Readonly<Record<string, unknown>>

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** UTC with its Z: S3 refuses an offset. */
function parseExpiration(value: unknown): EpochMs {
  if (typeof value !== 'string') throw invalid('Invalid JSON.')
  const instant = value.endsWith('Z') ? parseIsoDate(value) : null
  if (instant === null) throw invalid(`Invalid 'expiration' value: '${value}'`)
  return instant
}

function parseCondition(value: unknown): Condition {
  if (Array.isArray(value)) return parseList(value)
  if (!isObject(value)) throw invalid('Invalid condition: must be a List or Object.')
  const [entry, ...more] = Object.entries(value)
  if (entry === undefined || more.length > 0) {
    throw invalid('Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.')
  }
  const [field, wanted] = entry
  if (typeof wanted !== 'string') throw invalid('Invalid Simple-Condition: value must be a string.')
  return { kind: 'eq', field: field.toLowerCase(), value: wanted, text: printed(['eq', `$${field}`, wanted]) }
}

function printed(items: readonly unknown[]): string {
  return `[${items.map((item) => JSON.stringify(item)).join(', ')}]`
}

function parseList(items: readonly unknown[]): Condition {
  const [operator, first, second] = items
  if (typeof operator !== 'string') throw invalid('Invalid Condition: missing operation identifier.')
  const kind = operator.toLowerCase()
  if (kind !== 'eq' && kind !== 'starts-with' && kind !== 'content-length-range')
    throw invalid(`Invalid Condition: unknown operation '${operator}'.`)
  if (items.length !== 3) throw invalid(`Invalid ${operator}: wrong number of arguments.`)
  // Printed once it is text or numbers: JSON.stringify follows any nesting until the stack is over.
  if (kind === 'content-length-range') return parseRange(first, second)
  if (typeof first !== 'string' || typeof second !== 'string') throw invalid('Invalid JSON.')
  const text = printed(items)
  if (!first.startsWith('$')) return { kind: 'never', text }
  const field = first.slice(1).toLowerCase()
  if (kind === 'starts-with' && isExactOnly(field)) return { kind: 'never', text }
  return { kind, field, value: second, text }
}

/** Fields for which S3 knows no starts-with: a prefix of a bucket or of a mode is no permission. */
function isExactOnly(field: string): boolean {
  if (field === 'bucket' || field === 'success_action_status') return true
  return /^x-(amz|obs)-(?!meta-)/.test(field)
}

function parseRange(min: unknown, max: unknown): Condition {
  const bounds = [min, max].map((bound) => {
    if (typeof bound === 'string') return /^\d{1,15}$/.test(bound) ? Number(bound) : null
    if (typeof bound !== 'number' || !Number.isSafeInteger(bound)) throw invalid('Invalid JSON.')
    if (bound < 0) throw invalid('Invalid content-length-range: the bounds must not be negative.')
    return bound
  })
  const text = printed(['content-length-range', min, max])
  const [bytesMin = null, bytesMax = null] = bounds
  if (bytesMin === null || bytesMax === null) return { kind: 'never', text }
  return { kind: 'content-length-range', range: { bytesMin, bytesMax }, text }
}

/**
 * Holds a form to its policy. `fields` are what the object will be made of, variables expanded, with the addressed bucket as
 * `bucket`: none may be there without a condition. Gives the sizes that the file may have. Errors: AccessDenied.
 */
export function checkPostPolicy(policy: PostPolicy, fields: FormFields, wallMs: EpochMs): SizeRange {
  if (wallMs >= policy.expirationMs) throw violated('Policy expired.')
  const covered = new Set<string>()
  let bytesMin = 0
  let bytesMax: number = limits.singleUploadBytesMax
  for (const condition of policy.conditions) {
    if (condition.kind === 'content-length-range') {
      bytesMin = Math.max(bytesMin, condition.range.bytesMin)
      bytesMax = Math.min(bytesMax, condition.range.bytesMax)
      continue
    }
    if (!isMet(condition, fields)) throw violated(`Policy Condition failed: ${condition.text}`)
    if (condition.kind !== 'never') covered.add(condition.field)
  }
  const extra = [...fields].find(([name]) => !covered.has(name) && !isExempt(name))
  if (extra !== undefined) throw violated(`Extra input fields: ${extra[1].name}`)
  return { bytesMin, bytesMax }
}

function violated(reason: string): S3Error {
  return new S3Error('AccessDenied', { message: `Invalid according to Policy: ${reason}` })
}

/** A condition about a field that was not sent is not met, not even by the empty prefix. */
function isMet(condition: Exclude<Condition, { kind: 'content-length-range' }>, fields: FormFields): boolean {
  if (condition.kind === 'never') return false
  const value = fields.get(condition.field)?.value
  if (value === undefined) return false
  if (condition.kind === 'eq') return value === condition.value
  // S3 reads a Content-Type with commas as a list, each member of which must meet the condition.
  const values = condition.field === 'content-type' ? value.split(',').map((each) => each.trim()) : [value]
  return values.every((each) => each.startsWith(condition.value))
}

function isExempt(name: string): boolean {
  return name === 'policy' || name === 'x-amz-signature' || name.startsWith('x-ignore-')
}
