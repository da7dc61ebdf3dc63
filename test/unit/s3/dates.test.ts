import fc from 'fast-check'
import { expect, test } from 'vitest'
import { epochMs, epochMsMax, formatIso } from '../../../src/lib/units.ts'
import {
  formatHttpDate,
  parseAmzDate,
  parseBodyDate,
  parseHeaderDate,
  parseHttpDate,
  parseIsoDate,
} from '../../../src/s3/dates.ts'

const instant = Date.UTC(2031, 0, 2, 3, 4, 5)

const isoCases: readonly (readonly [string, number | null])[] = [
  ['2031-01-02T03:04:05Z', instant],
  ['2031-01-02T03:04:05z', instant],
  ['2031-01-02t03:04:05Z', instant],
  ['2031-01-02T03:04:05', instant],
  ['2031-01-02T03:04:05+00:00', instant],
  ['2031-01-02T05:04:05+02:00', instant],
  ['2031-01-02T05:04:05+0200', instant],
  ['2031-01-02T05:04:05+02', instant],
  ['2031-01-01T19:34:05-07:30', instant],
  ['2031-01-02T03:04:05.1Z', instant + 100],
  ['2031-01-02T03:04:05,123Z', instant + 123],
  ['2031-01-02T03:04:05.123000000Z', instant + 123],
  ['2031-01-02T03:04:05.123000001Z', instant + 124],
  ['2031-01-02T03:04:05.999999999Z', instant + 1000],
  ['2031-01-02T03:04:05.000000001', instant + 1],
  ['1969-12-31T23:59:59Z', 0],
  ['0001-01-01T00:00:00Z', 0],
  ['9999-12-31T23:59:59.999Z', epochMsMax],
  ['9999-12-31T23:59:59.9991Z', null],
  ['9999-12-31T23:59:59-00:01', null],
  ['10000-01-01T00:00:00Z', null],
  ['2028-02-29T00:00:00Z', Date.UTC(2028, 1, 29)],
  ['2031-02-29T00:00:00Z', null],
  ['2031-13-01T00:00:00Z', null],
  ['2031-00-01T00:00:00Z', null],
  ['2031-01-00T00:00:00Z', null],
  ['2031-01-32T00:00:00Z', null],
  ['2031-01-02T24:00:00Z', null],
  ['2031-01-02T23:60:00Z', null],
  ['2031-01-02T23:59:60Z', null],
  ['2031-01-02T03:04:05.Z', null],
  ['2031-01-02T03:04:05.1234567890Z', null],
  ['2031-01-02T03:04:05+24:00', null],
  ['2031-01-02T03:04:05+00:60', null],
  ['2031-01-02T03:04Z', null],
  ['2031-01-02', null],
  ['2031-01-02 03:04:05Z', null],
  [' 2031-01-02T03:04:05Z', null],
  ['2031-01-02T03:04:05Z\n', null],
  ['+2031-01-02T03:04:05Z', null],
  ['20310102T030405Z', null],
  ['', null],
]
for (const [value, wanted] of isoCases) {
  test(`Date: ${JSON.stringify(value)}, ${wanted === null ? 'refused' : 'read'}`, () => {
    expect(parseIsoDate(value)).toBe(wanted)
    expect(parseBodyDate(value)).toBe(wanted)
    expect(parseHeaderDate(value)).toBe(wanted)
  })
}

test('Date: 12 to 14 digits, epoch milliseconds in a body only', () => {
  expect(parseBodyDate('1435728035000')).toBe(1_435_728_035_000)
  expect(parseBodyDate('143572803500')).toBe(143_572_803_500)
  expect(parseBodyDate('14357280350001')).toBe(14_357_280_350_001)
  expect(parseBodyDate('14357280350')).toBeNull()
  expect(parseBodyDate('143572803500012')).toBeNull()
  expect(parseHeaderDate('1435728035000')).toBeNull()
})

test('Date: an HTTP date, read in a header only, whatever its weekday', () => {
  expect(parseHeaderDate('Thu, 02 Jan 2031 03:04:05 GMT')).toBe(instant)
  expect(parseHeaderDate('MON, 02 JAN 2031 03:04:05 GMT')).toBe(instant)
  expect(parseBodyDate('Thu, 02 Jan 2031 03:04:05 GMT')).toBeNull()
})

for (const value of [
  'Thu, 02 Foo 2031 03:04:05 GMT',
  'Thu, 31 Feb 2031 03:04:05 GMT',
  'Thu, 2 Jan 2031 03:04:05 GMT',
  'Thu, 02 Jan 2031 03:04:05 UTC',
  'Thu, 02 Jan 2031 25:04:05 GMT',
  'Thursday, 02-Jan-31 03:04:05 GMT',
  '02 Jan 2031 03:04:05 GMT',
]) {
  test(`Date: ${JSON.stringify(value)}, no HTTP date`, () => {
    expect(parseHttpDate(value)).toBeNull()
  })
}

test('Date: x-amz-date, the basic form only', () => {
  expect(parseAmzDate('20310102T030405Z')).toBe(instant)
  expect(parseAmzDate('20310102T030405')).toBeNull()
  expect(parseAmzDate('20310230T030405Z')).toBeNull()
  expect(parseAmzDate('2031-01-02T03:04:05Z')).toBeNull()
})

test('Date: any instant printed as ISO, read back the same', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: epochMsMax }), (value) => {
      expect(parseIsoDate(formatIso(epochMs(value)))).toBe(value)
    }),
  )
})

test('Date: any instant printed for HTTP, read back to the second', () => {
  expect(formatHttpDate(epochMs(Date.UTC(1994, 10, 6, 8, 49, 37, 999)))).toBe('Sun, 06 Nov 1994 08:49:37 GMT')
  fc.assert(
    fc.property(fc.integer({ min: 0, max: epochMsMax }), (value) => {
      const printed = formatHttpDate(epochMs(value))
      expect(parseHttpDate(printed)).toBe(value - (value % 1000))
      expect(printed).toBe(new Date(value).toUTCString())
    }),
  )
})
