import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { epochMs } from '../../../src/lib/units.ts'
import { checkPostPolicy, parsePostPolicy, type SizeRange } from '../../../src/s3/auth/post-policy.ts'
import { S3Error } from '../../../src/s3/s3-error.ts'
import { caught } from '../../support/records.ts'

const nowMs = epochMs(Date.UTC(2026, 10, 22))
const expiration = '2026-11-22T01:00:00.000Z'
type Fields = Readonly<Record<string, string>>

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

function check(conditions: unknown, fields: Fields = {}, document: object = {}): SizeRange {
  const policy = parsePostPolicy(base64(JSON.stringify({ expiration, conditions, ...document })))
  const named = Object.entries(fields).map(([name, value]) => [name.toLowerCase(), { name, value }] as const)
  return checkPostPolicy(policy, new Map(named), nowMs)
}

function refusal(...given: Parameters<typeof check>): readonly [string, string] {
  const error = caught(() => check(...given))
  return [error.code, error.detail.message]
}

const violated = (reason: string) => ['AccessDenied', `Invalid according to Policy: ${reason}`]
const failed = (condition: string) => violated(`Policy Condition failed: ${condition}`)
const invalid = (reason: string) => ['InvalidPolicyDocument', `Invalid Policy: ${reason}`]

test('Post policy: a value that is nested as deep as a form has room for is no text', () => {
  const nested = `${'['.repeat(6500)}${']'.repeat(6500)}`
  const at = (place: string) => `{"expiration":"${expiration}","conditions":[${place}]}`
  for (const condition of [
    `["eq",${nested},""]`,
    `["content-length-range",0,${nested}]`,
    `{"key":${nested}}`,
  ]) {
    expect(caught(() => parsePostPolicy(base64(at(condition)))).code).toBe('InvalidPolicyDocument')
  }
})

describe('conditions', () => {
  test.each([
    [[{ key: 'a' }], { key: 'a' }],
    [[['eq', '$key', 'a']], { key: 'a' }],
    [[['EQ', '$KEY', 'a']], { Key: 'a' }],
    [[['starts-with', '$key', 'a/']], { key: 'a/b' }],
    [[['starts-with', '$key', '']], { key: '' }],
    [[['starts-with', '$Content-Type', 'image/']], { 'Content-Type': 'image/jpg, image/png' }],
    [[['starts-with', '$x-amz-meta-tag', '']], { 'x-amz-meta-tag': 'x' }],
    [[['starts-with', '$tagging', '']], { tagging: '<Tagging/>' }],
    [[{ key: 'a' }, ['starts-with', '$key', 'a']], { key: 'a' }],
    [[{ key: 'a' }], { key: 'a', policy: 'x', 'x-amz-signature': 'x', 'x-ignore-this': 'x' }],
    [[], {}],
  ])('Post policy: %j is met by %j', (conditions, fields) => {
    expect(check(conditions, fields)).toEqual({ bytesMin: 0, bytesMax: limits.singleUploadBytesMax })
  })

  test.each([
    [[{ key: 'a' }], { key: 'b' }, '["eq", "$key", "a"]'],
    [[{ Key: 'a"b' }], { key: 'b' }, '["eq", "$Key", "a\\"b"]'],
    [[{ key: 'a' }], { key: 'A' }, '["eq", "$key", "a"]'],
    [[['starts-with', '$key', 'a/']], { key: 'A/b' }, '["starts-with", "$key", "a/"]'],
    [[['starts-with', '$key', 'a/']], { key: 'a' }, '["starts-with", "$key", "a/"]'],
    [[['starts-with', '$Content-Type', '']], {}, '["starts-with", "$Content-Type", ""]'],
    [
      [['starts-with', '$Content-Type', 'image/']],
      { 'Content-Type': 'image/jpg,text/plain' },
      '["starts-with", "$Content-Type", "image/"]',
    ],
    [[['eq', 'key', 'a']], { key: 'a' }, '["eq", "key", "a"]'],
    [[['starts-with', '$bucket', 'b']], { bucket: 'bucket' }, '["starts-with", "$bucket", "b"]'],
    [
      [['starts-with', '$x-amz-object-lock-mode', '']],
      { 'x-amz-object-lock-mode': 'GOVERNANCE' },
      '["starts-with", "$x-amz-object-lock-mode", ""]',
    ],
    [
      [['starts-with', '$success_action_status', '2']],
      { success_action_status: '200' },
      '["starts-with", "$success_action_status", "2"]',
    ],
    [[['content-length-range', 'test', '10']], {}, '["content-length-range", "test", "10"]'],
    [[['content-length-range', '-1', 10]], {}, '["content-length-range", "-1", 10]'],
  ])('Post policy: %j is not met by %j', (conditions, fields, text) => {
    const isRange = text.includes('content-length-range')
    expect(refusal(isRange ? conditions : [...conditions], fields)).toEqual(failed(text))
  })

  test.each([
    [[], { key: 'a' }, 'key'],
    [[{ key: 'a' }], { key: 'a', 'X-Amz-Object-Lock-Legal-Hold': 'OFF' }, 'X-Amz-Object-Lock-Legal-Hold'],
    [[{ key: 'a' }], { key: 'a', 'x-amz-meta-b': '' }, 'x-amz-meta-b'],
    [[{ key: 'a' }], { key: 'a', 'x-ignored': '1' }, 'x-ignored'],
    [[{ 'x-amz-meta-a': '1' }], { 'x-amz-meta-a': '1', bucket: 'b' }, 'bucket'],
    [[['content-length-range', 0, 9]], { 'content-length-range': '1' }, 'content-length-range'],
  ])('Post policy: %j does not cover all of %j', (conditions, fields, name) => {
    expect(refusal(conditions, fields)).toEqual(violated(`Extra input fields: ${name}`))
  })

  test('Post policy: no field beside the exempt ones gets through without a condition', () => {
    const name = fc
      .string({ minLength: 1 })
      .filter((text) => !/^(policy|x-amz-signature|x-ignore-.*)$/i.test(text))
    fc.assert(
      fc.property(name, fc.string(), (field, value) => {
        expect(refusal([{ key: 'a' }], { key: 'a', [`_${field}`]: value })).toEqual(
          violated(`Extra input fields: _${field}`),
        )
      }),
    )
  })

  test('Post policy: ranges narrow each other, numbers may be texts', () => {
    const range = (min: unknown, max: unknown) => ['content-length-range', min, max]
    expect(check([range('5', '10')])).toEqual({ bytesMin: 5, bytesMax: 10 })
    expect(check([range(0, 10), range(3, 99), range(1, 12)])).toEqual({ bytesMin: 3, bytesMax: 10 })
  })
})

describe('expiration', () => {
  test.each([
    ['2026-11-22T00:00:00.001Z', null],
    ['2026-11-22T00:00:00.000Z', 'expired'],
    ['2026-11-21T23:59:59Z', 'expired'],
    ['9999-12-31T23:59:59Z', null],
  ])('Post policy: at midnight, one until %s is %s', (until, state) => {
    const work = () => check([], {}, { expiration: until })
    if (state === null) expect(work).not.toThrow()
    else {
      const error = caught(work)
      expect([error.code, error.detail.message]).toEqual(violated('Policy expired.'))
    }
  })

  test.each([
    '2026-11-22T01:00:00+02:00',
    '2026-11-22 01:00:00Z',
    '2026-11-22',
    'soon',
    '',
    '2026-13-01T00:00:00Z',
  ])('Post policy: the expiration %j is none', (until) => {
    expect(refusal([], {}, { expiration: until })).toEqual(invalid(`Invalid 'expiration' value: '${until}'`))
  })
})

describe('documents', () => {
  test.each([
    ['not base64', 'a*==', 'invalid Base64 encoding.'],
    ['cut base64', 'YWJ', 'invalid Base64 encoding.'],
    ['no JSON', base64('{,}'), 'Invalid JSON.'],
    ['nothing', '', 'Invalid JSON.'],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22]).toString('base64'), 'Invalid JSON.'],
    ['a list', base64('[]'), 'Invalid JSON.'],
    ['null', base64('null'), 'Invalid JSON.'],
    ['no expiration', base64('{"conditions":[]}'), 'Policy missing expiration.'],
    ['an expiration in capitals', base64('{"EXPIRATION":"x","conditions":[]}'), "Unexpected: 'expiration'"],
    ['another member', base64('{"Statement":[]}'), "Unexpected: 'statement'"],
    ['no conditions', base64(`{"expiration":"${expiration}"}`), 'Policy missing conditions.'],
    [
      'conditions that are no list',
      base64(`{"expiration":"${expiration}","conditions":{}}`),
      "Invalid 'conditions' value: must be a List.",
    ],
  ])('Post policy: %s is InvalidPolicyDocument', (_name, text, reason) => {
    const error = caught(() => parsePostPolicy(text))
    expect([error.code, error.detail.status, error.detail.message]).toEqual([
      'InvalidPolicyDocument',
      400,
      `Invalid Policy: ${reason}`,
    ])
  })

  const oneProperty = 'Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.'
  test.each([
    [{}, oneProperty],
    [{ a: '1', b: '2' }, oneProperty],
    [{ 'Content-Length': 6_199_034 }, 'Invalid Simple-Condition: value must be a string.'],
    [{ key: null }, 'Invalid Simple-Condition: value must be a string.'],
    ['text', 'Invalid condition: must be a List or Object.'],
    [null, 'Invalid condition: must be a List or Object.'],
    [[], 'Invalid Condition: missing operation identifier.'],
    [['ends-with', '$key', 'a'], "Invalid Condition: unknown operation 'ends-with'."],
    [['eq', '$key'], 'Invalid eq: wrong number of arguments.'],
    [['eq', '$key', 'a', 'b'], 'Invalid eq: wrong number of arguments.'],
    [['starts-with', '$key', 1], 'Invalid JSON.'],
    [['content-length-range', 0], 'Invalid content-length-range: wrong number of arguments.'],
    [['content-length-range', 0, 512.5], 'Invalid JSON.'],
    [['content-length-range', -1, 0], 'Invalid content-length-range: the bounds must not be negative.'],
    [['content-length-range', null, 0], 'Invalid JSON.'],
  ])('Post policy: the condition %j is InvalidPolicyDocument', (condition, reason) => {
    expect(refusal([condition])).toEqual(invalid(reason))
  })

  test('Post policy: random JSON, a policy or an S3 error', () => {
    fc.assert(
      fc.property(fc.json(), fc.json(), (conditions, other) => {
        const documents = [other, `{"expiration":"${expiration}","conditions":${conditions}}`]
        for (const document of documents) {
          try {
            checkPostPolicy(
              parsePostPolicy(base64(document)),
              new Map([['key', { name: 'key', value: 'a' }]]),
              nowMs,
            )
          } catch (error) {
            expect(error).toBeInstanceOf(S3Error)
            continue
          }
          throw new Error(`it let the key pass: ${document}`)
        }
      }),
    )
  })
})
