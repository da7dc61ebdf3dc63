import { describe, expect, it } from 'vitest'
import { accessKey, conformance, dayMs, listedVersions, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const deleter = accessKey('deleter', ['s3:DeleteObject', 's3:DeleteObjectVersion'])
const onlyCurrent = accessKey('only-current', ['s3:DeleteObject'])
const nothing = accessKey('nothing', ['s3:ListBucket'])
const prefixed = {
  ...accessKey('prefixed', []),
  statements: [
    {
      effect: 'Allow',
      actions: ['s3:DeleteObject', 's3:DeleteObjectVersion'],
      buckets: ['*'],
      prefixes: ['mine/'],
    },
    { effect: 'Allow', actions: ['s3:BypassGovernanceRetention'], buckets: ['*'], prefixes: ['mine/free'] },
  ],
}
const bench = conformance({ accessKeys: [owner, deleter, onlyCurrent, nothing, prefixed] })

type Item = { readonly key: string; readonly versionId?: string }

function xml(items: readonly Item[], quiet = ''): string {
  const objects = items.map(
    ({ key, versionId }) =>
      `<Object><Key>${key}</Key>${versionId === undefined ? '' : `<VersionId>${versionId}</VersionId>`}</Object>`,
  )
  return `<Delete>${quiet}${objects.join('')}</Delete>`
}

function remove(bucket: string, items: readonly Item[], more: object = {}) {
  return bench.document({
    method: 'POST',
    path: `/${bucket}`,
    query: { delete: '' },
    body: xml(items),
    key: owner,
    ...more,
  })
}

type Result = Readonly<Record<string, string>>

/** Deleted and Error elements in order, as plain records. */
function results(text: string): readonly Result[] {
  return [...text.matchAll(/<(Deleted|Error)>(.*?)<\/\1>/gs)].map(([, kind = '', inner = '']) => ({
    kind,
    ...Object.fromEntries(
      [...inner.matchAll(/<(\w+)>(.*?)<\/\1>/gs)].map(([, name = '', value = '']) => [name, value]),
    ),
  }))
}

const denied = (key: string, versionId: string) => ({
  kind: 'Error',
  Key: key,
  VersionId: versionId,
  Code: 'AccessDenied',
  Message: refused.locked[2],
})

async function versions(bucket: string) {
  return listedVersions(await bench.send({ method: 'GET', path: `/${bucket}`, query: { versions: '' } }))
}

describe('DeleteObjects', () => {
  it('[DeleteObjects.1] DeleteObjects: locked versions are errors of their keys, the others go', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const put = async (key: string) => ({
      bucket,
      key,
      versionId: await bench.put(bucket, key, { key: owner }),
    })
    const compliance = await put('compliance')
    const governance = await put('governance')
    const held = await put('held')
    const free = await put('free')
    await bench.retain(compliance, 'COMPLIANCE', bench.inDays(1), { key: owner })
    await bench.retain(governance, 'GOVERNANCE', bench.inDays(1), { key: owner })
    await bench.hold(held, 'ON', { key: owner })
    const answer = await remove(bucket, [compliance, governance, held, free])
    expect(answer.status).toBe(200)
    expect(results(answer.text)).toEqual([
      denied('compliance', compliance.versionId),
      denied('governance', governance.versionId),
      denied('held', held.versionId),
      { kind: 'Deleted', Key: 'free', VersionId: free.versionId },
    ])
    expect((await versions(bucket)).map(({ key }) => key)).toEqual(['compliance', 'governance', 'held'])
    const headers = { 'x-amz-bypass-governance-retention': 'true' }
    const bypassed = await remove(bucket, [compliance, governance, held], { headers })
    expect(results(bypassed.text).map(({ kind }) => kind)).toEqual(['Error', 'Deleted', 'Error'])
  })

  it('B-08 DeleteObjects: expired and locked neighbours do not matter to each other, in any order', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const expired = { key: 'expired', versionId: await bench.put(bucket, 'expired', { key: owner }) }
    await bench.retain({ bucket, ...expired }, 'COMPLIANCE', bench.inDays(1), { key: owner })
    bench.server().advance(2 * dayMs)
    const items = []
    for (const key of ['held-and-expired', 'locked', 'dir/']) {
      items.push({ key, versionId: await bench.put(bucket, key, { key: owner, body: '' }) })
    }
    const [both, locked, directory] = items
    if (both === undefined || locked === undefined || directory === undefined)
      throw new Error('three were written')
    for (const item of [both, directory]) await bench.hold({ bucket, ...item }, 'ON', { key: owner })
    await bench.retain({ bucket, ...locked }, 'COMPLIANCE', bench.inDays(1), { key: owner })
    const orders = [
      [expired, both, locked, directory],
      [directory, locked, both, expired],
      [locked, expired, directory, both],
    ]
    for (const order of orders) {
      const answer = await remove(bucket, order)
      const errors = results(answer.text).filter(({ kind }) => kind === 'Error')
      expect(errors.map((error) => error['Key']).sort()).toEqual(['dir/', 'held-and-expired', 'locked'])
    }
    expect((await versions(bucket)).map(({ key }) => key)).toEqual(['dir/', 'held-and-expired', 'locked'])
  })

  it('DeleteObjects: without version ids, delete markers on top, whatever the locks', async () => {
    const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
    await bench.put(bucket, 'a', { key: owner })
    const answer = await remove(bucket, [{ key: 'a' }, { key: 'never-was' }])
    const markers = (await versions(bucket)).filter(({ kind }) => kind === 'DeleteMarker')
    expect(results(answer.text)).toEqual(
      markers.map(({ key, versionId }) => ({
        kind: 'Deleted',
        Key: key,
        DeleteMarker: 'true',
        DeleteMarkerVersionId: versionId,
      })),
    )
    expect(markers.map(({ key }) => key)).toEqual(['a', 'never-was'])
    const [marker] = markers
    const gone = await remove(bucket, [{ key: 'a', versionId: marker?.versionId ?? '' }])
    expect(results(gone.text)).toEqual([
      {
        kind: 'Deleted',
        Key: 'a',
        VersionId: marker?.versionId,
        DeleteMarker: 'true',
        DeleteMarkerVersionId: marker?.versionId,
      },
    ])
  })

  it('[DeleteObjects.6] DeleteObjects: duplicates have one result each, unknown ids are Deleted', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const versionId = await bench.put(bucket, 'key', { key: owner })
    const item = { key: 'key', versionId }
    const answer = await remove(bucket, [item, item, { key: 'key', versionId: 'ABC' }])
    expect(results(answer.text)).toEqual([
      { kind: 'Deleted', Key: 'key', VersionId: versionId },
      { kind: 'Deleted', Key: 'key', VersionId: versionId },
      { kind: 'Deleted', Key: 'key', VersionId: 'ABC' },
    ])
  })

  it('[Choice.17] DeleteObjects: malformed and empty version ids are errors of their keys, the others go on', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'kept', { key: owner })
    const versionId = await bench.put(bucket, 'gone', { key: owner })
    const items = [
      { key: 'kept', versionId: 'a-b' },
      { key: 'kept', versionId: '' },
      { key: 'gone', versionId },
    ]
    const answer = await remove(bucket, items)
    expect(results(answer.text).map(({ kind, Code, Message }) => [kind, Code, Message])).toEqual([
      ['Error', 'InvalidArgument', refused.badVersionId[2]],
      ['Error', 'InvalidArgument', refused.emptyVersionId[2]],
      ['Deleted', undefined, undefined],
    ])
    expect((await versions(bucket)).map(({ key }) => key)).toEqual(['kept'])
  })

  it('DeleteObjects: Quiet shows errors only', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const locked = { key: 'locked', versionId: await bench.put(bucket, 'locked', { key: owner }) }
    await bench.hold({ bucket, ...locked }, 'ON', { key: owner })
    const free = { key: 'free', versionId: await bench.put(bucket, 'free', { key: owner }) }
    const answer = await remove(bucket, [], { body: xml([locked, free], '<Quiet>true</Quiet>') })
    expect(results(answer.text)).toEqual([denied('locked', locked.versionId)])
  })

  it('[DeleteObjects.3] [Format.11] DeleteObjects: 1,000 keys are deleted, 0 and 1,001 are MalformedXML', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const items = Array.from({ length: 1000 }, (_none, index) => ({ key: `k${index}` }))
    const answer = await remove(bucket, items)
    expect([answer.status, results(answer.text).length]).toEqual([200, 1000])
    const more = [...items, { key: 'one-more' }]
    for (const wrong of [[], more]) {
      expect(refusal(await bench.unchanged(bucket, () => remove(bucket, wrong)))).toEqual(refused.malformed)
    }
  })

  it.each([
    ['no key', '<Delete><Object><VersionId>A</VersionId></Object></Delete>', 'MalformedXML'],
    ['an empty key', '<Delete><Object><Key></Key></Object></Delete>', 'MalformedXML'],
    ['two keys', '<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>', 'MalformedXML'],
    [
      'an unknown element',
      '<Delete><Object><Key>a</Key><Force>true</Force></Object></Delete>',
      'MalformedXML',
    ],
    ['another root', '<DeleteAll/>', 'MalformedXML'],
    ['a size', '<Delete><Object><Key>a</Key><Size>1</Size></Object></Delete>', 'NotImplemented'],
  ])('DeleteObjects: %s is refused as a whole', async (_name, body, code) => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'a', { key: owner })
    expect((await bench.unchanged(bucket, () => remove(bucket, [], { body }))).code).toBe(code)
  })

  it('[DeleteObjects.2] [E17] DeleteObjects: no checksum is E17, a wrong one BadDigest', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'a', { key: owner })
    const request = {
      method: 'POST',
      path: `/${bucket}`,
      query: { delete: '' },
      body: xml([{ key: 'a' }]),
      key: owner,
    }
    expect(refusal(await bench.unchanged(bucket, () => bench.send(request)))).toEqual(
      refused.documentChecksum,
    )
    const headers = { 'content-md5': '1B2M2Y8AsgTpgAmY7PhCfg==' }
    expect((await bench.unchanged(bucket, () => bench.send({ ...request, headers }))).code).toBe('BadDigest')
  })

  it('[DeleteObjects.4] B-06 DeleteObjects: permission and bypass are judged for every key', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const items = []
    for (const key of ['mine/free', 'mine/kept', 'other']) {
      const versionId = await bench.put(bucket, key, { key: owner })
      await bench.retain({ bucket, key, versionId }, 'GOVERNANCE', bench.inDays(1), { key: owner })
      items.push({ key, versionId })
    }
    const headers = { 'x-amz-bypass-governance-retention': 'true' }
    const answer = await remove(bucket, items, { key: prefixed, headers })
    expect(results(answer.text).map(({ kind, Key, Message }) => [kind, Key, Message])).toEqual([
      ['Deleted', 'mine/free', undefined],
      ['Error', 'mine/kept', refused.locked[2]],
      ['Error', 'other', refused.forbidden[2]],
    ])
  })

  it('DeleteObjects: s3:DeleteObject is not s3:DeleteObjectVersion, each key is judged by its own', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const versionId = await bench.put(bucket, 'key', { key: owner })
    const items = [{ key: 'key', versionId }, { key: 'other' }]
    const kinds = async (key: typeof owner) =>
      results((await remove(bucket, items, { key })).text).map(({ kind }) => kind)
    expect(await kinds(onlyCurrent)).toEqual(['Error', 'Deleted'])
    expect(await kinds(deleter)).toEqual(['Deleted', 'Deleted'])
  })

  it('[DeleteObjects.5] [Choice.1] DeleteObjects: the bypass header on a bucket without lock is ignored', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const versionId = await bench.put(bucket, 'key', { key: owner })
    const headers = { 'x-amz-bypass-governance-retention': 'true' }
    const answer = await remove(bucket, [{ key: 'key', versionId }], { headers })
    expect(results(answer.text)).toEqual([{ kind: 'Deleted', Key: 'key', VersionId: versionId }])
  })

  it('DeleteObjects: who may delete no key at all is refused before the document is read', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    const documents = [xml([{ key: 'key' }]), 'not XML', 'x'.repeat(9 * 1024 * 1024)]
    for (const body of documents) {
      const answer = await bench.unchanged(bucket, () => remove(bucket, [], { key: nothing, body }))
      expect(refusal(answer)).toEqual(refused.forbidden)
    }
    // Whoever may delete some key is told about each of them.
    const answer = await remove(bucket, [{ key: 'key' }], { key: prefixed })
    expect(results(answer.text).map(({ kind, Message }) => [kind, Message])).toEqual([
      ['Error', refused.forbidden[2]],
    ])
  })

  it('B-17 DeleteObjects: a key that ends in a slash is judged by itself, with and without version id', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const free = { key: 'free', versionId: await bench.put(bucket, 'free', { key: owner }) }
    const held = { key: 'dir/', versionId: await bench.put(bucket, 'dir/', { key: owner, body: '' }) }
    await bench.hold({ bucket, ...held }, 'ON', { key: owner })
    const answer = await remove(bucket, [free, { key: 'dir/' }, held, { key: 'dir/', versionId: 'null' }])
    expect(results(answer.text).map(({ kind, Key, VersionId }) => [kind, Key, VersionId])).toEqual([
      ['Deleted', 'free', free.versionId],
      ['Deleted', 'dir/', undefined],
      ['Error', 'dir/', held.versionId],
      ['Deleted', 'dir/', 'null'],
    ])
    expect((await versions(bucket)).map(({ kind, key }) => [kind, key])).toEqual([
      ['DeleteMarker', 'dir/'],
      ['Version', 'dir/'],
    ])
  })

  it('B-07 DeleteObjects: more keys than one transaction takes, every lock among them holds', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const written = await Promise.all(
      Array.from({ length: 230 }, async (_none, index) => {
        const key = `k${index}`
        const headers = index % 23 === 5 ? { 'x-amz-object-lock-legal-hold': 'ON' } : {}
        return { key, versionId: await bench.put(bucket, key, { key: owner, headers }) }
      }),
    )
    const answer = await remove(bucket, written)
    const expected = written.map(({ key }, index) => [index % 23 === 5 ? 'Error' : 'Deleted', key])
    expect(results(answer.text).map(({ kind, Key }) => [kind, Key])).toEqual(expected)
    const heldKeys = written.filter((_one, index) => index % 23 === 5).map(({ key }) => key)
    expect((await versions(bucket)).map(({ key }) => key).sort()).toEqual(heldKeys.sort())
  })
})
