import { describe, expect, test } from 'vitest'
import { CollectedBytes } from '../../../src/lib/collected-bytes.ts'

function collect(sizes: readonly number[]): {
  readonly whole: Uint8Array
  readonly collected: CollectedBytes
} {
  const whole = Uint8Array.from({ length: sizes.reduce((sum, size) => sum + size, 0) }, (_, index) => index)
  const collected = new CollectedBytes()
  let offset = 0
  for (const size of sizes) {
    const piece = whole.slice(offset, offset + size)
    collected.add(piece)
    // Whose the piece was may use it again.
    piece.fill(0xee)
    offset += size
  }
  return { whole, collected }
}

describe('CollectedBytes', () => {
  test.each([[[]], [[0]], [[5]], [[1, 0, 2]], [[100, 1, 99, 300]], [Array.from({ length: 5000 }, () => 1)]])(
    'pieces of %j bytes: all of them in order, in a buffer of just their size',
    (sizes) => {
      const { whole, collected } = collect(sizes)
      expect(collected.sizeBytes).toBe(whole.length)
      expect(collected.bytes()).toEqual(whole)
      expect(collected.bytes().buffer.byteLength).toBe(whole.length)
    },
  )
})
