import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { continuationToken, parseContinuationToken } from '../../../src/s3/continuation-token.ts'
import { parseListing } from '../../../src/s3/listing-input.ts'
import { encoded } from '../../../src/s3/listing-xml.ts'
import { caught } from '../../support/records.ts'

describe('continuation tokens', () => {
  it('what was printed is read back, whatever the key', () => {
    void fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 }), (name) => {
        expect(parseContinuationToken(continuationToken(name))).toBe(name)
      }),
    )
  })

  it.each(['', 'a', 'AAAA', 'AQAAAAB4', '!!!', `${continuationToken('key')}=`])('%j is refused', (token) => {
    const error = caught(() => parseContinuationToken(token))
    expect([error.code, error.detail.message]).toEqual([
      'InvalidArgument',
      'The continuation token provided is incorrect',
    ])
  })
})

describe('listing parameters', () => {
  const parse = (query: string) => parseListing(new URLSearchParams(query), 'max-keys')

  it.each([
    ['', 1000],
    ['max-keys=', 1000],
    ['max-keys=0', 0],
    ['max-keys=7', 7],
    ['max-keys=1001', 1000],
    ['max-keys=2147483647', 1000],
  ])('%j gives pages of %i', (query, maxKeys) => {
    expect(parse(query).maxKeys).toBe(maxKeys)
  })

  it.each(['-1', 'x', '1.5', '2147483648', '1e3'])('max-keys=%s is InvalidArgument', (value) => {
    const error = caught(() => parse(`max-keys=${value}`))
    expect(error.detail.message).toBe('Provided max-keys not an integer or within integer range')
  })

  it('encoding-type is url or nothing', () => {
    expect(parse('encoding-type=url').encoding).toBe('url')
    expect(caught(() => parse('encoding-type=base64')).detail.message).toBe(
      'Invalid Encoding Method specified in Request',
    )
  })

  it('keys are encoded as forms are, slashes stay', () => {
    expect(encoded("a b/c+d(e)'~*é\u0001", 'url')).toBe('a+b/c%2Bd%28e%29%27%7E*%C3%A9%01')
    expect(encoded('a b', 'none')).toBe('a b')
  })
})
