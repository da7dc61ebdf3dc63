import { describe, expect, test } from 'vitest'
import type { EpochMs } from '../../src/lib/units.ts'
import {
  bypassGovernanceRetention,
  decide,
  decideBy,
  explain,
  lockRules,
  noRuleDenies,
} from '../../src/lock/rules.ts'
import type { LockFinding, LockRule, Verdict } from '../../src/lock/types.ts'
import { decisionTable } from './decision-table.ts'
import {
  baseContext,
  compliance,
  day,
  governance,
  known,
  now,
  remove,
  removeBypassing,
  unknown,
} from './decision-words.ts'

for (const [name, rows] of decisionTable) {
  describe(name, () => {
    test.each(rows)(`${name}: $title`, ({ context, state, request, expected }) => {
      const verdict = decide({ ...baseContext, ...context }, state, request)
      if (expected.kind === 'allow') expect(verdict).toEqual(expected)
      else expect(verdict).toMatchObject(expected)
    })
  })
}

test('decision table: titles are unique within each operation', () => {
  for (const [, rows] of decisionTable) {
    expect(new Set(rows.map((row) => row.title)).size).toBe(rows.length)
  }
})

test('decision table: every row needs at least one rule, and every rule is needed by a row', () => {
  for (const rule of lockRules) {
    const others = lockRules.filter((other) => other !== rule)
    const changed = decisionTable
      .flatMap(([, rows]) => rows)
      .filter(({ context, state, request }) => {
        const whole = decide({ ...baseContext, ...context }, state, request)
        const without = decideBy(others, { ...baseContext, ...context }, state, request)
        return whole.kind === 'deny' && without.kind === 'allow'
      })
    expect(changed.length, `rows that only ${rule.name} denies`).toBeGreaterThan(0)
  }
})

describe('decide', () => {
  const rule = (name: string, finding: LockFinding | null): LockRule => ({ name, judge: () => finding })
  const deny = (name: string, untilMs: EpochMs | null): LockRule =>
    rule(name, { kind: 'deny', reason: 'LegalHold', untilMs })
  const by = (rules: readonly LockRule[]): Verdict => decideBy(rules, baseContext, known(null), remove)

  test('decide: several denials, the one without an end wins', () => {
    expect(by([deny('a', now), deny('b', null), deny('c', null)])).toMatchObject({ rule: 'b' })
    expect(by([deny('c', null), deny('a', now), deny('b', null)])).toMatchObject({ rule: 'b' })
  })

  test('decide: several dated denials, the latest wins and a tie goes by name', () => {
    const late = (now + 1) as EpochMs
    expect(by([deny('a', now), deny('c', late), deny('b', late)])).toMatchObject({ rule: 'b', untilMs: late })
    expect(by([deny('b', late), deny('c', late), deny('a', now)])).toMatchObject({ rule: 'b', untilMs: late })
  })

  test('decide: an allow never outweighs a denial', () => {
    const allow = rule('bypass', { kind: 'bypassed' })
    expect(by([allow, deny('a', now)])).toMatchObject({ kind: 'deny', rule: 'a' })
    expect(by([allow, rule('b', null)])).toEqual({ kind: 'allow', rule: bypassGovernanceRetention })
    expect(by([rule('b', null)])).toEqual({ kind: 'allow', rule: noRuleDenies })
  })

  test('decide: no rules or a time that is no whole number, an assertion fails', () => {
    expect(() => by([])).toThrow('rules to decide by')
    const noTime = Number.NaN as EpochMs
    expect(() => decide({ ...baseContext, nowMs: noTime }, known(null), remove)).toThrow('trusted time')
    expect(() => decide({ ...baseContext, requestMs: noTime }, known(null), remove)).toThrow('request time')
  })
})

describe('explain', () => {
  test('explain: every rule answers once, by its own name', () => {
    const answers = explain(baseContext, known(compliance(day), 'ON'), remove)
    expect(answers.map((answer) => answer.rule)).toEqual(lockRules.map((rule) => rule.name))
    expect(new Set(answers.map((answer) => answer.rule)).size).toBe(lockRules.length)
    expect(answers.filter((answer) => answer.verdict.kind === 'deny').map((answer) => answer.rule)).toEqual([
      'LegalHold',
      'ComplianceRetention',
    ])
  })

  test('explain: a rule with nothing against the request allows by its own name', () => {
    for (const { rule, verdict } of explain(baseContext, known(null), remove)) {
      expect(verdict).toEqual({ kind: 'allow', rule })
    }
  })

  test('explain: a used bypass is named by the rule that it overrode', () => {
    const answers = explain(baseContext, known(governance(day)), removeBypassing)
    expect(answers.find((answer) => answer.rule === 'GovernanceRetention')?.verdict).toEqual({
      kind: 'allow',
      rule: bypassGovernanceRetention,
    })
  })

  test('explain: an unknown lock is denied by the one rule that reads no lock', () => {
    const denials = explain(baseContext, unknown, remove).filter(({ verdict }) => verdict.kind === 'deny')
    expect(denials.map(({ rule }) => rule)).toEqual(['LockStateKnown'])
  })
})

test('lockRules: their names are those of the audit log, which programs match', () => {
  expect(lockRules.map(({ name }) => name).toSorted()).toEqual([
    'BucketFrozen',
    'ComplianceRetention',
    'GovernanceRetention',
    'LegalHold',
    'LockStateKnown',
    'MaximumRetention',
    'MinimumRetention',
  ])
})
