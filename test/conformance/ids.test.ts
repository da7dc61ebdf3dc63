/**
 * I10 and I13: a key is its bytes and nothing else. Keys that another reader could take for one another, for a
 * path, a parameter or a part of an answer live side by side, and no request on one of them touches another.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { uriEncodePath } from '../../src/sigv4/encode.ts'
import { type BucketKind, conformance, refusal, refused } from '../support/conformance.ts'
import type { Answer } from '../support/s3-client.ts'
import { unescapedXml } from '../support/xml-text.ts'

const keys: readonly string[] = [
  // Segments.
  ...['dir', 'dir/', 'dir//', '/dir', '/', '//', '///', 'a/b', 'a//b', 'a/b/'],
  // What a file system or a URL parser would resolve.
  ...[
    '.',
    '..',
    './a',
    'a/.',
    'a/./b',
    'a/../b',
    '../escape',
    '../../etc/passwd',
    '.../a',
    'a.',
    'C:\\x',
    'a\\b',
  ],
  // What is decoded once, and never twice.
  ...[
    '%',
    '100%',
    '%41',
    'A',
    '%2e%2e',
    '..%2Fescape',
    'a%2Fb',
    'a+b',
    'a b',
    'a%20b',
    'a%2Bb',
    '%00',
    '%zz',
  ],
  // Case, width, composition, look-alikes.
  ...[
    'Key',
    'key',
    'KEY',
    '\uff4b\uff45\uff59',
    '\u00e9',
    'e\u0301',
    '\u212b',
    '\u00c5',
    'A\u030a',
    'K',
    '\u212a',
  ],
  ...['\u00df', 'ss', 'SS', 'I', '\u0130', 'i\u0307', '\ufb01', 'fi', '\uac00', '\u1100\u1161'],
  // Invisible, wide and last characters.
  ...[
    'a\u200bb',
    'ab',
    '\u202eab',
    '\ufeffab',
    'ab ',
    ' ab',
    '\u{1f512}',
    '\u{1f469}\u200d\u{1f469}',
    '\u{10ffff}',
  ],
  ...['\ud7ff', '\ue000', '\uffff', 'a\nb', 'a\r\nb', 'a\tb', 'a\u0001b', 'a\u007fb', 'a\u0085b'],
  // Words of S3, of JavaScript and of the markup.
  ...['null', 'NULL', 'undefined', '__proto__', 'constructor', 'toString', 'uploads', 'versionId=null'],
  ...[
    'a?versionId=null',
    'a#b',
    'a&b=c',
    'a;b',
    '<Key>x</Key>',
    '&amp;',
    '"\'',
    '~',
    '*',
    'a,b',
    '$(x)',
    '{}',
  ],
  // 1,024 bytes, and their neighbours.
  ...[
    'k'.repeat(1024),
    'k'.repeat(1023),
    `${'k'.repeat(1023)}/`,
    '\u{1f512}'.repeat(256),
    '\u00e9'.repeat(512),
  ],
]

const bench = conformance()
const bodyOf = (key: string): string => `body of ${Buffer.from(key).toString('hex')}`
const inOrder = [...keys].sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)))
const get = (bucket: string, key: string) => bench.send({ method: 'GET', path: `/${bucket}/${key}` })

async function filled(kind: BucketKind): Promise<{ bucket: string; versions: ReadonlyMap<string, string> }> {
  const bucket = await bench.bucket(kind)
  const versions = new Map<string, string>()
  for (const key of keys) versions.set(key, await bench.put(bucket, key, { body: bodyOf(key) }))
  return { bucket, versions }
}

const listed = (answer: Answer): readonly string[] =>
  [...answer.text.matchAll(/<Key>([^<]*)<\/Key>/g)].map((found) => unescapedXml(found[1] ?? ''))

async function pages(bucket: string, maxKeys: number): Promise<readonly string[]> {
  const found: string[] = []
  let token: string | null = null
  do {
    const query: Record<string, string> = { 'list-type': '2', 'max-keys': String(maxKeys) }
    if (token !== null) query['continuation-token'] = token
    const answer = await bench.send({ method: 'GET', path: `/${bucket}`, query })
    found.push(...listed(answer))
    token = answer.element('NextContinuationToken')
  } while (token !== null)
  return found
}

test('Keys: the list of this file, each once and at most 1,024 bytes', () => {
  expect(new Set(keys).size).toBe(keys.length)
  expect(keys.every((key) => Buffer.byteLength(key) <= 1024)).toBe(true)
})

describe.each(['locked', 'unversioned', 'suspended'] as const)('in a bucket that is %s', (kind) => {
  let bucket = ''
  beforeAll(async () => {
    bucket = (await filled(kind)).bucket
  })

  test('GetObject, HeadObject: every key, its own bytes', async () => {
    for (const key of keys) {
      expect([key, (await get(bucket, key)).text]).toEqual([key, bodyOf(key)])
      const head = await bench.send({ method: 'HEAD', path: `/${bucket}/${key}` })
      expect([head.status, head.headers['content-length']]).toEqual([200, String(bodyOf(key).length)])
    }
  })

  test('ListObjectsV2: every key once, in the order of the bytes, whole and in pages', async () => {
    for (const maxKeys of [1000, 7, 1]) expect(await pages(bucket, maxKeys)).toEqual(inOrder)
  })

  test('ListObjectsV2: url-encoded, every key comes back', async () => {
    const query = { 'list-type': '2', 'encoding-type': 'url' }
    const answer = await bench.send({ method: 'GET', path: `/${bucket}`, query })
    expect(listed(answer).map((key) => decodeURIComponent(key.replaceAll('+', ' ')))).toEqual(inOrder)
  })

  test('ListObjectsV2: every key as a prefix, the keys that begin with its bytes', async () => {
    for (const prefix of keys) {
      const query = { 'list-type': '2', prefix }
      const answer = await bench.send({ method: 'GET', path: `/${bucket}`, query })
      expect([prefix, listed(answer)]).toEqual([prefix, inOrder.filter((key) => key.startsWith(prefix))])
    }
  })

  test('ListObjectVersions: every key has one version', async () => {
    const answer = await bench.send({ method: 'GET', path: `/${bucket}`, query: { versions: '' } })
    expect(listed(answer)).toEqual(inOrder)
  })

  test('CopyObject: every key as a source, its own bytes', async () => {
    const target = await bench.bucket('unversioned')
    for (const key of keys) {
      const source = { 'x-amz-copy-source': `${bucket}${uriEncodePath(`/${key}`)}` }
      const copied = await bench.send({ method: 'PUT', path: `/${target}/${key}`, headers: source })
      expect([key, copied.status]).toEqual([key, 200])
      expect((await get(target, key)).text).toBe(bodyOf(key))
    }
  })
})

describe('locks', () => {
  test('PutObjectLegalHold, DeleteObject: every other key held, each alone', async () => {
    const { bucket, versions } = await filled('locked')
    const isHeld = (key: string) => keys.indexOf(key) % 2 === 0
    for (const key of keys.filter(isHeld)) expect((await bench.hold({ bucket, key }, 'ON')).status).toBe(200)
    for (const key of keys) {
      const held = await bench.send({ method: 'GET', path: `/${bucket}/${key}`, query: { 'legal-hold': '' } })
      expect([key, held.element('Status') ?? held.code]).toEqual([
        key,
        isHeld(key) ? 'ON' : 'NoSuchObjectLockConfiguration',
      ])
    }
    for (const key of keys) {
      const query = { versionId: versions.get(key) ?? '' }
      const answer = await bench.send({ method: 'DELETE', path: `/${bucket}/${key}`, query })
      if (isHeld(key)) expect([key, refusal(answer)]).toEqual([key, refused.locked])
      else expect([key, answer.status]).toEqual([key, 204])
    }
    expect(await pages(bucket, 1000)).toEqual(inOrder.filter(isHeld))
    for (const key of keys.filter(isHeld)) expect((await get(bucket, key)).text).toBe(bodyOf(key))
  })

  test('PutObjectRetention: every key until its own date', async () => {
    const { bucket } = await filled('locked')
    const dateOf = (key: string) => new Date(Date.UTC(2040, 0, 1 + keys.indexOf(key))).toISOString()
    for (const key of keys) {
      expect((await bench.retain({ bucket, key }, 'COMPLIANCE', dateOf(key))).status).toBe(200)
    }
    for (const key of keys) {
      const found = await bench.send({ method: 'GET', path: `/${bucket}/${key}`, query: { retention: '' } })
      expect([key, found.element('RetainUntilDate')]).toEqual([key, dateOf(key)])
    }
  })
})

describe('deletes', () => {
  test('DeleteObject: one key after the other, the others stay', async () => {
    const { bucket } = await filled('unversioned')
    const left = [...inOrder]
    for (const key of keys) {
      expect((await bench.send({ method: 'DELETE', path: `/${bucket}/${key}` })).status).toBe(204)
      left.splice(left.indexOf(key), 1)
      expect(await pages(bucket, 1000)).toEqual(left)
    }
  })

  test('DeleteObjects: every other key of those that a document can hold, the others stay', async () => {
    const { bucket } = await filled('unversioned')
    // Characters that XML 1.0 does not know: such a key goes by DeleteObject.
    const writable = keys.filter((key) => !/[\u0001\uffff]/.test(key))
    const gone = writable.filter((_key, index) => index % 2 === 0)
    const markup = (key: string) =>
      key.replace(/[&<>\r]/g, (found) => `&#x${found.charCodeAt(0).toString(16)};`)
    const body = `<Delete>${gone.map((key) => `<Object><Key>${markup(key)}</Key></Object>`).join('')}</Delete>`
    const answer = await bench.document({ method: 'POST', path: `/${bucket}`, query: { delete: '' }, body })
    expect(answer.status).toBe(200)
    expect(listed(answer)).toEqual(gone)
    expect(await pages(bucket, 1000)).toEqual(inOrder.filter((key) => !gone.includes(key)))
  })
})
