/** The lifecycle of one bucket on a rig: its rules, its versions, its runs, and what comes between plan and act. */
import { expect } from 'vitest'
import type { LifecycleRule } from '../../../src/lock/lifecycle.ts'
import type { KeyValue } from '../../../src/store/kv/contract.ts'
import { runLifecycle } from '../../../src/store/lifecycle.ts'
import { lifecycleCodec } from '../../../src/store/lifecycle-document.ts'
import type { VersionRecord } from '../../../src/store/records.ts'
import { BucketPlaces } from '../../../src/store/scenes.ts'
import type { Actor, ExplicitLock, LifecycleRun } from '../../../src/store/store.ts'
import { actor, dayInMs, type Rig, readText } from './rig.ts'

const never = new AbortController().signal

export function rule(change: Partial<LifecycleRule>): LifecycleRule {
  return {
    id: 'rule',
    status: 'Enabled',
    filter: { form: 'Filter', prefix: null, tags: [], sizeGreaterThan: null, sizeLessThan: null },
    expiration: null,
    noncurrentVersionExpiration: null,
    abortIncompleteMultipartUpload: null,
    ...change,
  }
}
export const expireAfter = (days: number) => rule({ expiration: { kind: 'days', days } })
export const removeNoncurrentAfter = (
  noncurrentDays: number,
  newerNoncurrentVersions: number | null = null,
) => rule({ noncurrentVersionExpiration: { noncurrentDays, newerNoncurrentVersions } })

export const abortAfter = (daysAfterInitiation: number) =>
  rule({ abortIncompleteMultipartUpload: { daysAfterInitiation } })

export async function putRules(rig: Rig, rules: readonly LifecycleRule[], bucket = 'ledger'): Promise<void> {
  const text = lifecycleCodec.encode({
    rules,
    transitionDefaultMinimumObjectSize: 'all_storage_classes_128K',
  })
  const result = await rig.documents.put(actor, bucket, { kind: 'lifecycle', text })
  expect(result.kind).toBe('changed')
}

export async function putVersion(
  rig: Rig,
  key: string,
  lock: Partial<ExplicitLock> = {},
): Promise<VersionRecord> {
  const result = await rig.put({ key, lock })
  if (result.kind !== 'put') throw new Error(result.kind)
  return result.version
}

/** Days pass, and one more, so that what is due after them is due. */
export function passDays(rig: Rig, days: number): void {
  rig.clock.pass((days + 1) * dayInMs)
}

export function run(rig: Rig, options: { signal?: AbortSignal; kv?: KeyValue } = {}): Promise<LifecycleRun> {
  const kv = options.kv ?? rig.kv
  const context = { ...rig.context, kv, places: new BucketPlaces() }
  return runLifecycle({ context, buckets: rig.buckets }, options.signal ?? never)
}

/** The rig's engine, but for what happens right before its first transaction: the plan is made by then. */
export function interrupted(rig: Rig, between: () => Promise<unknown>): KeyValue {
  let isFirst = true
  return {
    get: (key) => rig.kv.get(key),
    getMany: (keys) => rig.kv.getMany(keys),
    range: (options) => rig.kv.range(options),
    snapshot: (read) => rig.kv.snapshot(read),
    close: () => rig.kv.close(),
    transact: async (work) => {
      if (isFirst) {
        isFirst = false
        await between()
      }
      return rig.kv.transact(work)
    },
  }
}

/** Version ids of the bucket, the newest of each key first; markers as `marker`. */
export async function listed(rig: Rig, bucket = 'ledger'): Promise<readonly (readonly [string, string])[]> {
  const found: (readonly [string, string])[] = []
  let keyMarker: string | null = null
  let versionIdMarker: string | null = null
  for (;;) {
    const page = await rig.versions.listVersions({
      bucket,
      prefix: '',
      delimiter: '',
      maxKeys: 1000,
      keyMarker,
      versionIdMarker,
    })
    if (page.kind !== 'page') throw new Error(page.kind)
    for (const { version } of page.versions)
      found.push([version.key, version.object === null ? 'marker' : version.versionId])
    if (!page.isTruncated) return found
    keyMarker = page.nextKeyMarker
    versionIdMarker = page.nextVersionIdMarker
  }
}

/** Asserts that the version is there with its bytes. */
export async function expectWhole(rig: Rig, version: VersionRecord): Promise<void> {
  const versionId = version.isNull ? 'null' : version.versionId
  const found = await rig.versions.read({ bucket: 'ledger', key: version.key, versionId })
  if (found.kind !== 'found') throw new Error(`${version.key} ${found.kind}`)
  expect(found.version.object).toEqual(version.object)
  expect(await readText(rig.versions, found.version)).toBe(`body of ${version.key}`)
}

export const lifecycleActor: Pick<Actor, 'accessKeyId' | 'accountId' | 'operation'> = {
  accessKeyId: 'lifecycle',
  accountId: actor.accountId,
  operation: 'LifecycleExpiration',
}
