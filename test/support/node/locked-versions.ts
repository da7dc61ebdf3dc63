/** Versions that clients locked, and the proof that they are all there: bytes, lock, and no way to delete them. */
import { createHash, randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { createS3Client, type S3ClientOptions, type S3TestClient } from '../s3-client.ts'

/** One locked version, as its writer knows it. A pod prints these as JSON. */
export type LockedVersion = {
  readonly bucket: string
  readonly key: string
  readonly versionId: string
  readonly sha256: string
}

type Lock = { readonly mode: string; readonly retainUntil: string; readonly legalHold: string }

export type LockedVersions = {
  readonly add: (version: LockedVersion) => void
  /** Puts random bytes and adds the version. */
  readonly put: (bucket: string, key: string, sizeBytes: number) => Promise<void>
  /**
   * Reads and hashes every version; compares its lock with the one seen first; tries to delete it. Returns how many
   * there are.
   */
  readonly verify: () => Promise<number>
}

/** `connection` is asked anew each time: a server's address and its clock may have changed. */
export function lockedVersions(connection: () => Promise<S3ClientOptions>): LockedVersions {
  const versions: LockedVersion[] = []
  const locks = new Map<string, Lock>()

  const withClient = async <T>(use: (client: S3TestClient) => Promise<T>): Promise<T> => {
    const client = createS3Client(await connection())
    try {
      return await use(client)
    } finally {
      client.close()
    }
  }
  const verifyOne = async (client: S3TestClient, { bucket, key, versionId, sha256 }: LockedVersion) => {
    const where = `${bucket}/${key} ${versionId}`
    const request = { path: `/${bucket}/${key}`, query: { versionId } }
    const read = await client.send({ method: 'GET', ...request })
    expect([where, read.status, sha256Of(read.body)]).toEqual([where, 200, sha256])
    const lock = lockOf(read.headers)
    expect([where, lock]).toEqual([where, locks.get(where) ?? lock])
    locks.set(where, lock)
    const deleted = await client.send({ method: 'DELETE', ...request })
    expect([where, deleted.status, deleted.code]).toEqual([where, 403, 'AccessDenied'])
  }
  return {
    add: (version) => versions.push(version),
    put: (bucket, key, sizeBytes) =>
      withClient(async (client) => {
        const body = randomBytes(sizeBytes)
        const answer = await client.send({
          method: 'PUT',
          path: `/${bucket}/${key}`,
          body,
          headers: { 'content-md5': createHash('md5').update(body).digest('base64') },
        })
        expect([answer.status, answer.text]).toEqual([200, ''])
        const versionId = String(answer.headers['x-amz-version-id'])
        versions.push({ bucket, key, versionId, sha256: sha256Of(body) })
      }),
    verify: () =>
      withClient(async (client) => {
        for (const version of versions) await verifyOne(client, version)
        return versions.length
      }),
  }
}

function lockOf(headers: Readonly<Record<string, unknown>>): Lock {
  const lock = {
    mode: String(headers['x-amz-object-lock-mode']),
    retainUntil: String(headers['x-amz-object-lock-retain-until-date']),
    legalHold: String(headers['x-amz-object-lock-legal-hold']),
  }
  expect(lock.mode).toMatch(/^(COMPLIANCE|GOVERNANCE)$/)
  return lock
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
