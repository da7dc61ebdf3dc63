import { expect, test } from 'vitest'
import { CorruptRecordError } from '../../../src/store/fields.ts'
import {
  chainHash,
  chainHeadValue,
  chainValue,
  emptyChainHead,
  logHeadKey,
  logKey,
  parseChainValue,
} from '../../../src/store/kv/chain.ts'
import type { View } from '../../../src/store/kv/engine.ts'
import { prepareWrites } from '../../../src/store/kv/transaction.ts'
import { WriteBuffer } from '../../../src/store/kv/write-buffer.ts'
import { bytes } from './suite-store.ts'

const first = chainValue(1, emptyChainHead.hash, bytes('first'))
const second = chainValue(2, chainHash(first), bytes('second'))

function log(head: { sequence: number; hash: Uint8Array } | null, records: readonly Uint8Array[]): View {
  const rows = new Map(records.map((value, index) => [nameOf(logKey('log', index + 1)), value]))
  if (head !== null) rows.set(nameOf(logHeadKey('log')), chainHeadValue(head))
  return { get: (key) => rows.get(nameOf(key)) ?? null, range: () => [] }
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key).toString('hex')
}

function append(view: View): readonly string[] {
  const buffer = new WriteBuffer()
  buffer.append('log', bytes('third'))
  return prepareWrites(buffer, view).map(({ key }) => nameOf(key))
}

test('append: after the last record, where the head is whole', () => {
  const view = log({ sequence: 2, hash: chainHash(second) }, [first, second])
  expect(append(view)).toEqual([nameOf(logKey('log', 3)), nameOf(logHeadKey('log'))])
})

test('append: after a last record that was changed, or a head whose hash was, the chain shows it for ever', () => {
  const changed = chainValue(2, chainHash(first), bytes('sec0nd'))
  for (const [head, last] of [
    [chainHash(second), changed],
    [chainHash(first), second],
  ] as const) {
    const buffer = new WriteBuffer()
    buffer.append('log', bytes('third'))
    const [record, end] = prepareWrites(buffer, log({ sequence: 2, hash: head }, [first, last]))
    const third = chainValue(3, head, bytes('third'))
    expect(record).toEqual({ key: logKey('log', 3), value: third })
    expect(end?.value).toEqual(chainHeadValue({ sequence: 3, hash: chainHash(third) }))
    expect(head).not.toEqual(chainHash(last))
  }
})

test.each([
  ['an earlier record', { sequence: 1, hash: chainHash(second) }, [first, second]],
  ['an earlier record, with its hash', { sequence: 1, hash: chainHash(first) }, [first, second]],
  ['a record that never was', { sequence: 3, hash: chainHash(second) }, [first, second]],
  ['nothing, where records are', null, [first, second]],
  ['a record that is gone', { sequence: 2, hash: chainHash(second) }, [first]],
] as const)('append: to a head that names %s, is refused and writes nothing', (_name, head, records) => {
  const refused = (): unknown => append(log(head, records))
  expect(refused).toThrow(CorruptRecordError)
  expect(refused).toThrow(/the log log/)
})

test.each([
  ['is too short', chainHeadValue({ sequence: 2, hash: chainHash(second) }).subarray(1)],
  ['names a number that none has', Uint8Array.from({ length: 40 }, () => 0xff)],
])('append: to a head that %s, is refused as damage', (_name, value) => {
  const whole = log(null, [first, second])
  const view: View = {
    ...whole,
    get: (key) => (nameOf(key) === nameOf(logHeadKey('log')) ? value : whole.get(key)),
  }
  expect(() => append(view)).toThrow(CorruptRecordError)
})

test('a stored record of a log that is cut off: damage', () => {
  expect(() => parseChainValue(first.subarray(0, 39))).toThrow(CorruptRecordError)
})
