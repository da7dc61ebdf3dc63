import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compareBytes } from '../../../src/lib/bytes.ts'
import { limits } from '../../../src/lib/limits.ts'
import { decodeCurrent, encodeCurrent } from '../../../src/store/codec.ts'
import { currentKey } from '../../../src/store/keys.ts'
import type { KeyValue, RangeOptions } from '../../../src/store/kv/contract.ts'
import { listCurrent, listVersions } from '../../../src/store/listings.ts'
import type { ListVersions } from '../../../src/store/store.ts'
import { clientVersionId } from '../../../src/store/version-id.ts'
import { engines } from '../base/support.ts'
import { actor, openRig, type Rig } from './rig.ts'

type CurrentPage = { readonly prefix: string; readonly delimiter: string; readonly after: string | null }

const name = fc.string({
  unit: fc.constantFrom('a', 'b', '/', '-', 'é', '\u{10000}', '\uffff'),
  maxLength: 6,
})
const keyText = name.filter((text) => text !== '')
const delimiter = fc.constantFrom('', '/', '-', '//', 'a/', 'é')
const prefix = fc.oneof(fc.constant(''), name)
const entry = fc.record({
  key: keyText,
  writes: fc.array(fc.constantFrom('put', 'mark'), { minLength: 1, maxLength: 4 }),
})

let bucketCount = 0

for (const engine of engines) {
  describe(`listings on ${engine.name}`, () => {
    let rig: Rig
    beforeAll(async () => {
      rig = await openRig(engine)
    })
    afterAll(() => rig.close())

    async function fill(entries: readonly { key: string; writes: readonly string[] }[], versioning: string) {
      bucketCount += 1
      const bucket = `bucket-${bucketCount}`
      await rig.buckets.create(actor, {
        name: bucket,
        accountId: actor.accountId,
        region: 'r',
        objectLock: 'none',
      })
      // A null version below, as in a bucket that was there before versioning.
      for (const { key } of entries.slice(0, 2)) await rig.put({ bucket, key })
      if (versioning !== 'Unversioned') await rig.buckets.putVersioning(actor, bucket, 'Enabled')
      for (const { key, writes } of entries) {
        for (const write of writes) {
          if (write === 'put') await rig.put({ bucket, key })
          else await rig.remove({ bucket, key })
        }
      }
      return bucket
    }

    test('listCurrent: any page size, prefix and delimiter, the pages together are the naive listing', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(entry, { maxLength: 12, size: 'max' }),
          fc.record({ prefix, delimiter, after: fc.option(name) }),
          fc.integer({ min: 1, max: 5 }),
          async (entries, input, maxKeys) => {
            const bucket = await fill(entries, 'Enabled')
            expect(await currentPages(rig.kv, bucket, input, maxKeys)).toEqual(
              await naiveCurrent(rig.kv, bucket, input),
            )
          },
        ),
        { numRuns: engine.name === 'memory' ? 60 : 15 },
      )
    })

    test('listVersions: any page size, the pages together are one big listing, with one latest version a key', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(entry, { maxLength: 10, size: 'max' }),
          fc.record({ prefix, delimiter }),
          fc.integer({ min: 1, max: 5 }),
          fc.constantFrom('Enabled', 'Unversioned'),
          async (entries, input, maxKeys, versioning) => {
            const bucket = await fill(entries, versioning)
            const all = await versionPages(rig.kv, { ...input, bucket }, 1000)
            expect(await versionPages(rig.kv, { ...input, bucket }, maxKeys)).toEqual(all)
            const whole = await versionPages(rig.kv, { prefix: '', delimiter: '', bucket }, 1000)
            expect(all).toEqual(naiveVersions(whole, input))
            const latest = whole.filter((item) => item.isLatest).map((item) => item.name)
            expect(new Set(latest).size).toBe(latest.length)
            expect(latest).toEqual([...new Set(whole.map((item) => item.name))])
          },
        ),
        { numRuns: engine.name === 'memory' ? 60 : 15 },
      )
    })
  })
}

describe('listings', () => {
  let rig: Rig
  const memory = engines[0]
  if (memory === undefined) throw new Error('there is an engine')
  beforeAll(async () => {
    rig = await openRig(memory)
    await rig.buckets.create(actor, {
      name: 'ledger',
      accountId: actor.accountId,
      region: 'r',
      objectLock: 'enabled',
    })
    for (const key of ['a/1', 'a/2', 'b', 'c/1', 'd', 'd', 'd']) await rig.put({ key })
  })
  afterAll(() => rig.close())

  test('listCurrent: maxKeys 0, an empty page that is not truncated', async () => {
    const page = await listCurrent(rig.kv, {
      bucket: 'ledger',
      prefix: '',
      delimiter: '',
      maxKeys: 0,
      after: null,
    })
    expect(page).toEqual({ kind: 'page', objects: [], commonPrefixes: [], isTruncated: false, last: null })
  })

  test('listVersions: maxKeys 0, an empty page that is not truncated', async () => {
    const page = await listVersions(rig.kv, versionsInput({ bucket: 'ledger', maxKeys: 0 }))
    expect(page).toMatchObject({
      versions: [],
      isTruncated: false,
      nextKeyMarker: null,
      nextVersionIdMarker: null,
    })
  })

  test('listings: no such bucket', async () => {
    const input = { bucket: 'nothing', prefix: '', delimiter: '', maxKeys: 1 }
    expect(await listCurrent(rig.kv, { ...input, after: null })).toEqual({ kind: 'noSuchBucket' })
    expect(await listVersions(rig.kv, versionsInput({ bucket: 'nothing' }))).toEqual({ kind: 'noSuchBucket' })
  })

  test('listCurrent: a last page that is exactly full, not truncated', async () => {
    const input = { bucket: 'ledger', prefix: '', delimiter: '/', after: null }
    const full = await listCurrent(rig.kv, { ...input, maxKeys: 4 })
    expect(full).toMatchObject({ commonPrefixes: ['a/', 'c/'], isTruncated: false, last: 'd' })
    expect(await listCurrent(rig.kv, { ...input, maxKeys: 3 })).toMatchObject({
      isTruncated: true,
      last: 'c/',
    })
  })

  test('listCurrent: after a key inside a group, the group is listed for the keys that follow', async () => {
    const input = { bucket: 'ledger', prefix: '', delimiter: '/', maxKeys: 10 }
    expect(await listCurrent(rig.kv, { ...input, after: 'a/1' })).toMatchObject({
      commonPrefixes: ['a/', 'c/'],
    })
    expect(await listCurrent(rig.kv, { ...input, after: 'a/' })).toMatchObject({ commonPrefixes: ['c/'] })
  })

  test('listings: prefixes and markers longer than any key, no error', async () => {
    const long = 'x'.repeat(5000)
    const input = { bucket: 'ledger', delimiter: '', maxKeys: 10 }
    expect(await listCurrent(rig.kv, { ...input, prefix: long, after: null })).toMatchObject({ objects: [] })
    expect(await listCurrent(rig.kv, { ...input, prefix: '', after: `b${long}` })).toMatchObject({
      last: 'd',
    })
    const versions = await listVersions(rig.kv, versionsInput({ bucket: 'ledger', keyMarker: `c${long}` }))
    expect(versions.kind === 'page' && versions.versions.map(({ version }) => version.key)).toEqual([
      'd',
      'd',
      'd',
    ])
  })

  test('listVersions: a version marker whose version has gone, the page goes on at its place', async () => {
    const page = await listVersions(rig.kv, versionsInput({ bucket: 'ledger', prefix: 'd', maxKeys: 2 }))
    if (page.kind !== 'page') throw new Error(page.kind)
    expect(page).toMatchObject({ isTruncated: true, nextKeyMarker: 'd' })
    const versionId = page.nextVersionIdMarker
    expect(await rig.remove({ key: 'd', versionId })).toMatchObject({ kind: 'deleted' })
    const next = versionsInput({ bucket: 'ledger', prefix: 'd', keyMarker: 'd', versionIdMarker: versionId })
    const rest = await listVersions(rig.kv, next)
    expect(rest.kind === 'page' && rest.versions.map(({ isLatest }) => isLatest)).toEqual([false])
  })

  test('listVersions: the marked latest version has gone, the next one is the latest', async () => {
    const page = await listVersions(rig.kv, versionsInput({ bucket: 'ledger', prefix: 'd', maxKeys: 1 }))
    if (page.kind !== 'page') throw new Error(page.kind)
    const versionId = page.nextVersionIdMarker
    await rig.remove({ key: 'd', versionId })
    const next = versionsInput({ bucket: 'ledger', prefix: 'd', keyMarker: 'd', versionIdMarker: versionId })
    const rest = await listVersions(rig.kv, next)
    expect(rest.kind === 'page' && rest.versions.map(({ isLatest }) => isLatest)).toEqual([true])
  })

  test('listVersions: a marker that says no place, the whole key once more', async () => {
    for (const versionIdMarker of ['null', 'bogus']) {
      const page = await listVersions(
        rig.kv,
        versionsInput({ bucket: 'ledger', keyMarker: 'b', versionIdMarker }),
      )
      expect(page.kind === 'page' && page.versions.map(({ version }) => version.key)).toContain('b')
    }
  })

  test('listCurrent: many groups of many keys, at most two reads for each entry', async () => {
    const counting = new CountingReads(rig.kv)
    await fillGroups(rig, { bucket: 'ledger', groups: 30, keys: 40 })
    const page = await listCurrent(counting.kv, {
      bucket: 'ledger',
      prefix: 'g',
      delimiter: '/',
      maxKeys: 30,
      after: null,
    })
    expect(page).toMatchObject({ isTruncated: false })
    expect(page.kind === 'page' && page.commonPrefixes.length).toBe(30)
    expect(counting.ranges).toBeLessThanOrEqual(2 * 30)
    expect(counting.rows).toBeLessThan(30 * 40)
  })

  test('listCurrent: more delete markers than a page may pass over, a truncated page that can be continued', async () => {
    await putMarkers(rig, { bucket: 'ledger', prefix: 'm/', count: limits.listRowsScannedMax + 2000 })
    await rig.put({ key: 'm/z' })
    for (const each of ['', '/']) {
      const input = { bucket: 'ledger', prefix: 'm/', delimiter: each, maxKeys: 5 }
      const first = await listCurrent(rig.kv, { ...input, after: null })
      if (first.kind !== 'page') throw new Error(first.kind)
      expect(first).toMatchObject({ objects: [], isTruncated: true })
      const second = await listCurrent(rig.kv, { ...input, after: first.last })
      expect(second.kind === 'page' && second.objects.map(({ key }) => key)).toEqual(['m/z'])
      expect(second).toMatchObject({ isTruncated: false })
    }
  })
})

function versionsInput(input: Partial<ListVersions> & { bucket: string }): ListVersions {
  return { prefix: '', delimiter: '', maxKeys: 100, keyMarker: null, versionIdMarker: null, ...input }
}

async function currentPages(kv: KeyValue, bucket: string, input: CurrentPage, maxKeys: number) {
  const names: string[] = []
  let after = input.after
  for (;;) {
    const page = await listCurrent(kv, { ...input, bucket, maxKeys, after })
    if (page.kind !== 'page') throw new Error(page.kind)
    const found = [...page.objects.map(({ key }) => key), ...page.commonPrefixes].sort(byteOrder)
    expect(found.length).toBeLessThanOrEqual(maxKeys)
    names.push(...found)
    if (!page.isTruncated) return names
    expect(page.last).toBe(found.at(-1))
    after = page.last
  }
}

/** From one page over everything, grouped by hand. */
async function naiveCurrent(kv: KeyValue, bucket: string, input: CurrentPage) {
  const page = await listCurrent(kv, { bucket, prefix: '', delimiter: '', maxKeys: 1000, after: null })
  if (page.kind !== 'page') throw new Error(page.kind)
  const keys = page.objects.map(({ key }) => key)
  expect(keys).toEqual([...keys].sort(byteOrder))
  const matching = keys.filter((key) => key.startsWith(input.prefix))
  const { after } = input
  const shown = matching.filter((key) => {
    if (after === null) return true
    const isSkippedGroup = group(after, input) === after && key.startsWith(after)
    return byteOrder(key, after) > 0 && !isSkippedGroup
  })
  return [...new Set(shown.map((key) => group(key, input) ?? key))].sort(byteOrder)
}

type Item = { readonly name: string; readonly versionId: string | null; readonly isLatest: boolean | null }

async function versionPages(
  kv: KeyValue,
  input: { bucket: string; prefix: string; delimiter: string },
  maxKeys: number,
): Promise<Item[]> {
  const items: Item[] = []
  let markers: { keyMarker: string | null; versionIdMarker: string | null } = {
    keyMarker: null,
    versionIdMarker: null,
  }
  for (;;) {
    const page = await listVersions(kv, { ...input, ...markers, maxKeys })
    if (page.kind !== 'page') throw new Error(page.kind)
    expect(page.versions.length + page.commonPrefixes.length).toBeLessThanOrEqual(maxKeys)
    const versions = page.versions.map(({ version, isLatest }) => ({
      name: version.key,
      versionId: clientVersionId(version),
      isLatest,
    }))
    const groups = page.commonPrefixes.map((each) => ({ name: each, versionId: null, isLatest: null }))
    items.push(...[...versions, ...groups].sort((a, b) => byteOrder(a.name, b.name)))
    if (!page.isTruncated) return items
    markers = { keyMarker: page.nextKeyMarker, versionIdMarker: page.nextVersionIdMarker }
  }
}

function naiveVersions(whole: readonly Item[], input: { prefix: string; delimiter: string }): Item[] {
  const shown = new Map<string, Item>()
  for (const item of whole.filter(({ name: key }) => key.startsWith(input.prefix))) {
    const grouped = group(item.name, input)
    if (grouped === null) shown.set(JSON.stringify([item.name, item.versionId]), item)
    else shown.set(JSON.stringify([grouped, null]), { name: grouped, versionId: null, isLatest: null })
  }
  return [...shown.values()]
}

function group(key: string, input: { prefix: string; delimiter: string }): string | null {
  if (input.delimiter === '' || !key.startsWith(input.prefix)) return null
  const rest = key.slice(input.prefix.length)
  const parts = rest.split(input.delimiter)
  return parts.length < 2 ? null : input.prefix + parts[0] + input.delimiter
}

function byteOrder(a: string, b: string): number {
  return compareBytes(Buffer.from(a), Buffer.from(b))
}

/** Counts the reads of ranges that a listing makes. */
class CountingReads {
  ranges = 0
  rows = 0
  readonly kv: KeyValue

  constructor(kv: KeyValue) {
    this.kv = {
      ...kv,
      get: (key) => kv.get(key),
      getMany: (keys) => kv.getMany(keys),
      range: (options) => kv.range(options),
      transact: (work) => kv.transact(work),
      close: () => kv.close(),
      snapshot: (read) =>
        kv.snapshot((reader) =>
          read({
            get: (key) => reader.get(key),
            getMany: (keys) => reader.getMany(keys),
            range: async (options: RangeOptions) => {
              const found = await reader.range(options)
              this.ranges += 1
              this.rows += found.length
              return found
            },
          }),
        ),
    }
  }
}

async function fillGroups(rig: Rig, size: { bucket: string; groups: number; keys: number }): Promise<void> {
  const names = Array.from({ length: size.groups }, (_, index) => `g${String(index).padStart(3, '0')}/`)
  for (const group of names) {
    await copyCurrent(
      rig,
      size.bucket,
      Array.from({ length: size.keys }, (_, index) => `${group}${index}`),
      false,
    )
  }
}

async function putMarkers(rig: Rig, input: { bucket: string; prefix: string; count: number }): Promise<void> {
  const names = Array.from(
    { length: input.count },
    (_, index) => `${input.prefix}${String(index).padStart(6, '0')}`,
  )
  for (let start = 0; start < names.length; start += 1000) {
    await copyCurrent(rig, input.bucket, names.slice(start, start + 1000), true)
  }
}

/** Writes rows of the listing table alone: these tests look at how many of them a listing reads. */
async function copyCurrent(rig: Rig, bucketName: string, keys: readonly string[], isDeleteMarker: boolean) {
  const bucket = await rig.buckets.read(bucketName)
  if (bucket === null) throw new Error('the bucket is there')
  await rig.kv.transact(async (transaction) => {
    const model = currentKey(bucket.id, 'b')
    const value = await transaction.get(model)
    if (value === null) throw new Error('the model row is there')
    const current = { ...decodeCurrent(model, value), isDeleteMarker }
    for (const key of keys) {
      const row = currentKey(bucket.id, key)
      transaction.put(row, encodeCurrent(row, current))
    }
  })
}
