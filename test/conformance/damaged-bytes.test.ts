/** An object whose bytes were damaged on the disk, as its clients and the operator see it. */
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { chmod, open, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { sendAdmin } from '../support/admin.ts'
import { conformance } from '../support/conformance.ts'
import { healthOf, sound } from '../support/health.ts'
import { mebibyte } from '../support/multipart.ts'

const bench = conformance()
const blockBytes = 65_536
const body = randomBytes(4 * mebibyte)
/** The only damaged block. */
const badStart = 2 * mebibyte
const badEnd = badStart + blockBytes

/** Files that are not as the server left them. */
const spoiled = new Set<string>()

// Before the server stops: whoever watches its removals (removals/watch.ts) then reads every version again.
afterAll(async () => {
  for (const file of spoiled) await writeFile(file, body)
})

type Stored = { readonly bucket: string; readonly file: string; readonly versionId: string }

function bodyFiles(): readonly string[] {
  return readdirSync(join(bench.server().dataDirectory, 'bodies'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

/** An object in a file of its own. */
async function store(): Promise<Stored> {
  const bucket = await bench.bucket('locked')
  const before = new Set(bodyFiles())
  const versionId = await bench.put(bucket, 'a', { body })
  const [file, ...others] = bodyFiles().filter((path) => !before.has(path))
  expect(others).toEqual([])
  return { bucket, file: file ?? '', versionId }
}

/** One bit in the middle of the block. */
async function damage({ file }: Stored): Promise<void> {
  spoiled.add(file)
  await chmod(file, 0o600)
  const handle = await open(file, 'r+')
  const at = badStart + blockBytes / 2
  await handle.write(Buffer.of((body[at] ?? 0) ^ 1), 0, 1, at)
  await handle.close()
}

async function storeDamaged(): Promise<Stored> {
  const stored = await store()
  await damage(stored)
  return stored
}

const get = ({ bucket }: Stored, range?: string) =>
  bench.send({ method: 'GET', path: `/${bucket}/a`, headers: range === undefined ? {} : { range } })

/** `broken off`: fewer bytes than were announced, and none that are not the object's. */
async function outcome(answer: Promise<{ status: number; code: string | null }>): Promise<string> {
  try {
    const { status, code } = await answer
    return `${status} ${code}`
  } catch {
    return 'broken off'
  }
}

async function integrity(bucket: string): Promise<unknown> {
  const { document } = await sendAdmin(bench.server(), { method: 'GET', path: `/v1/buckets/${bucket}` })
  return document['integrity']
}

const refused = '500 InternalError'

describe('an object with a damaged block', () => {
  test('GetObject of a range beside the damage: its bytes, and nobody is alarmed', async () => {
    const stored = await storeDamaged()
    for (const [from, to] of [
      [0, badStart],
      [badEnd, body.length],
      [badStart - 1, badStart],
      [badEnd, badEnd + 1],
    ] as const) {
      const answer = await get(stored, `bytes=${from}-${to - 1}`)
      expect([answer.status, answer.body.equals(body.subarray(from, to))]).toEqual([206, true])
    }
    expect(await integrity(stored.bucket)).toMatchObject({ quarantinedCount: 0 })
  })

  test.each([
    ['the block itself', badStart, badEnd],
    ['its first byte', badStart, badStart + 1],
    ['its last byte', badEnd - 1, badEnd],
    ['its damaged byte and no more', badStart + blockBytes / 2, badStart + blockBytes / 2 + 1],
  ])(
    'GetObject of a range that begins at %s: 500, no byte leaves, and the whole object is refused',
    async (_title, from, to) => {
      const stored = await storeDamaged()
      expect(await outcome(get(stored, `bytes=${from}-${to - 1}`))).toBe(refused)
      const { bucket, versionId } = stored
      expect(await integrity(bucket)).toMatchObject({
        quarantinedCount: 1,
        owners: 'known',
        quarantined: [{ key: 'a', versionId, problem: expect.stringContaining('is damaged') }],
      })
      expect(await outcome(get(stored, 'bytes=0-0'))).toBe(refused)
      expect(await healthOf(bench.server())).toBe(sound)
    },
  )

  test('GetObject of the whole: breaks off before the block, then it is refused from the start', async () => {
    const stored = await storeDamaged()
    expect(await outcome(get(stored))).toBe('broken off')
    expect(await outcome(get(stored))).toBe(refused)
    expect(await integrity(stored.bucket)).toMatchObject({ quarantinedCount: 1 })
    expect(await healthOf(bench.server())).toBe(sound)
  })

  test('/metrics: count what is in quarantine from then on', async () => {
    const count = async () => {
      const answer = await fetch(new URL('/metrics', bench.server().metricsEndpoint))
      return Number(/^holdfast_quarantined_lists (\d+)$/m.exec(await answer.text())?.[1])
    }
    const stored = await storeDamaged()
    const before = await count()
    expect(await outcome(get(stored))).toBe('broken off')
    expect(await count()).toBe(before + 1)
  })

  test('GetObject of a file that is gone: 500, in quarantine', async () => {
    const stored = await store()
    spoiled.add(stored.file)
    await rm(stored.file)
    expect(await outcome(get(stored))).toBe(refused)
    expect(await integrity(stored.bucket)).toMatchObject({ quarantinedCount: 1 })
  })

  test('HeadObject, lock and deletion: as of any other version', async () => {
    const stored = await storeDamaged()
    const { bucket, versionId } = stored
    expect(await outcome(get(stored))).toBe('broken off')
    expect((await bench.send({ method: 'HEAD', path: `/${bucket}/a` })).status).toBe(200)
    const target = { bucket, key: 'a', versionId }
    expect((await bench.hold(target, 'ON')).status).toBe(200)
    const removal = { method: 'DELETE', path: `/${bucket}/a`, query: { versionId } }
    expect((await bench.send(removal)).status).toBe(403)
    expect((await bench.hold(target, 'OFF')).status).toBe(200)
    expect((await bench.send(removal)).status).toBe(204)
    spoiled.delete(stored.file)
    expect(await integrity(bucket)).toMatchObject({ quarantinedCount: 0 })
  })

  test('UploadPartCopy: a range beside the damage is copied, one that touches it is 500 and puts it in quarantine', async () => {
    const stored = await storeDamaged()
    const { bucket } = stored
    const begun = await bench.send({ method: 'POST', path: `/${bucket}/key`, query: { uploads: '' } })
    const uploadId = begun.element('UploadId') ?? ''
    const copyPart = (range: string) =>
      bench.send({
        method: 'PUT',
        path: `/${bucket}/key`,
        query: { partNumber: '1', uploadId },
        headers: { 'x-amz-copy-source': `${bucket}/a`, 'x-amz-copy-source-range': range },
      })
    expect(await outcome(copyPart(`bytes=0-${badStart - 1}`))).toBe('200 null')
    expect(await outcome(copyPart(`bytes=0-${badStart}`))).toBe(refused)
    expect(await integrity(bucket)).toMatchObject({ quarantinedCount: 1 })
    expect(await outcome(copyPart(`bytes=0-${badStart - 1}`))).toBe(refused)
  })

  test('CopyObject: refused once the damage is known; a copy from before shares it', async () => {
    const stored = await storeDamaged()
    const { bucket } = stored
    const copy = (key: string, headers: Record<string, string> = {}) =>
      bench.send({
        method: 'PUT',
        path: `/${bucket}/${key}`,
        headers: { 'x-amz-copy-source': `${bucket}/a`, ...headers },
      })
    // Copies no byte, so it meets none.
    expect(await outcome(copy('early'))).toBe('200 null')
    // Counts a checksum over all bytes.
    expect(await outcome(copy('late', { 'x-amz-checksum-algorithm': 'SHA256' }))).toBe(refused)
    expect(await outcome(copy('late'))).toBe(refused)
    expect((await bench.send({ method: 'HEAD', path: `/${bucket}/late` })).status).toBe(404)
    expect(await outcome(bench.send({ method: 'GET', path: `/${bucket}/early` }))).toBe(refused)
    expect(await healthOf(bench.server())).toBe(sound)
  })
})
