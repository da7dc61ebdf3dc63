import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bucketAccessRotationRules, bucketAccessRules } from '../../../src/api/BucketAccess.ts'
import { tagRules } from '../../../src/api/bucket-tags.ts'
import { clusterRetentionPolicyRules } from '../../../src/api/ClusterRetentionPolicy.ts'
import { lockedBucketRules } from '../../../src/api/LockedBucket.ts'
import { labelSelectorRules } from '../../../src/api/label-selector.ts'
import { lifecycleRules } from '../../../src/api/lifecycle.ts'
import { fromPeriod } from '../../../src/api/periods.ts'
import { bytesQuantityRules } from '../../../src/api/quantity.ts'
import {
  type RetentionPolicySpec,
  retentionPolicyRules,
  retentionPolicySpecSchema,
  toBounds,
  toBucketRetention,
  validateRetentionPolicy,
} from '../../../src/api/RetentionPolicy.ts'
import { type ApiRule, formatPath, schemaRule } from '../../../src/api/rules.ts'
import { compareBounds, compareBucketRetention } from '../../../src/lock/compare.ts'
import type { BucketRetention, RetentionPeriod } from '../../../src/lock/types.ts'
import { anyBucketRetention, smallPeriod } from '../../lock/arbitraries.ts'
import { ruleCases } from './rule-cases.ts'
import { validateCase } from './rule-words.ts'

describe('the twins of the CEL rules', () => {
  test.each(ruleCases)('$kind: $title', (ruleCase) => {
    const violations = validateCase(ruleCase)
    if (ruleCase.expected === 'accepted') {
      expect(violations).toEqual([])
      return
    }
    expect(violations.map(({ rule, path }) => ({ rule, path }))).toContainEqual(ruleCase.expected)
  })

  test('rule cases: an object that exists is one that could be created', () => {
    for (const ruleCase of ruleCases) {
      if (ruleCase.old === null) continue
      expect(validateCase({ ...ruleCase, old: null, next: ruleCase.old }), ruleCase.title).toEqual([])
    }
  })

  test('rule cases: every rule refuses something and titles are unique', () => {
    const refusing = new Set(
      ruleCases.flatMap(({ expected }) => (expected === 'accepted' ? [] : [expected.rule])),
    )
    const ofAccess = [...bucketAccessRules, ...bucketAccessRotationRules]
    const named = [
      ...retentionPolicyRules,
      ...lockedBucketRules,
      ...ofAccess,
      ...clusterRetentionPolicyRules,
    ].map((rule: ApiRule<never>) => rule.name)
    const nested = ['DaysXorYears', 'ComplianceModeKept', 'ComplianceDefaultKept', 'PrefixBytes']
    const names = ['BucketNameReserved', 'BucketNameForm', 'BucketNameKeptByS3']
    const settings = [...lifecycleRules, ...tagRules, ...bytesQuantityRules, ...labelSelectorRules].map(
      ({ name }) => name,
    )
    expect([...refusing].sort()).toEqual([...named, ...nested, ...names, ...settings, schemaRule].sort())
    const titles = ruleCases.map(({ kind, title }) => `${kind}: ${title}`)
    expect(new Set(titles).size).toBe(titles.length)
  })
})

function toSpec(bucket: BucketRetention, minimum: RetentionPeriod | null): RetentionPolicySpec | null {
  if (bucket.defaultRetention === null) return null
  const { mode, period } = bucket.defaultRetention
  const rules = bucket.prefixRules.filter(({ prefix }) => prefix !== '')
  return {
    defaultRetention: { mode, ...fromPeriod(period) },
    rules: rules.map((rule) => ({ prefix: rule.prefix, ...fromPeriod(rule.period) })),
    ...(minimum === null ? {} : { minimum: fromPeriod(minimum) }),
    irreversible: true,
  }
}

test('tightening: any two COMPLIANCE policies, refused exactly as the server would', () => {
  fc.assert(
    fc.property(anyBucketRetention, anyBucketRetention, fc.option(smallPeriod), (a, b, minimum) => {
      const old = toSpec(a, minimum)
      const next = toSpec(b, minimum)
      if (old === null || next === null || old.defaultRetention.mode === 'GOVERNANCE') return
      const isRefused = validateRetentionPolicy({ spec: old }, { spec: next }).length > 0
      expect(isRefused).toBe(
        compareBucketRetention(toBucketRetention(old), toBucketRetention(next)) === 'weaker',
      )
    }),
    { numRuns: 2000 },
  )
})

test('tightening: any two minimums of a COMPLIANCE policy, refused exactly as the server would', () => {
  fc.assert(
    fc.property(fc.option(smallPeriod), fc.option(smallPeriod), (before, after) => {
      const bucket: BucketRetention = {
        defaultRetention: { mode: 'COMPLIANCE', period: { unit: 'DAYS', count: 1 } },
        prefixRules: [],
      }
      const old = toSpec(bucket, before)
      const next = toSpec(bucket, after)
      if (old === null || next === null) throw new Error('a default rule makes a spec')
      const isRefused = validateRetentionPolicy({ spec: old }, { spec: next }).length > 0
      expect(isRefused).toBe(compareBounds('COMPLIANCE', toBounds(old), toBounds(next)) === 'weaker')
    }),
  )
})

test('toBucketRetention: a whole spec, days and years and rules become the lock model', () => {
  const spec = retentionPolicySpecSchema.parse({
    defaultRetention: { mode: 'COMPLIANCE', years: 2 },
    rules: [{ prefix: 'a/', days: 900 }],
    minimum: { days: 3 },
    maximum: { years: 9 },
    irreversible: true,
  })
  expect(toBucketRetention(spec)).toEqual({
    defaultRetention: { mode: 'COMPLIANCE', period: { unit: 'YEARS', count: 2 } },
    prefixRules: [{ prefix: 'a/', period: { unit: 'DAYS', count: 900 } }],
  })
  expect(toBounds(spec)).toEqual({
    minimum: { unit: 'DAYS', count: 3 },
    maximum: { unit: 'YEARS', count: 9 },
  })
  expect(toBounds({ defaultRetention: { mode: 'GOVERNANCE', days: 1 } })).toEqual({
    minimum: null,
    maximum: null,
  })
})

test('formatPath: names and indexes, as kubectl writes them', () => {
  expect(formatPath(['spec', 'rules', 0, 'days'])).toBe('spec.rules[0].days')
  expect(formatPath([])).toBe('')
})
