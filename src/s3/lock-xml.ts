/**
 * The documents of Object Lock: bucket configuration, retention, legal hold (semantics 1.2, E8, E14, E15, E22). Reading is
 * strict: an element that S3's schema does not have could mean something to its sender, so it is refused and not skipped.
 */
import { limits } from '../lib/limits.ts'
import { formatIso } from '../lib/units.ts'
import type { DefaultRetention, LegalHoldStatus, Retention, RetentionPeriod } from '../lock/types.ts'
import { parseBodyDate } from './dates.ts'
import { isLegalHoldStatus, isRetentionMode } from './lock-headers.ts'
import { invalidArgument, S3Error } from './s3-error.ts'
import { allowOnly, child, childText, element, parseXml, text, type XmlNode, xmlDocument } from './xml.ts'

/**
 * A lock configuration to its default rule; null: Enabled without Rule, which removes the rule. Errors: E22 without a body, E8
 * for whatever is not exactly S3's document, E14 and E15 for the period.
 */
export function parseLockConfiguration(document: string): DefaultRetention | null {
  if (document === '') throw new S3Error('MissingRequestBodyError')
  const root = parseXml(document, ['ObjectLockConfiguration'])
  allowOnly(root, ['ObjectLockEnabled', 'Rule'])
  if (childText(root, 'ObjectLockEnabled') !== 'Enabled') throw new S3Error('MalformedXML')
  const rule = child(root, 'Rule')
  if (rule === null) return null
  allowOnly(rule, ['DefaultRetention'])
  const defaultRetention = child(rule, 'DefaultRetention')
  if (defaultRetention === null) throw new S3Error('MalformedXML')
  return parseDefaultRetention(defaultRetention)
}

function parseDefaultRetention(node: XmlNode): DefaultRetention {
  allowOnly(node, ['Mode', 'Days', 'Years'])
  const mode = childText(node, 'Mode')
  const days = childText(node, 'Days')
  const years = childText(node, 'Years')
  if (mode === null || !isRetentionMode(mode)) throw new S3Error('MalformedXML')
  if (days !== null && years !== null) throw new S3Error('MalformedXML')
  if (days !== null) return { mode, period: parsePeriod('DAYS', days) }
  if (years !== null) return { mode, period: parsePeriod('YEARS', years) }
  throw new S3Error('MalformedXML')
}

function parsePeriod(unit: RetentionPeriod['unit'], written: string): RetentionPeriod {
  const name = unit === 'DAYS' ? 'Days' : 'Years'
  const countMax = unit === 'DAYS' ? limits.retentionDaysMax : limits.retentionYearsMax
  if (!/^-?\d+$/.test(written)) throw new S3Error('MalformedXML')
  const count = Number(written)
  if (count <= 0)
    throw invalidArgument('Default retention period must be a positive integer value.', name, written)
  if (count > countMax) throw invalidArgument('Default retention period too large.', name, written)
  return { unit, count }
}

/** Never an empty Rule; only the unit that was set. */
export function lockConfigurationXml(defaultRetention: DefaultRetention | null): string {
  const enabled = element('ObjectLockEnabled', 'Enabled')
  if (defaultRetention === null) return xmlDocument('ObjectLockConfiguration', [enabled])
  const { mode, period } = defaultRetention
  const rule = element('Rule', [
    element('DefaultRetention', [
      element('Mode', mode),
      element(period.unit === 'DAYS' ? 'Days' : 'Years', period.count),
    ]),
  ])
  return xmlDocument('ObjectLockConfiguration', [enabled, rule])
}

/** A retention document; `retention: null` is the empty one that asks for removal. */
export type RetentionDocument = { readonly retention: Retention | null; readonly retainUntilText: string }

/** Errors: E8, also for one of Mode and RetainUntilDate without the other, a foreign mode or date, or no body. */
export function parseRetention(document: string): RetentionDocument {
  const root = parseXml(document, ['Retention'])
  allowOnly(root, ['Mode', 'RetainUntilDate'])
  const mode = childText(root, 'Mode')
  const date = childText(root, 'RetainUntilDate')
  if (mode === null && date === null) return { retention: null, retainUntilText: '' }
  if (mode === null || date === null || !isRetentionMode(mode)) throw new S3Error('MalformedXML')
  const retainUntilMs = parseBodyDate(date)
  if (retainUntilMs === null) throw new S3Error('MalformedXML')
  return { retention: { mode, retainUntilMs }, retainUntilText: date }
}

/** Milliseconds are printed, so that a client that writes back what it read never shortens (I16). */
export function retentionXml(retention: Retention): string {
  return xmlDocument('Retention', [
    element('Mode', retention.mode),
    element('RetainUntilDate', formatIso(retention.retainUntilMs)),
  ])
}

/** Errors: E8. Old SDKs write the root as ObjectLockLegalHold. */
export function parseLegalHold(document: string): LegalHoldStatus {
  const root = parseXml(document, ['LegalHold', 'ObjectLockLegalHold'])
  allowOnly(root, ['Status'])
  const status = child(root, 'Status')
  const value = status === null ? '' : text(status)
  if (!isLegalHoldStatus(value)) throw new S3Error('MalformedXML')
  return value
}

export function legalHoldXml(status: LegalHoldStatus): string {
  return xmlDocument('LegalHold', [element('Status', status)])
}
