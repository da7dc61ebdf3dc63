import { limits } from '../lib/limits.ts'
import type { ListPage } from '../store/store.ts'
import { invalidArgument } from './s3-error.ts'

/** The parameters that all listings share. */
export type ListingInput = ListPage & {
  /** What the client asked for and reads back; `maxKeys` is what it gets. */
  readonly encoding: 'url' | 'none'
}

/** Errors: InvalidArgument for a page size or an encoding that is none. `maxName` is max-keys or max-uploads. */
export function parseListing(query: URLSearchParams, maxName: string): ListingInput {
  return {
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    maxKeys: parsePageSize(query, maxName, limits.listKeysMax),
    encoding: parseEncoding(query),
  }
}

/** A page size: the maximum if it is left out or larger. */
export function parsePageSize(query: URLSearchParams, name: string, sizeMax: number): number {
  const value = query.get(name)
  if (value === null || value === '') return sizeMax
  const size = Number(value)
  if (!/^\d{1,10}$/.test(value) || size > 2 ** 31 - 1) {
    throw invalidArgument(`Provided ${name} not an integer or within integer range`, name, value)
  }
  return Math.min(size, sizeMax)
}

function parseEncoding(query: URLSearchParams): 'url' | 'none' {
  const value = query.get('encoding-type')
  if (value === null || value === '') return 'none'
  if (value !== 'url')
    throw invalidArgument('Invalid Encoding Method specified in Request', 'encoding-type', value)
  return 'url'
}
