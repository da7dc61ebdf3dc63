import { expect, it } from 'vitest'
import { shape, text } from '../../../src/store/fields.ts'
import { rowCodec } from '../../../src/store/row-codec.ts'
import { remembering } from '../../../src/store/row-memo.ts'

const codec = rowCodec('thing', shape({ name: text }))
const row = (name: string) => new TextEncoder().encode(`row ${name}`)
const sealed = (name: string, of = name) => codec.encode(row(of), { name })

function counted(rowsMax: number) {
  let decoded = 0
  const decode = remembering(rowsMax, (key: Uint8Array, value: Uint8Array | null) => {
    decoded += 1
    return codec.decode(key, value)
  })
  return { decode, decoded: () => decoded }
}

it('remembering: the same row with the same bytes, decoded once and given frozen', () => {
  const { decode, decoded } = counted(2)
  const first = decode(row('a'), sealed('a'))
  expect(decode(row('a'), sealed('a'))).toBe(first)
  expect(first).toEqual({ name: 'a' })
  expect(Object.isFrozen(first)).toBe(true)
  expect(decoded()).toBe(1)
})

it('remembering: other bytes of the row are decoded, and the bytes before them are forgotten', () => {
  const { decode, decoded } = counted(2)
  decode(row('a'), sealed('a'))
  expect(decode(row('a'), sealed('b', 'a'))).toEqual({ name: 'b' })
  expect(decode(row('a'), sealed('a'))).toEqual({ name: 'a' })
  expect(decoded()).toBe(3)
})

it('remembering: bytes that were changed in place after they were decoded are no longer the same', () => {
  const { decode } = counted(2)
  const value = sealed('a')
  decode(row('a'), value)
  value[value.length - 3] = (value[value.length - 3] as number) ^ 1
  expect(() => decode(row('a'), value)).toThrow('its checksum differs')
})

it('remembering: bytes of one row under another are refused', () => {
  const { decode } = counted(2)
  const value = sealed('a')
  decode(row('a'), value)
  expect(() => decode(row('b'), value)).toThrow('its checksum differs')
})

it('remembering: a row that is not there is no record, however often it was', () => {
  const { decode } = counted(2)
  decode(row('a'), sealed('a'))
  expect(() => decode(row('a'), null)).toThrow('thing is missing')
})

it('remembering: more rows than it holds, all of them are right', () => {
  const { decode } = counted(2)
  for (const name of ['a', 'b', 'c', 'a', 'b', 'c']) expect(decode(row(name), sealed(name))).toEqual({ name })
})
