import { describe, expect, it } from 'vitest'
import { bytesOf, idOf, refusedBy, sdkClient } from '../support/clients/sdk.ts'
import { conformance, refused } from '../support/conformance.ts'

const bench = conformance()
const { s3 } = sdkClient(bench.server)
const until = new Date('2031-01-01T00:00:00.250Z')
const earlier = new Date('2030-01-01T00:00:00Z')
const lock = { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: until } as const

async function locked(key: string, more: object = lock) {
  const Bucket = await bench.bucket('locked')
  const VersionId = idOf(await s3().putObject({ Bucket, Key: key, Body: 'bytes', ...more }))
  return { Bucket, Key: key, VersionId }
}

describe('AWS SDK for JavaScript: locks', () => {
  it('CreateBucket: with lock, a default rule, versioning stays Enabled', async () => {
    const Bucket = 'sdk-created'
    await s3().createBucket({ Bucket, ObjectLockEnabledForBucket: true })
    const configuration = {
      ObjectLockEnabled: 'Enabled',
      Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Years: 7 } },
    } as const
    await s3().putObjectLockConfiguration({ Bucket, ObjectLockConfiguration: configuration })
    const read = await s3().getObjectLockConfiguration({ Bucket })
    expect(read.ObjectLockConfiguration).toEqual(configuration)
    expect((await s3().getBucketVersioning({ Bucket })).Status).toBe('Enabled')
    const suspended = { Bucket, VersioningConfiguration: { Status: 'Suspended' } } as const
    expect((await refusedBy(s3().putBucketVersioning(suspended))).slice(0, 2)).toEqual([
      409,
      'InvalidBucketState',
    ])
    await s3().putObject({ Bucket, Key: 'key', Body: 'bytes' })
    const head = await s3().headObject({ Bucket, Key: 'key' })
    expect(head.ObjectLockMode).toBe('COMPLIANCE')
    const created = head.LastModified?.getUTCFullYear() ?? 0
    expect(head.ObjectLockRetainUntilDate?.getUTCFullYear()).toBe(created + 7)
  })

  it('PutObject: lock parameters are read back to the millisecond', async () => {
    const target = await locked('key', { ...lock, ObjectLockLegalHoldStatus: 'ON' })
    for (const answer of [await s3().headObject(target), await s3().getObject(target)])
      expect(answer).toMatchObject({ ...lock, ObjectLockLegalHoldStatus: 'ON', VersionId: target.VersionId })
    const { Retention } = await s3().getObjectRetention(target)
    expect(Retention).toEqual({ Mode: 'COMPLIANCE', RetainUntilDate: until })
  })

  it('DeleteObject: COMPLIANCE and a hold are refused also with bypass; nothing changed', async () => {
    for (const more of [lock, { ObjectLockLegalHoldStatus: 'ON' }]) {
      const target = await locked('key', more)
      await bench.unchanged(target.Bucket, async () => {
        expect(await refusedBy(s3().deleteObject(target))).toEqual(refused.locked)
        const bypass = { ...target, BypassGovernanceRetention: true }
        expect(await refusedBy(s3().deleteObject(bypass))).toEqual(refused.locked)
      })
    }
  })

  it('DeleteObject: a governed version goes by bypass only', async () => {
    const target = await locked('key', { ...lock, ObjectLockMode: 'GOVERNANCE' })
    expect(await refusedBy(s3().deleteObject(target))).toEqual(refused.locked)
    await s3().deleteObject({ ...target, BypassGovernanceRetention: true })
    expect(await refusedBy(s3().getObject(target))).toEqual(refused.noSuchVersion)
  })

  it('DeleteObjects: 1,000 versions in one request, the locked one is the only error', async () => {
    const target = await locked('locked')
    const free = idOf(await s3().putObject({ Bucket: target.Bucket, Key: 'free', Body: 'free' }))
    const others = Array.from({ length: 998 }, (_, index) => ({
      Key: `none/${index} & <é>`,
      VersionId: free,
    }))
    const answer = await s3().deleteObjects({
      Bucket: target.Bucket,
      Delete: {
        Objects: [
          { Key: 'free', VersionId: free },
          { Key: 'locked', VersionId: target.VersionId },
          ...others,
        ],
      },
    })
    expect(answer.Deleted?.length).toBe(999)
    expect(answer.Deleted?.at(-1)?.Key).toBe('none/997 & <é>')
    expect(answer.Errors).toEqual([
      { Key: 'locked', VersionId: target.VersionId, Code: 'AccessDenied', Message: refused.locked[2] },
    ])
    const { Versions } = await s3().listObjectVersions({ Bucket: target.Bucket })
    expect(Versions?.map(({ Key }) => Key)).toEqual(['locked'])
  })

  it('PutObjectRetention: earlier is refused, later is fine, GOVERNANCE bends by bypass', async () => {
    const target = await locked('key', { ...lock, ObjectLockMode: 'GOVERNANCE' })
    const retain = (Mode: 'COMPLIANCE' | 'GOVERNANCE', RetainUntilDate: Date, more = {}) =>
      s3().putObjectRetention({ ...target, Retention: { Mode, RetainUntilDate }, ...more })
    expect(await refusedBy(retain('GOVERNANCE', earlier))).toEqual(refused.locked)
    await retain('GOVERNANCE', earlier, { BypassGovernanceRetention: true })
    await retain('COMPLIANCE', until, { BypassGovernanceRetention: true })
    for (const [mode, date] of [
      ['COMPLIANCE', earlier],
      ['GOVERNANCE', until],
    ] as const)
      expect(await refusedBy(retain(mode, date, { BypassGovernanceRetention: true }))).toEqual(refused.locked)
    expect(await refusedBy(retain('COMPLIANCE', new Date(0)))).toEqual(refused.pastDate)
  })

  it('PutObjectLegalHold: ON holds beyond retention, OFF is read back', async () => {
    const target = await locked('key', {})
    expect(await refusedBy(s3().getObjectLegalHold(target))).toEqual(refused.noObjectLock)
    await s3().putObjectLegalHold({ ...target, LegalHold: { Status: 'ON' } })
    expect(await refusedBy(s3().deleteObject(target))).toEqual(refused.locked)
    await s3().putObjectLegalHold({ ...target, LegalHold: { Status: 'OFF' } })
    expect((await s3().getObjectLegalHold(target)).LegalHold).toEqual({ Status: 'OFF' })
    await s3().deleteObject(target)
  })

  it('CopyObject: onto the locked key with REPLACE, a new version; the old one keeps bytes and lock', async () => {
    const target = await locked('key')
    const CopySource = `${target.Bucket}/key?versionId=${target.VersionId}`
    const { Bucket, Key } = target
    const copied = await s3().copyObject({
      Bucket,
      Key,
      CopySource,
      MetadataDirective: 'REPLACE',
      Metadata: { copied: 'yes' },
    })
    expect(copied.CopySourceVersionId).toBe(target.VersionId)
    const current = await s3().getObject({ Bucket, Key })
    expect([current.VersionId, current.Metadata, current.ObjectLockMode]).toEqual([
      copied.VersionId,
      { copied: 'yes' },
      undefined,
    ])
    const old = await s3().getObject(target)
    expect([(await bytesOf(old)).toString(), old.ObjectLockMode]).toEqual(['bytes', 'COMPLIANCE'])
    expect(await refusedBy(s3().deleteObject(target))).toEqual(refused.locked)
  })

  it('DeleteBucket: a bucket with a locked version under a delete marker is not empty', async () => {
    const { Bucket, Key } = await locked('key')
    await s3().deleteObject({ Bucket, Key })
    expect((await refusedBy(s3().deleteBucket({ Bucket }))).slice(0, 2)).toEqual([409, 'BucketNotEmpty'])
  })

  it('object tagging: tags of a locked version change, its bytes and lock do not', async () => {
    const target = await locked('key', { ...lock, Tagging: 'a=1&b=2%203' })
    const { TagSet } = await s3().getObjectTagging(target)
    expect(TagSet).toEqual([
      { Key: 'a', Value: '1' },
      { Key: 'b', Value: '2 3' },
    ])
    await s3().putObjectTagging({ ...target, Tagging: { TagSet: [{ Key: 'c', Value: 'é' }] } })
    expect((await s3().getObjectTagging(target)).TagSet).toEqual([{ Key: 'c', Value: 'é' }])
    await s3().deleteObjectTagging(target)
    expect((await s3().getObjectTagging(target)).TagSet).toEqual([])
    expect(await s3().headObject(target)).toMatchObject(lock)
  })
})
