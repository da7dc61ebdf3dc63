import { expect, it } from 'vitest'
import { idBytes, idHex } from '../../../src/store/random-ids.ts'

it('idHex: over many blocks, every id is its own and as long as asked', () => {
  const ids = Array.from({ length: 5000 }, () => idHex(10))
  expect(new Set(ids).size).toBe(5000)
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{20}$/)
})

it('idBytes: what was given is not changed by what is given later', () => {
  const first = idBytes(8)
  const seen = [...first]
  for (let count = 0; count < 2000; count += 1) idBytes(8)
  expect([...first]).toEqual(seen)
})
