/** JSON as a policy may be written: an object whose names are there once, because of two the first would be lost in silence. */
import { malformedPolicy } from './malformed-policy.ts'

export type Fields = ReadonlyMap<string, unknown>

/** Errors: MalformedPolicy. */
export function parseJsonObject(text: string): Fields {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw malformedPolicy("Policies must be valid JSON and the first byte must be '{'", String(error))
  }
  if (!text.startsWith('{')) {
    throw malformedPolicy("Policies must be valid JSON and the first byte must be '{'", text.slice(0, 16))
  }
  refuseDuplicatesAndDepth(text)
  return fieldsOf(value, 'the policy')
}

/** Errors: MalformedPolicy for what is no object. */
export function fieldsOf(value: unknown, place: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformedPolicy('Invalid policy syntax.', `${place} must be an object`)
  }
  return new Map(Object.entries(value))
}

/** One value or a list of them, as the policy language has it nearly everywhere. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value]
}

/** Text or texts, at least one. Errors: MalformedPolicy with `message`. */
export function textsOf(value: unknown, message: string, place: string): readonly string[] {
  const list = listOf(value)
  if (list.length === 0) throw malformedPolicy(message, `${place} is empty`)
  return list.map((each) => {
    if (typeof each !== 'string') throw malformedPolicy(message, `${place} must be text`)
    return each
  })
}

/** A policy that is understood has seven levels; what prints one, or compares two, follows each. */
const depthMax = 16

/** `text` is JSON already: strings, brackets and the colons behind names are all there is to look at. */
function refuseDuplicatesAndDepth(text: string): void {
  const open: Set<string>[] = []
  let last = ''
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:]/g)) {
    if (token === '{' || token === '[') {
      if (open.length === depthMax)
        throw malformedPolicy('Invalid policy syntax.', `more than ${depthMax} levels`)
      open.push(new Set())
    } else if (token === '}' || token === ']') open.pop()
    else if (token === ':') addName(open.at(-1), JSON.parse(last))
    else last = token
  }
}

function addName(names: Set<string> | undefined, name: unknown): void {
  const text = String(name)
  if (names?.has(text)) throw malformedPolicy('Invalid policy syntax.', `${text} is there twice`)
  names?.add(text)
}
