/**
 * Strict readers of stored JSON: a value has exactly the shape asked for or CorruptRecordError is thrown.
 * Nothing is guessed or converted.
 */
import { type EpochMs, epochMs, epochMsMax } from '../lib/units.ts'

/** A stored record does not have the shape that its table promises. Nothing may be decided from it. */
export class CorruptRecordError extends Error {
  override readonly name = 'CorruptRecordError'
}

/** `where` names the place in the record, for people. Throws CorruptRecordError only. */
export type Decode<T> = (value: unknown, where: string) => T

type Shape = Readonly<Record<string, Decode<unknown>>>
type Shaped<Fields extends Shape> = { readonly [Name in keyof Fields]: ReturnType<Fields[Name]> }

export const text: Decode<string> = (value, where) => {
  if (typeof value !== 'string') return corrupt(where, 'a string')
  return value
}

export const flag: Decode<boolean> = (value, where) => {
  if (typeof value !== 'boolean') return corrupt(where, 'true or false')
  return value
}

/** A whole number from 0. */
export const count: Decode<number> = (value, where) => {
  if (!Number.isSafeInteger(value) || Object.is(value, -0) || (value as number) < 0) {
    return corrupt(where, 'a whole number')
  }
  return value as number
}

/** A whole number from 1. */
export const positive: Decode<number> = (value, where) => {
  const number = count(value, where)
  return number > 0 ? number : corrupt(where, 'a whole number from 1')
}

export const instant: Decode<EpochMs> = (value, where) => {
  const number = count(value, where)
  return number <= epochMsMax ? epochMs(number) : corrupt(where, 'an instant before the year 10000')
}

export function matching(pattern: RegExp): Decode<string> {
  return (value, where) => {
    const string = text(value, where)
    return pattern.test(string) ? string : corrupt(where, `a string like ${pattern.source}`)
  }
}

export function oneOf<const Word extends string>(...words: readonly Word[]): Decode<Word> {
  return (value, where) => words.find((word) => word === value) ?? corrupt(where, words.join(' or '))
}

/** null, and only null, is null: a field that is not there is an error. */
export function nullable<T>(decode: Decode<T>): Decode<T | null> {
  return (value, where) => (value === null ? null : decode(value, where))
}

/** A field that rows of an earlier release do not have: `absent` stands for it. */
export function orAbsent<T>(decode: Decode<T>, absent: T): Decode<T> {
  return (value, where) => (value === undefined ? absent : decode(value, where))
}

export function listOf<T>(decode: Decode<T>): Decode<readonly T[]> {
  return (value, where) => {
    if (!Array.isArray(value)) return corrupt(where, 'a list')
    return value.map((item, index) => decode(item, `${where}[${index}]`))
  }
}

/** Any names, all with values of one kind. */
export function mapOf<T>(decode: Decode<T>): Decode<Readonly<Record<string, T>>> {
  return (value, where) => {
    const entries = Object.entries(plainObject(value, where))
    // fromEntries defines own properties, so that a name like `__proto__` stays a name.
    return Object.fromEntries(entries.map(([name, item]) => [name, decode(item, `${where}.${name}`)]))
  }
}

/** Exactly these names. A missing one is passed on as undefined, which all decoders here refuse. */
export function shape<Fields extends Shape>(fields: Fields): Decode<Shaped<Fields>> {
  const names = Object.keys(fields)
  return (value, where) => {
    const object = plainObject(value, where)
    const decoded: Record<string, unknown> = {}
    let knownCount = 0
    for (const name of names) {
      const isThere = Object.hasOwn(object, name)
      if (isThere) knownCount += 1
      const decode = fields[name] as Decode<unknown>
      decoded[name] = decode(isThere ? object[name] : undefined, `${where}.${name}`)
    }
    if (Object.keys(object).length === knownCount) return decoded as Shaped<Fields>
    const unknownName = Object.keys(object).find((name) => !Object.hasOwn(fields, name))
    return corrupt(`${where}.${unknownName}`, 'absent: no such field is known')
  }
}

export function corrupt(where: string, expected: string): never {
  throw new CorruptRecordError(`stored record: ${where} is not ${expected}`)
}

function plainObject(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return corrupt(where, 'an object')
  return value as Readonly<Record<string, unknown>>
}
