import { describe, expect, test } from 'vitest'
import { conditionReasons, conditionTypes, eventReasons } from '../../../src/api/conditions.ts'
import { formatPeriod, formatRetention, fromPeriod, toPeriod } from '../../../src/api/periods.ts'
import { conditionSchema } from '../../../src/api/status.ts'
import type { RetentionPeriod } from '../../../src/lock/types.ts'

const days = (count: number): RetentionPeriod => ({ unit: 'DAYS', count })

describe('periods', () => {
  test('formatPeriod: one and several', () => {
    expect(formatPeriod(days(1))).toBe('1 day')
    expect(formatPeriod(days(30))).toBe('30 days')
    expect(formatPeriod({ unit: 'YEARS', count: 1 })).toBe('1 year')
    expect(formatPeriod({ unit: 'YEARS', count: 7 })).toBe('7 years')
  })

  test('formatRetention: the default and how many rules', () => {
    const defaultRetention = { mode: 'COMPLIANCE', period: days(7) } as const
    const rule = { prefix: 'a', period: days(9) }
    expect(formatRetention({ defaultRetention: null, prefixRules: [rule] })).toBe('none')
    expect(formatRetention({ defaultRetention, prefixRules: [] })).toBe('7 days')
    expect(formatRetention({ defaultRetention, prefixRules: [rule] })).toBe('7 days, 1 rule')
    expect(formatRetention({ defaultRetention, prefixRules: [rule, rule] })).toBe('7 days, 2 rules')
  })

  test('toPeriod: there and back, and an assertion without exactly one unit', () => {
    for (const period of [days(3), { unit: 'YEARS', count: 2 } as const]) {
      expect(toPeriod(fromPeriod(period))).toEqual(period)
    }
    expect(() => toPeriod({})).toThrow('either days or years')
    expect(() => toPeriod({ days: 1, years: 1 })).toThrow('either days or years')
  })
})

describe('conditions', () => {
  test('conditions: every type and reason is one that the API server accepts', () => {
    for (const type of Object.keys(conditionTypes)) {
      for (const reason of Object.keys(conditionReasons)) {
        const lastTransitionTime = '2026-01-01T00:00:00Z'
        const condition = { type, status: 'True', reason, message: '', lastTransitionTime }
        expect(conditionSchema.safeParse(condition).success, `${type} ${reason}`).toBe(true)
      }
    }
  })

  test('conditions: every sentence ends, and no reason is written in two ways', () => {
    const sentences = [
      ...Object.values(conditionTypes),
      ...Object.values(conditionReasons),
      ...Object.values(eventReasons).map(({ sentence }) => sentence),
    ]
    for (const sentence of sentences) expect(sentence).toMatch(/^[A-Z].*\.$/)
    const names = [...Object.keys(conditionReasons), ...Object.keys(eventReasons)]
    const spellings = new Set(names)
    expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(spellings.size)
  })
})
