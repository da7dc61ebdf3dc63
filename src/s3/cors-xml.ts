/** The document of PutBucketCors. */
import { limits } from '../lib/limits.ts'
import { type CorsRule, corsMethods } from './cors.ts'
import { invalidArgument, S3Error } from './s3-error.ts'
import {
  allowOnly,
  children,
  childText,
  element,
  parseXml,
  text,
  type XmlElement,
  type XmlNode,
  xmlDocument,
} from './xml.ts'

const elementNames = [
  'ID',
  'AllowedHeader',
  'AllowedMethod',
  'AllowedOrigin',
  'ExposeHeader',
  'MaxAgeSeconds',
] as const
/** RFC 9110 section 5.6.2: these go into a header of the answer. */
const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** Errors: E8, InvalidRequest, InvalidArgument. */
export function parseCors(document: string): readonly CorsRule[] {
  const root = parseXml(document, ['CORSConfiguration'])
  allowOnly(root, ['CORSRule'])
  const nodes = children(root, 'CORSRule')
  if (nodes.length === 0 || nodes.length > limits.corsRulesMax) throw new S3Error('MalformedXML')
  return nodes.map(parseRule)
}

export function corsXml(rules: readonly CorsRule[]): string {
  return xmlDocument('CORSConfiguration', rules.map(ruleElement))
}

function parseRule(node: XmlNode): CorsRule {
  allowOnly(node, elementNames)
  const methods = children(node, 'AllowedMethod')
  const allowedOrigins = texts(node, 'AllowedOrigin')
  if (methods.length === 0 || allowedOrigins.length === 0) throw new S3Error('MalformedXML')
  const allowedHeaders = texts(node, 'AllowedHeader')
  refuseWildcards('AllowedOrigin', allowedOrigins)
  refuseWildcards('AllowedHeader', allowedHeaders)
  return {
    id: parseId(node),
    allowedHeaders,
    allowedMethods: methods.map((method) => parseMethod(text(method))),
    allowedOrigins,
    exposeHeaders: texts(node, 'ExposeHeader').map(checkedExposeHeader),
    maxAgeSeconds: parseMaxAge(childText(node, 'MaxAgeSeconds')),
  }
}

function texts(node: XmlNode, name: string): readonly string[] {
  return children(node, name).map((each) => text(each))
}

function parseId(node: XmlNode): string | null {
  const id = childText(node, 'ID')
  if (id !== null && id.length > limits.ruleIdLengthMax)
    throw invalidArgument(`ID length should not exceed allowed limit of ${limits.ruleIdLengthMax}`, 'ID', id)
  return id
}

function parseMethod(written: string): (typeof corsMethods)[number] {
  const method = corsMethods.find((known) => known === written)
  if (method !== undefined) return method
  throw new S3Error('InvalidRequest', {
    message: `Found unsupported HTTP method in CORS config. Unsupported method is ${written}`,
  })
}

function refuseWildcards(name: string, values: readonly string[]): void {
  const found = values.find((value) => value.indexOf('*') !== value.lastIndexOf('*'))
  if (found === undefined) return
  throw new S3Error('InvalidRequest', { message: `${name} "${found}" can not have more than one wildcard.` })
}

function checkedExposeHeader(name: string): string {
  if (name.includes('*')) {
    throw new S3Error('InvalidRequest', {
      message: `ExposeHeader "${name}" contains wildcard. We currently do not support wildcard for ExposeHeader.`,
    })
  }
  if (headerName.test(name)) return name
  throw new S3Error('InvalidRequest', { message: `ExposeHeader "${name}" is not the name of a header.` })
}

function parseMaxAge(written: string | null): number | null {
  if (written === null) return null
  if (!/^\d{1,9}$/.test(written)) throw new S3Error('MalformedXML')
  return Number(written)
}

function ruleElement(rule: CorsRule): XmlElement {
  const all = (name: string, values: readonly string[]) => values.map((value) => element(name, value))
  return element('CORSRule', [
    ...(rule.id === null ? [] : [element('ID', rule.id)]),
    ...all('AllowedHeader', rule.allowedHeaders),
    ...all('AllowedMethod', rule.allowedMethods),
    ...all('AllowedOrigin', rule.allowedOrigins),
    ...all('ExposeHeader', rule.exposeHeaders),
    ...(rule.maxAgeSeconds === null ? [] : [element('MaxAgeSeconds', rule.maxAgeSeconds)]),
  ])
}
