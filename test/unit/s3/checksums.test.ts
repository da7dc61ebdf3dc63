import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  checksumAlgorithmOf,
  checksumAlgorithms,
  checksumHeaderName,
  createChecksum,
  type DigestAlgorithm,
  decodeDigest,
  digestLength,
  encodeDigest,
} from '../../../src/s3/checksums.ts'
import { type CrcAlgorithm, crcJoiner } from '../../../src/s3/crc-combine.ts'
import { S3Error } from '../../../src/s3/s3-error.ts'
import {
  checksumHeader,
  checksumTap,
  hasChecksum,
  verifyDocument,
  wantedChecksum,
} from '../../../src/s3/wanted-checksum.ts'

async function digestOf(algorithm: DigestAlgorithm, pieces: readonly Uint8Array[]): Promise<string> {
  const checksum = await createChecksum(algorithm)
  for (const piece of pieces) checksum.update(piece)
  return encodeDigest(checksum.digest())
}

const check = Buffer.from('123456789')
const base64 = (hex: string) => Buffer.from(hex, 'hex').toString('base64')

// Check values of the CRC catalogue and the RFCs for "123456789".
const checkValues: Readonly<Record<DigestAlgorithm, string>> = {
  CRC32: base64('cbf43926'),
  CRC32C: base64('e3069283'),
  CRC64NVME: base64('ae8b14860a799888'),
  SHA1: base64('f7c3bc1d808e04732adf679965ccc34ca7ae3441'),
  SHA256: base64('15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225'),
  MD5: base64('25f9e794323b453885f5181f1b624d0b'),
}

describe('checksums', () => {
  for (const algorithm of [...checksumAlgorithms, 'MD5'] as const) {
    test(`Checksum: ${algorithm} of 123456789, the published check value`, async () => {
      expect(await digestOf(algorithm, [check])).toBe(checkValues[algorithm])
      expect(decodeDigest(algorithm, checkValues[algorithm])?.length).toBe(digestLength(algorithm))
    })

    test(`Checksum: ${algorithm} of bytes in any pieces, the same`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }), async (pieces) => {
          expect(await digestOf(algorithm, pieces)).toBe(await digestOf(algorithm, [Buffer.concat(pieces)]))
        }),
        { numRuns: 30 },
      )
    })
  }

  test('Checksum: a CRC64NVME that ended takes nothing more, and leaves nothing to the next', async () => {
    const ended = await createChecksum('CRC64NVME')
    ended.update(Buffer.from('another body'))
    ended.digest()
    const next = await createChecksum('CRC64NVME')
    expect(() => ended.update(check)).toThrow('before its end')
    expect(() => ended.digest()).toThrow('ends once')
    next.update(check)
    expect(encodeDigest(next.digest())).toBe(checkValues.CRC64NVME)
  })

  test('Checksum: several CRC64NVME at a time, no shared state', async () => {
    const [a, b] = await Promise.all([createChecksum('CRC64NVME'), createChecksum('CRC64NVME')])
    a.update(check.subarray(0, 4))
    b.update(check)
    a.update(check.subarray(4))
    expect(encodeDigest(a.digest())).toBe(checkValues.CRC64NVME)
    expect(encodeDigest(b.digest())).toBe(checkValues.CRC64NVME)
  })

  test('Checksum: base64 that is not exact, refused', () => {
    for (const text of [
      '',
      'AAAA',
      'AAAAAA',
      'AAAAAA=',
      'AAAAAB==',
      'AAAAAA==\n',
      'AAAAAAAA',
      '!AAAAA==',
      'AAAA_A==',
    ]) {
      expect(decodeDigest('CRC32', text)).toBeNull()
    }
    expect(decodeDigest('CRC32', 'AAAAAA==')).toEqual(Buffer.alloc(4))
  })

  test('Checksum: names, read in any letter case', () => {
    expect(checksumAlgorithmOf('crc64nvme')).toBe('CRC64NVME')
    expect(checksumAlgorithmOf('crc16')).toBeNull()
    expect(checksumHeaderName('CRC32C')).toBe('x-amz-checksum-crc32c')
  })

  for (const algorithm of ['CRC32', 'CRC32C', 'CRC64NVME'] satisfies CrcAlgorithm[]) {
    test(`Checksum: ${algorithm} of two parts joined, that of the whole`, async () => {
      const join = crcJoiner(algorithm)
      const bytes = fc.uint8Array({ maxLength: 300 })
      await fc.assert(
        fc.asyncProperty(bytes, bytes, async (before, after) => {
          const joined = join(
            Buffer.from(await digestOf(algorithm, [before]), 'base64'),
            Buffer.from(await digestOf(algorithm, [after]), 'base64'),
            after.length,
          )
          expect(encodeDigest(joined)).toBe(await digestOf(algorithm, [before, after]))
        }),
        { numRuns: 40 },
      )
    })
  }
})

function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof S3Error) return error.code
    throw error
  }
  return 'none'
}

async function codeOfAsync(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    if (error instanceof S3Error) return error.code
    throw error
  }
  return 'none'
}

const crcHeader = { 'x-amz-checksum-crc32': checkValues.CRC32 }

describe('wantedChecksum', () => {
  test('Checksum: nothing declared, nothing wanted', () => {
    const wanted = wantedChecksum({}, [])
    expect(wanted).toEqual({ md5: null, declared: null })
    expect(hasChecksum(wanted)).toBe(false)
  })

  test('Checksum: Content-MD5, a header or a trailer, each counts as declared', () => {
    expect(hasChecksum(wantedChecksum({ 'content-md5': checkValues.MD5 }, []))).toBe(true)
    expect(wantedChecksum(crcHeader, []).declared).toEqual({
      kind: 'header',
      algorithm: 'CRC32',
      value: checkValues.CRC32,
    })
    expect(wantedChecksum({}, ['x-amz-checksum-crc64nvme', 'x-other']).declared).toEqual({
      kind: 'trailer',
      algorithm: 'CRC64NVME',
      name: 'x-amz-checksum-crc64nvme',
    })
  })

  test('Checksum: names of the family without a value, no declaration', () => {
    const headers = {
      'x-amz-checksum-mode': 'ENABLED',
      'x-amz-checksum-algorithm': 'CRC32',
      'x-amz-checksum-type': 'X',
    }
    expect(wantedChecksum(headers, []).declared).toBeNull()
  })

  const refused: readonly (readonly [string, Readonly<Record<string, string>>, readonly string[], string])[] =
    [
      ['an undecodable Content-MD5', { 'content-md5': 'x' }, [], 'InvalidDigest'],
      ['a short Content-MD5', { 'content-md5': 'AAAA' }, [], 'InvalidDigest'],
      ['an undecodable value', { 'x-amz-checksum-crc32': 'zz' }, [], 'InvalidRequest'],
      ['two algorithms', { ...crcHeader, 'x-amz-checksum-sha1': checkValues.SHA1 }, [], 'InvalidRequest'],
      ['header and trailer', crcHeader, ['x-amz-checksum-crc32'], 'InvalidRequest'],
      ['two trailers', {}, ['x-amz-checksum-crc32', 'x-amz-checksum-crc32c'], 'InvalidRequest'],
      ['an unknown algorithm', { 'x-amz-checksum-crc16': 'AAA=' }, [], 'InvalidRequest'],
      ['an unknown named algorithm', { 'x-amz-sdk-checksum-algorithm': 'MD4' }, [], 'InvalidRequest'],
      [
        'a named algorithm without a value',
        { 'x-amz-sdk-checksum-algorithm': 'CRC32' },
        [],
        'InvalidRequest',
      ],
      [
        'another named algorithm',
        { ...crcHeader, 'x-amz-sdk-checksum-algorithm': 'SHA1' },
        [],
        'InvalidRequest',
      ],
    ]
  for (const [name, headers, trailers, code] of refused) {
    test(`Checksum: ${name}, ${code}`, () => {
      expect(codeOf(() => wantedChecksum(headers, trailers))).toBe(code)
    })
  }

  test('Checksum: a named algorithm with only Content-MD5, accepted (QStorage sample)', () => {
    const headers = { 'x-amz-sdk-checksum-algorithm': 'CRC32', 'content-md5': checkValues.MD5 }
    expect(wantedChecksum(headers, []).md5).toBe(checkValues.MD5)
  })
})

describe('checksumTap', () => {
  async function run(
    headers: Readonly<Record<string, string>>,
    trailers: Readonly<Record<string, string>>,
    body: Buffer,
  ) {
    const wanted = wantedChecksum(
      headers,
      headers['x-amz-trailer'] === undefined ? [] : [headers['x-amz-trailer']],
    )
    const tap = await checksumTap(wanted, 'CRC64NVME')
    tap.update(body.subarray(0, 3))
    tap.update(body.subarray(3))
    return tap.verify(trailers)
  }

  test('Checksum: declared and right, stored as declared', async () => {
    const stored = await run(crcHeader, {}, check)
    expect(stored).toEqual({ algorithm: 'CRC32', type: 'FULL_OBJECT', value: checkValues.CRC32 })
    expect(stored === null ? null : checksumHeader(stored)).toEqual({
      'x-amz-checksum-crc32': checkValues.CRC32,
      'x-amz-checksum-type': 'FULL_OBJECT',
    })
  })

  test('Checksum: nothing declared, the fallback is computed', async () => {
    expect((await run({}, {}, check))?.value).toBe(checkValues.CRC64NVME)
    expect((await checksumTap(wantedChecksum({}, []), null)).verify({})).toBeNull()
  })

  test('Checksum: one changed byte, BadDigest for every kind of declaration', async () => {
    const other = Buffer.from('123456780')
    for (const algorithm of checksumAlgorithms) {
      const headers = { [checksumHeaderName(algorithm)]: checkValues[algorithm] }
      expect(await codeOfAsync(run(headers, {}, other))).toBe('BadDigest')
      const trailer = { 'x-amz-trailer': checksumHeaderName(algorithm) }
      expect(await codeOfAsync(run(trailer, headers, other))).toBe('BadDigest')
      expect(await codeOfAsync(run(trailer, headers, check))).toBe('none')
    }
    expect(await codeOfAsync(run({ 'content-md5': checkValues.MD5 }, {}, other))).toBe('BadDigest')
  })

  test('Checksum: Content-MD5 wrong beside a right CRC, BadDigest', async () => {
    const wrong = createHash('md5').update('').digest('base64')
    expect(await codeOfAsync(run({ ...crcHeader, 'content-md5': wrong }, {}, check))).toBe('BadDigest')
  })

  test('Checksum: an announced trailer that is missing or undecodable, MalformedTrailerError', async () => {
    const trailer = { 'x-amz-trailer': 'x-amz-checksum-crc32' }
    expect(await codeOfAsync(run(trailer, {}, check))).toBe('MalformedTrailerError')
    expect(await codeOfAsync(run(trailer, { 'x-amz-checksum-crc32': 'x' }, check))).toBe(
      'MalformedTrailerError',
    )
  })

  test('Checksum: a document in memory, checked like a stream', async () => {
    const wanted = wantedChecksum({ 'content-md5': checkValues.MD5 }, [])
    expect(await codeOfAsync(verifyDocument(wanted, check, {}))).toBe('none')
    expect(await codeOfAsync(verifyDocument(wanted, Buffer.from('x'), {}))).toBe('BadDigest')
  })
})
