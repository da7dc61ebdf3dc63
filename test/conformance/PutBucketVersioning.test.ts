import { describe, expect, it } from 'vitest'
import { accessKey, conformance, elements, listedVersions, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const writer = accessKey('writer', ['s3:PutObject', 's3:PutBucketObjectLockConfiguration'])
const bench = conformance({ accessKeys: [owner, writer] })

function put(name: string, body: string, more: object = {}) {
  return bench.send({ method: 'PUT', path: `/${name}`, query: { versioning: '' }, body, key: owner, ...more })
}
const status = (value: string) =>
  `<VersioningConfiguration><Status>${value}</Status></VersioningConfiguration>`
const suspended = status('Suspended')

describe('PutBucketVersioning', () => {
  it('[PutBucketVersioning.1] [E7] PutBucketVersioning: Suspended on a lock bucket is 409 E7 and changes nothing', async () => {
    const name = await bench.bucket('locked', { key: owner })
    for (const key of [owner, undefined]) {
      expect(refusal(await bench.unchanged(name, () => put(name, suspended, { key })))).toEqual([
        409,
        'InvalidBucketState',
        'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.',
      ])
    }
  })

  it('[PutBucketVersioning.2] PutBucketVersioning: Enabled again on a lock bucket is 200', async () => {
    const name = await bench.bucket('locked', { key: owner })
    expect((await bench.unchanged(name, () => put(name, status('Enabled')))).status).toBe(200)
  })

  it('[Choice.11] PutBucketVersioning: a checksum is not demanded, a wrong one is refused', async () => {
    const name = await bench.bucket('unversioned', { key: owner })
    const headers = { 'content-md5': '1B2M2Y8AsgTpgAmY7PhCfg==' }
    const wrong = await bench.unchanged(name, () => put(name, status('Enabled'), { headers }))
    expect([wrong.status, wrong.code]).toEqual([400, 'BadDigest'])
    expect((await put(name, status('Enabled'))).status).toBe(200)
  })

  it('PutBucketVersioning: Enabled, Suspended, Enabled: versions stay, only the null version is replaced', async () => {
    const name = await bench.bucket('unversioned', { key: owner })
    await bench.put(name, 'key', { key: owner, body: '1' })
    await put(name, status('Enabled'))
    const second = await bench.put(name, 'key', { key: owner, body: '2' })
    await put(name, suspended)
    expect(await bench.put(name, 'key', { key: owner, body: '3' })).toBe('null')
    const listed = await bench.send({ method: 'GET', path: `/${name}`, query: { versions: '' } })
    expect(listedVersions(listed).map(({ versionId }) => versionId)).toEqual(['null', second])
    const bytes = async (versionId: string) =>
      (await bench.send({ method: 'GET', path: `/${name}/key`, query: { versionId } })).text
    expect([await bytes('null'), await bytes(second)]).toEqual(['3', '2'])
  })

  it.each([
    ['no body', '', 'MalformedXML'],
    ['unknown status', status('Off'), 'MalformedXML'],
    ['lower-case status', status('suspended'), 'MalformedXML'],
    ['no status', '<VersioningConfiguration/>', 'IllegalVersioningConfigurationException'],
    [
      '[PutBucketVersioning.3] excluded prefixes',
      '<VersioningConfiguration><Status>Enabled</Status><ExcludedPrefixes><Prefix>a</Prefix></ExcludedPrefixes></VersioningConfiguration>',
      'MalformedXML',
    ],
  ])('PutBucketVersioning: %s is 400 and changes nothing', async (_name, body, code) => {
    const name = await bench.bucket('enabled', { key: owner })
    const answer = await bench.unchanged(name, () => put(name, body))
    expect([answer.status, answer.code]).toEqual([400, code])
  })

  it('PutBucketVersioning: MfaDelete is NotImplemented', async () => {
    const name = await bench.bucket('enabled', { key: owner })
    const body =
      '<VersioningConfiguration><Status>Suspended</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>'
    expect((await bench.unchanged(name, () => put(name, body))).status).toBe(501)
  })

  it('PutBucketVersioning: other permissions do not stand for it', async () => {
    const name = await bench.bucket('enabled', { key: owner })
    const answer = await bench.unchanged(name, () => put(name, suspended, { key: writer }))
    expect(refusal(answer)).toEqual(refused.forbidden)
    const after = await bench.send({ method: 'GET', path: `/${name}`, query: { versioning: '' } })
    expect(elements(after, 'Status')).toEqual(['Enabled'])
  })
})
