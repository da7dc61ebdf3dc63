/** Which objects a lifecycle rule is about: Filter with one condition, with And over several, or a bare Prefix of old. */
import { limits } from '../lib/limits.ts'
import type { LifecycleFilter, LifecycleTag } from '../lock/lifecycle.ts'
import { S3Error } from './s3-error.ts'
import { allowOnly, child, children, childText, type XmlNode } from './xml.ts'

const conditionNames = ['Prefix', 'Tag', 'ObjectSizeGreaterThan', 'ObjectSizeLessThan'] as const

/** The filter of a Rule. Errors: E8, InvalidRequest. */
export function parseLifecycleFilter(rule: XmlNode): LifecycleFilter {
  const filter = child(rule, 'Filter')
  const prefix = childText(rule, 'Prefix')
  if ((filter === null) === (prefix === null)) throw new S3Error('MalformedXML')
  if (filter === null) return { ...nothing, form: 'Prefix', prefix: checkedPrefix(prefix) }
  allowOnly(filter, [...conditionNames, 'And'])
  if (filter.children.length > 1) throw new S3Error('MalformedXML')
  const and = child(filter, 'And')
  if (and === null) return { ...parseConditions(filter), form: 'Filter' }
  allowOnly(and, conditionNames)
  if (and.children.length < 2) throw new S3Error('MalformedXML')
  return { ...parseConditions(and), form: 'And' }
}

const nothing = { prefix: null, tags: [], sizeGreaterThan: null, sizeLessThan: null } as const

function parseConditions(node: XmlNode): Omit<LifecycleFilter, 'form'> {
  const sizeGreaterThan = parseSize(node, 'ObjectSizeGreaterThan', 0)
  const sizeLessThan = parseSize(node, 'ObjectSizeLessThan', 1)
  if (sizeGreaterThan !== null && sizeLessThan !== null && sizeGreaterThan >= sizeLessThan)
    throw invalidRequest("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.")
  return {
    prefix: checkedPrefix(childText(node, 'Prefix')),
    tags: parseTags(node),
    sizeGreaterThan,
    sizeLessThan,
  }
}

/** A prefix longer than any key would match nothing, and its sender would never know. */
function checkedPrefix(prefix: string | null): string | null {
  if (prefix !== null && Buffer.byteLength(prefix) > limits.objectKeyBytesMax)
    throw invalidRequest(`The maximum size of a prefix is ${limits.objectKeyBytesMax}.`)
  return prefix
}

function parseTags(node: XmlNode): readonly LifecycleTag[] {
  const tags = children(node, 'Tag').map((tag) => {
    allowOnly(tag, ['Key', 'Value'])
    const key = childText(tag, 'Key')
    const value = childText(tag, 'Value')
    if (key === null || value === null) throw new S3Error('MalformedXML')
    if (key === '' || [...key].length > limits.tagKeyLengthMax)
      throw invalidRequest(`A Tag's Key must be a length between 1 and ${limits.tagKeyLengthMax}.`)
    if ([...value].length > limits.tagValueLengthMax)
      throw invalidRequest(`A Tag's Value must be a length between 0 and ${limits.tagValueLengthMax}.`)
    return { key, value }
  })
  if (new Set(tags.map(({ key }) => key)).size !== tags.length)
    throw invalidRequest('Duplicate Tag Keys are not allowed.')
  return tags
}

function parseSize(node: XmlNode, name: string, sizeBytesMin: number): number | null {
  const written = childText(node, name)
  if (written === null) return null
  if (!/^-?\d+$/.test(written)) throw new S3Error('MalformedXML')
  const sizeBytes = Number(written)
  if (sizeBytes >= sizeBytesMin && sizeBytes <= limits.lifecycleSizeBytesMax) return sizeBytes
  throw invalidRequest(`'${name}' should be between ${sizeBytesMin} and ${limits.lifecycleSizeBytesMax}.`)
}

function invalidRequest(message: string): S3Error {
  return new S3Error('InvalidRequest', { message })
}
