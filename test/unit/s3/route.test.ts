import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { operationChooser, weight } from '../../../src/s3/match.ts'
import type { Match } from '../../../src/s3/operation.ts'
import { operations } from '../../../src/s3/operations/index.ts'
import { unbuiltOperations } from '../../../src/s3/operations/not-implemented.ts'
import { checkBucketName, type RequestHead, resourceOf, route } from '../../../src/s3/route.ts'
import { S3Error } from '../../../src/s3/s3-error.ts'
import { uriEncodePath } from '../../../src/sigv4/encode.ts'

type Given = {
  readonly method?: string
  readonly headers?: readonly string[]
  readonly domain?: string | null
}

function routed(
  target: string,
  { method = 'GET', headers = ['Host', 'h'], domain = null }: Given = {},
): RequestHead {
  return route({ method, target, rawHeaders: headers }, domain)
}

function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof S3Error) return error.code
    throw error
  }
  return 'none'
}

describe('targets', () => {
  const places: readonly (readonly [target: string, bucket: string | null, key: string | null])[] = [
    ['/', null, null],
    ['/?x-id=ListBuckets', null, null],
    ['/bucket', 'bucket', null],
    ['/bucket/', 'bucket', null],
    ['/bucket?location', 'bucket', null],
    ['/bucket/key', 'bucket', 'key'],
    ['/bucket/a/b', 'bucket', 'a/b'],
    ['/bucket/dir/', 'bucket', 'dir/'],
    ['/bucket//', 'bucket', '/'],
    ['/bucket//a//b', 'bucket', '/a//b'],
    ['/bucket/.', 'bucket', '.'],
    ['/bucket/..', 'bucket', '..'],
    ['/bucket/../other/key', 'bucket', '../other/key'],
    ['/bucket/a/./b', 'bucket', 'a/./b'],
    ['/bucket/%2e%2e/x', 'bucket', '../x'],
    ['/bucket/a%2Fb', 'bucket', 'a/b'],
    ['/bucket/a%252Fb', 'bucket', 'a%2Fb'],
    ['/bucket/a+b%2Bc%20d', 'bucket', 'a+b+c d'],
    ['/bucket/%C3%A9', 'bucket', 'é'],
    ['/bucket/e%CC%81', 'bucket', 'e\u0301'],
    ['/bucket/%EF%BB%BFx', 'bucket', '\ufeffx'],
    ['/bucket/a?b', 'bucket', 'a'],
    ['/bucket/a%3Fb', 'bucket', 'a?b'],
    ['/bucket/a#b', 'bucket', 'a#b'],
    ['/dotted.bucket.name/key', 'dotted.bucket.name', 'key'],
  ]
  for (const [target, bucket, key] of places) {
    test(`Route: ${target}, its bucket and key byte for byte`, () => {
      const head = routed(target)
      expect([head.bucket, head.key]).toEqual([bucket, key])
    })
  }

  test('Route: any key, encoded by the client and decoded once, the same (I10)', () => {
    const keys = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 200 })
      .filter((key) => !/\p{Surrogate}|\0/u.test(key) && Buffer.byteLength(key) <= 1024)
    fc.assert(
      fc.property(keys, (key) => {
        expect(routed(uriEncodePath(`/bucket/${key}`)).key).toBe(key)
      }),
    )
  })

  const refused: readonly (readonly [target: string, code: string])[] = [
    ['/bucket/%', 'InvalidURI'],
    ['/bucket/%2', 'InvalidURI'],
    ['/bucket/%zz', 'InvalidURI'],
    ['/bucket/%ff', 'InvalidURI'],
    ['/bucket/%C3', 'InvalidURI'],
    ['/bucket/%ED%A0%80', 'InvalidURI'],
    ['/bucket/%C0%AF', 'InvalidURI'],
    ['/bucket/a%00b', 'InvalidURI'],
    ['/bucket?prefix=%ff', 'InvalidURI'],
    ['/bucket?prefix=%00', 'InvalidURI'],
    ['/bucket?%zz', 'InvalidURI'],
    ['*', 'InvalidURI'],
    ['bucket/key', 'InvalidURI'],
    ['ftp://h/bucket', 'InvalidURI'],
    ['//key', 'InvalidBucketName'],
    ['//', 'InvalidBucketName'],
    ['/Bucket/key', 'InvalidBucketName'],
    ['/../etc', 'InvalidBucketName'],
    ['/bucket?versionId=a&versionId=b', 'InvalidArgument'],
    ['/bucket?uploads&uploads=', 'InvalidArgument'],
    ['/bucket?version%49d=a&versionId=b', 'InvalidArgument'],
  ]
  for (const [target, code] of refused) {
    test(`Route: ${target}, ${code}`, () => {
      expect(codeOf(() => routed(target))).toBe(code)
    })
  }

  test('Route: a key of 1,024 bytes is taken, one of 1,025 is KeyTooLongError', () => {
    expect(routed(`/bucket/${'k'.repeat(1024)}`).key?.length).toBe(1024)
    expect(codeOf(() => routed(`/bucket/${'k'.repeat(1025)}`))).toBe('KeyTooLongError')
    expect(codeOf(() => routed(`/bucket/${'%C3%A9'.repeat(513)}`))).toBe('KeyTooLongError')
    expect(routed(`/bucket/${'%C3%A9'.repeat(512)}`).key?.length).toBe(512)
  })

  test('Route: a raw byte of UTF-8 in the target, the character', () => {
    expect(routed(`/bucket/${Buffer.from('é').toString('latin1')}`).key).toBe('é')
  })

  test('Route: queries, decoded with plus as space and kept in order', () => {
    expect(routed('/bucket?prefix=a+b%2B%20c&delimiter=/&versions&=x&a=b=c&').query).toEqual([
      ['prefix', 'a b+ c'],
      ['delimiter', '/'],
      ['versions', ''],
      ['', 'x'],
      ['a', 'b=c'],
    ])
  })

  test('Route: a method beyond S3, MethodNotAllowed', () => {
    for (const method of ['PATCH', 'TRACE', 'get', '']) {
      expect(codeOf(() => routed('/bucket', { method }))).toBe('MethodNotAllowed')
    }
  })
})

describe('absolute-form targets', () => {
  test('Route: the host of the target is the Host header, as its path', () => {
    const head = routed('http://S3.Example.com:9000/bucket/key?acl', { headers: ['Host', 's3.example.com'] })
    expect([head.path, head.query]).toEqual(['/bucket/key', [['acl', '']]])
    expect(routed('https://h', { headers: ['host', 'h:80'] }).path).toBe('/')
    expect(routed('http://h?location', { headers: ['host', 'h'] }).query).toEqual([['location', '']])
  })

  test('Route: another host than the Host header, InvalidRequest', () => {
    expect(codeOf(() => routed('http://other/bucket'))).toBe('InvalidRequest')
  })
})

describe('virtual hosts', () => {
  const domain = 'S3.example.com'
  const cases: readonly (readonly [
    host: string,
    target: string,
    bucket: string | null,
    key: string | null,
  ])[] = [
    ['bucket.s3.example.com', '/', 'bucket', null],
    ['bucket.s3.example.com:9000', '/key', 'bucket', 'key'],
    ['BUCKET.S3.EXAMPLE.COM', '/a/b/', 'bucket', 'a/b/'],
    ['dotted.bucket.s3.example.com', '//x', 'dotted.bucket', '/x'],
    ['s3.example.com', '/bucket/key', 'bucket', 'key'],
    ['127.0.0.1:9000', '/bucket/key', 'bucket', 'key'],
    ['[::1]:9000', '/bucket/key', 'bucket', 'key'],
    ['evil-s3.example.com', '/bucket/key', 'bucket', 'key'],
    ['.s3.example.com', '/bucket/key', 'bucket', 'key'],
  ]
  for (const [host, target, bucket, key] of cases) {
    test(`Route: ${target} at ${host}, bucket ${bucket}`, () => {
      const head = routed(target, { headers: ['Host', host], domain })
      expect([head.bucket, head.key]).toEqual([bucket, key])
    })
  }

  test('Route: no domain, always path style', () => {
    expect(routed('/bucket', { headers: ['Host', 'x.s3.example.com'] }).bucket).toBe('bucket')
  })
})

describe('headers', () => {
  for (const name of [
    'Authorization',
    'Host',
    'Content-MD5',
    'x-amz-bypass-governance-retention',
    'X-Amz-Date',
    'Range',
  ]) {
    test(`Route: ${name} given twice, InvalidArgument`, () => {
      expect(codeOf(() => routed('/b', { headers: ['Host', 'h', name, 'a', name.toUpperCase(), 'a'] }))).toBe(
        'InvalidArgument',
      )
    })
  }

  test('Route: no Host, InvalidRequest', () => {
    expect(codeOf(() => routed('/bucket', { headers: ['Accept', 'a'] }))).toBe('InvalidRequest')
  })

  test('Route: other headers given twice, joined', () => {
    const { headers } = routed('/bucket', {
      headers: ['Host', 'h', 'X-Amz-Meta-A', '1', 'x-amz-meta-a', '2', 'Accept', 'a', 'accept', 'b'],
    })
    expect(headers['x-amz-meta-a']).toBe('1,2')
    expect(headers['accept']).toBe('a,b')
  })

  test('Route: header names of the object prototype, ordinary headers', () => {
    const { headers } = routed('/bucket', { headers: ['host', 'h', 'constructor', '1', '__proto__', '2'] })
    expect(headers['constructor']).toBe('1')
    expect(Object.entries(headers)).toEqual([
      ['host', 'h'],
      ['constructor', '1'],
      ['__proto__', '2'],
    ])
    expect(headers['toString']).toBeUndefined()
  })
})

describe('bucket names', () => {
  const good = ['abc', 'a'.repeat(63), 'a-b', 'a.b.c', '1bucket', '123', '1.2.3', 'amzn-s3-demo-bucket']
  for (const name of good) {
    test(`Bucket name: ${name}, valid`, () => {
      expect(codeOf(() => checkBucketName(name))).toBe('none')
    })
  }
  const bad = [
    '',
    'ab',
    'a'.repeat(64),
    'Abc',
    'a_b',
    '-abc',
    'abc-',
    '.abc',
    'abc.',
    'a..b',
    '192.168.5.4',
    'xn--abc',
    'sthree-abc',
    'abc-s3alias',
    'abc--ol-s3',
    'abc.mrap',
    'abc--x-s3',
    'abc--table-s3',
    'a b',
    'a\nb',
    'ébc',
    'a/b',
  ]
  for (const name of bad) {
    test(`Bucket name: ${JSON.stringify(name)}, InvalidBucketName`, () => {
      expect(codeOf(() => checkBucketName(name))).toBe('InvalidBucketName')
    })
  }
})

test('Resource: as S3 prints it, whichever way it was addressed', () => {
  expect([resourceOf(null, null), resourceOf('b', null), resourceOf('b', 'k/')]).toEqual(['/', '/b', '/b/k/'])
})

describe('match', () => {
  const table = [
    { name: 'ListBuckets', match: { method: 'GET', level: 'service' } },
    { name: 'ListObjects', match: { method: 'GET', level: 'bucket' } },
    { name: 'ListObjectsV2', match: { method: 'GET', level: 'bucket', queryValues: { 'list-type': '2' } } },
    { name: 'PutObject', match: { method: 'PUT', level: 'object' } },
    { name: 'CopyObject', match: { method: 'PUT', level: 'object', headers: ['x-amz-copy-source'] } },
    { name: 'UploadPart', match: { method: 'PUT', level: 'object', query: ['partNumber', 'uploadId'] } },
  ] as const satisfies readonly { name: string; match: Match }[]
  const input = (
    method: 'GET' | 'PUT' | 'DELETE',
    target: string,
    headers: Readonly<Record<string, string>> = {},
  ) => {
    const { bucket, key, query } = routed(target)
    return {
      method,
      bucket,
      key,
      headers,
      query: new URLSearchParams(Object.fromEntries(query)),
    }
  }

  test('Match: the most special operation, whatever the order of the table', () => {
    const orders = fc.shuffledSubarray([...table], { minLength: table.length })
    fc.assert(
      fc.property(orders, (order) => {
        const choose = operationChooser<(typeof table)[number]>(order)
        expect(choose(input('GET', '/')).name).toBe('ListBuckets')
        expect(choose(input('GET', '/bucket?list-type=1')).name).toBe('ListObjects')
        expect(choose(input('GET', '/bucket?list-type=2&prefix=a')).name).toBe('ListObjectsV2')
        expect(choose(input('PUT', '/bucket/key?x-id=PutObject')).name).toBe('PutObject')
        expect(choose(input('PUT', '/bucket/key', { 'x-amz-copy-source': '/a/b' })).name).toBe('CopyObject')
        expect(choose(input('PUT', '/bucket/key?uploadId=a&partNumber=1')).name).toBe('UploadPart')
      }),
    )
  })

  test('Match: nothing fits, MethodNotAllowed', () => {
    const choose = operationChooser(table)
    expect(codeOf(() => choose(input('DELETE', '/')))).toBe('MethodNotAllowed')
    expect(codeOf(() => choose(input('DELETE', '/bucket')))).toBe('MethodNotAllowed')
    expect(codeOf(() => choose(input('DELETE', '/bucket/key')))).toBe('MethodNotAllowed')
  })

  test('Match: two operations of the whole table with the same requirements, never', () => {
    const seen = new Map<string, string>()
    for (const { name, match } of [...operations, ...unbuiltOperations]) {
      const values = Object.entries(match.queryValues ?? {})
      const parts = [
        match.method,
        match.level,
        [...(match.query ?? [])].sort(),
        values.sort(),
        match.headers ?? [],
      ]
      const shape = JSON.stringify(parts)
      expect(seen.get(shape), `${name} and ${seen.get(shape)}`).toBeUndefined()
      seen.set(shape, name)
      expect(weight(match)).toBeGreaterThanOrEqual(0)
    }
  })
})
