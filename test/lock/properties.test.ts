/** The invariants that hold in the pure lock, over random histories. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type EpochMs, epochMs } from '../../src/lib/units.ts'
import { lockOnCreate } from '../../src/lock/create.ts'
import { decide, decideBy, explain, lockRules } from '../../src/lock/rules.ts'
import { isLocked } from '../../src/lock/state.ts'
import type { LockContext, LockRequest, ObjectLockState, Verdict } from '../../src/lock/types.ts'
import {
  anyBucketRetention,
  anyContext,
  anyRequest,
  anyState,
  knownState,
  plainContext,
  sampleKeys,
} from './arbitraries.ts'
import { at, baseContext, day, known, now } from './decision-words.ts'

type Version = ObjectLockState & { kind: 'known' }

/** One step of a version's life: what the store does with an allowed request; null: the version is gone. */
function apply(context: LockContext, state: Version, request: LockRequest): Version | null {
  if (decide(context, state, request).kind === 'deny') return state
  switch (request.kind) {
    case 'DeleteObjectVersion':
      return request.isDeleteMarker ? state : null
    case 'PutObjectRetention':
      return { ...state, retention: request.next }
    case 'PutObjectLegalHold':
      return { ...state, legalHold: request.next }
  }
}

test('rules: any order of the rules, the same verdict', () => {
  const shuffled = fc.shuffledSubarray([...lockRules], { minLength: lockRules.length })
  fc.assert(
    fc.property(shuffled, anyContext, anyState, anyRequest, (rules, context, state, request) => {
      expect(decideBy(rules, context, state, request)).toEqual(decide(context, state, request))
    }),
    { numRuns: 2000 },
  )
})

test('explain: any question, denies exactly when decide does and holds the verdict', () => {
  fc.assert(
    fc.property(anyContext, anyState, anyRequest, (context, state, request) => {
      const verdict = decide(context, state, request)
      const answers = explain(context, state, request).map((answer) => answer.verdict)
      expect(verdict.kind === 'deny').toBe(answers.some((answer) => answer.kind === 'deny'))
      if (verdict.kind === 'deny') expect(answers).toContainEqual(verdict)
    }),
    { numRuns: 2000 },
  )
})

test('B-09 B-31 monotone COMPLIANCE (I2): any walk, mode and date never fall while in force', () => {
  const step = fc.record({
    request: anyRequest,
    passMs: fc.constantFrom(0, 1, day, 5 * day),
    context: anyContext,
  })
  fc.assert(
    fc.property(knownState, fc.array(step, { maxLength: 30 }), (start, steps) => {
      let state: Version | null = start
      let nowMs: EpochMs = now
      for (const { request, passMs, context } of steps) {
        if (state === null) return
        nowMs = epochMs(nowMs + passMs)
        const before: Version = state
        state = apply({ ...context, nowMs, requestMs: nowMs }, before, request)
        const locked = before.retention
        if (locked === null || locked.mode !== 'COMPLIANCE' || nowMs > locked.retainUntilMs) continue
        if (state === null || state.retention === null) throw new Error('a COMPLIANCE lock in force is gone')
        expect(state.retention.mode).toBe('COMPLIANCE')
        expect(state.retention.retainUntilMs).toBeGreaterThanOrEqual(locked.retainUntilMs)
      }
    }),
    { numRuns: 2000 },
  )
})

test('no bypass (I1): any walk without bypass, a locked version stays and its date never falls', () => {
  const step = fc.record({ request: anyRequest, passMs: fc.constantFrom(0, 1, day) })
  fc.assert(
    fc.property(knownState, fc.array(step, { maxLength: 30 }), (start, steps) => {
      let state: Version | null = start
      let nowMs: EpochMs = now
      for (const { request, passMs } of steps) {
        if (state === null) return
        nowMs = epochMs(nowMs + passMs)
        const before: Version = state
        const asked =
          request.kind === 'PutObjectLegalHold' ? request : { ...request, bypassGovernance: false }
        state = apply({ ...baseContext, nowMs, requestMs: nowMs }, before, asked)
        if (!isLocked(before, nowMs)) continue
        expect(state).not.toBeNull()
        if (before.retention === null || nowMs > before.retention.retainUntilMs) continue
        expect(state?.retention?.mode).toBe(before.retention.mode)
        expect(state?.retention?.retainUntilMs).toBeGreaterThanOrEqual(before.retention.retainUntilMs)
      }
    }),
    { numRuns: 2000 },
  )
})

test('batch is fold (I6): any order and split of deletes, the same answer for each key', () => {
  const entry = fc.record({ state: anyState, isDeleteMarker: fc.boolean() })
  fc.assert(
    fc.property(
      plainContext,
      fc.boolean(),
      fc.array(entry, { maxLength: 20 }),
      fc.nat(),
      (context, bypass, list, cut) => {
        const judge = ({ state, isDeleteMarker }: (typeof list)[number]): Verdict =>
          decide(context, state, { kind: 'DeleteObjectVersion', isDeleteMarker, bypassGovernance: bypass })
        const single = list.map((each) => judge(structuredClone(each)))
        const reversed = list.toReversed().map(judge).toReversed()
        const middle = list.length === 0 ? 0 : cut % list.length
        const split = [...list.slice(middle).map(judge), ...list.slice(0, middle).map(judge)]
        expect(list.map(judge)).toEqual(single)
        expect(reversed).toEqual(single)
        expect([...split.slice(list.length - middle), ...split.slice(0, list.length - middle)]).toEqual(
          single,
        )
      },
    ),
  )
})

test('stamped defaults (I11): any default, the stamp is an instant that nothing moves later', () => {
  fc.assert(
    fc.property(
      anyBucketRetention,
      fc.constantFrom(...sampleKeys),
      fc.nat(800 * day),
      (bucket, key, passMs) => {
        const stamp = lockOnCreate({
          requestMs: now,
          key,
          bucketLock: 'Enabled',
          bucket,
          explicitRetention: null,
          explicitLegalHold: null,
          bounds: { minimum: null, maximum: null },
          policyMode: null,
        })
        if (stamp.kind === 'deny') throw new Error('a default is never refused')
        const isExpired = stamp.retention === null || at(passMs) > stamp.retention.retainUntilMs
        expect(isLocked(known(stamp.retention), at(passMs))).toBe(!isExpired)
      },
    ),
  )
})

test('round trip (I16): any lock in force, putting it back is accepted and changes nothing', () => {
  fc.assert(
    fc.property(anyContext, knownState, (context, state) => {
      const { retention } = state
      if (retention === null || context.nowMs > retention.retainUntilMs || context.bucketLock === 'Frozen')
        return
      const request: LockRequest = { kind: 'PutObjectRetention', next: retention, bypassGovernance: false }
      expect(decide(context, state, request).kind).toBe('allow')
      expect(apply(context, state, request)).toEqual(state)
    }),
    { numRuns: 2000 },
  )
})

test('untilMs: any dated denial, the same until that instant and allowed after it', () => {
  fc.assert(
    fc.property(plainContext, knownState, anyRequest, (context, state, request) => {
      const verdict = decide(context, state, request)
      if (verdict.kind === 'allow' || verdict.untilMs === null) return
      const atMs = { ...context, nowMs: verdict.untilMs, requestMs: verdict.untilMs }
      const after = epochMs(verdict.untilMs + 1)
      expect(decide(atMs, state, request)).toEqual(verdict)
      expect(decide({ ...context, nowMs: after, requestMs: after }, state, request).kind).toBe('allow')
    }),
    { numRuns: 2000 },
  )
})

test('freeze and bounds: any question, they only ever add denials', () => {
  fc.assert(
    fc.property(anyContext, anyState, anyRequest, (context, state, request) => {
      const plain = { ...context, bucketLock: 'Enabled' as const, bounds: { minimum: null, maximum: null } }
      if (decide(plain, state, request).kind === 'deny')
        expect(decide(context, state, request).kind).toBe('deny')
    }),
    { numRuns: 2000 },
  )
})
