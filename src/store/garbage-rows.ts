/** What waits to be unlinked. A row says which rows and bodies go; `collect-garbage.ts` carries it out. */
import { count, type Decode, matching, oneOf, positive, shape } from './fields.ts'
import { garbageKey } from './keys.ts'
import type { KeyValueTransaction } from './kv/contract.ts'
import { rowCodec } from './row-codec.ts'

export type GarbageRow =
  /** A list of files whose last reference went: its bodies, their rows and its chunks. */
  | { readonly kind: 'list'; readonly bodyCount: number }
  /** One body that no list holds: a part that was replaced. */
  | { readonly kind: 'body'; readonly sizeBytes: number }
  /** An upload that was aborted or completed: its part rows, and the bodies of the parts not in `keptParts`. */
  | { readonly kind: 'upload'; readonly keptParts: string }

const shapes: Readonly<Record<GarbageRow['kind'], Decode<GarbageRow>>> = {
  list: shape({ kind: oneOf('list'), bodyCount: positive }),
  body: shape({ kind: oneOf('body'), sizeBytes: count }),
  upload: shape({ kind: oneOf('upload'), keptParts: matching(/^([0-9a-f]{2})*$/) }),
}
const kindOf = oneOf('list', 'body', 'upload')
const decode: Decode<GarbageRow> = (value, where) => {
  const kind = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined
  return shapes[kindOf(kind, `${where}.kind`)](value, where)
}

export const garbageCodec = rowCodec<GarbageRow>('garbage', decode)

/** `id`: the list, the body or the upload. */
export function putGarbage(transaction: KeyValueTransaction, id: string, row: GarbageRow): void {
  const key = garbageKey(id)
  transaction.put(key, garbageCodec.encode(key, row))
}

/** Part numbers as a bitmap in hex: bit n of byte n >> 3. */
export function encodeParts(partNumbers: Iterable<number>): string {
  const bits: number[] = []
  for (const partNumber of partNumbers) {
    const index = partNumber >> 3
    while (bits.length <= index) bits.push(0)
    bits[index] = (bits[index] as number) | (1 << (partNumber & 7))
  }
  return Buffer.from(bits).toString('hex')
}

export function hasPart(bitmap: string, partNumber: number): boolean {
  const byte = Number.parseInt(bitmap.slice((partNumber >> 3) * 2, (partNumber >> 3) * 2 + 2), 16)
  return !Number.isNaN(byte) && (byte & (1 << (partNumber & 7))) !== 0
}
