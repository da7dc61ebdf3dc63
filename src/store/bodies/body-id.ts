/**
 * Body ids: 48 bits of wall clock and 80 random bits, in hex. Ids grow with time, so that the bodies of one
 * time lie
 * in one directory and their keys in one part of the store, and are removed together when their retention
 * ends.
 */
import { assert } from '../../lib/assert.ts'
import { isTimedId, timedId, timeOfId } from '../random-ids.ts'

/** One directory per 2^20 ms (17.5 min); 65,536 directories, used again after 2.2 years. */
const windowMs = 2 ** 20
const shardCount = 2 ** 16

export function newBodyId(wallMs: number): string {
  return timedId(wallMs)
}

export function isBodyId(text: string): boolean {
  return isTimedId(text)
}

/** When the id was made, by the wall clock. */
export function bodyIdMs(bodyId: string): number {
  return timeOfId(bodyId)
}

/** The two directory names above a body. */
export function shardOf(bodyId: string): readonly [string, string] {
  assert(isBodyId(bodyId), 'a body id is 32 hex digits')
  return [bodyId.slice(3, 5), bodyId.slice(5, 7)]
}

/** The shards that hold the ids of a span of time, each once. */
export function shardsBetween(fromMs: number, toMs: number): (readonly [string, string])[] {
  const first = Math.floor(fromMs / windowMs)
  const last = Math.min(Math.floor(toMs / windowMs), first + shardCount - 1)
  const shards: (readonly [string, string])[] = []
  for (let window = first; window <= last; window += 1) {
    const digits = (window % shardCount).toString(16).padStart(4, '0')
    shards.push([digits.slice(0, 2), digits.slice(2)])
  }
  return shards
}
