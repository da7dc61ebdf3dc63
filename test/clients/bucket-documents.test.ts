/** Lifecycle rules, bucket tags and CORS as clients write and read them. */
import { describe, expect, it } from 'vitest'
import { awsCli } from '../support/clients/aws-cli.ts'
import { clientFolder } from '../support/clients/folder.ts'
import { refusedBy, sdkClient } from '../support/clients/sdk.ts'
import { conformance } from '../support/conformance.ts'

const bench = conformance()
const { s3 } = sdkClient(bench.server)
const folder = clientFolder()
const aws = awsCli(bench.server, folder)

describe('AWS SDK for JavaScript: documents of a bucket', () => {
  it('PutBucketLifecycleConfiguration: rules of all kinds are read back as they were put', async () => {
    const Bucket = await bench.bucket('locked')
    const Rules = [
      {
        ID: 'all',
        Filter: {},
        Status: 'Enabled',
        Expiration: { Days: 30 },
        NoncurrentVersionExpiration: { NoncurrentDays: 7, NewerNoncurrentVersions: 3 },
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 },
      },
      {
        ID: 'some',
        Filter: {
          And: {
            Prefix: 'logs/',
            Tags: [{ Key: 'a', Value: '1' }],
            ObjectSizeGreaterThan: 1,
            ObjectSizeLessThan: 9,
          },
        },
        Status: 'Disabled',
        Expiration: { Date: new Date('2035-01-01T00:00:00Z') },
      },
      {
        ID: 'markers',
        Filter: { Prefix: 'x' },
        Status: 'Enabled',
        Expiration: { ExpiredObjectDeleteMarker: true },
      },
    ] as const
    await s3().putBucketLifecycleConfiguration({
      Bucket,
      LifecycleConfiguration: { Rules: structuredClone(Rules) as never },
    })
    const read = await s3().getBucketLifecycleConfiguration({ Bucket })
    expect(read.Rules).toEqual(Rules)
    expect(read.TransitionDefaultMinimumObjectSize).toBe('all_storage_classes_128K')
    await s3().deleteBucketLifecycle({ Bucket })
    expect((await refusedBy(s3().getBucketLifecycleConfiguration({ Bucket }))).slice(0, 2)).toEqual([
      404,
      'NoSuchLifecycleConfiguration',
    ])
  })

  it('PutBucketTagging and PutBucketCors: read back, and gone after the delete', async () => {
    const Bucket = await bench.bucket('enabled')
    const TagSet = [{ Key: 'team', Value: 'ledger' }]
    await s3().putBucketTagging({ Bucket, Tagging: { TagSet } })
    expect((await s3().getBucketTagging({ Bucket })).TagSet).toEqual(TagSet)
    const CORSRules = [
      { AllowedMethods: ['GET', 'PUT'], AllowedOrigins: ['https://a.example'], MaxAgeSeconds: 5 },
    ]
    await s3().putBucketCors({ Bucket, CORSConfiguration: { CORSRules } })
    expect((await s3().getBucketCors({ Bucket })).CORSRules).toEqual(CORSRules)
    await s3().deleteBucketTagging({ Bucket })
    await s3().deleteBucketCors({ Bucket })
    expect((await refusedBy(s3().getBucketTagging({ Bucket })))[1]).toBe('NoSuchTagSet')
    expect((await refusedBy(s3().getBucketCors({ Bucket })))[1]).toBe('NoSuchCORSConfiguration')
  })
})

describe('aws s3api: documents of a bucket', () => {
  it('put-bucket-lifecycle-configuration: read back; a transition is refused by name', async () => {
    const target = ['--bucket', await bench.bucket('enabled')]
    const rule = { ID: 'a', Filter: { Prefix: 'tmp/' }, Status: 'Enabled', Expiration: { Days: 1 } }
    const put = (rules: readonly object[]) => [
      's3api',
      'put-bucket-lifecycle-configuration',
      ...target,
      '--lifecycle-configuration',
      JSON.stringify({ Rules: rules }),
    ]
    await aws.text(...put([rule]))
    const read = await aws.json('s3api', 'get-bucket-lifecycle-configuration', ...target)
    expect(read['Rules']).toEqual([rule])
    const moving = { ...rule, Transitions: [{ Days: 1, StorageClass: 'GLACIER' }] }
    expect(await aws.refusal(...put([moving]))).toContain('Transition is not implemented by this server.')
    expect((await aws.json('s3api', 'get-bucket-lifecycle-configuration', ...target))['Rules']).toEqual([
      rule,
    ])
  })

  it('put-bucket-tagging and put-bucket-cors: read back', async () => {
    const target = ['--bucket', await bench.bucket('enabled')]
    const tags = { TagSet: [{ Key: 'team', Value: 'ledger' }] }
    await aws.text('s3api', 'put-bucket-tagging', ...target, '--tagging', JSON.stringify(tags))
    expect(await aws.json('s3api', 'get-bucket-tagging', ...target)).toEqual(tags)
    const cors = { CORSRules: [{ AllowedMethods: ['GET'], AllowedOrigins: ['*'] }] }
    await aws.text('s3api', 'put-bucket-cors', ...target, '--cors-configuration', JSON.stringify(cors))
    expect(await aws.json('s3api', 'get-bucket-cors', ...target)).toEqual(cors)
  })
})
