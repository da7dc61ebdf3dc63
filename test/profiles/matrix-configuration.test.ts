/** The vendors' matrix, the rows about a bucket's configuration: each in every profile, over HTTP. */
import { describe, expect, it } from 'vitest'
import { type ProfileName, profileNames } from '../../src/lib/profile.ts'
import { conformance } from '../support/conformance.ts'
import { type ConfigurationRow, configurationRows } from './matrix/configuration.ts'
import { createWorld, expectedOf, retention, statusAndCode, subresource, type World } from './matrix/world.ts'

const title = (profile: ProfileName, { row, title: words, answers }: ConfigurationRow): string => {
  const [status, code, after] = expectedOf(answers, profile)
  return `${row} ${profile}: ${words}, ${status}${code === null ? '' : ` ${code}`}, then ${after}`
}

function put({ bench }: World, bucket: string, { body, more, checksum }: ConfigurationRow) {
  const request = { method: 'PUT', path: `/${bucket}`, query: { 'object-lock': '' }, body, ...more }
  const headers = more?.headers ?? {}
  return checksum === 'none' ? bench.send({ ...request, headers }) : bench.document({ ...request, headers })
}

describe.each(profileNames)('configuration in profile %s', (profile) => {
  const world = createWorld(conformance({ defaultProfile: profile }), profile)

  for (const row of configurationRows) {
    it(title(profile, row), async () => {
      const [status, code, after] = expectedOf(row.answers, profile)
      const bucket = await world.bucket(row.bucket)
      const hadLock = row.bucket === 'rule' || row.bucket === 'locked'
      const before = hadLock ? await world.version(bucket, { mode: 'COMPLIANCE' }) : null
      const answer = await put(world, bucket, row)
      expect(statusAndCode(answer)).toEqual([status, code])
      expect(await world.storedRule(bucket)).toBe(after)
      if (before !== null) {
        expect(await world.lockOf(before)).toBe('COMPLIANCE 5')
        await world.proveLocked(before)
      }
      if (code === null && after !== 'none') await proveRule(world, bucket, after)
    })
  }

  const isYandex = profile === 'yandex'
  it(`D30 ${profile}: nothing but the freeze of yandex changes a bucket's Object Lock, and that unlocks nothing`, async () => {
    const bucket = await world.bucket('rule')
    const before = await world.version(bucket, {
      mode: 'COMPLIANCE',
      ...(profile === 'storj-preview' ? {} : { legalHold: 'ON' }),
    })
    await put(world, bucket, { ...(configurationRows[0] as ConfigurationRow) })
    const status = (await world.storedRule(bucket)).split(' ')[0]
    expect(status).toBe(isYandex ? 'Frozen' : 'Enabled')
    await world.proveLocked(before)
    if (!isYandex) return
    const shown = await world.send({ method: 'GET', path: `/${bucket}`, query: { 'object-lock': '' } })
    expect(statusAndCode(shown)).toEqual([404, 'ObjectLockConfigurationNotFoundError'])
    const later = await world.bench.document({
      ...subresource('PUT', before, 'retention'),
      body: retention('COMPLIANCE', world.inDays(9)),
    })
    expect(statusAndCode(later)).toEqual([403, 'AccessDenied'])
    const free = await world.version(bucket)
    expect(await world.lockOf(free)).toBe('none')
    expect(statusAndCode(await world.bench.hold(free, 'ON'))).toEqual([403, 'AccessDenied'])
    expect((await world.bench.hold(before, 'OFF')).status).toBe(200)
    expect(await world.lockOf(before)).toBe('COMPLIANCE 5')
    await world.proveLocked(before)
    const thawed = await world.bench.document({
      method: 'PUT',
      path: `/${bucket}`,
      query: { 'object-lock': '' },
      body: '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>',
    })
    expect([thawed.status, await world.storedRule(bucket)]).toEqual([200, 'Enabled'])
  })

  it(`D16 ${profile}: GetObjectLockConfiguration of a bucket without Object Lock`, async () => {
    const bucket = await world.bucket('enabled')
    const answer = await world.send({ method: 'GET', path: `/${bucket}`, query: { 'object-lock': '' } })
    if (profile === 'storj-preview') {
      expect([answer.status, answer.element('ObjectLockEnabled')]).toEqual([200, ''])
      return
    }
    expect(statusAndCode(answer)).toEqual(
      profile === 'obs' ? [400, 'InvalidRequest'] : [404, 'ObjectLockConfigurationNotFoundError'],
    )
  })

  it(`D17, D18 ${profile}: a rule as it is printed, in the profile's namespace`, async () => {
    const bucket = await world.bucket('rule')
    const { status, text } = await world.send({
      method: 'GET',
      path: `/${bucket}`,
      query: { 'object-lock': '' },
    })
    const namespace =
      profile === 'obs'
        ? 'http://obs.region.example.com/doc/2015-06-30/'
        : 'http://s3.amazonaws.com/doc/2006-03-01/'
    const period = profile === 'obs' ? '<Days>1</Days><Years>0</Years>' : '<Days>1</Days>'
    const rule = `<Rule><DefaultRetention><Mode>COMPLIANCE</Mode>${period}</DefaultRetention></Rule>`
    expect([status, text]).toEqual([
      200,
      '<?xml version="1.0" encoding="UTF-8"?>\n' +
        `<ObjectLockConfiguration xmlns="${namespace}"><ObjectLockEnabled>Enabled</ObjectLockEnabled>` +
        `${profile === 'storj-preview' ? '' : rule}</ObjectLockConfiguration>`,
    ])
  })

  it(`D22 ${profile}: a payer is told so, and a token is in no log`, async () => {
    const bucket = await world.bucket('locked')
    const token = 'token-that-nobody-may-read'
    const answer = await world.bench.document({
      method: 'PUT',
      path: `/${bucket}`,
      query: { 'object-lock': '' },
      body: '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>',
      headers: { 'x-amz-request-payer': 'requester', 'x-amz-bucket-object-lock-token': token },
    })
    const charged = answer.headers['x-amz-request-charged']
    expect([answer.status, charged]).toEqual(
      profile === 'storj-preview' ? [501, undefined] : [200, 'requester'],
    )
    expect(answer.text).not.toContain(token)
    expect(world.bench.server().logs()).not.toContain(token)
  })

  it(`D24 ${profile}: a bucket with Object Lock is deleted by no force`, async () => {
    const bucket = await world.bucket('locked')
    const before = await world.version(bucket, { mode: 'COMPLIANCE' })
    const forces = [
      { query: { force_delete: 'true' } },
      { query: { force: '' } },
      { headers: { 'x-minio-force-delete': 'true' } },
    ]
    for (const force of forces) {
      const answer = await world.send({ method: 'DELETE', path: `/${bucket}`, ...force })
      expect(statusAndCode(answer)).toEqual([405, 'MethodNotAllowed'])
    }
    await world.proveLocked(before)
  })

  it(`D28 ${profile}: a year is 365 days or the calendar's, whichever is longer`, async () => {
    const bucket = await world.bucket('locked')
    const body =
      '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>' +
      '<Mode>COMPLIANCE</Mode><Years>3</Years></DefaultRetention></Rule></ObjectLockConfiguration>'
    const ruled = await world.bench.document({
      method: 'PUT',
      path: `/${bucket}`,
      query: { 'object-lock': '' },
      body,
    })
    expect(ruled.status).toBe(profile === 'storj-preview' ? 501 : 200)
    if (profile === 'storj-preview') return
    const target = await world.version(bucket)
    const inThreeYears = new Date(world.bench.server().nowMs())
    inThreeYears.setUTCFullYear(inThreeYears.getUTCFullYear() + 3)
    const days = (inThreeYears.getTime() - world.bench.server().nowMs()) / 86_400_000
    expect(await world.lockOf(target)).toBe(`COMPLIANCE ${Math.round(Math.max(days, 3 * 365))}`)
    await world.proveLocked(target)
  })

  it(`D32 ${profile}: nothing is renamed`, async () => {
    const bucket = await world.bucket('locked')
    const before = await world.version(bucket, { mode: 'COMPLIANCE' })
    const moves = [
      { method: 'MOVE', path: `/${bucket}`, headers: { destination: '/other' } },
      { method: 'MOVE', path: `/${bucket}/key`, headers: { destination: 'other' } },
      { method: 'POST', path: `/${bucket}/key`, query: { rename: '', name: 'other' } },
      { method: 'PUT', path: `/${bucket}/other`, query: { renameObject: '' } },
    ]
    for (const move of moves) {
      const answer = await world.send(move)
      expect([move.method, ...statusAndCode(answer)]).toEqual([move.method, 501, 'NotImplemented'])
    }
    await world.proveLocked(before)
  })
})

/** What the stored rule promises is what a new version gets. */
async function proveRule(world: World, bucket: string, after: string): Promise<void> {
  const target = await world.version(bucket)
  const [status, mode, count, unit] = after.split(' ')
  const expected = status === 'Enabled' && mode !== undefined && unit === 'DAYS' ? `${mode} ${count}` : null
  const lock = await world.lockOf(target)
  if (expected !== null) expect(lock).toBe(expected)
  else if (unit === undefined || status === 'Frozen') expect(lock).toBe('none')
  else expect(lock).toContain(mode)
  await world.proveLocked(target)
}
