/** A server with two locked objects on a file system of its own, for what comes when that takes no writes. */
import { expect } from 'vitest'
import { fileSystemReadOnly } from '../../../src/lib/read-only.ts'
import { sendAdmin } from '../admin.ts'
import { md5 } from '../conformance.ts'
import type { SendOptions } from '../s3-client.ts'
import { startTestServer, type TestServer } from '../server.ts'
import { prepareSmallVolume, type SmallVolume } from './small-volume.ts'

const mib = 1024 ** 2
/** One lies in the store, the other in a file. */
export const bodies = { small: Buffer.from('small'), large: Buffer.alloc(mib, 'large ') }

export type LockedVolume = {
  readonly volume: SmallVolume
  readonly server: TestServer
  /** Of `small`. */
  readonly versionId: string
  readonly remove: () => Promise<void>
}

export type LockedVolumeOptions = {
  readonly inodeCount?: number
  /** Added to that of the server's processes. */
  readonly environment?: Readonly<Record<string, string>>
}

/** Errors: those of prepareSmallVolume. */
export async function startLockedVolume({
  inodeCount,
  environment = {},
}: LockedVolumeOptions = {}): Promise<LockedVolume> {
  const volume = prepareSmallVolume({
    sizeBytes: 2048 * mib,
    ...(inodeCount === undefined ? {} : { inodeCount }),
  })
  const server = await startTestServer({ dataDirectory: volume.directory, environment })
  const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
  expect((await server.client.send({ method: 'PUT', path: '/bucket', headers })).status).toBe(200)
  const date = new Date(Math.ceil(Date.now() / 1000) * 1000 + 86_400_000).toISOString()
  const locked = { 'x-amz-object-lock-mode': 'COMPLIANCE', 'x-amz-object-lock-retain-until-date': date }
  expect((await server.client.send(put('large', locked))).status).toBe(200)
  const answer = await server.client.send(put('small', locked))
  expect(answer.status).toBe(200)
  const remove = async (): Promise<void> => {
    await server.kill9()
    await server.stop()
    await volume.remove()
  }
  return { volume, server, versionId: String(answer.headers['x-amz-version-id']), remove }
}

export function put(key: keyof typeof bodies, headers: Record<string, string> = {}): SendOptions {
  const body = bodies[key]
  return { method: 'PUT', path: `/bucket/${key}`, body, headers: { 'content-md5': md5(body), ...headers } }
}

/** Both objects, with their bytes and their lock. */
export async function expectBodies({ client }: TestServer): Promise<void> {
  for (const key of ['small', 'large'] as const) {
    const got = await client.send({ method: 'GET', path: `/bucket/${key}` })
    expect([got.status, got.body.equals(bodies[key])]).toEqual([200, true])
    expect(got.headers['x-amz-object-lock-mode']).toBe('COMPLIANCE')
  }
}

/** One of each way to write, by S3. */
export async function expectWritesRefused({ server, versionId }: LockedVolume): Promise<void> {
  const writes: readonly SendOptions[] = [
    put('small'),
    put('large'),
    { method: 'DELETE', path: '/bucket/small' },
    // Refused as ever, but not without its record.
    { method: 'DELETE', path: '/bucket/small', query: { versionId } },
    { method: 'PUT', path: '/other' },
  ]
  for (const request of writes) {
    const answer = await server.client.send(request)
    expect([answer.status, answer.code, answer.element('Message')]).toEqual([
      503,
      'ServiceUnavailable',
      fileSystemReadOnly,
    ])
  }
}

export async function expectLeadershipRefused(server: TestServer): Promise<void> {
  const leader = { method: 'POST', path: '/v1/leadership', document: { holder: 'test' } }
  expect(await sendAdmin(server, leader)).toEqual({
    status: 503,
    document: { code: 'VolumeReadOnly', message: fileSystemReadOnly },
  })
}
