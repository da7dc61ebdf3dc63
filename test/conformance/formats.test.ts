/** Dates, periods and ids that every operation reads and writes the same way. */
import { describe, expect, it } from 'vitest'
import { conformance, dayMs, lockConfiguration, md5, refusal, refused } from '../support/conformance.ts'

const bench = conformance()
const mode = 'x-amz-object-lock-mode'
const date = 'x-amz-object-lock-retain-until-date'

async function version() {
  const bucket = await bench.bucket('locked')
  return { bucket, key: 'key', versionId: await bench.put(bucket, 'key') }
}
const untilOf = async (bucket: string, key = 'key') =>
  String((await bench.send({ method: 'HEAD', path: `/${bucket}/${key}` })).headers[date])
const putWith = (bucket: string, headers: Record<string, string>) =>
  bench.send({
    method: 'PUT',
    path: `/${bucket}/key`,
    body: 'x',
    headers: { 'content-md5': md5('x'), ...headers },
  })

describe('Dates', () => {
  it.each([
    ['2099-06-01T12:00:00Z', '2099-06-01T12:00:00.000Z'],
    ['2099-06-01T12:00:00', '2099-06-01T12:00:00.000Z'],
    ['2099-06-01T14:30:00+02:30', '2099-06-01T12:00:00.000Z'],
    ['2099-06-01T04:00:00-0800', '2099-06-01T12:00:00.000Z'],
    ['2099-06-01T12:00:00.1Z', '2099-06-01T12:00:00.100Z'],
    ['2099-06-01T12:00:00.123Z', '2099-06-01T12:00:00.123Z'],
    ['2099-06-01T12:00:00.123000001Z', '2099-06-01T12:00:00.124Z'],
  ])('[Format.7] Date: %s in a body is %s, in a header too', async (given, stored) => {
    const target = await version()
    expect((await bench.retain(target, 'GOVERNANCE', given)).status).toBe(200)
    expect(await untilOf(target.bucket)).toBe(stored)
    const bucket = await bench.bucket('locked')
    expect((await putWith(bucket, { [mode]: 'GOVERNANCE', [date]: given })).status).toBe(200)
    expect(await untilOf(bucket)).toBe(stored)
  })

  it('[Choice.4] Date: the year 2140 is stored by header and by body', async () => {
    const target = await version()
    expect((await bench.retain(target, 'COMPLIANCE', '2140-01-01T00:00:00Z')).status).toBe(200)
    expect(await untilOf(target.bucket)).toBe('2140-01-01T00:00:00.000Z')
    const put = await putWith(target.bucket, { [mode]: 'COMPLIANCE', [date]: '9999-12-31T23:59:59Z' })
    expect([put.status, await untilOf(target.bucket)]).toEqual([200, '9999-12-31T23:59:59.000Z'])
  })

  it.each(['10000-01-01T00:00:00Z', '+010000-01-01T00:00:00Z', '9999-12-31T23:59:59-12:00'])(
    '[Choice.4] [Choice.10] Date: %s is beyond the year 9999, E8 in a body and E12 in a header',
    async (given) => {
      const target = await version()
      const inBody = await bench.unchanged(target.bucket, () => bench.retain(target, 'GOVERNANCE', given))
      expect(refusal(inBody)).toEqual(refused.malformed)
      const inHeader = await bench.unchanged(target.bucket, () =>
        putWith(target.bucket, { [mode]: 'GOVERNANCE', [date]: given }),
      )
      expect([inHeader.status, inHeader.element('Message'), inHeader.element('ArgumentValue')]).toEqual([
        400,
        'The retain until date must be provided in ISO 8601 format',
        given,
      ])
    },
  )

  it('[Choice.10] Date: epoch milliseconds are one in a body and none in a header', async () => {
    const target = await version()
    expect((await bench.retain(target, 'GOVERNANCE', '4083868800123')).status).toBe(200)
    expect(await untilOf(target.bucket)).toBe('2099-05-31T00:00:00.123Z')
    const answer = await putWith(target.bucket, { [mode]: 'GOVERNANCE', [date]: '4083868800123' })
    expect([answer.status, answer.element('ArgumentName')]).toEqual([400, date])
  })

  it('[Choice.10] Date: an HTTP date is one in a header and none in a body', async () => {
    const target = await version()
    const given = 'Sun, 31 May 2099 00:00:00 GMT'
    expect(refusal(await bench.retain(target, 'GOVERNANCE', given))).toEqual(refused.malformed)
    expect((await putWith(target.bucket, { [mode]: 'GOVERNANCE', [date]: given })).status).toBe(200)
    expect(await untilOf(target.bucket)).toBe('2099-05-31T00:00:00.000Z')
  })
})

describe('Periods', () => {
  it('[Format.6] Years: 4 years are at least 1,460 days and at least the calendar, stored as an instant', async () => {
    const bucket = await bench.bucket('locked', { rule: '<Mode>GOVERNANCE</Mode><Years>4</Years>' })
    const before = new Date(bench.server().nowMs())
    await bench.put(bucket, 'key')
    const calendar = new Date(before)
    calendar.setUTCFullYear(before.getUTCFullYear() + 4)
    const earliestMs = Math.max(before.getTime() + 4 * 365 * dayMs, calendar.getTime())
    const stored = await untilOf(bucket)
    expect(Date.parse(stored)).toBeGreaterThanOrEqual(earliestMs)
    expect(Date.parse(stored)).toBeLessThanOrEqual(earliestMs + 2 * dayMs)
    const body = lockConfiguration('<Mode>GOVERNANCE</Mode><Days>1</Days>')
    await bench.document({ method: 'PUT', path: `/${bucket}`, query: { 'object-lock': '' }, body })
    expect(await untilOf(bucket)).toBe(stored)
  })
})

describe('Headers that must be signed', () => {
  it.each([
    ['x-amz-bypass-governance-retention', 'true', 'DELETE'],
    ['x-amz-object-lock-legal-hold', 'OFF', 'PUT'],
  ])(
    '[Choice.18] SignedHeaders: %s added behind the signature is 403 and nothing is done',
    async (name, value, method) => {
      const target = await version()
      await bench.retain(target, 'GOVERNANCE', bench.inDays(1))
      const remove = { method, path: `/${target.bucket}/key`, query: { versionId: target.versionId } }
      const put = { method, path: `/${target.bucket}/key`, body: 'x', headers: { 'content-md5': md5('x') } }
      for (const sign of ['header', 'presigned'] as const) {
        const answer = await bench.unchanged(target.bucket, () =>
          bench.send({
            ...(method === 'DELETE' ? remove : put),
            sign,
            mutate: (wire) => ({ ...wire, headers: { ...wire.headers, [name]: value } }),
          }),
        )
        expect([...refusal(answer), answer.element('HeadersNotSigned')]).toEqual([
          403,
          'AccessDenied',
          'There were headers present in the request which were not signed',
          name,
        ])
      }
    },
  )
})
