import * as documents from '../api/admin.ts'
import { type AdminCall, type AdminClientOptions, openAdminClient } from './admin-client.ts'
import { type LockServer, ServerRefusedError, ServerUnreachableError } from './lock-server.ts'
import { openS3Evidence } from './s3-evidence.ts'

export type ConnectOptions = Omit<AdminClientOptions, 'endpoint'> & {
  readonly adminEndpoint: string
  readonly s3Endpoint: string
}

/** A lock server behind its two ports. Opens no connection yet: the first call does. */
export function connectLockServer(options: ConnectOptions): LockServer {
  const admin = openAdminClient({ ...options, endpoint: options.adminEndpoint })
  const evidence = openS3Evidence({ ...options, endpoint: options.s3Endpoint })

  /** Any answer but 200 is a refusal. */
  async function ask<T>(call: AdminCall, schema: documents.DocumentSchema<T>) {
    const { status, text } = await admin.call(call)
    if (status !== 200) throw refusal(call, status, text)
    return understand(call, schema, text)
  }

  /** 409 is an answer: it says why not. */
  async function askLeader<T>(call: AdminCall, schema: documents.DocumentSchema<T>) {
    const { status, text } = await admin.call(call)
    if (status !== 200 && status !== 409) throw refusal(call, status, text)
    return understand(call, schema, text)
  }

  return {
    info: () => ask({ method: 'GET', path: '/v1/server' }, documents.serverInfoAnswer),
    acquireLeadership: (holder) =>
      ask({ method: 'POST', path: '/v1/leadership', document: { holder } }, documents.leadershipAnswer),
    applyBucket: ({ epoch, name, ...document }) =>
      askLeader({ method: 'PUT', path: bucketPath(name), epoch, document }, documents.applyBucketAnswer),
    releaseBucket: ({ epoch, name, owner }) =>
      askLeader(
        { method: 'DELETE', path: bucketPath(name), epoch, document: { owner } },
        documents.releaseBucketAnswer,
      ),
    putAccessKey: ({ epoch, accessKeyId, ...document }) =>
      askLeader(
        { method: 'PUT', path: accessKeyPath(accessKeyId), epoch, document },
        documents.putAccessKeyAnswer,
      ),
    deleteAccessKey: ({ epoch, accessKeyId, owner }) =>
      askLeader(
        { method: 'DELETE', path: accessKeyPath(accessKeyId), epoch, document: { owner } },
        documents.deleteAccessKeyAnswer,
      ),
    listAccessKeys: (after) =>
      ask(
        { method: 'GET', path: '/v1/access-keys', ...(after === null ? {} : { query: { after } }) },
        documents.accessKeysAnswer,
      ),
    readBucket: async (name) => {
      const call: AdminCall = { method: 'GET', path: bucketPath(name) }
      const { status, text } = await admin.call(call)
      if (status === 404) return null
      if (status !== 200) throw refusal(call, status, text)
      return understand(call, documents.bucketFactsAnswer, text)
    },
    observeObjectLock: evidence.observeObjectLock,
    tryCanary: evidence.tryCanary,
    explainDelete: ({ bucket, key, versionId }) =>
      ask(
        {
          method: 'GET',
          path: '/v1/explain',
          query: { bucket, key, ...(versionId === null ? {} : { versionId }) },
        },
        documents.explainAnswer,
      ),
    acceptClock: (input) =>
      ask({ method: 'POST', path: '/v1/clock/accept', document: input }, documents.acceptClockAnswer),
    auditHash: (sequence) =>
      ask({ method: 'GET', path: `/v1/audit-hashes/${sequence}` }, documents.auditHashAnswer),
    findLocked: async () => (await ask({ method: 'GET', path: '/v1/locked' }, documents.lockedAnswer)).bucket,
    quarantine: () => ask({ method: 'GET', path: '/v1/quarantine' }, documents.quarantineAnswer),
    acceptRestore: async (input) => {
      await ask(
        { method: 'POST', path: '/v1/restore/accept', document: input },
        documents.acceptRestoreAnswer,
      )
    },
    close: async () => {
      admin.close()
      evidence.close()
    },
  }
}

function bucketPath(name: string): string {
  return `/v1/buckets/${encodeURIComponent(name)}`
}

function accessKeyPath(accessKeyId: string): string {
  return `/v1/access-keys/${encodeURIComponent(accessKeyId)}`
}

/** An answer that does not fit its schema is another server's, or a proxy's: not ours to believe. */
function understand<T>(call: AdminCall, schema: documents.DocumentSchema<T>, text: string): T {
  const parsed = documents.parseDocument(schema, text)
  if (parsed.kind === 'ok') return parsed.value
  throw new ServerUnreachableError(
    `${call.method} ${call.path}: an answer that is not ours: ${parsed.message}`,
  )
}

function refusal(call: AdminCall, status: number, text: string): ServerRefusedError {
  const parsed = documents.parseDocument(documents.adminErrorAnswer, text)
  const { code, message } =
    parsed.kind === 'ok' ? parsed.value : { code: 'Unknown', message: text.slice(0, 200) }
  return new ServerRefusedError(status, code, `${call.method} ${call.path}: ${message}`)
}
