import { expect, test } from 'vitest'
import type { LockServer } from '../../../src/client/lock-server.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { bucketAccessController } from '../../../src/operator/controllers/BucketAccess.ts'
import type { ObjectKey, ObjectKind } from '../../../src/operator/objects.ts'
import { ServerKeys } from '../../../src/operator/server-keys.ts'
import type { Source } from '../../../src/operator/sources/source.ts'
import { accessOf, first, keyOf } from './bucket-access-fixtures.ts'
import { clusterId, factsOf, governance30, info, unparsableObject } from './locked-bucket-fixtures.ts'
import { ManualTime } from './manual-timers.ts'

const key: ObjectKey = { namespace: 'team', name: 'app' }
const owned = { clusterId, namespace: 'team', name: 'ledger', uid: 'bucket-uid' }

/** A lock server that has one key, and a source in which one kind has an object that cannot be understood. */
function rigOf(unparsable: 'BucketAccess' | 'LockedBucket' | 'gone', owner = owned) {
  const asked: string[] = []
  const lockServer = {
    listAccessKeys: async () => ({ accessKeys: [keyOf(first)], next: null }),
    readBucket: async (name: string) => {
      asked.push(name)
      return factsOf(governance30, { owner })
    },
  } as unknown as LockServer
  const source = {
    get: (kind: ObjectKind) => (kind === 'BucketAccess' && unparsable === 'LockedBucket' ? accessOf() : null),
    unparsable: (kind: ObjectKind) => {
      const name = kind === 'BucketAccess' ? 'app' : 'ledger'
      return new Map(kind === unparsable ? [[`team/${name}`, unparsableObject('team', name)]] : [])
    },
    watches: () => true,
    guard: () => null,
  } as unknown as Source
  const controller = bucketAccessController({
    source,
    lockServer,
    serverFacts: { read: async () => info } as never,
    serverKeys: new ServerKeys({ lockServer, clock: new ManualTime(), clusterId }),
    leadership: { epoch: 7, assertHeld: () => undefined, lost: () => undefined },
    recordEvent: async () => undefined,
    log: silentLog,
    clock: new ManualTime(),
    secrets: null,
  })
  const { signal } = new AbortController()
  return { asked, controller, signal }
}

test.each([
  ['cannot be understood leaves no keys over', 'BucketAccess', []],
  ['is gone does', 'gone', [key]],
] as const)('BucketAccess: an object that %s', async (_title, state, left) => {
  const { controller, signal } = rigOf(state)
  expect(await controller.leftovers?.(signal)).toEqual(left)
})

test.each([
  ['its bucket by the server’s word', owned, 'team-ledger'],
  ['another’s bucket, none', { ...owned, name: 'other' }, null],
  ['one of another cluster, none', { ...owned, clusterId: 'cluster-2' }, null],
])('BucketAccess: of a LockedBucket that cannot be understood, %s', async (_title, owner, bucketName) => {
  const { asked, controller, signal } = rigOf('LockedBucket', owner)
  const snapshot = await controller.read(key, signal)
  expect(snapshot?.buckets).toEqual([{ kind: 'unparsable', name: 'ledger', bucketName }])
  expect(asked).toEqual(['team-ledger'])
})
