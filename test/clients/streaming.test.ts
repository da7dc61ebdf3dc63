import { S3 } from '@aws-sdk/client-s3'
import { describe, expect, it, onTestFinished } from 'vitest'
import { bodyFiles, largeBody, mebibyte, openStream } from '../support/clients/large.ts'
import { watchMemory } from '../support/clients/memory.ts'
import { sha256Of } from '../support/clients/sdk.ts'
import { lockConfiguration, md5 } from '../support/conformance.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

/** HOLDFAST_LONG=1: the sizes that the product promises; without it the same tests on less. */
const isLong = process.env['HOLDFAST_LONG'] === '1'
const objectBytes = (isLong ? 5 * 1024 : 1024) * mebibyte
const rssAnonBytesMax = 300_000_000
const partBytes = 5 * mebibyte
const timeoutMs = isLong ? 1_800_000 : 180_000
const Bucket = 'large'

type Rig = {
  readonly server: TestServer
  /** The processes that held more anonymous memory at any moment than they may: pid and MB. */
  readonly excesses: () => readonly string[]
}

/** A server of the test's own: its volume goes with it. The bucket has a default rule, so everything is locked. */
async function start(): Promise<Rig> {
  const server = await startTestServer({ workerCount: 2 })
  onTestFinished(() => server.stop())
  const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
  await server.client.send({ method: 'PUT', path: `/${Bucket}`, headers })
  const body = lockConfiguration('<Mode>COMPLIANCE</Mode><Days>1</Days>')
  const ruled = await server.client.send({
    ...{ method: 'PUT', path: `/${Bucket}`, query: { 'object-lock': '' } },
    ...{ body, headers: { 'content-md5': md5(body) } },
  })
  expect([ruled.status, ruled.text], server.logs()).toEqual([200, ''])
  const watch = watchMemory(server.pid())
  onTestFinished(watch.stop)
  const excesses = () => {
    const most = [...watch.rssAnonBytesMax()]
    expect(most.length).toBe(3)
    return most
      .filter(([, bytes]) => bytes >= rssAnonBytesMax)
      .map(([pid, bytes]) => `${pid} ${bytes / 1e6} MB`)
  }
  return { server, excesses }
}

function sdkOf(server: TestServer): S3 {
  const { endpoint, region, credentials } = server
  const s3 = new S3({
    endpoint,
    region,
    credentials: { ...credentials },
    forcePathStyle: true,
    maxAttempts: 1,
  })
  onTestFinished(() => s3.destroy())
  return s3
}

async function put(server: TestServer, key: string, sizeBytes: number): Promise<string> {
  const body = largeBody(sizeBytes)
  // UNSIGNED-PAYLOAD needs no hash before the bytes; the default rule demands some checksum, which is in the trailer elsewhere.
  const checksum = { 'x-amz-checksum-sha256': Buffer.from(body.sha256(), 'hex').toString('base64') }
  const request = { method: 'PUT', path: `/${Bucket}/${key}`, headers: checksum } as const
  const answer = await openStream(server, { ...request, sign: 'unsigned-payload' }, body)
  const text = Buffer.concat(await answer.toArray()).toString()
  expect([answer.statusCode, text], server.logs()).toEqual([200, ''])
  return body.sha256()
}

const get = (server: TestServer, key: string) =>
  openStream(server, { method: 'GET', path: `/${Bucket}/${key}` })

describe('streaming', () => {
  it(
    'PutObject: one large object goes in by one request and comes out, RssAnon stays under 300 MB',
    async () => {
      const { server, excesses } = await start()
      const sha256 = await put(server, 'one', objectBytes)
      const answer = await get(server, 'one')
      expect(answer.headers['content-length']).toBe(String(objectBytes))
      expect(await sha256Of(answer)).toBe(sha256)
      expect(excesses()).toEqual([])
    },
    timeoutMs,
  )

  it(
    'multipart: a large object in parts of 5 MiB, Complete copies nothing, RssAnon stays under 300 MB',
    async () => {
      const { server, excesses } = await start()
      const s3 = sdkOf(server)
      const body = largeBody(objectBytes)
      const partCount = Math.ceil(objectBytes / partBytes)
      const { UploadId } = await s3.createMultipartUpload({ Bucket, Key: 'parts' })
      const upload = { Bucket, Key: 'parts', UploadId }
      const numbers = Array.from({ length: partCount }, (_, index) => index + 1).values()
      const Parts: { PartNumber: number; ETag: string | undefined; ChecksumCRC32: string | undefined }[] = []
      const send = async () => {
        // The four senders take from one iterator: each number once.
        for (const PartNumber of numbers) {
          const from = (PartNumber - 1) * partBytes
          const ContentLength = Math.min(partBytes, objectBytes - from)
          const part = { ...upload, PartNumber, ContentLength, Body: body.stream(from, ContentLength) }
          const { ETag, ChecksumCRC32 } = await s3.uploadPart(part)
          Parts.push({ PartNumber, ETag, ChecksumCRC32 })
        }
      }
      await Promise.all([send(), send(), send(), send()])
      Parts.sort((left, right) => left.PartNumber - right.PartNumber)
      const before = bodyFiles(server, 'bodies')
      expect(before.size).toBe(partCount)
      await s3.completeMultipartUpload({ ...upload, MultipartUpload: { Parts } })
      expect(bodyFiles(server, 'bodies')).toEqual(before)
      expect([...bodyFiles(server, 'stage').keys()]).toEqual([])
      expect(await sha256Of(await get(server, 'parts'))).toBe(body.sha256())
      expect(bodyFiles(server, 'bodies')).toEqual(before)
      expect(excesses()).toEqual([])
    },
    timeoutMs,
  )

  it(
    'many at a time: eight uploads, then twelve readers that stop reading, RssAnon stays under 300 MB',
    async () => {
      const { server, excesses } = await start()
      const keys = Array.from({ length: 8 }, (_, index) => `key-${index}`)
      const hashes = await Promise.all(keys.map((key) => put(server, key, 64 * mebibyte)))
      // Each has sent its head and filled the sockets' buffers; nobody takes more of it.
      const stalled = await Promise.all(
        Array.from({ length: 12 }, (_, index) => get(server, `key-${index % 8}`)),
      )
      for (const [index, key] of keys.entries())
        expect(await sha256Of(await get(server, key))).toBe(hashes[index])
      for (const [index, answer] of stalled.entries()) expect(await sha256Of(answer)).toBe(hashes[index % 8])
      expect(excesses()).toEqual([])
    },
    timeoutMs,
  )
})
