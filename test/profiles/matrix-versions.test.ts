/** The vendors' matrix, the rows about versions: each in every profile, over HTTP. */
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type ProfileName, profileNames } from '../../src/lib/profile.ts'
import { createChecksum, encodeDigest } from '../../src/s3/checksums.ts'
import { conformance, elements, listedVersions, md5 } from '../support/conformance.ts'
import type { SendOptions } from '../support/s3-client.ts'
import { type VersionRow, versionRows } from './matrix/versions.ts'
import {
  addressed,
  body,
  createWorld,
  expectedOf,
  lockHeaders,
  retention,
  statusAndCode,
  subresource,
  type World,
} from './matrix/world.ts'
import { type WriteRow, writeRows } from './matrix/writes.ts'

const title = (profile: ProfileName, { row, title: words, answers }: VersionRow | WriteRow): string => {
  const [status, code, after] = expectedOf(answers, profile)
  return `${row} ${profile}: ${words}, ${status}${code === null ? '' : ` ${code}`}, then ${after}`
}

async function write(world: World, bucket: string, { headers, checksum }: WriteRow): Promise<SendOptions> {
  const crc = await createChecksum('CRC32')
  crc.update(Buffer.from(body))
  const sent = Object.entries(headers(world)).map(([name, value]) => [
    name,
    value === 'CRC32' ? encodeDigest(crc.digest()) : value,
  ])
  const declared = checksum === 'none' ? {} : { 'content-md5': md5(body) }
  return {
    method: 'PUT',
    path: `/${bucket}/key`,
    body,
    headers: { ...declared, ...Object.fromEntries(sent) },
  }
}

async function versionsOf(world: World, bucket: string): Promise<number> {
  return listedVersions(await world.send({ method: 'GET', path: `/${bucket}`, query: { versions: '' } }))
    .length
}

describe.each(profileNames)('versions in profile %s', (profile) => {
  const world = createWorld(conformance({ defaultProfile: profile }), profile)

  for (const row of versionRows) {
    it(title(profile, row), async () => {
      const [status, code, after] = expectedOf(row.answers, profile)
      const bucket = await world.bucket(row.bucket ?? 'locked')
      const metadata = row.row === 'D23' ? { 'x-amz-meta-object-expires': '+2h' } : {}
      const versionId = await world.bench.put(bucket, 'key', {
        body,
        headers: { ...lockHeaders(row.lock, world.inDays), ...metadata },
      })
      const target = { bucket, key: 'key', versionId }
      const answer = await world.send(row.request(world, target))
      expect(statusAndCode(answer)).toEqual([status, code])
      expect(await world.lockOf(target)).toBe(after)
      await world.proveLocked(target)
    })
  }

  for (const row of writeRows) {
    it(title(profile, row), async () => {
      const [status, code, after] = expectedOf(row.answers, profile)
      const bucket = await world.bucket(row.bucket)
      const answer = await world.send(await write(world, bucket, row))
      expect(statusAndCode(answer)).toEqual([status, code])
      if (after === 'nothing') {
        expect(await versionsOf(world, bucket)).toBe(0)
        return
      }
      const target = { bucket, key: 'key', versionId: String(answer.headers['x-amz-version-id']) }
      expect(await world.lockOf(target)).toBe(after)
      await world.proveLocked(target)
    })
  }

  it(`D14 ${profile}: the date in force, written again`, async () => {
    const target = await world.version(await world.bucket('locked'), { mode: 'COMPLIANCE' })
    const head = await world.send(addressed('HEAD', target))
    const date = String(head.headers['x-amz-object-lock-retain-until-date'])
    const answer = await world.bench.document({
      ...subresource('PUT', target, 'retention'),
      body: retention('COMPLIANCE', date),
    })
    expect(statusAndCode(answer)).toEqual(profile === 'obs' ? [400, 'InvalidRequest'] : [200, null])
    await world.proveLocked(target)
  })

  it(`D15 ${profile}: a lock refuses each key of DeleteObjects by itself`, async () => {
    const bucket = await world.bucket('locked')
    const target = await world.version(bucket, { mode: 'COMPLIANCE' })
    const free = await world.bench.put(bucket, 'free', { body })
    const entry = (key: string, versionId: string) =>
      `<Object><Key>${key}</Key><VersionId>${versionId}</VersionId></Object>`
    const answer = await world.bench.document({
      method: 'POST',
      path: `/${bucket}`,
      query: { delete: '' },
      body: `<Delete>${entry('key', target.versionId ?? '')}${entry('free', free)}</Delete>`,
    })
    expect([answer.status, elements(answer, 'Code')]).toEqual([200, ['AccessDenied']])
    const message = {
      minio: 'Object is WORM protected and cannot be overwritten',
      storj: 'Access Denied because object protected by object lock',
      'storj-preview': 'Access Denied because object protected by object lock',
      obs: 'Access Denied. The object is immutable and cannot be deleted.',
    } as Partial<Record<ProfileName, string>>
    const expected = message[profile] ?? 'Access Denied because object protected by object lock.'
    expect(elements(answer, 'Message')).toEqual([expected])
    const single = await world.send(addressed('DELETE', target))
    expect(single.element('Message')).toBe(expected)
    await world.proveLocked(target)
  })

  it(`D19 ${profile}: a header of OBS that is not signed changes nothing`, async () => {
    const bucket = await world.bucket('locked')
    const answer = await world.send({
      method: 'PUT',
      path: `/${bucket}/key`,
      body,
      headers: { 'content-md5': md5(body) },
      mutate: (wire) => ({ ...wire, headers: { ...wire.headers, 'x-obs-object-lock-mode': 'COMPLIANCE' } }),
    })
    expect([...statusAndCode(answer), await versionsOf(world, bucket)]).toEqual([403, 'AccessDenied', 0])
  })

  it(`D19 ${profile}: who sends x-obs-* is answered in it, and everybody in obs`, async () => {
    const target = await world.version(await world.bucket('locked'), { mode: 'COMPLIANCE' })
    const plain = (await world.send(addressed('HEAD', target))).headers
    const asked = (await world.send({ ...addressed('HEAD', target), headers: { 'x-obs-meta-a': 'b' } }))
      .headers
    expect(asked['x-obs-object-lock-mode']).toBe('COMPLIANCE')
    expect(asked['x-obs-request-id']).toBe(asked['x-amz-request-id'])
    expect(asked['x-obs-id-2']).toBe(asked['x-amz-id-2'])
    const isObs = profile === 'obs'
    expect(plain['x-obs-object-lock-mode']).toBe(isObs ? 'COMPLIANCE' : undefined)
    expect(plain['x-amz-object-lock-mode']).toBe('COMPLIANCE')
    expect([plain['server'], asked['server']]).toEqual(isObs ? ['OBS', 'OBS'] : ['Holdfast', 'Holdfast'])
  })

  it(`D25 ${profile}: the bypass header on a bucket without Object Lock is ignored`, async () => {
    const target = await world.version(await world.bucket('enabled'))
    const answer = await world.send({
      ...addressed('DELETE', target),
      headers: { 'x-amz-bypass-governance-retention': 'true' },
    })
    expect(answer.status).toBe(204)
  })

  it(`D26 ${profile}: GOVERNANCE is prolonged`, async () => {
    const hasGovernance = profile !== 'obs' && profile !== 'storj-preview'
    const bucket = await world.bucket('locked')
    const target = await world.version(bucket, hasGovernance ? { mode: 'GOVERNANCE' } : {})
    const prolong = (headers: Record<string, string>) => {
      const text = retention('GOVERNANCE', world.inDays(6))
      const request = subresource('PUT', target, 'retention')
      return world.send({ ...request, body: text, headers: { 'content-md5': md5(text), ...headers } })
    }
    const plain = await prolong({})
    if (!hasGovernance) {
      expect(plain.status).toBe(profile === 'obs' ? 400 : 501)
      expect(await world.lockOf(target)).toBe('none')
      return
    }
    const isYandex = profile === 'yandex'
    expect(statusAndCode(plain)).toEqual(isYandex ? [403, 'AccessDenied'] : [200, null])
    expect(await world.lockOf(target)).toBe(isYandex ? 'GOVERNANCE 5' : 'GOVERNANCE 6')
    expect((await prolong({ 'x-amz-bypass-governance-retention': 'true' })).status).toBe(200)
    expect(await world.lockOf(target)).toBe('GOVERNANCE 6')
    await world.proveLocked(target)
  })

  it(`D31 ${profile}: the bytes of a locked version are one thing and its copy another`, async () => {
    const bucket = await world.bucket('locked')
    const target = await world.version(bucket, { mode: 'COMPLIANCE' })
    await world.bench.put(bucket, 'key', { body: 'other bytes' })
    const read = await world.send(addressed('GET', target))
    expect(createHash('sha256').update(read.body).digest('hex')).toBe(
      createHash('sha256').update(body).digest('hex'),
    )
    await world.proveLocked(target)
  })
})
