/** Requests to the admin API that write: the part of `mutations.ts` that S3 has no words for. */
import { join } from 'node:path'
import { expect } from 'vitest'
import { systemClock } from '../../../src/platform/clock.ts'
import { openLmdb } from '../../../src/store/kv/lmdb/lmdb.ts'
import type { Actor } from '../../../src/store/requests.ts'
import { markBackup, markRestored } from '../../../src/store/volume-copy.ts'
import { type AdminSend, applyDocument, owner, sendAdmin } from '../admin.ts'
import type { TestServer } from '../server.ts'
import type { Flush, Mutation, MutationRequest } from './mutations.ts'

const commit: readonly Flush[] = ['store pages', 'store root']
const dayMs = 86_400_000
const admin = (options: AdminSend): MutationRequest => ({ kind: 'admin', options })

async function epochOf(server: TestServer): Promise<number> {
  const lead = { method: 'POST', path: '/v1/leadership', document: { holder: 'test' } }
  return Number((await sendAdmin(server, lead)).document['epoch'])
}

const keyOwner = { clusterId: 'cluster-1', namespace: 'default', name: 'app' }

async function accessKey(server: TestServer, accessKeyId: string): Promise<AdminSend> {
  const statements = [{ effect: 'Allow', actions: ['s3:GetObject'], buckets: ['managed'], prefixes: null }]
  return {
    method: 'PUT',
    path: `/v1/access-keys/${accessKeyId}`,
    document: {
      owner: keyOwner,
      secretAccessKey: 'secret-for-tests-only',
      statements,
      otherSecret: 'replace',
    },
    epoch: await epochOf(server),
  }
}

const restorer: Actor = {
  accessKeyId: 'restore',
  accountId: '000000000000',
  requestId: 'restore',
  operation: 'Restore',
}

/** What `holdfast restore` leaves, without the way through a backup. */
async function makeRestored(dataDirectory: string): Promise<void> {
  const kv = await openLmdb({ directory: join(dataDirectory, 'kv') })
  try {
    const clock = systemClock()
    await markBackup(kv, { backupMs: clock.wallMs(), problemCount: 0 })
    await markRestored(kv, { clock, actor: restorer, auditLog: null, lostClock: 'refuse' })
  } finally {
    await kv.close()
  }
}

export const adminMutations: readonly Mutation[] = [
  {
    ...{ name: 'POST /v1/leadership', operation: 'AcquireLeadership', status: 200, flushes: commit },
    prepare: async () => admin({ method: 'POST', path: '/v1/leadership', document: { holder: 'test' } }),
  },
  {
    ...{ name: 'PUT /v1/buckets/{name}', operation: 'ApplyBucket', status: 200, flushes: commit },
    prepare: async (server) => {
      const epoch = await epochOf(server)
      return admin({ method: 'PUT', path: '/v1/buckets/managed', document: applyDocument({}), epoch })
    },
  },
  {
    ...{ name: 'DELETE /v1/buckets/{name}', operation: 'ReleaseBucket', status: 200, flushes: commit },
    prepare: async (server) => {
      const epoch = await epochOf(server)
      const path = '/v1/buckets/released'
      const applied = await sendAdmin(server, { method: 'PUT', path, document: applyDocument({}), epoch })
      expect(applied.status).toBe(200)
      return admin({ method: 'DELETE', path, document: { owner }, epoch })
    },
  },
  {
    ...{ name: 'PUT /v1/access-keys/{name}', operation: 'PutAccessKey', status: 200, flushes: commit },
    prepare: async (server) => admin(await accessKey(server, 'HFPUT')),
  },
  {
    ...{ name: 'DELETE /v1/access-keys/{name}', operation: 'DeleteAccessKey', status: 200, flushes: commit },
    prepare: async (server) => {
      const made = await accessKey(server, 'HFDELETE')
      expect((await sendAdmin(server, made)).status).toBe(200)
      return admin({ ...made, method: 'DELETE', document: { owner: keyOwner } })
    },
  },
  {
    ...{ name: 'POST /v1/restore/accept', operation: 'AcceptRestore', status: 200, flushes: commit },
    prepare: async (server) => {
      await server.terminate()
      await makeRestored(server.dataDirectory)
      await server.start()
      const document = { reason: 'compared' }
      return admin({ method: 'POST', path: '/v1/restore/accept', document, key: server.credentials })
    },
  },
  {
    // The last one: it leaves another day than the machine's behind.
    ...{ name: 'POST /v1/clock/accept', operation: 'AcceptClock', status: 200, flushes: commit },
    prepare: async (server) => {
      server.setClock({ wallShiftMs: 11 * dayMs, bootId: 'another-boot' })
      await server.restart()
      const until = new Date(server.nowMs() - 1000).toISOString()
      const document = { until, reason: 'off for ten days' }
      return admin({ method: 'POST', path: '/v1/clock/accept', document, key: server.credentials })
    },
  },
]
