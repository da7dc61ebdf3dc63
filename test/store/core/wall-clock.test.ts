/** A wall clock that is wrong for a while, on both engines: what was made by it is no older, no younger and no longer locked for it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { RetentionPeriod } from '../../../src/lock/types.ts'
import { applyToExisting, stepExisting } from '../../../src/store/apply-to-existing.ts'
import { encodeVersion } from '../../../src/store/codec.ts'
import { readExisting, writeExisting } from '../../../src/store/existing-rows.ts'
import { versionKey } from '../../../src/store/keys.ts'
import type { VersionRecord } from '../../../src/store/records.ts'
import type { ApplyBucket, ExplicitLock, Uploads } from '../../../src/store/store.ts'
import { createClockStore } from '../../../src/store/trusted-clock.ts'
import { createUploads } from '../../../src/store/uploads.ts'
import { engines } from '../base/support.ts'
import { applyRequest } from './apply-request.ts'
import { interrupted, putRules, rule, run as runLifecycle } from './lifecycle-rig.ts'
import { actor, always, bytesOf, dayInMs, noLock, openRig, type Rig } from './rig.ts'

const days = (count: number): RetentionPeriod => ({ unit: 'DAYS', count })
const minuteInMs = 60_000

for (const engine of engines) {
  describe(`a wrong wall clock on ${engine.name}`, () => {
    let rig: Rig
    let bucketId: string
    let uploads: Uploads
    beforeEach(async () => {
      rig = await openRig(engine)
      uploads = createUploads(rig.context)
      await rig.leadership.next(actor, 'o')
      const input = {
        name: 'ledger',
        accountId: actor.accountId,
        region: 'r',
        objectLock: 'enabled',
      } as const
      bucketId = (await rig.buckets.create(actor, input)).bucket.id
    })
    afterEach(() => rig.close())

    /** COMPLIANCE of 30 days, for what is there too. */
    async function apply(minimum: number | null = null, wish: Partial<ApplyBucket> = {}): Promise<void> {
      const defaultRetention = { mode: 'COMPLIANCE', period: days(30) } as const
      const bounds = { minimum: minimum === null ? null : days(minimum), maximum: null }
      const answer = await rig.buckets.apply(
        actor,
        applyRequest({ defaultRetention, bounds }, { applyToExisting: 'ExtendOnly', ...wish }),
      )
      expect(answer.kind).toBe('applied')
    }

    async function put(key: string, lock: Partial<ExplicitLock> = {}): Promise<VersionRecord> {
      const result = await rig.put({ key, lock })
      if (result.kind !== 'put') throw new Error(result.kind)
      return result.version
    }

    /** Until the work is done by a wall clock that is so far off. */
    async function offBy<T>(offsetMs: number, work: () => Promise<T>): Promise<T> {
      rig.clock.wall += offsetMs
      const result = await work()
      rig.clock.wall -= offsetMs
      return result
    }

    const run = (kv = rig.kv) => applyToExisting({ ...rig.context, kv }, new AbortController().signal)
    const progress = async () => (await rig.buckets.facts('ledger'))?.applyToExisting
    const inDays = (count: number) => ({ mode: 'COMPLIANCE', retainUntilMs: rig.inDays(count) }) as const
    async function retention({ key, versionId }: VersionRecord) {
      const found = await rig.versions.read({ bucket: 'ledger', key, versionId })
      if (found.kind !== 'found' || found.version.lock.kind !== 'known') throw new Error(found.kind)
      return found.version.lock.retention
    }

    test.each([
      ['40 days behind', -40 * dayInMs],
      ['five minutes behind', -5 * minuteInMs],
      ['five minutes ahead', 5 * minuteInMs],
      ['ten years ahead', 3650 * dayInMs],
    ])(
      'existing versions of a clock %s: locked from their creation or later, never from beyond now',
      async (_name, offsetMs) => {
        const version = await offBy(offsetMs, () => put('a'))
        const atLeast = inDays(30).retainUntilMs
        await apply()
        rig.clock.pass(10 * minuteInMs)
        expect(await run()).toBe(1)
        const locked = await retention(version)
        expect(locked?.retainUntilMs).toBeGreaterThanOrEqual(atLeast)
        expect(locked?.retainUntilMs).toBeLessThanOrEqual(inDays(30).retainUntilMs)
        expect(await progress()).toMatchObject({ seenCount: 1, extendedCount: 1 })
      },
    )

    test.each([
      ['behind', -5 * minuteInMs],
      ['ahead', 5 * minuteInMs],
    ])(
      'a policy applied by a clock %s: versions written after it keep the dates that they were given',
      async (_name, offsetMs) => {
        await put('existing')
        await offBy(offsetMs, () => apply())
        const short = inDays(1)
        const sooner = await offBy(offsetMs, () => put('a', { retention: short }))
        const later = await put('b', { retention: short })
        rig.clock.pass(minuteInMs)
        const again = await offBy(-offsetMs, () => put('a', { retention: short }))
        expect(await run()).toBe(1)
        for (const version of [sooner, later, again]) expect(await retention(version)).toEqual(short)
        expect(await progress()).toMatchObject({ seenCount: 1, extendedCount: 1 })
      },
    )

    test.each(['believed', 'set right'] as const)(
      'a suspect clock that is %s later: what is certain is locked at once, and the walk ends when all of it is',
      async (outcome) => {
        const old = await put('old')
        rig.clock.pass(5 * dayInMs)
        rig.clock.wall += 50 * dayInMs
        const doubtful = await put('doubtful')
        await apply()
        expect(await run()).toBe(0)
        expect(await retention(old)).toEqual(inDays(25))
        expect(await retention(doubtful)).toEqual(inDays(30))
        expect(await progress()).toMatchObject({ seenCount: 2, extendedCount: 2, endedMs: null })
        const idle = interrupted(rig, () => Promise.reject(new Error('nothing is to be written')))
        expect(await run(idle)).toBe(0)
        if (outcome === 'set right') rig.clock.wall -= 50 * dayInMs
        else {
          const until = rig.clock.wallMs()
          const accepting = createClockStore(rig.kv, rig.clock).accept(actor, { until, reason: 'looked' })
          expect(await accepting).toMatchObject({ kind: 'accepted' })
        }
        expect(await run()).toBe(1)
        expect(await retention(doubtful)).toEqual(inDays(outcome === 'set right' ? 30 : 80))
        expect(await retention(old)).toEqual(inDays(25))
        const extendedCount = outcome === 'set right' ? 2 : 3
        expect(await progress()).toMatchObject({ seenCount: 2, extendedCount, endedMs: expect.any(Number) })
      },
    )

    test('a clock that becomes suspect between plan and commit: the page is planned anew', async () => {
      const version = await put('a')
      await apply()
      const kv = interrupted(rig, async () => {
        rig.clock.wall += 50 * dayInMs
      })
      expect(await stepExisting({ ...rig.context, kv }, bucketId)).toBe('changed')
      expect(await retention(version)).toBeNull()
      expect(await stepExisting(rig.context, bucketId)).toBe('done')
      expect(await retention(version)).toEqual(inDays(30))
    })

    test('a walk of an earlier release, which noted no revisions: before and after go by time, and nothing since is touched', async () => {
      const unnoted = async (version: VersionRecord) => {
        const { key, order, versionId } = version
        const row = versionKey(bucketId, key, order, versionId)
        const value = encodeVersion({ ...version, bucketRevision: null })
        await rig.kv.transact(async (transaction) => transaction.put(row, value))
        return version
      }
      const before = await unnoted(await offBy(-minuteInMs, () => put('a')))
      await apply()
      const record = await readExisting(rig.kv, bucketId)
      if (record === null) throw new Error('the walk is there')
      await rig.kv.transact(async (transaction) =>
        writeExisting(transaction, bucketId, { ...record, bucketRevision: null }),
      )
      const since = await put('b', { retention: inDays(1) })
      rig.clock.pass(minuteInMs)
      const after = await unnoted(await put('c', { retention: inDays(1) }))
      const kept = await Promise.all([since, after].map(retention))
      expect(await run()).toBe(1)
      expect((await retention(before))?.retainUntilMs).toBe(rig.inDays(30) - minuteInMs)
      expect(await Promise.all([since, after].map(retention))).toEqual(kept)
    })

    async function begin(lock: Partial<ExplicitLock> = {}): Promise<string> {
      const fields = { headers: {}, userMetadata: {}, tags: {}, checksumAlgorithm: null, checksumType: null }
      const upload = { bucket: 'ledger', key: 'a', lock: { ...noLock, ...lock }, ...fields }
      const created = await uploads.create(actor, upload)
      if (created.kind !== 'created') throw new Error(created.kind)
      return created.upload.uploadId
    }

    async function finish(uploadId: string) {
      const address = { bucket: 'ledger', key: 'a', uploadId }
      const body = await rig.versions.stage(bytesOf('part'), 1000)
      await uploads.putPart(actor, { ...address, partNumber: 1, body, checksum: null })
      const parts = [{ partNumber: 1, etag: body.md5, checksum: null }]
      return uploads.complete(actor, { ...address, parts, checksum: null, precondition: always })
    }

    test('an upload begun by a clock behind: the lifecycle aborts it when it is old enough, not before', async () => {
      await putRules(rig, [rule({ abortIncompleteMultipartUpload: { daysAfterInitiation: 7 } })])
      const uploadId = await offBy(-40 * dayInMs, () => begin())
      const isThere = async () => (await uploads.read('ledger', 'a', uploadId)).kind === 'found'
      rig.clock.pass(6 * dayInMs)
      await runLifecycle(rig)
      expect(await isThere()).toBe(true)
      rig.clock.pass(2 * dayInMs)
      await runLifecycle(rig)
      expect(await isThere()).toBe(false)
    })

    test('an upload begun by a clock behind: a minimum that rose meanwhile refuses its date', async () => {
      await apply(5, { applyToExisting: 'No' })
      const uploadId = await offBy(-40 * dayInMs, () => begin({ retention: inDays(6) }))
      await apply(30, { applyToExisting: 'No' })
      expect(await finish(uploadId)).toMatchObject({ kind: 'denied' })
    })

    test('an upload begun by a clock ahead: judged by a minimum of today like a request of now', async () => {
      await apply(5, { applyToExisting: 'No' })
      const asked = inDays(140)
      const uploadId = await offBy(100 * dayInMs, () => begin({ retention: asked }))
      await apply(60, { applyToExisting: 'No' })
      const done = await finish(uploadId)
      expect(done).toMatchObject({ kind: 'completed', version: { lock: { retention: asked } } })
    })
  })
}
