/**
 * Version ids: 13 digits of the version's order and 19 random ones, base 32, upper-case letters and digits
 * only. The order in the id finds the version's row without an index; the random part keeps ids from being
 * guessed.
 */
import { assert } from '../lib/assert.ts'
import type { EpochMs } from '../lib/units.ts'
import { idBytes } from './random-ids.ts'
import type { VersionId, VersionRecord } from './records.ts'

/** Ascending in ASCII, so that ids of one key sort by age; without letters that people take for digits. */
const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const orderLength = 13
const suffixLength = 19
const idPattern = /^[0-9A-HJKMNP-TV-Z]{32}$/

/**
 * Orders are microseconds of the year 2255 at most, so that thousands of later versions of a key still have
 * safe integers when a clock was once set to nonsense.
 */
const clockOrderMax = 9_000_000_000_000_000

/** How S3 names the version that was written while versioning was off or suspended. */
export const nullVersionId = 'null'

/** The random part, chosen before the transaction: a rerun writes the same version. */
export function newVersionSuffix(): string {
  return Array.from(idBytes(suffixLength), (byte) => digits[byte % 32]).join('')
}

/** Greater than the order of every version of the key, whatever the clock says. */
export function nextOrder(requestMs: EpochMs, current: { readonly order: number } | null): number {
  const order = Math.max(Math.min(requestMs * 1000, clockOrderMax), current === null ? 0 : current.order + 1)
  assert(Number.isSafeInteger(order), 'an order is a safe integer')
  return order
}

export function versionIdOf(order: number, suffix: string): VersionId {
  assert(Number.isSafeInteger(order) && order >= 0, 'an order is a whole number')
  let rest = order
  let head = ''
  for (let index = 0; index < orderLength; index += 1) {
    head = `${digits[rest % 32]}${head}`
    rest = Math.floor(rest / 32)
  }
  const versionId = head + suffix
  assert(idPattern.test(versionId), 'a version id is 32 letters and digits')
  return versionId
}

/** The order inside a version id; null if this server cannot have made the id. */
export function orderOfVersionId(versionId: string): number | null {
  if (!idPattern.test(versionId)) return null
  let order = 0
  for (let index = 0; index < orderLength; index += 1) {
    order = order * 32 + digits.indexOf(versionId.charAt(index))
  }
  // Beyond the safe integers the sum is rounded, but never down to one.
  return Number.isSafeInteger(order) ? order : null
}

/** The version id as S3 clients see it. */
export function clientVersionId(version: Pick<VersionRecord, 'isNull' | 'versionId'>): string {
  return version.isNull ? nullVersionId : version.versionId
}
