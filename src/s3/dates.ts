/**
 * Dates as clients write them (semantics, decision "dates accepted"), and as S3 prints them. A date that a
 * client sends is rounded up to the next millisecond: a lock never ends before the instant that was asked
 * for.
 */
import { type EpochMs, epochMs, epochMsMax } from '../lib/units.ts'

const isoShape =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:[.,](\d{1,9}))?([Zz]|[+-]\d{2}:?\d{2}|[+-]\d{2})?$/
const httpShape = /^[A-Za-z]{3}, (\d{2}) ([A-Za-z]{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT$/
const monthNames = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const dayNames = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']

type Fields = {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
}

/**
 * ISO 8601 / RFC 3339: full date and time, 0 to 9 fraction digits, `Z`, a numeric offset or no zone (UTC, as
 * Yandex defines). Instants before 1970 come back as 0 (they are in the past, whichever). null: not a date,
 * or beyond the year 9999.
 */
export function parseIsoDate(value: string): EpochMs | null {
  const match = isoShape.exec(value)
  if (match === null) return null
  const whole = utcMs(fieldsOf(match.slice(1, 7)))
  const offsetMinutes = offsetOf(match[8] ?? 'Z')
  if (whole === null || offsetMinutes === null) return null
  return inRange(whole + fractionMs(match[7] ?? '') - offsetMinutes * 60_000)
}

/** A date in a document: ISO 8601, or 12 to 14 digits of epoch milliseconds (D10). null: neither. */
export function parseBodyDate(value: string): EpochMs | null {
  if (/^\d{12,14}$/.test(value)) return inRange(Number(value))
  return parseIsoDate(value)
}

/** A date in a lock header: ISO 8601 or IMF-fixdate (D11). null: neither. */
export function parseHeaderDate(value: string): EpochMs | null {
  return parseIsoDate(value) ?? parseHttpDate(value)
}

/**
 * IMF-fixdate (RFC 9110 section 5.6.7). The weekday's name is not judged: vendors' own samples have wrong
 * ones.
 */
export function parseHttpDate(value: string): EpochMs | null {
  const match = httpShape.exec(value)
  if (match === null) return null
  const month = monthNames.indexOf((match[2] ?? '').toLowerCase()) + 1
  const [day, year, hour, minute, second] = [match[1], match[3], match[4], match[5], match[6]].map(Number)
  const whole = utcMs({
    year: year ?? 0,
    month,
    day: day ?? 0,
    hour: hour ?? 0,
    minute: minute ?? 0,
    second: second ?? 0,
  })
  return whole === null ? null : inRange(whole)
}

/** `20301231T235959Z`: the form of x-amz-date. null: anything else. */
export function parseAmzDate(value: string): EpochMs | null {
  const match = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/.exec(value)
  if (match === null) return null
  const whole = utcMs(fieldsOf(match.slice(1, 7)))
  return whole === null ? null : inRange(whole)
}

/** IMF-fixdate, e.g. `Sun, 06 Nov 1994 08:49:37 GMT`: Date and Last-Modified. Whole seconds, rounded down. */
export function formatHttpDate(instant: EpochMs): string {
  const date = new Date(instant)
  const month = monthNames[date.getUTCMonth()] ?? ''
  const monthName = `${month[0]?.toUpperCase()}${month.slice(1)}`
  const day = pad(date.getUTCDate(), 2)
  const clock = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]
    .map((part) => pad(part, 2))
    .join(':')
  return `${dayNames[date.getUTCDay()]}, ${day} ${monthName} ${pad(date.getUTCFullYear(), 4)} ${clock} GMT`
}

function pad(value: number, length: number): string {
  return String(value).padStart(length, '0')
}

function fieldsOf(parts: readonly (string | undefined)[]): Fields {
  const [year, month, day, hour, minute, second] = parts.map(Number)
  return {
    year: year ?? 0,
    month: month ?? 0,
    day: day ?? 0,
    hour: hour ?? 0,
    minute: minute ?? 0,
    second: second ?? 0,
  }
}

/** null: no such date in the calendar. Leap seconds are refused: no system here can store one. */
function utcMs(fields: Fields): number | null {
  const { year, month, day, hour, minute, second } = fields
  if (hour > 23 || minute > 59 || second > 59) return null
  // setUTCFullYear, because Date.UTC reads the years 0 to 99 as 1900 to 1999.
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null
  return date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000
}

function fractionMs(digits: string): number {
  const nanoseconds = Number(digits.padEnd(9, '0'))
  return Math.ceil(nanoseconds / 1_000_000)
}

/** Minutes east of UTC; null: no such offset. */
function offsetOf(zone: string): number | null {
  if (zone === 'Z' || zone === 'z') return 0
  const digits = zone.slice(1).replace(':', '').padEnd(4, '0')
  const hours = Number(digits.slice(0, 2))
  const minutes = Number(digits.slice(2))
  if (hours > 23 || minutes > 59) return null
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes)
}

function inRange(value: number): EpochMs | null {
  if (value > epochMsMax) return null
  return epochMs(Math.max(0, value))
}

/**
 * LastModified in a document: whole seconds, as S3 prints it, so that a tool which compares a listing with the
 * Last-Modified header of the same version sees one instant.
 */
export function formatLastModified(instant: EpochMs): string {
  return `${new Date(instant).toISOString().slice(0, 19)}.000Z`
}
