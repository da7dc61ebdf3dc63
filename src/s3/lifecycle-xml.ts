/**
 * The document of PutBucketLifecycleConfiguration, strictly: an element that this server does not know could remove more
 * than its sender is told, so it is refused and never skipped. Messages are S3's.
 */
import { randomUUID } from 'node:crypto'
import { limits } from '../lib/limits.ts'
import { formatIso } from '../lib/units.ts'
import type { LifecycleExpiration, LifecycleFilter, LifecycleRule } from '../lock/lifecycle.ts'
import { parseIsoDate } from './dates.ts'
import { parseLifecycleFilter } from './lifecycle-filter-xml.ts'
import { invalidArgument, S3Error } from './s3-error.ts'
import {
  allowOnly,
  child,
  children,
  childText,
  element,
  parseXml,
  type XmlElement,
  type XmlNode,
  xmlDocument,
} from './xml.ts'

type NoncurrentExpiration = NonNullable<LifecycleRule['noncurrentVersionExpiration']>

const actionNames = ['Expiration', 'NoncurrentVersionExpiration', 'AbortIncompleteMultipartUpload'] as const
/** There is one storage class here. */
const transitionNames = ['Transition', 'NoncurrentVersionTransition'] as const
/** MinIO's: they remove all versions of an object at once. */
const allVersionsNames = ['DelMarkerExpiration', 'AllVersionsExpiration', 'ExpiredObjectAllVersions'] as const

/** Errors: E8, InvalidArgument, InvalidRequest; NotImplemented for transitions. */
export function parseLifecycle(document: string): readonly LifecycleRule[] {
  const root = parseXml(document, ['LifecycleConfiguration', 'BucketLifecycleConfiguration'])
  allowOnly(root, ['Rule'])
  const nodes = children(root, 'Rule')
  if (nodes.length === 0 || nodes.length > limits.lifecycleRulesMax) throw new S3Error('MalformedXML')
  const rules = nodes.map(parseRule)
  const forms = new Set(rules.map(({ filter }) => (filter.form === 'Prefix' ? 'Prefix' : 'Filter')))
  if (forms.size > 1) throw invalidRequest('Filter element can only be used in Lifecycle V2.')
  const ids = new Set<string>()
  for (const { id } of rules) {
    if (ids.has(id))
      throw invalidArgument('Rule ID must be unique. Found same ID for more than one rule', 'ID', id)
    ids.add(id)
  }
  return rules
}

export function lifecycleXml(rules: readonly LifecycleRule[]): string {
  return xmlDocument('LifecycleConfiguration', rules.map(ruleElement))
}

function parseRule(node: XmlNode): LifecycleRule {
  refuseForeignActions(node)
  allowOnly(node, ['ID', 'Status', 'Filter', 'Prefix', ...actionNames])
  const status = childText(node, 'Status')
  if (status !== 'Enabled' && status !== 'Disabled') throw new S3Error('MalformedXML')
  const filter = parseLifecycleFilter(node)
  if (actionNames.every((name) => child(node, name) === null))
    throw invalidRequest('At least one action needs to be specified in a rule')
  return {
    id: parseId(node),
    status,
    filter,
    expiration: parseExpiration(child(node, 'Expiration'), filter),
    noncurrentVersionExpiration: parseNoncurrent(child(node, 'NoncurrentVersionExpiration'), filter),
    abortIncompleteMultipartUpload: parseAbort(child(node, 'AbortIncompleteMultipartUpload'), filter),
  }
}

function refuseForeignActions(node: XmlNode): void {
  const expiration = child(node, 'Expiration')
  const named = [...node.children, ...(expiration?.children ?? [])].map(({ name }) => name)
  if (named.some((name) => allVersionsNames.some((each) => each === name))) {
    throw invalidRequest(
      'ExpiredObjectAllVersions element and DelMarkerExpiration action cannot be used: no lifecycle action removes all ' +
        'versions of an object.',
    )
  }
  const transition = named.find((name) => transitionNames.some((each) => each === name))
  if (transition === undefined) return
  throw new S3Error('NotImplemented', { message: `${transition} is not implemented by this server.` })
}

/** S3 names a rule that has no name. */
function parseId(node: XmlNode): string {
  const id = childText(node, 'ID') ?? ''
  if (id === '') return randomUUID()
  if (id.length > limits.ruleIdLengthMax)
    throw invalidArgument(`ID length should not exceed allowed limit of ${limits.ruleIdLengthMax}`, 'ID', id)
  return id
}

function parseExpiration(node: XmlNode | null, filter: LifecycleFilter): LifecycleExpiration | null {
  if (node === null) return null
  allowOnly(node, ['Days', 'Date', 'ExpiredObjectDeleteMarker'])
  // Exactly one: of two the client cannot know which one counts.
  if (node.children.length !== 1) throw new S3Error('MalformedXML')
  const days = childText(node, 'Days')
  if (days !== null) return { kind: 'days', days: parsePositive(days, 'Days', 'Expiration') }
  const date = childText(node, 'Date')
  if (date !== null) return parseDate(date)
  const isWanted = childText(node, 'ExpiredObjectDeleteMarker')
  if (isWanted !== 'true' && isWanted !== 'false') throw new S3Error('MalformedXML')
  refuseConditions(filter, 'ExpiredObjectDeleteMarker')
  return { kind: 'expiredObjectDeleteMarker', isWanted: isWanted === 'true' }
}

function parseDate(written: string): LifecycleExpiration {
  const dateMs = parseIsoDate(written)
  if (dateMs === null) throw new S3Error('MalformedXML')
  if (!formatIso(dateMs).endsWith('T00:00:00.000Z'))
    throw invalidArgument("'Date' must be at midnight GMT", 'Date', written)
  return { kind: 'date', dateMs }
}

function parseNoncurrent(node: XmlNode | null, filter: LifecycleFilter): NoncurrentExpiration | null {
  if (node === null) return null
  const action = 'NoncurrentVersionExpiration'
  allowOnly(node, ['NoncurrentDays', 'NewerNoncurrentVersions'])
  const written = childText(node, 'NoncurrentDays')
  if (written === null) throw new S3Error('MalformedXML')
  const noncurrentDays = parsePositive(written, 'NoncurrentDays', action)
  const newer = childText(node, 'NewerNoncurrentVersions')
  if (newer === null) return { noncurrentDays, newerNoncurrentVersions: null }
  if (filter.form === 'Prefix')
    throw invalidRequest('NewerNoncurrentVersions element can only be used in Lifecycle V2.')
  const newerNoncurrentVersions = parsePositive(newer, 'NewerNoncurrentVersions', action)
  if (newerNoncurrentVersions > limits.newerNoncurrentVersionsMax) {
    throw invalidArgument(
      `'NewerNoncurrentVersions' for ${action} action must be an integer between 1 and ` +
        `${limits.newerNoncurrentVersionsMax}`,
      'NewerNoncurrentVersions',
      newer,
    )
  }
  return { noncurrentDays, newerNoncurrentVersions }
}

function parseAbort(
  node: XmlNode | null,
  filter: LifecycleFilter,
): LifecycleRule['abortIncompleteMultipartUpload'] {
  if (node === null) return null
  allowOnly(node, ['DaysAfterInitiation'])
  const written = childText(node, 'DaysAfterInitiation')
  if (written === null) throw new S3Error('MalformedXML')
  const action = 'AbortIncompleteMultipartUpload'
  const daysAfterInitiation = parsePositive(written, 'DaysAfterInitiation', action)
  refuseConditions(filter, action)
  return { daysAfterInitiation }
}

/** Neither delete markers nor uploads have tags or a size. */
function refuseConditions(filter: LifecycleFilter, subject: string): void {
  if (filter.tags.length > 0) throw invalidRequest(`${subject} cannot be specified with Tags.`)
  if (filter.sizeGreaterThan !== null || filter.sizeLessThan !== null)
    throw invalidRequest(`${subject} cannot be specified with Object Size.`)
}

function parsePositive(written: string, name: string, action: string): number {
  if (!/^[+-]?\d+$/.test(written)) throw new S3Error('MalformedXML')
  const value = Number(written)
  if (value > limits.lifecycleDaysMax) throw new S3Error('MalformedXML')
  if (value > 0) return value
  throw invalidArgument(`'${name}' for ${action} action must be a positive integer`, name, written)
}

function invalidRequest(message: string): S3Error {
  return new S3Error('InvalidRequest', { message })
}

function ruleElement(rule: LifecycleRule): XmlElement {
  const { expiration, noncurrentVersionExpiration: noncurrent, abortIncompleteMultipartUpload: abort } = rule
  return element('Rule', [
    element('ID', rule.id),
    filterElement(rule.filter),
    element('Status', rule.status),
    ...(expiration === null ? [] : [element('Expiration', [expirationElement(expiration)])]),
    ...(noncurrent === null ? [] : [noncurrentElement(noncurrent)]),
    ...(abort === null
      ? []
      : [
          element('AbortIncompleteMultipartUpload', [
            element('DaysAfterInitiation', abort.daysAfterInitiation),
          ]),
        ]),
  ])
}

function filterElement({ form, prefix, tags, sizeGreaterThan, sizeLessThan }: LifecycleFilter): XmlElement {
  if (form === 'Prefix') return element('Prefix', prefix ?? '')
  const conditions = [
    ...(prefix === null ? [] : [element('Prefix', prefix)]),
    ...tags.map(({ key, value }) => element('Tag', [element('Key', key), element('Value', value)])),
    ...(sizeGreaterThan === null ? [] : [element('ObjectSizeGreaterThan', sizeGreaterThan)]),
    ...(sizeLessThan === null ? [] : [element('ObjectSizeLessThan', sizeLessThan)]),
  ]
  return element('Filter', form === 'And' ? [element('And', conditions)] : conditions)
}

function expirationElement(expiration: LifecycleExpiration): XmlElement {
  switch (expiration.kind) {
    case 'days':
      return element('Days', expiration.days)
    case 'date':
      return element('Date', formatIso(expiration.dateMs))
    case 'expiredObjectDeleteMarker':
      return element('ExpiredObjectDeleteMarker', expiration.isWanted)
  }
}

function noncurrentElement({ noncurrentDays, newerNoncurrentVersions }: NoncurrentExpiration): XmlElement {
  return element('NoncurrentVersionExpiration', [
    element('NoncurrentDays', noncurrentDays),
    ...(newerNoncurrentVersions === null
      ? []
      : [element('NewerNoncurrentVersions', newerNoncurrentVersions)]),
  ])
}
