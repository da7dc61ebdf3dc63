import { expect, test } from 'vitest'
import type { AccessKeyFactsAnswer, LockServer } from '../../../src/client/lock-server.ts'
import { ServerKeys } from '../../../src/operator/server-keys.ts'
import { clusterId } from './locked-bucket-fixtures.ts'
import { ManualTime } from './manual-timers.ts'

function key(
  accessKeyId: string,
  owner: object = {},
  created = '2026-11-21T12:00:00.000Z',
): AccessKeyFactsAnswer {
  const whole = { clusterId, namespace: 'team', name: 'app', ...owner }
  return { accessKeyId, accountId: '100000000001', owner: whole, statements: [], created }
}

/** A server with these keys, two a page; `meanwhile` runs while the first page is on its way. */
function rigOf(held: AccessKeyFactsAnswer[]) {
  const time = new ManualTime()
  const rig = { time, lists: 0, meanwhile: () => {} }
  const listAccessKeys = async (after: string | null) => {
    const from = after === null ? 0 : held.findIndex(({ accessKeyId }) => accessKeyId === after) + 1
    const accessKeys = held.slice(from, from + 2)
    if (after === null) {
      rig.lists += 1
      await Promise.resolve()
      rig.meanwhile()
    }
    const last = accessKeys.at(-1)
    return { accessKeys, next: accessKeys.length < 2 || last === undefined ? null : last.accessKeyId }
  }
  const lockServer = { listAccessKeys } as unknown as LockServer
  return Object.assign(rig, { keys: new ServerKeys({ lockServer, clock: time, clusterId }) })
}

const app = { namespace: 'team', name: 'app' }
const ids = async (keys: ServerKeys) => (await keys.of(app)).map(({ accessKeyId }) => accessKeyId)

test('ServerKeys: over all pages, of this cluster and this object only, the oldest first', async () => {
  const older = '2026-11-20T12:00:00.000Z'
  const { keys } = rigOf([
    key('A'),
    key('B', { clusterId: 'other' }),
    key('C', { name: 'x' }),
    key('D', { namespace: 'x' }),
    key('E', {}, older),
  ])
  expect(await ids(keys)).toEqual(['E', 'A'])
  expect(await keys.owners()).toEqual([
    app,
    { namespace: 'team', name: 'x' },
    { namespace: 'x', name: 'app' },
  ])
})

test('ServerKeys: asked by many at once and again within 30 s, listed once; then anew', async () => {
  const rig = rigOf([key('A')])
  await Promise.all([1, 2, 3].map(() => rig.keys.of(app)))
  await rig.time.advance(29_999)
  await rig.keys.of(app)
  expect(rig.lists).toBe(1)
  await rig.time.advance(1)
  await rig.keys.of(app)
  expect(rig.lists).toBe(2)
  await rig.keys.owners()
  expect(rig.lists).toBe(3)
})

test('ServerKeys: what was put and deleted is known at once, also while a listing runs', async () => {
  const rig = rigOf([key('A'), key('B')])
  rig.meanwhile = () => {
    rig.keys.wasPut(key('C'))
    rig.keys.wasDeleted('A')
  }
  expect(await ids(rig.keys)).toEqual(['B', 'C'])
  rig.keys.wasPut(key('D'))
  rig.keys.wasDeleted('C')
  expect(await ids(rig.keys)).toEqual(['B', 'D'])
  expect(rig.lists).toBe(1)
})
