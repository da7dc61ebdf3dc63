import { expect, test } from 'vitest'
import { annotations } from '../../../src/api/annotations.ts'
import { limits } from '../../../src/lib/limits.ts'
import { formatApplyBody } from '../../../src/operator/apply-patch.ts'
import { makeConditions } from '../../../src/operator/conditions.ts'
import { handledRequests, requestsOf } from '../../../src/operator/requests.ts'
import { nowMs } from './locked-bucket-fixtures.ts'

const escaped: [string, string, string][] = [
  ['DEL', '\u007f', '\\u007f'],
  ['the next line, which YAML folds', '\u0085', '\\u0085'],
  ['the last control of C1', '\u009f', '\\u009f'],
  ['the line and paragraph separators', '\u2028\u2029', '\\u2028\\u2029'],
  ['the byte order mark', '\ufeff', '\\ufeff'],
  ['no characters', '\ufffe\uffff', '\\ufffe\\uffff'],
]

test.each(escaped)('formatApplyBody: %s is an escape, and the same value', (_what, text, sent) => {
  const body = { key: `a${text}b` }
  expect(formatApplyBody(body)).toBe(`{"key":"a${sent}b"}`)
  expect(JSON.parse(formatApplyBody(body))).toEqual(body)
})

test('formatApplyBody: half a pair of surrogates, U+FFFD; a whole one and all other text, as JSON', () => {
  expect(formatApplyBody({ key: 'a\ud83d', other: ['\ude00b'] })).toBe(
    '{"key":"a\ufffd","other":["\ufffdb"]}',
  )
  const body = { key: 'a\n"\\\u{1f600}\u00a0é', count: 1, is: true, none: null, absent: undefined }
  expect(formatApplyBody(body)).toBe(JSON.stringify(body))
})

test('makeConditions: a message that is cut in the middle of a character is what the API server keeps', () => {
  const message = `${'x'.repeat(limits.conditionMessageLengthMax - 1)}\u{1f600}`
  const wanted = { type: 'Ready', status: 'True', reason: 'Enforced', message } as const
  const [condition] = makeConditions([wanted], undefined, { generation: 1, nowMs })
  expect(condition?.message.at(-1)).toBe('\ufffd')
})

test('handledRequests: a value that is cut in the middle of a character is handled once', () => {
  const begin = 'x'.repeat(limits.annotationEchoLengthMax - 1)
  const metadata = { annotations: { [annotations.verifyNow]: `${begin}\u{1f600}` } }
  const status = handledRequests({ metadata }, { reconcile: 'handled', verify: 'handled' })
  expect(status.lastHandledVerifyAt).toBe(`${begin}\ufffd`)
  expect(requestsOf({ metadata, status })).toEqual({ reconcile: 'none', verify: 'none' })
})
