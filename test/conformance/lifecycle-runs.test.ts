/** Lifecycle rules at work in a real server: two workers serve while the supervisor removes. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { limits } from '../../src/lib/limits.ts'
import { sendAdmin } from '../support/admin.ts'
import { accessKey, conformance, dayMs, listedVersions } from '../support/conformance.ts'
import { until } from '../support/crash/processes.ts'

const owner = accessKey('owner', null)
const bench = conformance({ accessKeys: [owner], lifecycleIntervalMs: 150 })

const removeNoncurrent =
  '<Rule><ID>old</ID><Filter></Filter><Status>Enabled</Status><NoncurrentVersionExpiration>' +
  '<NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration></Rule>'
const expireCurrent =
  '<Rule><ID>current</ID><Filter></Filter><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule>'

async function putRules(bucket: string, ...rules: readonly string[]): Promise<void> {
  const body = `<LifecycleConfiguration>${rules.join('')}</LifecycleConfiguration>`
  const path = `/${bucket}`
  const answer = await bench.document({ method: 'PUT', path, query: { lifecycle: '' }, body, key: owner })
  expect([answer.status, answer.text]).toEqual([200, ''])
}

async function versionsOf(bucket: string) {
  return listedVersions(
    await bench.send({ method: 'GET', path: `/${bucket}`, query: { versions: '' }, key: owner }),
  )
}

function bodyFiles(): readonly string[] {
  const folder = join(bench.server().dataDirectory, 'bodies')
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
}

type LastRun = { readonly started: string; readonly lockedCount: number; readonly removedCount: number }
async function lastRun(bucket: string): Promise<LastRun | null> {
  const { document } = await sendAdmin(bench.server(), { method: 'GET', path: `/v1/buckets/${bucket}` })
  return document['lastLifecycleRun'] as LastRun | null
}

/** A whole run that began after this call has ended. */
async function wholeRun(bucket: string): Promise<LastRun> {
  const now = new Date(bench.server().nowMs()).toISOString()
  let last: LastRun | null = null
  await until('a run has begun and ended', async () => {
    last = await lastRun(bucket)
    return last !== null && last.started >= now
  })
  if (last === null) throw new Error('the run is there')
  return last
}

describe('the lifecycle in a server', () => {
  it('B-27 B-28 B-29 B-30 I15: whatever is locked stays with its bytes, by every rule, and again every run', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const lock = (mode: string, days: number) => ({
      'x-amz-object-lock-mode': mode,
      'x-amz-object-lock-retain-until-date': bench.inDays(days),
    })
    const put = (headers: Record<string, string> = {}) =>
      bench.put(bucket, 'key', { key: owner, headers, body: 'whole' })
    const locked = [
      await put({ 'x-amz-object-lock-legal-hold': 'ON' }),
      await put(lock('GOVERNANCE', 50)),
      await put(lock('COMPLIANCE', 50)),
    ]
    const free = await put()
    const current = await put()
    await putRules(bucket, removeNoncurrent, expireCurrent)
    bench.server().advance(3 * dayMs)
    await until(
      'the free version is removed',
      async () => !(await versionsOf(bucket)).some((each) => each.versionId === free),
    )
    await wholeRun(bucket)
    const left = await versionsOf(bucket)
    expect(left[0]).toMatchObject({ kind: 'DeleteMarker', isLatest: true })
    expect(left.slice(1).map(({ versionId }) => versionId)).toEqual([current, ...locked.toReversed()])
    for (const versionId of locked) {
      const answer = await bench.send({
        method: 'GET',
        path: `/${bucket}/key`,
        query: { versionId },
        key: owner,
      })
      expect([answer.status, answer.text]).toEqual([200, 'whole'])
    }
    expect(await wholeRun(bucket)).toMatchObject({ lockedCount: 3, removedCount: 0, expiredCount: 0 })
    bench.server().advance(60 * dayMs)
    // The current version has become noncurrent under the marker, and what was locked by time is free now.
    await until('only the hold is left', async () => (await versionsOf(bucket)).length === 2)
    expect((await versionsOf(bucket)).map(({ versionId }) => versionId)).toContain(locked[0])
    expect(await wholeRun(bucket)).toMatchObject({ lockedCount: 1 })
  })

  it('PutObjectLegalHold against the run: what was held with 200 is whole, what was removed was refused', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const versions: { key: string; versionId: string }[] = []
    for (let index = 0; index < 120; index += 1) {
      const key = `key-${index % 12}`
      versions.push({ key, versionId: await bench.put(bucket, key, { key: owner, body: `body-${index}` }) })
    }
    const due = versions.slice(0, -12)
    await putRules(bucket, removeNoncurrent)
    bench.server().advance(3 * dayMs)
    // Newest first, against the direction of the run, so that both meet.
    const held: string[] = []
    const refusedIds: string[] = []
    for (const { key, versionId } of due.toReversed()) {
      const answer = await bench.hold({ bucket, key, versionId }, 'ON', { key: owner })
      expect([200, 404]).toContain(answer.status)
      if (answer.status === 200) held.push(versionId)
      else refusedIds.push(versionId)
    }
    await wholeRun(bucket)
    const left = new Set((await versionsOf(bucket)).map(({ versionId }) => versionId))
    expect(held.filter((versionId) => !left.has(versionId))).toEqual([])
    expect(refusedIds.filter((versionId) => left.has(versionId))).toEqual([])
    expect(left.size).toBe(held.length + 12)
    for (const [index, { key, versionId }] of versions.entries()) {
      if (!left.has(versionId)) continue
      const answer = await bench.send({
        method: 'GET',
        path: `/${bucket}/${key}`,
        query: { versionId },
        key: owner,
      })
      expect([answer.status, answer.text]).toEqual([200, `body-${index}`])
    }
  })

  it('bodies of what the rules removed: are gone from the disk without a restart, those of what a lock kept are not', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const body = (letter: string) => letter.repeat(2 * limits.inlineBodyBytesMax)
    const before = bodyFiles().length
    await bench.put(bucket, 'key', { key: owner, body: body('a') })
    const headers = { 'x-amz-object-lock-legal-hold': 'ON' }
    const held = await bench.put(bucket, 'key', { key: owner, headers, body: body('b') })
    await bench.put(bucket, 'key', { key: owner, body: body('c') })
    await putRules(bucket, removeNoncurrent)
    expect(bodyFiles()).toHaveLength(before + 3)
    bench.server().advance(3 * dayMs)
    await until('one file is gone', () => bodyFiles().length === before + 2)
    await wholeRun(bucket)
    expect(bodyFiles()).toHaveLength(before + 2)
    const answer = await bench.send({
      method: 'GET',
      path: `/${bucket}/key`,
      query: { versionId: held },
      key: owner,
    })
    expect([answer.status, answer.text]).toEqual([200, body('b')])
  })

  it('rules that are deleted: nothing is done by them any more', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const other = await bench.bucket('enabled', { key: owner })
    for (const name of [bucket, other]) {
      await bench.put(name, 'key', { key: owner })
      await putRules(name, expireCurrent)
    }
    await bench.send({ method: 'DELETE', path: `/${bucket}`, query: { lifecycle: '' }, key: owner })
    bench.server().advance(3 * dayMs)
    await until('the other bucket has expired', async () => (await versionsOf(other)).length === 2)
    await wholeRun(other)
    expect((await versionsOf(bucket)).map(({ kind }) => kind)).toEqual(['Version'])
  })

  it('a suspect clock: nothing is removed, and the log says why', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    await putRules(bucket, expireCurrent)
    const before = bench.server().logs().length
    bench.server().setClock({ wallShiftMs: bench.server().nowMs() - Date.now() + 400 * dayMs })
    const says = 'the clock is suspect: the lifecycle removes nothing until it is confirmed'
    await until('the log says it', () => bench.server().logs().slice(before).includes(says))
    expect((await versionsOf(bucket)).map(({ kind }) => kind)).toEqual(['Version'])
  })
})
