/**
 * I4: every path that could remove or replace a version, against every state of its lock, by every kind of principal: the same
 * verdict everywhere, and bytes and lock compared after each.
 */
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { parseVersionKey } from '../../../src/store/keys.ts'
import { openLmdb } from '../../../src/store/kv/lmdb/lmdb.ts'
import { sendAdmin } from '../../support/admin.ts'
import { accessKey, conformance, dayMs, elements, md5, refusal, refused } from '../../support/conformance.ts'
import { rowsOf } from '../../support/crash/volume-state.ts'
import type { Answer } from '../../support/s3-client.ts'
import { rootCredentials } from '../../support/server.ts'
import { entranceNamed, type Headers, sha256 } from './entrances.ts'

const owner = accessKey('owner', null)
const removal = ['s3:DeleteObject', 's3:DeleteObjectVersion']
const bypasser = accessKey('bypasser', [...removal, 's3:BypassGovernanceRetention'])
const deleter = accessKey('deleter', removal)
const bench = conformance({ accessKeys: [owner, bypasser, deleter], lifecycleIntervalMs: 250 })

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

type StateName =
  | 'none'
  | 'expired GOVERNANCE'
  | 'expired COMPLIANCE'
  | 'GOVERNANCE'
  | 'COMPLIANCE'
  | 'hold'
  | 'hold over expired COMPLIANCE'
  | 'hold over GOVERNANCE'
  | 'unknown'
type State = { readonly name: StateName; readonly removable: (bypasses: boolean) => boolean }

const never = () => false
const states: readonly State[] = [
  { name: 'none', removable: () => true },
  { name: 'expired GOVERNANCE', removable: () => true },
  { name: 'expired COMPLIANCE', removable: () => true },
  { name: 'GOVERNANCE', removable: (bypasses) => bypasses },
  { name: 'COMPLIANCE', removable: never },
  { name: 'hold', removable: never },
  { name: 'hold over expired COMPLIANCE', removable: never },
  { name: 'hold over GOVERNANCE', removable: never },
  { name: 'unknown', removable: never },
]

type Version = { readonly key: string; readonly versionId: string; readonly body: Buffer }

let bucket = ''
let written = 0

/** A version of a key of its own: every other one is a file. */
async function write(headers: Headers): Promise<Version> {
  written += 1
  const key = `at/${written}`
  const body = Buffer.alloc(written % 2 === 0 ? 70_000 : 20, `version ${written} `)
  const versionId = await bench.put(bucket, key, { key: owner, body, headers })
  return { key, versionId, body }
}

function retention(mode: string, days: number): Headers {
  return { 'x-amz-object-lock-mode': mode, 'x-amz-object-lock-retain-until-date': bench.inDays(days) }
}
const hold: Headers = { 'x-amz-object-lock-legal-hold': 'ON' }

/** What takes time or damage is made before the tests: for each state the versions that they take. */
const pools: Record<
  'expired GOVERNANCE' | 'expired COMPLIANCE' | 'hold over expired COMPLIANCE' | 'unknown',
  Version[]
> = {
  'expired GOVERNANCE': [],
  'expired COMPLIANCE': [],
  'hold over expired COMPLIANCE': [],
  unknown: [],
}

const kept = new Map<StateName, Version>()

function taken(name: keyof typeof pools): Version {
  const version = pools[name].pop()
  if (version === undefined) throw new Error(`no version is left that is ${name}`)
  return version
}

async function fresh(name: StateName): Promise<Version> {
  switch (name) {
    case 'none':
      return write({})
    case 'GOVERNANCE':
    case 'COMPLIANCE':
      return write(retention(name, 300))
    case 'hold':
      return write(hold)
    case 'hold over GOVERNANCE':
      return write({ ...retention('GOVERNANCE', 300), ...hold })
    default:
      return taken(name)
  }
}

/** One that goes if it may, or the one of this state that nothing ever removes. */
async function versionFor(state: State, bypasses: boolean): Promise<Version> {
  if (state.removable(bypasses)) return fresh(state.name)
  const version = kept.get(state.name) ?? (await fresh(state.name))
  kept.set(state.name, version)
  return version
}

/** Flips the last bit of the lock of these versions: the rest of the row is still what was written. */
async function damageLocks(versions: readonly Version[]): Promise<void> {
  await bench.server().terminate()
  const directory = join(bench.server().dataDirectory, 'kv')
  const kv = await openLmdb({ directory, readOnly: false })
  const damagedKeys = new Set(versions.map(({ key }) => key))
  for (const row of await rowsOf(kv, 'version')) {
    if (!damagedKeys.has(parseVersionKey(row.key).key)) continue
    const value = Uint8Array.from(row.value)
    value[value.length - 1] = (value.at(-1) ?? 0) ^ 1
    await kv.transact(async (transaction) => transaction.put(row.key, value))
  }
  await kv.close()
  await bench.server().start()
}

beforeAll(async () => {
  bucket = await bench.bucket('locked', { key: owner })
  const fill = async (name: keyof typeof pools, count: number, headers: Headers) => {
    const writes = Array.from({ length: count }, () => write(headers))
    pools[name].push(...(await Promise.all(writes)))
  }
  const tries = principals.length * removals.length
  await fill('expired GOVERNANCE', tries + 2, retention('GOVERNANCE', 1))
  await fill('expired COMPLIANCE', tries + 2 + cells.length, retention('COMPLIANCE', 1))
  await fill('hold over expired COMPLIANCE', 3, { ...retention('COMPLIANCE', 1), ...hold })
  await fill('unknown', 3, {})
  bench.server().advance(2 * dayMs)
  await damageLocks(pools.unknown)
})

function path({ key }: Version): string {
  return `/${bucket}/${key}`
}

/** All that is to be seen of a version, as the owner. */
async function seen(version: Version): Promise<unknown> {
  const query = { versionId: version.versionId }
  const answer = await bench.send({ method: 'GET', path: path(version), query, key: owner })
  const lock = Object.entries(answer.headers).filter(([name]) => name.startsWith('x-amz-object-lock-'))
  return [answer.status, answer.status === 200 ? sha256(answer.body) : answer.code, lock]
}

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
      const answer = await bench.send({ method: 'DELETE', path: path(version), query, headers, key })
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
      const neighbours = [await write({}), taken('expired COMPLIANCE'), await write({})]
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
    'I4: a version that is %s, by %s: one verdict on every path',
    async (_a, _b, state, principal) => {
      for (const { name, attempt } of removals) {
        const version = await versionFor(state, principal.bypasses)
        const before = await seen(version)
        expect(before).toEqual([200, sha256(version.body), expect.anything()])
        const result = await attempt(version, principal)
        if (state.removable(principal.bypasses)) {
          expect([name, result]).toEqual([name, 'removed'])
          expect(await seen(version)).toEqual([404, 'NoSuchVersion', []])
        } else {
          expect([name, result]).toEqual([name, refused.locked])
          expect(await seen(version)).toEqual(before)
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

describe('I4: force (B-22, B-52)', () => {
  it.each(forces)('I4: with %s nothing goes that could not go without', async (_name, headers, query) => {
    const all = { ...headers, ...bypass }
    for (const state of states.filter(({ removable }) => !removable(true))) {
      const version = await versionFor(state, true)
      const before = await seen(version)
      for (const key of [rootCredentials, owner]) {
        const removed = await bench.send({
          method: 'DELETE',
          path: path(version),
          query: { ...query, versionId: version.versionId },
          headers: all,
          key,
        })
        expect(removed.status).toBeGreaterThanOrEqual(400)
        const whole = await bench.send({ method: 'DELETE', path: `/${bucket}`, query, headers: all, key })
        expect([405, 409]).toContain(whole.status)
        expect(await seen(version)).toEqual(before)
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
      const version = await fresh(state.name)
      const before = await seen(version)
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
        expect(await seen(version)).toEqual(before)
      }
      const marked = await bench.send({ method: 'DELETE', path: path(version), headers: bypass, key: owner })
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
      expect(await seen(version)).toEqual(before)
    },
  )
})

describe('I4: the bucket', () => {
  it('I4: a bucket is neither removed nor suspended, whoever asks', async () => {
    const version = await fresh('COMPLIANCE')
    const before = await seen(version)
    const body = '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>'
    for (const { key, headers } of principals) {
      const gone = await bench.send({ method: 'DELETE', path: `/${bucket}`, headers, key })
      expect([403, 409]).toContain(gone.status)
      const query = { versioning: '' }
      const suspended = await bench.document({ method: 'PUT', path: `/${bucket}`, query, body, headers, key })
      expect([403, 409]).toContain(suspended.status)
      expect(await seen(version)).toEqual(before)
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
      headers: { 'x-amz-copy-source': `/${bucket}/${first.key}`, ...retention('COMPLIANCE', 9) },
      key: owner,
    })
    const copy = { key: 'at/copy', versionId: String(copied.headers['x-amz-version-id']), body }
    const before = await seen(copy)
    expect(before).toEqual([200, sha256(body), expect.anything()])
    const query = { versionId }
    const gone = await bench.send({ method: 'DELETE', path: `/${bucket}/at/shared`, query, key: owner })
    expect(gone.status).toBe(204)
    await bench.server().restart()
    expect(await seen(copy)).toEqual(before)
  })

  it('I4: lifecycle rules remove what may go, and of the rest nothing (B-27 to B-30)', async () => {
    const versions = await Promise.all(
      states.map(async (state) => ({ state, version: await fresh(state.name) })),
    )
    const before = await Promise.all(versions.map(({ version }) => seen(version)))
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
      if (state.removable(false)) expect(await seen(version)).toEqual([404, 'NoSuchVersion', []])
      else expect(await seen(version)).toEqual(before[index])
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
