import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { profileNames } from '../../../src/lib/profile.ts'
import { type EpochMs, epochMs } from '../../../src/lib/units.ts'
import { decide } from '../../../src/lock/rules.ts'
import { activeRetention, modeRank } from '../../../src/lock/state.ts'
import type { ObjectLockState, Retention } from '../../../src/lock/types.ts'
import { s3Errors } from '../../../src/s3/errors.ts'
import { parseLockHeaders } from '../../../src/s3/lock-headers.ts'
import { parseLegalHold, parseLockConfiguration, parseRetention } from '../../../src/s3/lock-xml.ts'
import { dressed, reworded } from '../../../src/s3/profiles/answers.ts'
import { aws } from '../../../src/s3/profiles/aws.ts'
import { profileOf, profiles } from '../../../src/s3/profiles/index.ts'
import { withObsTwins } from '../../../src/s3/profiles/obs-headers.ts'
import { judgeStrictness } from '../../../src/s3/profiles/strictness.ts'
import { type ErrorSituation, S3Error } from '../../../src/s3/s3-error.ts'
import { caught } from '../../support/records.ts'

const all = profileNames.map((name) => profiles[name])
const profile = fc.constantFrom(...profileNames)
const nowMs = epochMs(Date.UTC(2030, 0, 1))
const letters = fc.constantFrom('upper', 'lower', 'mixed')
const mode = fc.constantFrom('GOVERNANCE', 'COMPLIANCE', 'FOREVER', '')
const runs = { numRuns: 2000 }

/** What a reader makes of a document; null: it refuses. */
function accepted<Result>(read: () => Result): Result | null {
  try {
    return read()
  } catch (error) {
    if (error instanceof S3Error) return null
    throw error
  }
}

const spelt = fc.tuple(mode, letters).map(([word, way]) => {
  if (way === 'upper') return word
  return way === 'lower' ? word.toLowerCase() : word.charAt(0) + word.slice(1).toLowerCase()
})
const dateText = fc.oneof(
  fc.integer({ min: -400, max: 4000 }).map((days) => new Date(nowMs + days * 86_400_000).toISOString()),
  fc.integer({ min: -400, max: 4000 }).map((days) => String(nowMs + days * 86_400_000)),
  fc.constantFrom('', 'soon', '2031-01-01'),
)
const optional = (name: string, text: string | null): string =>
  text === null ? '' : `<${name}>${text}</${name}>`
const retentionDocument = fc.tuple(fc.option(spelt), fc.option(dateText)).map(([written, date]) => ({
  written,
  date,
  text: `<Retention>${optional('Mode', written)}${optional('RetainUntilDate', date)}</Retention>`,
}))
const configurationDocument = fc
  .record({
    status: fc.constantFrom('Enabled', 'Disabled', 'enabled', '', null),
    hasRule: fc.boolean(),
    mode: fc.option(spelt),
    days: fc.option(fc.constantFrom('1', '10', '0', '-1', '', '36501', '1.5')),
    years: fc.option(fc.constantFrom('1', '11', '100', '101', '')),
    isBare: fc.boolean(),
  })
  .map((parts) => {
    const period = `${optional('Mode', parts.mode)}${optional('Days', parts.days)}${optional('Years', parts.years)}`
    const rule = parts.hasRule ? `<Rule><DefaultRetention>${period}</DefaultRetention></Rule>` : ''
    const root = `<ObjectLockConfiguration>${optional('ObjectLockEnabled', parts.status)}${rule}</ObjectLockConfiguration>`
    return parts.isBare ? '<ObjectLockConfiguration/>' : root
  })

const retention: fc.Arbitrary<Retention | null> = fc.option(
  fc.record({
    mode: fc.constantFrom('GOVERNANCE' as const, 'COMPLIANCE' as const),
    retainUntilMs: fc
      .integer({ min: -400, max: 4000 })
      .map((days): EpochMs => epochMs(nowMs + days * 86_400_000)),
  }),
)
const state: fc.Arbitrary<Extract<ObjectLockState, { kind: 'known' }>> = fc.record({
  kind: fc.constant('known' as const),
  retention,
  legalHold: fc.constantFrom(null, 'ON' as const, 'OFF' as const),
})

describe('no profile weakens a lock', () => {
  it('PutObjectRetention: what a profile reads is what S3 reads of the same words in upper case', () => {
    fc.assert(
      fc.property(profile, retentionDocument, (name, { text, written }) => {
        const dialect = profiles[name]
        const read = accepted(() => parseRetention(text, dialect))
        if (read === null) return
        const inUpperCase =
          written === null ? text : text.replace(`<Mode>${written}`, `<Mode>${written.toUpperCase()}`)
        expect(read).toEqual(parseRetention(inUpperCase, aws))
      }),
      runs,
    )
  })

  it('PutObjectRetention: a version is afterwards at least as locked, or GOVERNANCE was bypassed', () => {
    const context = {
      nowMs,
      requestMs: nowMs,
      bucketLock: 'Enabled',
      policyMode: null,
      bounds: { minimum: null, maximum: null },
    } as const
    fc.assert(
      fc.property(profile, retentionDocument, state, fc.boolean(), (name, { text }, before, bypass) => {
        const dialect = profiles[name]
        const read = accepted(() => parseRetention(text, dialect))
        if (read === null) return
        const next = read.retention
        const strictness = judgeStrictness(dialect.retention, {
          state: before,
          next,
          nowMs,
          bypass: bypass ? 'granted' : 'none',
          bucketRule: 'none',
        })
        const request = { kind: 'PutObjectRetention', next, bypassGovernance: bypass } as const
        const verdict = decide(context, before, request)
        const current = activeRetention(before, nowMs)
        if (strictness !== null || verdict.kind === 'deny' || current === null) return
        if (current.mode === 'GOVERNANCE' && bypass) return
        expect(next).not.toBeNull()
        expect(next?.retainUntilMs).toBeGreaterThanOrEqual(current.retainUntilMs)
        expect(modeRank(next?.mode ?? 'GOVERNANCE')).toBeGreaterThanOrEqual(modeRank(current.mode))
      }),
      runs,
    )
  })

  it('PutObjectRetention: what a profile refuses beyond S3, S3 refuses or would let pass, never the other way', () => {
    fc.assert(
      fc.property(profile, state, retention, (name, before, next) => {
        const dialect = profiles[name]
        const change = { state: before, next, nowMs, bypass: 'none', bucketRule: 'some' } as const
        const asS3 = judgeStrictness(aws.retention, change)
        expect(asS3).toBeNull()
        const strictness = judgeStrictness(dialect.retention, change)
        if (activeRetention(before, nowMs) === null) expect(strictness).toBeNull()
      }),
      runs,
    )
  })

  it('PutObjectLockConfiguration: a rule is the rule that was written, and only yandex freezes', () => {
    fc.assert(
      fc.property(profile, configurationDocument, (name, text) => {
        const read = accepted(() => parseLockConfiguration(text, profiles[name]))
        if (read === null) return
        if (read.kind === 'freeze') {
          expect(name).toBe('yandex')
          expect(text).toMatch(/^<ObjectLockConfiguration(?:\/>|><\/ObjectLockConfiguration>)$/)
        }
        if (read.kind !== 'enable') return
        const { mode: readMode, period } = read.defaultRetention
        expect(text.toUpperCase()).toContain(`<MODE>${readMode}</MODE>`)
        expect(text).toContain(`>${period.count}</${period.unit === 'DAYS' ? 'Days' : 'Years'}>`)
        // What obs prints of a unit that is not set may come back beside the other one.
        const units = name === 'obs' ? /<(Days|Years)>(?!0<)/g : /<(Days|Years)>/g
        expect(text.match(units)).toHaveLength(1)
      }),
      runs,
    )
  })

  it('lock headers: what a profile reads is what S3 reads of the same words in upper case', () => {
    const headers = fc.record(
      {
        'x-amz-object-lock-mode': spelt,
        'x-amz-object-lock-retain-until-date': dateText,
        'x-amz-object-lock-legal-hold': fc.constantFrom('ON', 'OFF', 'on', 'Off', ''),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(profile, headers, (name, sent) => {
        const dialect = profiles[name]
        const read = accepted(() => parseLockHeaders(sent as Record<string, string>, dialect))
        if (read === null) return
        const upper = Object.entries(sent).map(([name, value]) => [name, String(value).toUpperCase()])
        const asS3 = parseLockHeaders(Object.fromEntries(upper), aws)
        expect({ ...read, retainUntilText: null }).toEqual({ ...asS3, retainUntilText: null })
      }),
      runs,
    )
  })

  it('PutObjectLegalHold: OFF is read only where OFF was written', () => {
    const status = fc.constantFrom('ON', 'OFF', 'on', 'off', 'On', '', 'NO', 'OF')
    fc.assert(
      fc.property(profile, status, (name, written) => {
        const dialect = profiles[name]
        const text = `<LegalHold><Status>${written}</Status></LegalHold>`
        const read = accepted(() => parseLegalHold(text, dialect.words))
        if (read !== null) expect(read).toBe(written.toUpperCase())
      }),
    )
  })

  it('errors: in no profile and situation does a refusal become a success', () => {
    const operations = [
      null,
      'PutObjectRetention',
      'PutObjectLockConfiguration',
      'DeleteObject',
      'GetObjectRetention',
    ]
    const situations: readonly (ErrorSituation | undefined)[] = [
      undefined,
      'LegalHold',
      'ComplianceRetention',
      'GovernanceRetention',
      'LockStateUnknown',
      'BucketFrozen',
      'BelowMinimum',
      'AboveMaximum',
      'BucketLockMissing',
      'DateNotInFuture',
      'ExistingBucket',
    ]
    const codes = Object.keys(s3Errors) as (keyof typeof s3Errors)[]
    for (const dialect of all) {
      for (const code of codes) {
        for (const operation of operations) {
          for (const situation of situations) {
            const error = new S3Error(code, situation === undefined ? {} : { situation })
            const said = reworded({ profile: dialect, operation }, error)
            expect(said.detail.status).toBeGreaterThanOrEqual(Math.min(400, error.detail.status))
            if (dialect === aws) expect(said).toBe(error)
          }
        }
      }
    }
  })
})

describe('who is answered in which profile', () => {
  it('Profiles: the bucket decides, without one the default; the operator is always answered as by S3', () => {
    const bucket = { profile: 'obs' } as const
    expect(profileOf({ kind: 'user' }, bucket, 'yandex').name).toBe('obs')
    expect(profileOf({ kind: 'root' }, null, 'yandex').name).toBe('yandex')
    expect(profileOf({ kind: 'operator' }, bucket, 'yandex').name).toBe('aws')
    expect(profileOf({ kind: 'operator' }, null, 'yandex').name).toBe('aws')
  })

  it('Profiles: each name has its profile', () => {
    expect(all.map(({ name }) => name)).toEqual(profileNames)
  })

  it('Profiles: in aws an answer is as it was, but for the Server header', () => {
    const answer = { status: 200, headers: { 'x-amz-version-id': 'v' }, body: '<A xmlns="urn:a"></A>' }
    const ids = { requestId: 'R', hostId: 'H' }
    expect(dressed({ profile: aws, operation: 'GetObject', headers: {} }, answer, ids)).toEqual({
      ...answer,
      headers: { ...answer.headers, server: 'Holdfast' },
    })
  })
})

describe('the x-obs-* family', () => {
  it('x-obs-*: each is its x-amz-* twin, and what is no request stays what it is', () => {
    const headers = { host: 'h', 'x-obs-acl': 'private', 'x-obs-expires': '3', 'x-obs-date': 'd' }
    expect(withObsTwins(headers, [])).toEqual({ ...headers, 'x-amz-acl': 'private' })
  })

  it.each([
    ['both, and they differ', { 'x-amz-acl': 'private', 'x-obs-acl': 'public-read' }, [], 'InvalidRequest'],
    ['a session token', { 'x-obs-security-token': 't' }, [], 'InvalidToken'],
    ['one in the query', {}, ['X-Obs-Object-Lock-Mode'], 'InvalidArgument'],
  ])('x-obs-*: %s, refused', (_name, headers, query, code) => {
    expect(caught(() => withObsTwins(headers, query)).code).toBe(code)
  })
})
