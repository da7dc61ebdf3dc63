import { describe, expect, it } from 'vitest'
import { epochMs } from '../../../src/lib/units.ts'
import {
  legalHoldXml,
  lockConfigurationXml,
  parseLegalHold,
  parseLockConfiguration,
  parseRetention,
  retentionXml,
} from '../../../src/s3/lock-xml.ts'
import { aws } from '../../../src/s3/profiles/aws.ts'
import { obs } from '../../../src/s3/profiles/obs.ts'
import { caught } from '../../support/records.ts'

const readConfiguration = (document: string) => parseLockConfiguration(document, aws)
const readRetention = (document: string) => parseRetention(document, aws)
const readLegalHold = (document: string) => parseLegalHold(document, aws.words)

const malformed = 'The XML you provided was not well-formed or did not validate against our published schema'

function configuration(inner: string): string {
  return `<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</ObjectLockConfiguration>`
}

function rule(inner: string): string {
  return configuration(
    `<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>${inner}</DefaultRetention></Rule>`,
  )
}

describe('lock configuration document', () => {
  it.each([
    [
      'Days',
      '<Mode>COMPLIANCE</Mode><Days>36500</Days>',
      { mode: 'COMPLIANCE', period: { unit: 'DAYS', count: 36_500 } },
    ],
    [
      'Years',
      '<Mode>GOVERNANCE</Mode><Years>100</Years>',
      { mode: 'GOVERNANCE', period: { unit: 'YEARS', count: 100 } },
    ],
  ])('a rule in %s', (_name, inner, expected) => {
    expect(readConfiguration(rule(inner))).toEqual({ kind: 'enable', defaultRetention: expected })
  })

  it.each([
    ['DAYS', 1],
    ['YEARS', 10],
  ] as const)('profile obs: a default rule in %s is taken as it is printed', (unit, count) => {
    const defaultRetention = { mode: 'COMPLIANCE', period: { unit, count } } as const
    const printed = lockConfigurationXml(defaultRetention, obs.answers)
    expect(printed).toContain(unit === 'DAYS' ? '<Years>0</Years>' : '<Days>0</Days>')
    expect(parseLockConfiguration(printed, obs)).toEqual({ kind: 'enable', defaultRetention })
    expect(caught(() => readConfiguration(printed)).code).toBe('MalformedXML')
  })

  it('Enabled without Rule removes the rule', () => {
    const document = configuration('<ObjectLockEnabled>Enabled</ObjectLockEnabled>')
    expect(readConfiguration(document)).toEqual({ kind: 'clearRule' })
  })

  it('the namespace is ignored (D18)', () => {
    const document =
      '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>'
    expect(readConfiguration(document)).toEqual({ kind: 'clearRule' })
  })

  const enabled = '<ObjectLockEnabled>Enabled</ObjectLockEnabled>'
  it.each([
    [
      'ObjectLockEnabled missing',
      configuration(
        '<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule>',
      ),
    ],
    ['root empty', configuration('')],
    ['Rule empty', configuration(`${enabled}<Rule></Rule>`)],
    ['DefaultRetention empty', rule('')],
    ['mode without period', rule('<Mode>GOVERNANCE</Mode>')],
    ['period without mode', rule('<Days>1</Days>')],
    ['unknown mode', rule('<Mode>LOCKED</Mode><Days>1</Days>')],
    ['lower-case mode', rule('<Mode>compliance</Mode><Days>1</Days>')],
    ['Days and Years', rule('<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>')],
    ['ObjectLockEnabled=Disabled', configuration('<ObjectLockEnabled>Disabled</ObjectLockEnabled>')],
    [
      'two Rules',
      configuration(
        `${enabled}${'<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule>'.repeat(2)}`,
      ),
    ],
    ['two Days', rule('<Mode>GOVERNANCE</Mode><Days>1</Days><Days>2</Days>')],
    ['Days empty', rule('<Mode>GOVERNANCE</Mode><Days></Days>')],
    ['Days no integer', rule('<Mode>GOVERNANCE</Mode><Days>1.5</Days>')],
    ['an element that S3 does not have', configuration(`${enabled}<Unlock>now</Unlock>`)],
    ['another root', '<LockConfiguration></LockConfiguration>'],
    ['no XML', 'Enabled'],
  ])('E8: %s', (_name, document) => {
    const error = caught(() => readConfiguration(document))
    expect([error.code, error.detail.status, error.detail.message]).toEqual(['MalformedXML', 400, malformed])
  })

  it.each([
    ['Days', '0', 'Default retention period must be a positive integer value.'],
    ['Days', '-1', 'Default retention period must be a positive integer value.'],
    ['Years', '0', 'Default retention period must be a positive integer value.'],
    ['Days', '36501', 'Default retention period too large.'],
    ['Years', '101', 'Default retention period too large.'],
    ['Days', '99999999999999999999999', 'Default retention period too large.'],
  ])('E14, E15: %s %s', (unit, count, message) => {
    const error = caught(() => readConfiguration(rule(`<Mode>GOVERNANCE</Mode><${unit}>${count}</${unit}>`)))
    expect([error.code, error.detail.message]).toEqual(['InvalidArgument', message])
    expect(error.detail.extra).toEqual({ ArgumentName: unit, ArgumentValue: count })
  })

  it('E22: no body at all', () => {
    const error = caught(() => readConfiguration(''))
    expect([error.code, error.detail.message]).toEqual(['MissingRequestBodyError', 'Request Body is empty'])
  })

  it('printed: never an empty Rule, only the unit that was set, and it reads back', () => {
    expect(lockConfigurationXml(null, aws.answers)).not.toContain('Rule')
    const years = { mode: 'COMPLIANCE', period: { unit: 'YEARS', count: 3 } } as const
    const printed = lockConfigurationXml(years, aws.answers)
    expect(printed).not.toContain('Days')
    expect(readConfiguration(printed)).toEqual({ kind: 'enable', defaultRetention: years })
  })
})

describe('retention document', () => {
  const retention = (inner: string) => `<Retention>${inner}</Retention>`

  it.each([
    ['Z', '2031-01-01T00:00:00Z', '2031-01-01T00:00:00.000Z'],
    ['offset', '2031-01-01T02:00:00+02:00', '2031-01-01T00:00:00.000Z'],
    ['nine fraction digits, rounded up', '2031-01-01T00:00:00.000000001Z', '2031-01-01T00:00:00.001Z'],
    ['no zone is UTC', '2031-01-01T00:00:00', '2031-01-01T00:00:00.000Z'],
    ['epoch milliseconds', '1924992000000', '2031-01-01T00:00:00.000Z'],
  ])('date with %s', (_name, written, instant) => {
    const parsed = readRetention(
      retention(`<Mode>GOVERNANCE</Mode><RetainUntilDate>${written}</RetainUntilDate>`),
    )
    expect(parsed.retention).toEqual({ mode: 'GOVERNANCE', retainUntilMs: Date.parse(instant) })
  })

  it('an empty document asks for removal', () => {
    expect(readRetention('<Retention/>').retention).toBeNull()
    expect(readRetention(retention('')).retention).toBeNull()
  })

  it.each([
    ['only Mode', retention('<Mode>GOVERNANCE</Mode>')],
    ['only RetainUntilDate', retention('<RetainUntilDate>2031-01-01T00:00:00Z</RetainUntilDate>')],
    ['both empty', retention('<Mode></Mode><RetainUntilDate></RetainUntilDate>')],
    ['unknown mode', retention('<Mode>X</Mode><RetainUntilDate>2031-01-01T00:00:00Z</RetainUntilDate>')],
    [
      'lower-case mode',
      retention('<Mode>governance</Mode><RetainUntilDate>2031-01-01T00:00:00Z</RetainUntilDate>'),
    ],
    [
      'HTTP date',
      retention('<Mode>GOVERNANCE</Mode><RetainUntilDate>Wed, 01 Jan 2031 00:00:00 GMT</RetainUntilDate>'),
    ],
    ['no date', retention('<Mode>GOVERNANCE</Mode><RetainUntilDate>soon</RetainUntilDate>')],
    [
      'beyond the year 9999',
      retention('<Mode>GOVERNANCE</Mode><RetainUntilDate>10000-01-01T00:00:00Z</RetainUntilDate>'),
    ],
    [
      'two modes',
      retention(
        '<Mode>GOVERNANCE</Mode><Mode>COMPLIANCE</Mode><RetainUntilDate>2031-01-01T00:00:00Z</RetainUntilDate>',
      ),
    ],
    ['no body', ''],
    ['a DOCTYPE', '<!DOCTYPE x [<!ENTITY e "GOVERNANCE">]><Retention><Mode>&e;</Mode></Retention>'],
  ])('E8: %s', (_name, document) => {
    expect(caught(() => readRetention(document)).code).toBe('MalformedXML')
  })

  it('what is printed reads back to the same millisecond (I16)', () => {
    const stored = { mode: 'COMPLIANCE', retainUntilMs: epochMs(1_924_992_000_001) } as const
    expect(readRetention(retentionXml(stored)).retention).toEqual(stored)
  })
})

describe('legal hold document', () => {
  it.each(['ON', 'OFF'] as const)('%s, under both root names, and read back', (status) => {
    expect(readLegalHold(`<LegalHold><Status>${status}</Status></LegalHold>`)).toBe(status)
    expect(readLegalHold(`<ObjectLockLegalHold><Status>${status}</Status></ObjectLockLegalHold>`)).toBe(
      status,
    )
    expect(readLegalHold(legalHoldXml(status))).toBe(status)
  })

  it.each([
    ['no body', ''],
    ['empty root', '<LegalHold/>'],
    ['lower case', '<LegalHold><Status>on</Status></LegalHold>'],
    ['two', '<LegalHold><Status>ON</Status><Status>OFF</Status></LegalHold>'],
    ['another root', '<Hold><Status>ON</Status></Hold>'],
  ])('E8: %s', (_name, document) => {
    expect(caught(() => readLegalHold(document)).code).toBe('MalformedXML')
  })
})
