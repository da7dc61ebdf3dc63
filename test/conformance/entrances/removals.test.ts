/**
 * I4: every path that could remove or replace a version, against every state of its lock, by every kind of principal: the same
 * verdict everywhere, and bytes and lock compared after each.
 */
import { beforeAll, describe, expect, it } from 'vitest'
import { sendAdmin } from '../../support/admin.ts'
import { accessKey, conformance, dayMs, elements, md5, refusal, refused } from '../../support/conformance.ts'
import type { Answer } from '../../support/s3-client.ts'
import { rootCredentials } from '../../support/server.ts'
import { entranceNamed, type Headers, sha256 } from './entrances.ts'
import { LockedStock, states, type Version } from './locked-stock.ts'

const owner = accessKey('owner', null)
const removal = ['s3:DeleteObject', 's3:DeleteObjectVersion']
const bypasser = accessKey('bypasser', [...removal, 's3:BypassGovernanceRetention'])
const deleter = accessKey('deleter', removal)
const bench = conformance({ accessKeys: [owner, bypasser, deleter], lifecycleIntervalMs: 250 })
const stock = new LockedStock(bench, owner)

const bypass: Headers = { 'x-amz-bypass-governance-retention': 'true' }
const principals = [
  { name: 'root', key: rootCredentials, headers: {}, bypasses: false },
  { name: 'root with the bypass header', key: rootCredentials, headers: bypass, bypasses: true },
  { name: 'the owner', key: owner, headers: {}, bypasses: false },
  { name: 'the owner with the bypass header', key: owner, headers: bypass, bypasses: true },
  { name: 'a bypass holder without the header', key: bypasser, headers: {}, bypasses: false },
  { name: 'a bypass holder with the header', key: bypasser, headers: bypass, bypasses: true },
  { name: 'a deleter with the bypass header', key: deleter, headers: bypass, bypasses: false },
] as const
type Principal = (typeof principals)[number]

let bucket = ''
beforeAll(async () => {
  const tries = principals.length * removals.length
  bucket = await stock.fill({
    'expired GOVERNANCE': tries + 2,
    'expired COMPLIANCE': tries + 2 + cells.length,
    'hold over expired COMPLIANCE': 3,
    unknown: 3,
  })
})

function item({ key, versionId }: Version): string {
  return `<Object><Key>${key}</Key><VersionId>${versionId}</VersionId></Object>`
}

function removeMany(versions: readonly Version[], principal: Principal): Promise<Answer> {
  const body = `<Delete>${versions.map(item).join('')}</Delete>`
  return bench.document({
    method: 'POST',
    path: `/${bucket}`,
    query: { delete: '' },
    body,
    headers: { 'content-md5': md5(body), ...principal.headers },
    key: principal.key,
  })
}

type Removal = {
  readonly name: string
  /** 'removed', or the code and message of the refusal. */
  readonly attempt: (version: Version, principal: Principal) => Promise<'removed' | readonly unknown[]>
}

function resultOf(answer: Answer, version: Version): 'removed' | readonly unknown[] {
  const results = [...answer.text.matchAll(/<(Deleted|Error)>(.*?)<\/\1>/gs)]
  const own = results.filter(([, , inner = '']) => inner.includes(`<VersionId>${version.versionId}<`))
  const kinds = new Set(own.map(([whole]) => whole))
  expect(kinds.size, answer.text).toBe(1)
  const [[whole = '', kind] = []] = own
  if (kind === 'Deleted') return 'removed'
  return [403, /<Code>(.*?)</.exec(whole)?.[1], /<Message>(.*?)</.exec(whole)?.[1]]
}

const removals: readonly Removal[] = [
  {
    name: 'DELETE of the version',
    attempt: async (version, { key, headers }) => {
      const query = { versionId: version.versionId }
      const answer = await bench.send({ method: 'DELETE', path: stock.path(version), query, headers, key })
      return answer.status === 204 ? 'removed' : refusal(answer)
    },
  },
  {
    name: 'DeleteObjects of the version',
    attempt: async (version, principal) => resultOf(await removeMany([version], principal), version),
  },
  {
    name: 'DeleteObjects of the version, twice, between others that may go (B-08)',
    attempt: async (version, principal) => {
      const neighbours = [
        await stock.write({}),
        await stock.fresh('expired COMPLIANCE'),
        await stock.write({}),
      ]
      const [first, second, third] = neighbours
      if (first === undefined || second === undefined || third === undefined) throw new Error('three')
      const answer = await removeMany([first, version, second, version, third], principal)
      for (const neighbour of neighbours) expect(resultOf(answer, neighbour)).toBe('removed')
      return resultOf(answer, version)
    },
  },
]

const cells = states.flatMap((state) =>
  principals.map((principal) => [state.name, principal.name, state, principal] as const),
)

describe('I4: removal of a version', () => {
  it.each(cells)(
    'B-04 B-05 I4: a version that is %s, by %s: one verdict on every path',
    async (_a, _b, state, principal) => {
      for (const { name, attempt } of removals) {
        const version = await stock.versionFor(state, principal.bypasses)
        const before = await stock.seen(version)
        expect(before).toEqual([200, sha256(version.body), expect.anything()])
        const result = await attempt(version, principal)
        if (state.removable(principal.bypasses)) {
          expect([name, result]).toEqual([name, 'removed'])
          expect(await stock.seen(version)).toEqual([404, 'NoSuchVersion', []])
        } else {
          expect([name, result]).toEqual([name, refused.locked])
          expect(await stock.seen(version)).toEqual(before)
        }
      }
    },
  )
})

const forces: readonly (readonly [string, Headers, Headers])[] = [
  ['x-minio-force-delete', { 'x-minio-force-delete': 'true' }, {}],
  ['x-amz-force-delete', { 'x-amz-force-delete': 'true' }, {}],
  ['?force_delete', {}, { force_delete: 'true' }],
  ['?force', {}, { force: 'true' }],
  ['?purge', {}, { purge: '' }],
  [
    'replication headers',
    { 'x-minio-source-deletemarker': 'true', 'x-amz-replication-status': 'REPLICA' },
    {},
  ],
]

describe('I4: force (B-22, B-23, B-52)', () => {
  it.each(forces)('I4: with %s nothing goes that could not go without', async (_name, headers, query) => {
    const all = { ...headers, ...bypass }
    for (const state of states.filter(({ removable }) => !removable(true))) {
      const version = await stock.versionFor(state, true)
      const before = await stock.seen(version)
      for (const key of [rootCredentials, owner]) {
        const removed = await bench.send({
          method: 'DELETE',
          path: stock.path(version),
          query: { ...query, versionId: version.versionId },
          headers: all,
          key,
        })
        expect(removed.status).toBeGreaterThanOrEqual(400)
        const whole = await bench.send({ method: 'DELETE', path: `/${bucket}`, query, headers: all, key })
        expect([405, 409]).toContain(whole.status)
        expect(await stock.seen(version)).toEqual(before)
      }
    }
  })
})

describe('I4: what is written on top', () => {
  const onTop = [
    'PutObject',
    'PostObject',
    'CopyObject',
    'CopyObject onto itself',
    'CompleteMultipartUpload',
    'CompleteMultipartUpload of a copied part',
  ]

  it.each(states.map((state) => [state.name, state] as const))(
    'I4: over a version that is %s, every entrance and marker leaves it as it was (B-13, B-15)',
    async (_name, state) => {
      const version = await stock.fresh(state.name)
      const before = await stock.seen(version)
      for (const name of onTop) {
        const answer = await entranceNamed(name).write(bench, {
          bucket,
          key: version.key,
          body: Buffer.from(`written by ${name}`),
          headers: {},
          signer: owner,
          checksum: 'sent',
        })
        expect([name, answer.status < 300, answer.code]).toEqual([name, true, null])
        expect(await stock.seen(version)).toEqual(before)
      }
      const marked = await bench.send({
        method: 'DELETE',
        path: stock.path(version),
        headers: bypass,
        key: owner,
      })
      expect([marked.status, marked.headers['x-amz-delete-marker']]).toEqual([204, 'true'])
      const body = `<Delete><Object><Key>${version.key}</Key></Object></Delete>`
      const many = await bench.document({
        method: 'POST',
        path: `/${bucket}`,
        query: { delete: '' },
        body,
        key: owner,
      })
      expect(elements(many, 'DeleteMarker')).toEqual(['true'])
      expect(await stock.seen(version)).toEqual(before)
    },
  )
})

describe('I4: the bucket', () => {
  it('I4: a bucket is neither removed nor suspended, whoever asks', async () => {
    const version = await stock.fresh('COMPLIANCE')
    const before = await stock.seen(version)
    const body = '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>'
    for (const { key, headers } of principals) {
      const gone = await bench.send({ method: 'DELETE', path: `/${bucket}`, headers, key })
      expect([403, 409]).toContain(gone.status)
      const query = { versioning: '' }
      const suspended = await bench.document({ method: 'PUT', path: `/${bucket}`, query, body, headers, key })
      expect([403, 409]).toContain(suspended.status)
      expect(await stock.seen(version)).toEqual(before)
    }
  })

  it('I4: in a bucket whose versions can be replaced, nothing can be locked', async () => {
    for (const kind of ['unversioned', 'suspended'] as const) {
      const name = await bench.bucket(kind, { key: owner })
      await bench.put(name, 'key', { key: owner })
      const target = { bucket: name, key: 'key', versionId: 'null' }
      const locks = [
        await bench.unchanged(name, () =>
          bench.retain(target, 'COMPLIANCE', bench.inDays(1), { key: owner }),
        ),
        await bench.unchanged(name, () => bench.hold(target, 'ON', { key: owner })),
      ]
      for (const answer of locks) expect(refusal(answer)).toEqual(refused.bucketLockMissing)
    }
  })

  it('I4: the null version is removed by no other name and no other way (B-18, B-19)', async () => {
    const name = await bench.bucket('unversioned', { key: owner })
    for (const key of ['COMPLIANCE', 'GOVERNANCE', 'hold'])
      await bench.put(name, key, { key: owner, body: key })
    const query = { versioning: '' }
    const enabled = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
    await bench.document({ method: 'PUT', path: `/${name}`, query, body: enabled, key: owner })
    const lock =
      '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>'
    await bench.document({
      method: 'PUT',
      path: `/${name}`,
      query: { 'object-lock': '' },
      body: lock,
      key: owner,
    })
    for (const key of ['COMPLIANCE', 'GOVERNANCE'])
      await bench.retain({ bucket: name, key, versionId: 'null' }, key, bench.inDays(9), { key: owner })
    await bench.hold({ bucket: name, key: 'hold', versionId: 'null' }, 'ON', { key: owner })
    const ofNull = async (key: string) => {
      const answer = await bench.send({
        method: 'GET',
        path: `/${name}/${key}`,
        query: { versionId: 'null' },
        key: owner,
      })
      return [answer.status, answer.text]
    }
    for (const key of ['COMPLIANCE', 'GOVERNANCE', 'hold']) {
      const headers = key === 'GOVERNANCE' ? {} : bypass
      const one = { method: 'DELETE', path: `/${name}/${key}`, key: owner, headers }
      expect(refusal(await bench.send({ ...one, query: { versionId: 'null' } }))).toEqual(refused.locked)
      const body = `<Delete><Object><Key>${key}</Key><VersionId>null</VersionId></Object></Delete>`
      const many = { method: 'POST', path: `/${name}`, query: { delete: '' }, body, key: owner, headers }
      expect(elements(await bench.document(many), 'Code')).toEqual(['AccessDenied'])
      await bench.put(name, key, { key: owner, body: 'on top' })
      expect((await bench.send(one)).status).toBe(204)
      expect(await ofNull(key)).toEqual([200, key])
    }
  })
})

describe('I4: what runs by itself', () => {
  it('I4: garbage collection leaves the bytes that a locked version shares (B-46)', async () => {
    const body = Buffer.alloc(200_000, 'shared ')
    const first = { key: 'at/shared', versionId: '', body }
    const versionId = await bench.put(bucket, first.key, { key: owner, body })
    const copied = await bench.send({
      method: 'PUT',
      path: `/${bucket}/at/copy`,
      headers: { 'x-amz-copy-source': `/${bucket}/${first.key}`, ...stock.retention('COMPLIANCE', 9) },
      key: owner,
    })
    const copy = { key: 'at/copy', versionId: String(copied.headers['x-amz-version-id']), body }
    const before = await stock.seen(copy)
    expect(before).toEqual([200, sha256(body), expect.anything()])
    const query = { versionId }
    const gone = await bench.send({ method: 'DELETE', path: `/${bucket}/at/shared`, query, key: owner })
    expect(gone.status).toBe(204)
    await bench.server().restart()
    expect(await stock.seen(copy)).toEqual(before)
  })

  it('I4: lifecycle rules remove what may go, and of the rest nothing (B-27, B-28, B-29, B-30)', async () => {
    const versions = await Promise.all(
      states.map(async (state) => ({ state, version: await stock.fresh(state.name) })),
    )
    const before = await Promise.all(versions.map(({ version }) => stock.seen(version)))
    for (const { version } of versions) await bench.put(bucket, version.key, { key: owner, body: 'on top' })
    const body =
      '<LifecycleConfiguration><Rule><ID>all</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>' +
      '<Expiration><Days>1</Days></Expiration>' +
      '<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>' +
      '</Rule></LifecycleConfiguration>'
    const query = { lifecycle: '' }
    const put = await bench.document({ method: 'PUT', path: `/${bucket}`, query, body, key: owner })
    expect([put.status, put.text]).toEqual([200, ''])
    bench.server().advance(5 * dayMs)
    await runTwice()
    for (const [index, { state, version }] of versions.entries()) {
      if (state.removable(false)) expect(await stock.seen(version)).toEqual([404, 'NoSuchVersion', []])
      else expect(await stock.seen(version)).toEqual(before[index])
    }
  })
})

/** Resolves when the lifecycle has gone over the bucket from begin to end, twice: the first may have begun before. */
async function runTwice(): Promise<void> {
  const begins = new Set<string>()
  while (begins.size < 3) {
    const answer = await sendAdmin(bench.server(), { method: 'GET', path: `/v1/buckets/${bucket}` })
    begins.add(String(Object(answer.document['lastLifecycleRun'])['started']))
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
