/**
 * Ways in which other object stores lost locked data, tried over HTTP (docs/SECURITY.md). Those that belong to one
 * operation are in that operation's file.
 */
import { describe, expect, it } from 'vitest'
import {
  accessKey,
  conformance,
  elements,
  lockConfiguration,
  refusal,
  refused,
} from '../../support/conformance.ts'
import { type Answer, createS3Client } from '../../support/s3-client.ts'
import { operatorCredentials, rootCredentials } from '../../support/server.ts'

const owner = accessKey('owner', null)
const tenant = accessKey('tenant', null, '222222222222')
const neighbour = {
  ...accessKey('neighbour', []),
  statements: [{ effect: 'Allow', actions: ['s3:*'], buckets: ['neighbour'] }],
}
const bench = conformance({ accessKeys: [owner, tenant, neighbour] })
const frozen = conformance({ accessKeys: [owner], defaultProfile: 'yandex' })
const bypass = { 'x-amz-bypass-governance-retention': 'true' }
/** A connection of its own, so that any worker may get the request. */
const fresh = { connection: 'close' }

/** The version's bytes and what GET shows of its lock. */
async function seen(path: string, versionId: string): Promise<readonly unknown[]> {
  const { status, text, headers } = await bench.send({ method: 'GET', path, query: { versionId } })
  const locks = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-object-lock-'))
  return [status, text, locks.sort()]
}

describe('What was promised is kept', () => {
  const mode = 'x-amz-object-lock-mode'
  const date = 'x-amz-object-lock-retain-until-date'

  it('B-03 B-26 Catalogue: every lock that was answered with 200 is enforced by the first request after a restart (I22)', async () => {
    const locked = await bench.bucket('locked')
    const ruled = await bench.bucket('locked', { rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
    const until = { [mode]: 'COMPLIANCE', [date]: bench.inDays(1) }
    const target = { bucket: locked, key: 'by-document' }
    const versions: readonly (readonly [string, string])[] = [
      [`/${locked}/by-header`, await bench.put(locked, 'by-header', { headers: until })],
      [`/${locked}/by-document`, await bench.put(locked, 'by-document')],
      [
        `/${locked}/held`,
        await bench.put(locked, 'held', { headers: { 'x-amz-object-lock-legal-hold': 'ON' } }),
      ],
      [`/${ruled}/by-rule`, await bench.put(ruled, 'by-rule')],
    ]
    expect((await bench.retain(target, 'COMPLIANCE', bench.inDays(1))).status).toBe(200)
    const before = await Promise.all(versions.map(([path, versionId]) => seen(path, versionId)))
    await bench.server().restart()
    const removals = versions.flatMap(([path, versionId]) =>
      [1, 2].map(() =>
        bench.send({ method: 'DELETE', path, query: { versionId }, headers: { ...bypass, ...fresh } }),
      ),
    )
    for (const answer of await Promise.all(removals)) expect(refusal(answer)).toEqual(refused.locked)
    expect(await Promise.all(versions.map(([path, versionId]) => seen(path, versionId)))).toEqual(before)
  })

  it('B-25 Catalogue: an account whose keys are all taken away, its buckets and locks stay', async () => {
    const bucket = await bench.bucket('locked', { key: tenant })
    const headers = { 'x-amz-object-lock-legal-hold': 'ON' }
    const versionId = await bench.put(bucket, 'kept', { key: tenant, headers })
    bench.server().writeAccessKeys(JSON.stringify([owner, neighbour]))
    const path = `/${bucket}/kept`
    expect((await bench.send({ method: 'GET', path, key: tenant })).code).toBe('InvalidAccessKeyId')
    const removed = await bench.send({ method: 'DELETE', path, query: { versionId }, headers: bypass })
    expect(refusal(removed)).toEqual(refused.locked)
    expect((await bench.send({ method: 'DELETE', path: `/${bucket}` })).code).toBe('BucketNotEmpty')
    expect(await seen(path, versionId)).toEqual([200, 'bytes', [['x-amz-object-lock-legal-hold', 'ON']]])
    bench.server().writeAccessKeys(JSON.stringify([owner, tenant, neighbour]))
    expect((await bench.send({ method: 'GET', path, key: tenant })).text).toBe('bytes')
  })

  it('B-41 Catalogue: COMPLIANCE dates that race, the latest that was acknowledged stays', async () => {
    const bucket = await bench.bucket('locked')
    for (let round = 0; round < 8; round += 1) {
      const target = { bucket, key: `raced-${round}`, versionId: await bench.put(bucket, `raced-${round}`) }
      const dates = [3, 9, 1, 7, 5, 8, 2, 6].map((days) => bench.inDays(days))
      const answers = await Promise.all(
        dates.map((until) => bench.retain(target, 'COMPLIANCE', until, { headers: { ...bypass, ...fresh } })),
      )
      const query = { retention: '', versionId: target.versionId }
      const read = await bench.send({ method: 'GET', path: `/${bucket}/${target.key}`, query })
      const acknowledged = dates.filter((_date, index) => answers[index]?.status === 200)
      expect(read.element('RetainUntilDate')).toBe(acknowledged.toSorted().at(-1))
      for (const answer of answers.filter(({ status }) => status !== 200))
        expect(refusal(answer)).toEqual(refused.locked)
      // The latest of all extends whatever was there, so it is among those that were acknowledged.
      expect(acknowledged).toContain(dates[1])
    }
  })
})

describe('What is stored is what was meant', () => {
  it('B-48 Catalogue: a rule in Days, in Years and in Days again, only the unit that was set last is there', async () => {
    const bucket = await bench.bucket('locked')
    const configure = (period: string): Promise<Answer> =>
      bench.document({
        method: 'PUT',
        path: `/${bucket}`,
        query: { 'object-lock': '' },
        body: lockConfiguration(`<Mode>GOVERNANCE</Mode>${period}`),
      })
    const stored = async (): Promise<readonly unknown[]> => {
      const read = await bench.send({ method: 'GET', path: `/${bucket}`, query: { 'object-lock': '' } })
      return [elements(read, 'Days'), elements(read, 'Years')]
    }
    for (const [period, expected] of [
      ['<Days>3</Days>', [['3'], []]],
      ['<Years>2</Years>', [[], ['2']]],
      ['<Days>4</Days>', [['4'], []]],
    ] as const) {
      expect((await configure(period)).status).toBe(200)
      expect(await stored()).toEqual(expected)
    }
    for (const period of ['<Days>0</Days>', '<Years>0</Years>', '<Days>4</Days><Years>1</Years>', '']) {
      expect((await bench.unchanged(bucket, () => configure(period))).status).toBe(400)
    }
    expect(await stored()).toEqual([['4'], []])
  })

  it('B-49 Catalogue: a retention that was removed is none, not one of a year long ago', async () => {
    const bucket = await bench.bucket('locked')
    const versionId = await bench.put(bucket, 'key')
    const path = `/${bucket}/key`
    const query = { retention: '', versionId }
    expect((await bench.retain({ bucket, key: 'key' }, 'GOVERNANCE', bench.inDays(2))).status).toBe(200)
    const emptied = await bench.document({
      method: 'PUT',
      path,
      query,
      body: '<Retention/>',
      headers: bypass,
    })
    expect(emptied.status).toBe(200)
    expect(refusal(await bench.send({ method: 'GET', path, query }))).toEqual(refused.noObjectLock)
    expect(await seen(path, versionId)).toEqual([200, 'bytes', []])
    expect((await bench.send({ method: 'DELETE', path, query: { versionId } })).status).toBe(204)
  })
})

describe('Other ways to a locked version', () => {
  it('B-47 Catalogue: a locked object is renamed by no request', async () => {
    const bucket = await bench.bucket('locked')
    await bench.put(bucket, 'here', { headers: { 'x-amz-object-lock-legal-hold': 'ON' } })
    const source = { 'x-amz-rename-source': `/${bucket}/here`, 'x-obs-rename-source': `/${bucket}/here` }
    for (const [method, query] of [
      ['PUT', { renameObject: '' }],
      ['POST', { rename: '', name: 'there' }],
    ] as const) {
      const request = { method, path: `/${bucket}/there`, query, headers: source }
      const answer = await bench.unchanged(bucket, () => bench.send(request))
      expect([answer.status, answer.code]).toEqual([501, 'NotImplemented'])
    }
  })

  it('B-63 Catalogue: a key that climbs out of its bucket reaches no other one', async () => {
    for (const name of ['neighbour', 'victim']) {
      const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
      expect((await bench.send({ method: 'PUT', path: `/${name}`, headers, key: owner })).status).toBe(200)
    }
    await bench.put('victim', 'key', { key: owner })
    const climbing = [
      '../victim/key',
      '..%2fvictim/key',
      '%2e%2e/victim/key',
      './../victim/key',
      '/../victim/key',
    ]
    for (const key of climbing) {
      await bench.unchanged('victim', async () => {
        const extract = {
          'x-amz-meta-snowball-auto-extract': 'true',
          'x-amz-meta-minio-snowball-prefix': '../victim',
        }
        const written = await bench.put('neighbour', key, { key: neighbour, body: key, headers: extract })
        const read = await bench.send({ method: 'GET', path: `/neighbour/${key}`, key: neighbour })
        expect([read.text, read.headers['x-amz-version-id']]).toEqual([key, written])
        for (const versionId of ['', written]) {
          const query: Record<string, string> = versionId === '' ? {} : { versionId }
          const request = { method: 'DELETE', path: `/neighbour/${key}`, query, key: neighbour }
          expect((await bench.send(request)).status).toBe(204)
        }
      })
    }
  })

  it('B-56 Catalogue: what is answered without a signature says nothing secret', async () => {
    const server = bench.server()
    const secrets = [rootCredentials, operatorCredentials, owner].flatMap((each) => [
      each.secretAccessKey,
      Buffer.from(each.secretAccessKey).toString('base64'),
    ])
    const paths = [
      '/',
      '/bucket-1',
      '/metrics',
      '/healthz',
      '/readyz',
      '/v1/server',
      '/v1/leadership',
      '/debug',
    ]
    const bootstrap = ['/minio/bootstrap/v1/verify', '/minio/admin/v3/info', '/minio/health/cluster', '/.env']
    for (const endpoint of [server.endpoint, server.adminEndpoint, server.metricsEndpoint]) {
      const client = createS3Client({ endpoint, credentials: rootCredentials })
      for (const path of [...paths, ...bootstrap]) {
        for (const method of ['GET', 'POST', 'OPTIONS']) {
          const answer = await client.send({ method, path, sign: 'none' })
          const said = `${JSON.stringify(answer.headers)} ${answer.text}`
          expect(secrets.filter((secret) => said.includes(secret))).toEqual([])
          expect(said).not.toMatch(/HOLDFAST_|SECRET_ACCESS_KEY|secretAccessKey/)
          if (endpoint !== server.metricsEndpoint && method !== 'OPTIONS')
            expect(answer.status).toBeGreaterThan(399)
        }
      }
      client.close()
    }
  })
})

describe('A bucket that is closed to writes of locks', () => {
  it('B-64 Catalogue: frozen comes before every permission, of the owner, of root and of a policy', async () => {
    const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
    const path = '/frozen'
    expect((await frozen.send({ method: 'PUT', path, headers, key: owner })).status).toBe(200)
    const versionId = await frozen.put('frozen', 'key', { key: owner })
    const allowAll = {
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { AWS: '111111111111' },
          Action: 's3:*',
          Resource: 'arn:aws:s3:::frozen/*',
        },
      ],
    }
    const policy = { method: 'PUT', path, query: { policy: '' }, body: JSON.stringify(allowAll), key: owner }
    expect((await frozen.document(policy)).status).toBe(204)
    const empty = { method: 'PUT', path, query: { 'object-lock': '' }, body: '<ObjectLockConfiguration/>' }
    expect((await frozen.document({ ...empty, key: owner })).status).toBe(200)
    const target = { bucket: 'frozen', key: 'key', versionId }
    for (const key of [owner, rootCredentials]) {
      const attempts = [
        () => frozen.retain(target, 'GOVERNANCE', frozen.inDays(1), { key, headers: bypass }),
        () => frozen.hold(target, 'ON', { key }),
      ]
      for (const attempt of attempts) {
        const answer = await frozen.unchanged('frozen', attempt)
        expect([answer.status, answer.code]).toEqual([403, 'AccessDenied'])
      }
    }
  })
})
