/**
 * One page of an S3 listing over ordered rows: prefix, delimiter, common prefixes. Seeks past each common
 * prefix, so that a page costs what it shows and nothing that grows with the bucket.
 */
import { assert } from '../lib/assert.ts'
import { compareBytes } from '../lib/bytes.ts'
import { limits } from '../lib/limits.ts'
import { keyAfter } from './keys.ts'
import type { Entry, KeyValueReader } from './kv/contract.ts'
import type { ListPage } from './requests.ts'

export type PageWalk<Row> = ListPage & {
  readonly reader: KeyValueReader
  readonly from: Uint8Array
  readonly to: Uint8Array
  readonly keyOf: (row: Uint8Array) => string
  /** Called once for each row that is not skipped, in order; null: the row is not listed. */
  readonly accept: (entry: Entry) => Row | null
  /** The first row after all keys that begin with the common prefix. */
  readonly groupEnd: (commonPrefix: string) => Uint8Array
  /** Rows in one read at most. */
  readonly chunkRowsMax: number
}

export type PageItem<Row> =
  | { readonly kind: 'row'; readonly key: string; readonly row: Row }
  | { readonly kind: 'commonPrefix'; readonly commonPrefix: string }

export type WalkedPage<Row> = {
  readonly items: readonly PageItem<Row>[]
  readonly isTruncated: boolean
  /** The key that the walk stopped after because it had passed over too many rows; null otherwise. */
  readonly stoppedAfter: string | null
}

/** The smallest read: right after a seek nothing is known about what follows. */
const chunkRowsMin = 8

export async function collectPage<Row>(walk: PageWalk<Row>): Promise<WalkedPage<Row>> {
  assert(walk.maxKeys >= 0 && walk.maxKeys <= limits.listKeysMax, 'a page has a bounded number of keys')
  const page = new Page(walk)
  if (walk.maxKeys === 0) return page.end('complete')
  let position = walk.from
  let chunkRows = Math.min(walk.delimiter === '' ? walk.maxKeys + 1 : chunkRowsMin, walk.chunkRowsMax)
  let scannedRows = 0
  while (compareBytes(position, walk.to) < 0) {
    const chunk = await walk.reader.range({ from: position, to: walk.to, limit: chunkRows })
    if (chunk.some((entry) => page.take(entry) === 'full')) return page.end('truncated')
    const last = chunk.at(-1)
    if (last === undefined || chunk.length < chunkRows) break
    scannedRows += chunk.length
    const { groupEnd } = page
    if (groupEnd === null && scannedRows >= limits.listRowsScannedMax) {
      return { ...page.end('truncated'), stoppedAfter: walk.keyOf(last.key) }
    }
    position = groupEnd ?? keyAfter(last.key)
    chunkRows = groupEnd === null ? Math.min(chunkRows * 2, walk.chunkRowsMax) : chunkRowsMin
  }
  return page.end('complete')
}

class Page<Row> {
  /** Where the last common prefix ends, while rows below may still come. */
  groupEnd: Uint8Array | null = null
  readonly #walk: PageWalk<Row>
  readonly #items: PageItem<Row>[] = []

  constructor(walk: PageWalk<Row>) {
    this.#walk = walk
  }

  /** `full`: the row is listed on the next page. */
  take(entry: Entry): 'taken' | 'full' {
    if (this.groupEnd !== null && compareBytes(entry.key, this.groupEnd) < 0) return 'taken'
    this.groupEnd = null
    const row = this.#walk.accept(entry)
    if (row === null) return 'taken'
    if (this.#items.length === this.#walk.maxKeys) return 'full'
    const key = this.#walk.keyOf(entry.key)
    const commonPrefix = commonPrefixOf(key, this.#walk)
    if (commonPrefix !== null) this.groupEnd = this.#walk.groupEnd(commonPrefix)
    this.#items.push(
      commonPrefix === null ? { kind: 'row', key, row } : { kind: 'commonPrefix', commonPrefix },
    )
    return 'taken'
  }

  end(state: 'complete' | 'truncated'): WalkedPage<Row> {
    return { items: this.#items, isTruncated: state === 'truncated', stoppedAfter: null }
  }
}

/** The part of `key` through the first delimiter after the prefix; null: the key stands for itself. */
export function commonPrefixOf(key: string, { prefix, delimiter }: Omit<ListPage, 'maxKeys'>): string | null {
  if (delimiter === '' || !key.startsWith(prefix)) return null
  const index = key.indexOf(delimiter, prefix.length)
  return index < 0 ? null : key.slice(0, index + delimiter.length)
}
