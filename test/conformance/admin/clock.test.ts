import { describe, expect, test } from 'vitest'
import { type AdminSend, sendAdmin } from '../../support/admin.ts'
import { conformance, dayMs } from '../../support/conformance.ts'

const bench = conformance()
const send = (request: AdminSend) =>
  sendAdmin(bench.server(), { ...request, key: bench.server().credentials })
const clock = async () =>
  (await send({ method: 'GET', path: '/v1/server' })).document['clock'] as Record<string, unknown>
const accept = (until: string, reason = 'off for ten days, NTP checked by two people') =>
  send({ method: 'POST', path: '/v1/clock/accept', document: { until, reason } })
const fromNow = (ms: number) => new Date(bench.server().nowMs() + ms).toISOString()

describe('trusted time', () => {
  test('a jump of the wall clock while running: unlocks nothing, and is no reason for suspicion', async () => {
    const bucket = await bench.bucket('locked', { rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
    const versionId = await bench.put(bucket, 'key')
    bench.server().setClock({ wallShiftMs: 3650 * dayMs })
    const answer = await bench.unchanged(bucket, () =>
      bench.send({ method: 'DELETE', path: `/${bucket}/key`, query: { versionId } }),
    )
    expect([answer.status, answer.code]).toEqual([403, 'AccessDenied'])
    bench.server().setClock({ wallShiftMs: 0 })
  })

  test('time that passes: the lock ends when trusted time is past the date', async () => {
    const bucket = await bench.bucket('locked', { rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
    const versionId = await bench.put(bucket, 'key')
    const remove = () => bench.send({ method: 'DELETE', path: `/${bucket}/key`, query: { versionId } })
    bench.server().advance(dayMs - 60_000)
    expect((await remove()).status).toBe(403)
    bench.server().advance(61_000)
    expect((await remove()).status).toBe(204)
  })

  test('a jump over a reboot: suspect, unlocks nothing, accepted by root up to the wall clock only', async () => {
    const bucket = await bench.bucket('locked', { rule: '<Mode>COMPLIANCE</Mode><Days>3</Days>' })
    const versionId = await bench.put(bucket, 'key')
    const remove = () => bench.send({ method: 'DELETE', path: `/${bucket}/key`, query: { versionId } })
    expect((await accept(fromNow(0))).document['code']).toBe('ClockNotSuspect')

    bench.server().setClock({ wallShiftMs: 11 * dayMs, bootId: 'another-boot' })
    await bench.server().restart()
    const suspect = await clock()
    expect(suspect['suspect']).toBe(true)
    // One day was drawn from the budget at the start; the rest waits.
    expect(Number(suspect['behindMs'])).toBeGreaterThan(8 * dayMs)
    expect((await remove()).status).toBe(403)

    expect((await accept(fromNow(dayMs))).document['code']).toBe('BeyondWallClock')
    expect((await accept(fromNow(-365 * dayMs))).document['code']).toBe('BehindTrustedTime')
    expect((await accept('tomorrow')).document['code']).toBe('InvalidDocument')
    expect((await accept(fromNow(0), '')).document['code']).toBe('InvalidDocument')
    expect((await remove()).status).toBe(403)

    expect((await accept(fromNow(-1000))).status).toBe(200)
    expect((await clock())['suspect']).toBe(false)
    expect((await remove()).status).toBe(204)
  })
})
