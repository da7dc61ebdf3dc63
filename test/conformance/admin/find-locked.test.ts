import { describe, expect, test } from 'vitest'
import { connectLockServer } from '../../../src/client/connect.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import { type AdminSend, sendAdmin } from '../../support/admin.ts'
import { conformance } from '../../support/conformance.ts'

const user = { accessKeyId: 'USEREXAMPLE', secretAccessKey: 'user-secret-for-tests-only' }
const bench = conformance({ accessKeys: [{ ...user, accountId: '123456789012', displayName: 'user' }] })
const request: AdminSend = { method: 'GET', path: '/v1/locked' }
const find = async (more: Partial<AdminSend> = {}) => sendAdmin(bench.server(), { ...request, ...more })
const none = { status: 200, document: { bucket: null } }
const bypass = { 'x-amz-bypass-governance-retention': 'true' }

describe('FindLocked', () => {
  test('FindLocked: nothing is locked, neither by a rule that locked nothing yet nor in the bucket of the system', async () => {
    const server = bench.server()
    const { adminEndpoint, endpoint: s3Endpoint, region, operator } = server
    const addresses = { adminEndpoint, s3Endpoint, region, timeoutMs: 30_000 }
    const lockServer = connectLockServer({
      ...{ ...addresses, ...operator, trust: { kind: 'system' }, clock: systemClock() },
    })
    const now = server.nowMs()
    expect(await lockServer.tryCanary({ trustedMs: now, wallMs: now })).toEqual({ kind: 'refused' })
    await bench.bucket('locked', { rule: '<Mode>GOVERNANCE</Mode><Days>3</Days>' })
    await bench.put(await bench.bucket('locked'), 'free')
    expect(await find()).toEqual(none)
    expect(await lockServer.findLocked()).toBeNull()
    await lockServer.close()
  })

  test('FindLocked: a retention or a hold, in whichever bucket, until it is gone', async () => {
    const bucket = await bench.bucket('locked', { rule: '<Mode>GOVERNANCE</Mode><Days>3</Days>' })
    const versionId = await bench.put(bucket, 'a')
    expect(await find()).toEqual({ status: 200, document: { bucket } })
    const path = `/${bucket}/a`
    const deleted = await bench.send({ method: 'DELETE', path, query: { versionId }, headers: bypass })
    expect(deleted.status).toBe(204)
    expect(await find()).toEqual(none)
    const other = await bench.bucket('locked')
    const target = { bucket: other, key: 'b', versionId: await bench.put(other, 'b') }
    expect((await bench.hold(target, 'ON')).status).toBe(200)
    expect(await find()).toEqual({ status: 200, document: { bucket: other } })
    expect((await bench.hold(target, 'OFF')).status).toBe(200)
    expect(await find()).toEqual(none)
  })

  test('FindLocked: root may ask, a user of S3 may not', async () => {
    expect(await find({ key: bench.server().credentials })).toEqual(none)
    expect(await find({ key: user })).toMatchObject({ status: 403, document: { code: 'AccessDenied' } })
  })
})
