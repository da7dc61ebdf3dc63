/**
 * The documents of Object Lock: bucket configuration, retention, legal hold (semantics 1.2, E8, E14, E15, E22). Reading is
 * strict: an element that S3's schema does not have could mean something to its sender, so it is refused and not skipped.
 */
import { unreachable } from '../lib/assert.ts'
import { limits } from '../lib/limits.ts'
import { formatIso } from '../lib/units.ts'
import type { DefaultRetention, LegalHoldStatus, Retention, RetentionPeriod } from '../lock/types.ts'
import type { ObjectLockChange } from '../store/store.ts'
import { parseBodyDate } from './dates.ts'
import { demandLegalHolds, readMode, readStatus } from './lock-words.ts'
import type { AnswerDialect, ConfigurationDialect, LockWords, Profile } from './profiles/profile.ts'
import { invalidArgument, S3Error } from './s3-error.ts'
import { allowOnly, child, childText, element, parseXml, text, type XmlNode, xmlDocument } from './xml.ts'

/** S3's change, or `clearExistingRule`: a document that says nothing, which never switches Object Lock on. */
export type LockConfiguration = ObjectLockChange | { readonly kind: 'clearExistingRule' }

/**
 * A lock configuration in a profile's dialect; `Enabled` without Rule removes the rule. Errors: NotImplemented, E22 without a
 * body, E8 for whatever is not exactly the document, E14 and E15 for the period.
 */
export function parseLockConfiguration(document: string, profile: Profile): LockConfiguration {
  const dialect = profile.configuration
  if (dialect.put === 'notImplemented') {
    throw new S3Error('NotImplemented', {
      message: 'PutObjectLockConfiguration is not implemented in the profile of this bucket.',
    })
  }
  if (document === '') {
    if (dialect.emptyBody === 'clearsRule') return { kind: 'clearExistingRule' }
    throw new S3Error('MissingRequestBodyError')
  }
  const root = parseXml(document, ['ObjectLockConfiguration'])
  allowOnly(root, ['ObjectLockEnabled', 'Rule'])
  if (root.children.length === 0) return emptyRoot(dialect)
  const enabled = childText(root, 'ObjectLockEnabled')
  const isLeftOut = enabled === null && dialect.enabledElement === 'optional'
  if (enabled !== 'Enabled' && !isLeftOut) throw new S3Error('MalformedXML')
  const rule = child(root, 'Rule')
  if (rule === null) return { kind: 'clearRule' }
  allowOnly(rule, ['DefaultRetention'])
  const defaultRetention = child(rule, 'DefaultRetention')
  if (defaultRetention === null) throw new S3Error('MalformedXML')
  allowOnly(defaultRetention, ['Mode', 'Days', 'Years'])
  if (dialect.emptyRule === 'clearsRule' && isEmptyRule(defaultRetention)) return { kind: 'clearRule' }
  return { kind: 'enable', defaultRetention: parseDefaultRetention(defaultRetention, profile) }
}

function emptyRoot({ emptyRoot: meaning }: ConfigurationDialect): LockConfiguration {
  switch (meaning) {
    case 'clearsRule':
      return { kind: 'clearExistingRule' }
    case 'freezes':
      return { kind: 'freeze' }
    case 'malformed':
      throw new S3Error('MalformedXML')
    default:
      return unreachable(meaning, 'an empty root has its meaning in each profile')
  }
}

/** Mode and one period are there, and all of it is empty. */
function isEmptyRule(node: XmlNode): boolean {
  const names = node.children.map(({ name }) => name)
  const isWhole = names.length === 2 && names.includes('Mode')
  return isWhole && node.children.every((each) => text(each).trim() === '')
}

function parseDefaultRetention(node: XmlNode, profile: Profile): DefaultRetention {
  const { words, configuration } = profile
  const mode = readMode(childText(node, 'Mode') ?? '', words.ruleLetters, words)
  const [days, years] = writtenPeriods(node, profile)
  if (mode === null) throw new S3Error('MalformedXML')
  if (days !== null && years !== null) throw new S3Error('MalformedXML')
  if (days !== null) return { mode, period: parsePeriod('DAYS', days, limits.retentionDaysMax) }
  if (years !== null) return { mode, period: parsePeriod('YEARS', years, configuration.yearsMax) }
  throw new S3Error('MalformedXML')
}

/** What a profile prints may be sent back: where it prints the unit that was not set as 0, that is none beside another. */
function writtenPeriods(node: XmlNode, { answers }: Profile): readonly [string | null, string | null] {
  const days = childText(node, 'Days')
  const years = childText(node, 'Years')
  if (answers.unusedUnit !== 'zero' || days === null || years === null) return [days, years]
  if (years === '0') return [days, null]
  return days === '0' ? [null, years] : [days, years]
}

function parsePeriod(unit: RetentionPeriod['unit'], written: string, countMax: number): RetentionPeriod {
  const name = unit === 'DAYS' ? 'Days' : 'Years'
  if (!/^-?\d+$/.test(written)) throw new S3Error('MalformedXML')
  const count = Number(written)
  if (count <= 0)
    throw invalidArgument('Default retention period must be a positive integer value.', name, written)
  if (count > countMax) throw invalidArgument('Default retention period too large.', name, written)
  return { unit, count }
}

/** Never an empty Rule; only the unit that was set, unless the profile prints the other one as zero. */
export function lockConfigurationXml(
  defaultRetention: DefaultRetention | null,
  { defaultRule, unusedUnit }: AnswerDialect,
): string {
  const enabled = element('ObjectLockEnabled', 'Enabled')
  if (defaultRetention === null || defaultRule === 'omitted')
    return xmlDocument('ObjectLockConfiguration', [enabled])
  const { mode, period } = defaultRetention
  const [used, unused] = period.unit === 'DAYS' ? (['Days', 'Years'] as const) : (['Years', 'Days'] as const)
  const rule = element('Rule', [
    element('DefaultRetention', [
      element('Mode', mode),
      element(used, period.count),
      ...(unusedUnit === 'zero' ? [element(unused, 0)] : []),
    ]),
  ])
  return xmlDocument('ObjectLockConfiguration', [enabled, rule])
}

/** What a profile without an error for it says of a bucket without Object Lock. */
export function emptyLockConfigurationXml(): string {
  return xmlDocument('ObjectLockConfiguration', [element('ObjectLockEnabled', '')])
}

/** A retention document; `retention: null` is the empty one that asks for removal. */
export type RetentionDocument = { readonly retention: Retention | null; readonly retainUntilText: string }

/** Errors: E8, also for one of Mode and RetainUntilDate without the other, a foreign mode or date, or no body. */
export function parseRetention(document: string, { words, retention }: Profile): RetentionDocument {
  const root = parseXml(document, ['Retention'])
  allowOnly(root, ['Mode', 'RetainUntilDate'])
  const mode = childText(root, 'Mode')
  const date = childText(root, 'RetainUntilDate')
  if (mode === null && date === null && retention.emptyDocument === 'removes')
    return { retention: null, retainUntilText: '' }
  if (mode === null || date === null) throw new S3Error('MalformedXML')
  const known = readMode(mode, words.documentLetters, words)
  const retainUntilMs = parseBodyDate(date)
  if (known === null || retainUntilMs === null) throw new S3Error('MalformedXML')
  return { retention: { mode: known, retainUntilMs }, retainUntilText: date }
}

/** Milliseconds are printed, so that a client that writes back what it read never shortens (I16). */
export function retentionXml(retention: Retention): string {
  return xmlDocument('Retention', [
    element('Mode', retention.mode),
    element('RetainUntilDate', formatIso(retention.retainUntilMs)),
  ])
}

/** Errors: E8, NotImplemented. Old SDKs write the root as ObjectLockLegalHold. */
export function parseLegalHold(document: string, words: LockWords): LegalHoldStatus {
  demandLegalHolds(words)
  const root = parseXml(document, ['LegalHold', 'ObjectLockLegalHold'])
  allowOnly(root, ['Status'])
  const status = child(root, 'Status')
  const value = readStatus(status === null ? '' : text(status), words.documentLetters)
  if (value === null) throw new S3Error('MalformedXML')
  return value
}

export function legalHoldXml(status: LegalHoldStatus): string {
  return xmlDocument('LegalHold', [element('Status', status)])
}
