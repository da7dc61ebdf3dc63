/** Bucket policies and the settings about access, as the AWS CLI writes and reads them. */
import { expect, it } from 'vitest'
import { awsCli } from '../support/clients/aws-cli.ts'
import { clientFolder } from '../support/clients/folder.ts'
import { conformance } from '../support/conformance.ts'

const bench = conformance()
const folder = clientFolder()
const aws = awsCli(bench.server, folder)
const api = (operation: string, bucket: string, ...more: readonly string[]) =>
  ['s3api', operation, '--bucket', bucket, ...more] as const

it('AWS CLI: a policy that caps retention is put, read back, in force and removed', async () => {
  const bucket = await bench.bucket('locked')
  await bench.put(bucket, 'key')
  const policy = {
    Version: '2012-10-17',
    Id: 'SetRetentionLimits',
    Statement: [
      {
        Sid: 'SetRetentionPeriod',
        Effect: 'Deny',
        Principal: '*',
        Action: ['s3:PutObjectRetention'],
        Resource: `arn:aws:s3:::${bucket}/*`,
        Condition: { NumericGreaterThan: { 's3:object-lock-remaining-retention-days': '10' } },
      },
    ],
  }
  const file = folder.write('policy.json', JSON.stringify(policy))
  expect(await aws.text(...api('put-bucket-policy', bucket, '--policy', `file://${file}`))).toBe('')
  const read = await aws.json(...api('get-bucket-policy', bucket))
  expect(JSON.parse(String(read['Policy']))).toEqual(policy)
  expect(await aws.json(...api('get-bucket-policy-status', bucket))).toEqual({
    PolicyStatus: { IsPublic: false },
  })
  const retain = (days: number) =>
    api(
      'put-object-retention',
      bucket,
      '--key',
      'key',
      '--retention',
      `Mode=GOVERNANCE,RetainUntilDate=${bench.inDays(days)}`,
    )
  expect(await aws.refusal(...retain(11))).toBe(
    'An error occurred (AccessDenied) when calling the PutObjectRetention operation: Access Denied',
  )
  expect(await aws.text(...retain(9))).toBe('')
  expect(await aws.text(...api('delete-bucket-policy', bucket))).toBe('')
  expect(await aws.refusal(...api('get-bucket-policy', bucket))).toBe(
    'An error occurred (NoSuchBucketPolicy) when calling the GetBucketPolicy operation: The bucket policy does not exist',
  )
})

it('AWS CLI: ACL, public access block, ownership and encryption read as they are', async () => {
  const bucket = await bench.bucket('locked')
  const owner = { DisplayName: '000000000000', ID: '000000000000' }
  expect(await aws.json(...api('get-bucket-acl', bucket))).toEqual({
    Owner: owner,
    Grants: [{ Grantee: { ...owner, Type: 'CanonicalUser' }, Permission: 'FULL_CONTROL' }],
  })
  expect(await aws.text(...api('put-bucket-acl', bucket, '--acl', 'private'))).toBe('')
  expect(await aws.refusal(...api('put-bucket-acl', bucket, '--acl', 'public-read'))).toBe(
    'An error occurred (AccessControlListNotSupported) when calling the PutBucketAcl operation: The bucket does not allow ACLs',
  )
  const settings = {
    BlockPublicAcls: true,
    IgnorePublicAcls: true,
    BlockPublicPolicy: true,
    RestrictPublicBuckets: true,
  }
  expect(await aws.json(...api('get-public-access-block', bucket))).toEqual({
    PublicAccessBlockConfiguration: settings,
  })
  const given = ['--public-access-block-configuration', JSON.stringify(settings)]
  expect(await aws.text(...api('put-public-access-block', bucket, ...given))).toBe('')
  expect(await aws.json(...api('get-bucket-ownership-controls', bucket))).toEqual({
    OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
  })
  expect(await aws.refusal(...api('get-bucket-encryption', bucket))).toContain(
    '(ServerSideEncryptionConfigurationNotFoundError) when calling the GetBucketEncryption operation',
  )
})
