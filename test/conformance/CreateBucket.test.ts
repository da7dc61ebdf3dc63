import { describe, expect, it } from 'vitest'
import { accessKey, conformance, elements, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const foreigner = accessKey('foreigner', null, '222222222222')
const creator = accessKey('creator', ['s3:CreateBucket'])
const lockCreator = accessKey('lock-creator', ['s3:CreateBucket', 's3:PutBucketObjectLockConfiguration'])
const bench = conformance({ accessKeys: [owner, foreigner, creator, lockCreator] })

const header = 'x-amz-bucket-object-lock-enabled'
let count = 0
function newName(): string {
  count += 1
  return `created-${count}`
}

function create(name: string, more: object = {}) {
  return bench.send({ method: 'PUT', path: `/${name}`, key: owner, ...more })
}

function get(name: string, query: string) {
  return bench.send({ method: 'GET', path: `/${name}`, query: { [query]: '' }, key: owner })
}

describe('CreateBucket', () => {
  it('CreateBucket: no header, a plain unversioned bucket and its Location', async () => {
    const name = newName()
    const answer = await create(name)
    expect([answer.status, answer.headers['location'], answer.text]).toEqual([200, `/${name}`, ''])
    expect(elements(await get(name, 'versioning'), 'Status')).toEqual([])
    const lock = await get(name, 'object-lock')
    expect([...refusal(lock), lock.element('BucketName')]).toEqual([
      404,
      'ObjectLockConfigurationNotFoundError',
      'Object Lock configuration does not exist for this bucket',
      name,
    ])
  })

  it.each(['true', 'True'])(
    '[CreateBucket.1] CreateBucket: %s, lock and versioning are on in one step, no rule',
    async (value) => {
      const name = newName()
      expect((await create(name, { headers: { [header]: value } })).status).toBe(200)
      expect(elements(await get(name, 'versioning'), 'Status')).toEqual(['Enabled'])
      const lock = await get(name, 'object-lock')
      expect(elements(lock, 'ObjectLockEnabled')).toEqual(['Enabled'])
      expect(lock.text).not.toContain('Rule')
    },
  )

  it('[CreateBucket.3] CreateBucket: header false, a plain bucket', async () => {
    const name = newName()
    expect((await create(name, { headers: { [header]: 'false' } })).status).toBe(200)
    expect((await get(name, 'object-lock')).status).toBe(404)
  })

  it('[CreateBucket.4] CreateBucket: another header value is InvalidRequest and no bucket is made', async () => {
    const name = newName()
    const answer = await create(name, { headers: { [header]: 'yes' } })
    expect([answer.status, answer.code]).toEqual([400, 'InvalidRequest'])
    expect((await bench.send({ method: 'HEAD', path: `/${name}` })).status).toBe(404)
  })

  it('[CreateBucket.5] CreateBucket: an existing bucket of mine is 409 and keeps its lock state', async () => {
    const plain = await bench.bucket('enabled', { key: owner })
    const withLock = await bench.unchanged(plain, () => create(plain, { headers: { [header]: 'true' } }))
    expect([withLock.status, withLock.code, withLock.element('BucketName')]).toEqual([
      409,
      'BucketAlreadyOwnedByYou',
      plain,
    ])
    const locked = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
    for (const headers of [{}, { [header]: 'false' }, { [header]: 'true' }]) {
      const answer = await bench.unchanged(locked, () => create(locked, { headers }))
      expect([answer.status, answer.code]).toEqual([409, 'BucketAlreadyOwnedByYou'])
    }
  })

  it("CreateBucket: somebody else's bucket is BucketAlreadyExists", async () => {
    const name = await bench.bucket('locked', { key: owner })
    const answer = await bench.unchanged(name, () => create(name, { key: foreigner }))
    expect([answer.status, answer.code]).toEqual([409, 'BucketAlreadyExists'])
  })

  it('[CreateBucket.2] CreateBucket: the lock header needs two permissions more (B-36)', async () => {
    for (const key of [creator, lockCreator]) {
      const name = newName()
      const answer = await create(name, { key, headers: { [header]: 'true' } })
      expect(refusal(answer)).toEqual(refused.forbidden)
      expect((await bench.send({ method: 'HEAD', path: `/${name}` })).status).toBe(404)
      expect((await create(name, { key })).status).toBe(200)
    }
  })

  it('CreateBucket: LocationConstraint must be the region of the server', async () => {
    const body = (region: string) =>
      '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
      `<LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`
    expect((await create(newName(), { body: body('us-east-1') })).status).toBe(200)
    const name = newName()
    const answer = await create(name, { body: body('eu-central-1') })
    expect([...refusal(answer)]).toEqual([
      400,
      'InvalidLocationConstraint',
      'The specified location-constraint is not valid',
    ])
    expect((await bench.send({ method: 'HEAD', path: `/${name}` })).status).toBe(404)
  })

  it('CreateBucket: a document that is none is MalformedXML', async () => {
    expect(refusal(await create(newName(), { body: '<CreateBucketConfiguration>' }))).toEqual(
      refused.malformed,
    )
    const unknown = '<CreateBucketConfiguration><Lock>off</Lock></CreateBucketConfiguration>'
    expect(refusal(await create(newName(), { body: unknown }))).toEqual(refused.malformed)
  })

  it.each(['ab', 'UPPER', 'a..b', '192.168.0.1', '-abc', 'xn--abc', 'abc-s3alias', 'a_b', 'holdfast-mine'])(
    'CreateBucket: the name %s is InvalidBucketName',
    async (name) => {
      const answer = await create(name)
      expect([answer.status, answer.code]).toEqual([400, 'InvalidBucketName'])
    },
  )

  it('CreateBucket: a dotted name is a name', async () => {
    expect((await create('dotted.name.example')).status).toBe(200)
  })

  it('CreateBucket: ACLs that give to others are refused', async () => {
    const answer = await create(newName(), { headers: { 'x-amz-acl': 'public-read' } })
    expect([answer.status, answer.code]).toEqual([400, 'AccessControlListNotSupported'])
  })
})
