import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { renderError } from '../../../src/s3/error-document.ts'
import { invalidArgument, S3Error } from '../../../src/s3/s3-error.ts'
import {
  allowOnly,
  child,
  children,
  childText,
  element,
  parseXml,
  text,
  typedElement,
  xmlDocument,
} from '../../../src/s3/xml.ts'

function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof S3Error) return error.code
    throw error
  }
  return 'none'
}

describe('parseXml', () => {
  test.each(['constructor', 'toString', 'valueOf', '__proto__'])('XML: &%s; is no entity', (name) => {
    expect(codeOf(() => parseXml(`<R><K>x&${name};y</K></R>`, ['R']))).toBe('MalformedXML')
  })

  test('XML: prefixes and namespaces, ignored', () => {
    const root = parseXml('<?xml version="1.0" encoding="UTF-8"?><a:R xmlns:a="urn:x"><a:K>1</a:K></a:R>', [
      'R',
    ])
    expect(root.name).toBe('R')
    expect(childText(root, 'K')).toBe('1')
  })

  test('XML: text with white space, references and CDATA, kept as written', () => {
    const root = parseXml('<R><K> a&amp;&lt;&gt;&quot;&apos;&#65;&#x42; <![CDATA[<&amp;>]]> </K></R>', ['R'])
    expect(childText(root, 'K')).toBe(' a&<>"\'AB <&amp;> ')
  })

  test('XML: a carriage return, line feed when raw and kept when referenced', () => {
    expect(text(parseXml('<R>a\r\nb&#13;c</R>', ['R']))).toBe('a\nb\rc')
  })

  test('XML: repeated elements, a list in order and an error for the single child', () => {
    const root = parseXml('<R><K>1</K><K>2</K></R>', ['R'])
    expect(children(root, 'K').map(text)).toEqual(['1', '2'])
    expect(codeOf(() => child(root, 'K'))).toBe('MalformedXML')
    expect(child(root, 'Other')).toBeNull()
    expect(childText(root, 'Other')).toBeNull()
  })

  test('XML: numbers and booleans, never converted', () => {
    expect(text(parseXml('<R>0x10</R>', ['R']))).toBe('0x10')
    expect(text(parseXml('<R>007</R>', ['R']))).toBe('007')
  })

  test('XML: a byte order mark, accepted', () => {
    expect(parseXml('\ufeff<R/>', ['R']).name).toBe('R')
  })

  const bad: Readonly<Record<string, string>> = {
    empty: '',
    'only white space': '  \n',
    'text only': 'x',
    'unclosed tag': '<R',
    'unclosed element': '<R><a></R>',
    'crossed elements': '<R><a><b></a></b></R>',
    'two roots': '<R/><R/>',
    'text after the root': '<R/>x',
    'text after a filled root': '<R>1</R>x',
    'text after the root and before a comment': '<R/>x<!-- c -->',
    'text before the root': 'x<R/>',
    'CDATA after the root': '<R/><![CDATA[x]]>',
    'CDATA before the root': '<![CDATA[x]]><R/>',
    'other root': '<S/>',
    doctype: '<!DOCTYPE R [<!ENTITY x "y">]><R>&x;</R>',
    'doctype without entities': '<!DOCTYPE R><R/>',
    'doctype in lower case': '<!doctype R><R/>',
    'undefined entity': '<R>&x;</R>',
    'bare ampersand': '<R>a & b</R>',
    'ampersand at the end': '<R>a&</R>',
    'unfinished reference': '<R>&#65</R>',
    'reference to nothing': '<R>&#;</R>',
    'reference beyond Unicode': '<R>&#x110000;</R>',
    'reference to U+0000': '<R>&#0;</R>',
    'reference to a surrogate': '<R>&#xD800;</R>',
    'raw control character': '<R>\u0001</R>',
    'lone surrogate': '<R>\ud800</R>',
    'prototype name': '<R><__proto__>1</__proto__></R>',
    'constructor name': '<R><constructor>1</constructor></R>',
    'attribute without quotes': '<R a=1/>',
    'repeated attribute': '<R a="1" a="2"/>',
    'foreign encoding': '<?xml version="1.0" encoding="UTF-16"?><R/>',
  }
  for (const [name, document] of Object.entries(bad)) {
    test(`XML: ${name}, MalformedXML`, () => {
      expect(codeOf(() => parseXml(document, ['R']))).toBe('MalformedXML')
    })
  }

  test('XML: deeper than the limit by one level, MalformedXML', () => {
    const nested = (depth: number) => `${'<R>'.repeat(depth)}${'</R>'.repeat(depth)}`
    expect(parseXml(nested(limits.xmlDepthMax), ['R']).name).toBe('R')
    expect(codeOf(() => parseXml(nested(limits.xmlDepthMax + 1), ['R']))).toBe('MalformedXML')
  })

  test('XML: more elements than the limit, MalformedXML', () => {
    const many = (count: number) => `<R>${'<a></a>'.repeat(count)}</R>`
    expect(children(parseXml(many(limits.xmlNodesMax - 1), ['R']), 'a').length).toBe(limits.xmlNodesMax - 1)
    expect(codeOf(() => parseXml(many(limits.xmlNodesMax), ['R']))).toBe('MalformedXML')
  })

  // Looked for to the end of the document each, they would take minutes.
  test.each([
    ['instructions', '<?', 'MalformedXML'],
    ['comments', '<!--', 'MalformedXML'],
    ['closed instructions', '<??>', 'none'],
  ])('XML: 100,000 %s in an attribute of 4 MiB, judged in one pass', (_, opening, code) => {
    const document = `<R a="${opening.repeat(100_000)}${'x'.repeat(4 * 1024 ** 2)}"/>`
    expect(codeOf(() => parseXml(document, ['R']))).toBe(code)
  })

  test('XML: elements beyond the schema or text between elements, MalformedXML by allowOnly', () => {
    const root = parseXml('<R>\n <a/>\n</R>', ['R'])
    expect(codeOf(() => allowOnly(root, ['a']))).toBe('none')
    expect(codeOf(() => allowOnly(root, ['b']))).toBe('MalformedXML')
    expect(codeOf(() => allowOnly(parseXml('<R>x<a/></R>', ['R']), ['a']))).toBe('MalformedXML')
  })

  test('XML: text of an element with elements inside, MalformedXML', () => {
    expect(codeOf(() => text(parseXml('<R><a/></R>', ['R'])))).toBe('MalformedXML')
  })

  test('XML: any text that S3 may print, read back the same', () => {
    const printable = fc.string({ unit: 'binary' }).filter((value) => !/\p{Surrogate}/u.test(value))
    fc.assert(
      fc.property(printable, (value) => {
        const clean = value.replace(/(?![\t\n\r\u007f-\u009f])\p{Cc}|[\ufffe\uffff]/gu, '')
        expect(text(parseXml(xmlDocument('R', clean), ['R']))).toBe(clean)
      }),
    )
  })

  test('XML: arbitrary bytes, parsed or MalformedXML and never another error', () => {
    const piece = fc.constantFrom(
      '<',
      '>',
      '/',
      'a',
      'R',
      '&',
      ';',
      '#',
      '"',
      '=',
      ' ',
      '!',
      '[',
      ']',
      '-',
      '?',
      ':',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        expect(['none', 'MalformedXML']).toContain(codeOf(() => parseXml(pieces.join(''), ['R', 'a'])))
      }),
      { numRuns: 2000 },
    )
  })
})

describe('writer', () => {
  test('XML: markup in text, escaped', () => {
    expect(element('K', '<a & "b">').markup).toBe('<K>&lt;a &amp; &quot;b&quot;&gt;</K>')
    expect(element('K', '\u0001\r\n\t').markup).toBe('<K>&#x1;&#xd;\n\t</K>')
  })

  test('XML: a document, the S3 namespace on the root only', () => {
    expect(xmlDocument('R', [element('Count', 1), element('Flag', false), element('Empty', '')])).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<R xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
        '<Count>1</Count><Flag>false</Flag><Empty></Empty></R>',
    )
  })

  test('XML: a typed element, its schema and type', () => {
    expect(typedElement('Grantee', 'CanonicalUser', [element('ID', '1')]).markup).toBe(
      '<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">' +
        '<ID>1</ID></Grantee>',
    )
  })

  test('Error: rendered, S3 elements in S3 order without namespace', () => {
    const error = invalidArgument('Unknown wormMode directive.', 'x-amz-object-lock-mode', 'a<b')
    const place = { resource: '/bucket/key', requestId: 'R1', hostId: 'H1' }
    expect(renderError(error, place)).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InvalidArgument</Code>' +
        '<Message>Unknown wormMode directive.</Message><ArgumentName>x-amz-object-lock-mode</ArgumentName>' +
        '<ArgumentValue>a&lt;b</ArgumentValue><Resource>/bucket/key</Resource><RequestId>R1</RequestId>' +
        '<HostId>H1</HostId></Error>',
    )
  })
})
