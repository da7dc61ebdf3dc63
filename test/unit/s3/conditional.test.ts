import { describe, expect, it } from 'vitest'
import { epochMs } from '../../../src/lib/units.ts'
import {
  judgeConditions,
  rangeApplies,
  readConditions,
  writePrecondition,
} from '../../../src/s3/conditional.ts'
import { contentRange, parseRange } from '../../../src/s3/range.ts'
import { caught } from '../../support/records.ts'

const validators = { etag: 'abc', lastModifiedMs: epochMs(Date.parse('2026-01-02T00:00:00.750Z')) }
const same = 'Fri, 02 Jan 2026 00:00:00 GMT'
const earlier = 'Thu, 01 Jan 2026 23:59:59 GMT'
const later = 'Fri, 02 Jan 2026 00:00:01 GMT'

describe('conditional reads', () => {
  it.each([
    ['none', {}, 'met'],
    ['If-Match equal', { 'if-match': '"abc"' }, 'met'],
    ['If-Match unquoted', { 'if-match': 'abc' }, 'met'],
    ['If-Match *', { 'if-match': '*' }, 'met'],
    ['If-Match in a list', { 'if-match': '"x", "abc"' }, 'met'],
    ['If-Match other', { 'if-match': '"x"' }, 'failed If-Match'],
    ['If-None-Match equal', { 'if-none-match': '"abc"' }, 'notModified If-None-Match'],
    ['If-None-Match other', { 'if-none-match': '"x"' }, 'met'],
    ['If-Modified-Since the same second', { 'if-modified-since': same }, 'notModified If-Modified-Since'],
    ['If-Modified-Since earlier', { 'if-modified-since': earlier }, 'met'],
    ['If-Unmodified-Since the same second', { 'if-unmodified-since': same }, 'met'],
    ['If-Unmodified-Since earlier', { 'if-unmodified-since': earlier }, 'failed If-Unmodified-Since'],
    [
      'If-Match wins over If-Unmodified-Since',
      { 'if-match': '"abc"', 'if-unmodified-since': earlier },
      'met',
    ],
    [
      'If-None-Match wins over If-Modified-Since',
      { 'if-none-match': '"x"', 'if-modified-since': later },
      'met',
    ],
    ['If-Match failed wins over all', { 'if-match': '"x"', 'if-none-match': '"abc"' }, 'failed If-Match'],
    ['a date that is none', { 'if-modified-since': 'yesterday', 'if-unmodified-since': '' }, 'met'],
  ])('%s', (_name, headers, expected) => {
    const result = judgeConditions(headers, readConditions, validators)
    expect(result.kind === 'met' ? 'met' : `${result.kind} ${result.condition}`).toBe(expected)
  })

  it.each([
    ['no If-Range', {}, true],
    ['the ETag', { 'if-range': '"abc"' }, true],
    ['another ETag', { 'if-range': '"x"' }, false],
    ['a weak ETag', { 'if-range': 'W/"abc"' }, false],
    ['the date', { 'if-range': same }, true],
    ['another date', { 'if-range': later }, false],
  ])('If-Range: %s', (_name, headers, applies) => {
    expect(rangeApplies(headers, validators)).toBe(applies)
  })
})

describe('preconditions of writes', () => {
  it('If-None-Match: * and If-Match with an ETag', () => {
    expect(writePrecondition({ 'if-none-match': '*' })).toEqual({ ifMatch: null, ifNoneMatch: '*' })
    expect(writePrecondition({ 'if-match': '"abc"' })).toEqual({ ifMatch: 'abc', ifNoneMatch: null })
    expect(writePrecondition({})).toEqual({ ifMatch: null, ifNoneMatch: null })
  })

  it.each([
    { 'if-none-match': '"abc"' },
    { 'if-match': '*' },
    { 'if-match': '"a", "b"' },
    { 'if-match': '"a"', 'if-none-match': '*' },
    { 'if-modified-since': same },
    { 'if-unmodified-since': same },
  ])('%j is refused and not ignored', (headers: Record<string, string>) => {
    expect(caught(() => writePrecondition(headers)).code).toBe('NotImplemented')
  })
})

describe('Range', () => {
  it.each([
    ['bytes=0-0', 0, 1],
    ['bytes=0-', 0, 10],
    ['bytes=3-5', 3, 6],
    ['bytes=9-', 9, 10],
    ['bytes=5-100', 5, 10],
    ['bytes=-3', 7, 10],
    ['bytes=-100', 0, 10],
  ])('%s of ten bytes', (header, startByte, endByte) => {
    expect(parseRange(header, 10)).toEqual({ startByte, endByte })
  })

  it.each(['', 'bytes=', 'bytes=-', 'bytes=5-3', 'bytes=0-1,3-4', 'items=0-1', 'bytes=a-b'])(
    '%j is the whole object',
    (header) => {
      expect(parseRange(header, 10)).toBeNull()
    },
  )

  it.each(['bytes=10-', 'bytes=10-12', 'bytes=-0'])('%s is not satisfiable', (header) => {
    const error = caught(() => parseRange(header, 10))
    expect([error.code, error.detail.status]).toEqual(['InvalidRange', 416])
    expect(error.detail.extra).toEqual({ RangeRequested: header, ActualObjectSize: '10' })
  })

  it('an empty object has no range', () => {
    expect(caught(() => parseRange('bytes=0-', 0)).code).toBe('InvalidRange')
    expect(caught(() => parseRange('bytes=-1', 0)).code).toBe('InvalidRange')
  })

  it('Content-Range counts the last byte in', () => {
    expect(contentRange({ startByte: 3, endByte: 6 }, 10)).toBe('bytes 3-5/10')
  })
})
