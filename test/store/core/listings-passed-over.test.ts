import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decodeVersion, encodeVersion } from '../../../src/store/codec.ts'
import { rangeOf, versionKey, versionPrefix } from '../../../src/store/keys.ts'
import { listVersions } from '../../../src/store/listings.ts'
import { engines } from '../base/support.ts'
import { actor, openRig, type Rig } from './rig.ts'

const bucket = 'chunks'

describe('listings that pass over many rows', () => {
  let rig: Rig
  const memory = engines[0]
  if (memory === undefined) throw new Error('there is an engine')
  beforeAll(async () => {
    rig = await openRig(memory)
    const { accountId } = actor
    await rig.buckets.create(actor, { name: bucket, accountId, region: 'r', objectLock: 'enabled' })
    await rig.put({ bucket, key: 'b' })
  })
  afterAll(() => rig.close())

  test('listVersions: after as many rows as a page may pass over it ends behind a version, and goes on there', async () => {
    const names = rowsThatEndReads()
    await copyVersions(rig, names)
    const pages = await pagesOf(rig)
    expect(pages.map((page) => page.nextKeyMarker)).toEqual(['g0082z', null])
    const groups = [...new Set(names.map((each) => each.slice(0, 5)))]
    expect(pages.flatMap((page) => page.commonPrefixes)).toEqual(groups.map((each) => `${each}/`))
    expect(pages.flatMap((page) => page.keys)).toEqual(groups.map((each) => `${each}z`))
  })
})

async function pagesOf({ kv }: Rig) {
  const pages: {
    readonly keys: readonly string[]
    readonly commonPrefixes: readonly string[]
    readonly nextKeyMarker: string | null
  }[] = []
  let markers: { keyMarker: string | null; versionIdMarker: string | null } = {
    keyMarker: null,
    versionIdMarker: null,
  }
  for (;;) {
    const page = await listVersions(kv, { bucket, prefix: 'g', delimiter: '/', maxKeys: 1000, ...markers })
    if (page.kind !== 'page') throw new Error(page.kind)
    const { versions, commonPrefixes, isTruncated, nextKeyMarker, nextVersionIdMarker } = page
    pages.push({ keys: versions.map(({ version }) => version.key), commonPrefixes, nextKeyMarker })
    if (!isTruncated) return pages
    markers = { keyMarker: nextKeyMarker, versionIdMarker: nextVersionIdMarker }
  }
}

/** Each read of a listing of versions ends on a key that no common prefix has: 8 rows, twice as many each time, at most 256. */
function rowsThatEndReads(): string[] {
  const names: string[] = []
  for (let number = 0, rows = 8; number < 90; number += 1, rows = Math.min(rows * 2, 256)) {
    const group = `g${String(number).padStart(4, '0')}`
    for (let index = 1; index < rows; index += 1) names.push(`${group}/${String(index).padStart(3, '0')}`)
    names.push(`${group}z`)
  }
  return names
}

/** Writes rows of versions alone: the test looks at how a listing walks over them. */
async function copyVersions(rig: Rig, keys: readonly string[]): Promise<void> {
  const found = await rig.buckets.read(bucket)
  if (found === null) throw new Error('the bucket is there')
  const [model] = await rig.kv.range({ ...rangeOf(versionPrefix(found.id, 'b')), limit: 1 })
  if (model === undefined) throw new Error('the model row is there')
  const version = decodeVersion(model.key, model.value)
  for (let start = 0; start < keys.length; start += 1000) {
    await rig.kv.transact(async (transaction) => {
      for (const key of keys.slice(start, start + 1000)) {
        const row = versionKey(found.id, key, version.order, version.versionId)
        transaction.put(row, encodeVersion({ ...version, key }))
      }
    })
  }
}
