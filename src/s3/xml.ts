/**
 * The only door to fast-xml-parser, and the writer of every XML answer. The library is used as a tokenizer
 * only: it neither decodes entities nor converts values here, because what it would do by default (DOCTYPE
 * entities, numbers, trimming) changes what a client asked for. Replaced by: any parser that keeps order.
 */
import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { limits } from '../lib/limits.ts'
import { S3Error } from './s3-error.ts'

/** One element. Names are without prefix; `text` is the element's own character data, as it was written. */
export type XmlNode = {
  readonly name: string
  readonly children: readonly XmlNode[]
  readonly text: string
}

function malformed(): S3Error {
  return new S3Error('MalformedXML')
}

const parserOptions = {
  preserveOrder: true,
  ignoreAttributes: true,
  removeNSPrefix: true,
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  processEntities: false,
  htmlEntities: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  alwaysCreateTextNode: false,
  cdataPropName: '#cdata',
  textNodeName: '#text',
} as const

/**
 * Parses a client's document strictly: one root out of `rootNames`, no DOCTYPE, only the five predefined
 * entities and character references, at most limits.xmlDepthMax deep and limits.xmlNodesMax elements.
 * Namespaces are ignored (D18). Errors: MalformedXML (E8) for everything else.
 */
export function parseXml(document: string, rootNames: readonly string[]): XmlNode {
  const text = document.startsWith('\ufeff') ? document.slice(1) : document
  checkRaw(text)
  const roots = tokens(text).filter((token) => tokenName(token) !== '#text' || isSignificant(token))
  const root = roots[0]
  if (root === undefined || roots.length > 1) throw malformed()
  const parsed = toNode(root, 1)
  if (parsed.children.length === 0 && parsed.text === '') checkEmptyRoot(text)
  if (!rootNames.includes(parsed.name)) throw malformed()
  return parsed
}

function isSignificant(textToken: Token): boolean {
  return String(textToken['#text']).trim() !== ''
}

/** The library drops text that follows an empty root: what is left beside comments must be the root alone. */
function checkEmptyRoot(text: string): void {
  const bare = withoutComments(text).trim()
  if (!/^<[^<>]*>(?:<!\[CDATA\[\]\]>)?(?:<\/[^<>]*>)?$/.test(bare)) throw malformed()
}

const closings = { '<!--': '-->', '<?': '?>' } as const

/** Nor instructions. Once through the text: a client may open as many as there are elements, and close none. */
function withoutComments(text: string): string {
  const pieces: string[] = []
  let from = 0
  for (let at = text.indexOf('<'); at !== -1; at = text.indexOf('<', at + 1)) {
    const opening = text.startsWith('<!--', at) ? '<!--' : text.startsWith('<?', at) ? '<?' : null
    if (opening === null) continue
    const end = text.indexOf(closings[opening], at + opening.length)
    if (end === -1) throw malformed()
    pieces.push(text.slice(from, at))
    from = end + closings[opening].length
    at = from - 1
  }
  return pieces.join('') + text.slice(from)
}

// Characters that XML 1.0 (section 2.2) does not know, lone surrogates included.
const forbiddenCharacter = /(?![\t\n\r\u007f-\u009f])\p{Cc}|[\ufffe\uffff]|\p{Surrogate}/u
const foreignEncoding = /^<\?xml[^>]*\sencoding\s*=\s*["'](?!utf-8["']|us-ascii["'])/i

/** What must be refused before the library sees it: size in elements, declarations, foreign encodings. */
function checkRaw(text: string): void {
  if (forbiddenCharacter.test(text) || foreignEncoding.test(text)) throw malformed()
  let tagCount = 0
  for (let at = text.indexOf('<'); at !== -1; at = text.indexOf('<', at + 1)) {
    tagCount += 1
    if (tagCount > limits.xmlNodesMax * 2) throw malformed()
    if (text[at + 1] === '!' && !text.startsWith('<!--', at) && !text.startsWith('<![CDATA[', at))
      throw malformed()
  }
}

type Token = Readonly<Record<string, unknown>>

function tokens(text: string): readonly Token[] {
  let parsed: unknown
  try {
    if (XMLValidator.validate(text, { allowBooleanAttributes: false }) !== true) throw malformed()
    parsed = new XMLParser(parserOptions).parse(text)
  } catch (error) {
    // The library refuses by plain errors (reserved names, nesting): all of them are the client's document.
    throw error instanceof S3Error ? error : new S3Error('MalformedXML', { cause: error })
  }
  return tokenList(parsed)
}

function tokenList(value: unknown): readonly Token[] {
  if (!Array.isArray(value)) throw malformed()
  return value as readonly Token[]
}

function tokenName(token: Token): string {
  const names = Object.keys(token)
  const name = names[0]
  if (name === undefined || names.length !== 1) throw malformed()
  return name
}

function toNode(token: Token, depth: number): XmlNode {
  if (depth > limits.xmlDepthMax) throw malformed()
  const name = tokenName(token)
  const children: XmlNode[] = []
  let text = ''
  for (const child of tokenList(token[name])) {
    const kind = tokenName(child)
    if (kind === '#text') text += decodeReferences(String(child['#text']))
    else if (kind === '#cdata') text += cdataText(child['#cdata'])
    else children.push(toNode(child, depth + 1))
  }
  return { name, children, text }
}

function cdataText(value: unknown): string {
  return tokenList(value)
    .map((token) => String(token['#text']))
    .join('')
}

const predefined: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
])

function decodeReferences(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(/&([^;&]*;?)/g, (_whole, body: string) => {
    if (!body.endsWith(';')) throw malformed()
    const name = body.slice(0, -1)
    return predefined.get(name) ?? decodeCharacter(name)
  })
}

function decodeCharacter(name: string): string {
  const match = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name)
  if (match === null) throw malformed()
  const code = match[1] === undefined ? Number.parseInt(match[2] ?? '', 10) : Number.parseInt(match[1], 16)
  if (code > 0x10ffff) throw malformed()
  const character = String.fromCodePoint(code)
  if (forbiddenCharacter.test(character)) throw malformed()
  return character
}

/** All children with this name, in order. */
export function children(node: XmlNode, name: string): readonly XmlNode[] {
  return node.children.filter((child) => child.name === name)
}

/** The one child with this name, or null. Errors: MalformedXML if there are several. */
export function child(node: XmlNode, name: string): XmlNode | null {
  const found = children(node, name)
  if (found.length > 1) throw malformed()
  return found[0] ?? null
}

/** The character data of an element that has no elements inside. Errors: MalformedXML if it has. */
export function text(node: XmlNode): string {
  if (node.children.length > 0) throw malformed()
  return node.text
}

/**
 * The text of the one child with this name, null if there is none. Errors: MalformedXML as `child` and
 * `text`.
 */
export function childText(node: XmlNode, name: string): string | null {
  const found = child(node, name)
  return found === null ? null : text(found)
}

/** Refuses children with other names, and character data between them. Errors: MalformedXML. */
export function allowOnly(node: XmlNode, names: readonly string[]): void {
  if (node.children.some((found) => !names.includes(found.name))) throw malformed()
  if (node.text.trim() !== '') throw malformed()
}

/** Written markup; made only by `element`. */
export type XmlElement = { readonly markup: string }
export type XmlContent = string | number | boolean | readonly XmlElement[]

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
// Control characters and CR are written as references, as S3 does: a raw CR would be read back as LF.
const escaped = /[&<>"]|(?![\t\n])\p{Cc}|[\ufffe\uffff]/gu

/** Character data, escaped as S3 does it. */
export function escapeXml(value: string): string {
  return value.replace(
    escaped,
    (found) => escapes[found] ?? `&#x${(found.codePointAt(0) ?? 0).toString(16)};`,
  )
}

/** `<name>content</name>`; text is escaped. Null children are the caller's to leave out. */
export function element(name: string, content: XmlContent): XmlElement {
  const inner = Array.isArray(content) ? joinMarkup(content) : escapeXml(String(content))
  return { markup: inner === '' ? `<${name}></${name}>` : `<${name}>${inner}</${name}>` }
}

function joinMarkup(elements: readonly XmlElement[]): string {
  return elements.map((each) => each.markup).join('')
}

/** Grantee and the like carry `xsi:type`: the only attribute that S3 writes below the root. */
export function typedElement(name: string, type: string, content: readonly XmlElement[]): XmlElement {
  const schema = 'http://www.w3.org/2001/XMLSchema-instance'
  return {
    markup: `<${name} xmlns:xsi="${schema}" xsi:type="${escapeXml(type)}">${joinMarkup(content)}</${name}>`,
  }
}

export const s3Namespace = 'http://s3.amazonaws.com/doc/2006-03-01/'

/** A whole document with declaration. The S3 namespace is on the root unless `namespace` is null (errors). */
export function xmlDocument(
  rootName: string,
  content: XmlContent,
  options: { readonly namespace: string | null } = { namespace: s3Namespace },
): string {
  const root = element(rootName, content).markup
  const attribute = options.namespace === null ? '' : ` xmlns="${escapeXml(options.namespace)}"`
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${rootName}${attribute}${root.slice(rootName.length + 1)}`
}
