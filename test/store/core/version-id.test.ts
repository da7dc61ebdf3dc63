import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { epochMs, epochMsMax } from '../../../src/lib/units.ts'
import {
  clientVersionId,
  newVersionSuffix,
  nextOrder,
  orderOfVersionId,
  versionIdOf,
} from '../../../src/store/version-id.ts'

describe('version ids', () => {
  test('versionIdOf: any order, 32 upper-case letters and digits that give the order back', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (order) => {
        const versionId = versionIdOf(order, newVersionSuffix())
        expect(versionId).toMatch(/^[0-9A-Z]{32}$/)
        expect(orderOfVersionId(versionId)).toBe(order)
      }),
    )
  })

  test('versionIdOf: a later order, a greater id', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (a, b) => {
        const suffix = newVersionSuffix()
        expect(versionIdOf(a, suffix) < versionIdOf(b, suffix)).toBe(a < b)
      }),
    )
  })

  test('orderOfVersionId: ids that this server cannot have made, null', () => {
    const good = versionIdOf(1_795_000_000_000_000, newVersionSuffix())
    const others = [
      '',
      'null',
      'bogus',
      good.toLowerCase(),
      good.slice(1),
      `${good}0`,
      `U${good.slice(1)}`,
      `${good.slice(0, -1)}I`,
      'Z'.repeat(32),
    ]
    for (const id of others) expect(orderOfVersionId(id), id).toBeNull()
  })

  test('newVersionSuffix: a thousand of them, all different', () => {
    expect(new Set(Array.from({ length: 1000 }, newVersionSuffix)).size).toBe(1000)
  })

  test('nextOrder: a clock behind the current version, one more than its order', () => {
    expect(nextOrder(epochMs(5), null)).toBe(5000)
    expect(nextOrder(epochMs(5), { order: 4999 })).toBe(5000)
    expect(nextOrder(epochMs(5), { order: 5000 })).toBe(5001)
    expect(nextOrder(epochMs(0), { order: 77 })).toBe(78)
  })

  test('nextOrder: a clock at the end of time, still safe integers that grow', () => {
    const first = nextOrder(epochMsMax, null)
    expect(Number.isSafeInteger(first)).toBe(true)
    expect(nextOrder(epochMsMax, { order: first })).toBe(first + 1)
  })

  test('clientVersionId: the null version, called null', () => {
    expect(clientVersionId({ isNull: true, versionId: 'X' })).toBe('null')
    expect(clientVersionId({ isNull: false, versionId: 'X' })).toBe('X')
  })
})
