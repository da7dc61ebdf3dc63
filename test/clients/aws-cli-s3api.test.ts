import { describe, expect, it } from 'vitest'
import { awsCli } from '../support/clients/aws-cli.ts'
import { clientFolder } from '../support/clients/folder.ts'
import { conformance } from '../support/conformance.ts'

const bench = conformance()
const folder = clientFolder()
const aws = awsCli(bench.server, folder)

const lockedSentence = (operation: string) =>
  `An error occurred (AccessDenied) when calling the ${operation} operation: ` +
  'Access Denied because object protected by object lock.'
const rule = 'ObjectLockEnabled=Enabled,Rule={DefaultRetention={Mode=GOVERNANCE,Days=1}}'
const until = '2031-01-01T00:00:00Z'
const shown = '2031-01-01T00:00:00+00:00'

/** A bucket made by the CLI, with lock. */
async function lockedBucket(name: string): Promise<string> {
  const created = await aws.json(
    ...['s3api', 'create-bucket', '--bucket', name, '--object-lock-enabled-for-bucket'],
  )
  expect(created).toEqual({ Location: `/${name}` })
  return name
}

async function putObject(bucket: string, key: string, ...more: readonly string[]): Promise<string> {
  const body = folder.write('body', 'bytes of the CLI')
  const put = ['s3api', 'put-object', '--bucket', bucket, '--key', key, '--body', body]
  return String((await aws.json(...put, ...more))['VersionId'])
}

describe('aws s3api', () => {
  it('aws --version: the client is the AWS CLI, version 2', async () => {
    expect(await aws.text('--version')).toMatch(/^aws-cli\/2\./)
  })

  it('put-object-lock-configuration: a default rule is read back, Suspended versioning is refused', async () => {
    const bucket = await lockedBucket('cli-configuration')
    const target = ['--bucket', bucket]
    await aws.text(
      ...['s3api', 'put-object-lock-configuration', ...target, '--object-lock-configuration', rule],
    )
    expect(await aws.json('s3api', 'get-object-lock-configuration', ...target)).toEqual({
      ObjectLockConfiguration: {
        ObjectLockEnabled: 'Enabled',
        Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: 1 } },
      },
    })
    const suspend = ['s3api', 'put-bucket-versioning', ...target]
    expect(await aws.refusal(...suspend, '--versioning-configuration', 'Status=Suspended')).toBe(
      'An error occurred (InvalidBucketState) when calling the PutBucketVersioning operation: An Object Lock ' +
        'configuration is present on this bucket, so the versioning state cannot be changed.',
    )
    expect(await aws.json('s3api', 'get-bucket-versioning', ...target)).toEqual({ Status: 'Enabled' })
  })

  it('put-object: without lock parameters the default rule is stamped on the version', async () => {
    const bucket = await bench.bucket('locked', { rule: '<Mode>GOVERNANCE</Mode><Days>1</Days>' })
    const before = Date.now()
    const versionId = await putObject(bucket, 'default')
    const head = await aws.json(
      ...['s3api', 'head-object', '--bucket', bucket, '--key', 'default', '--version-id', versionId],
    )
    expect(head['ObjectLockMode']).toBe('GOVERNANCE')
    const untilMs = Date.parse(String(head['ObjectLockRetainUntilDate']))
    expect(untilMs).toBeGreaterThanOrEqual(before + 86_400_000)
    expect(untilMs).toBeLessThanOrEqual(Date.now() + 86_400_000)
  })

  it('put-object: lock parameters, metadata and tags are read back by head-object and get-object', async () => {
    const bucket = await lockedBucket('cli-put')
    const versionId = await putObject(
      ...([bucket, 'reports/2026 é.txt', '--object-lock-mode', 'COMPLIANCE'] as const),
      ...['--object-lock-retain-until-date', until, '--object-lock-legal-hold-status', 'ON'],
      ...['--metadata', 'case=42', '--tagging', 'year=2026', '--content-type', 'text/plain'],
    )
    const target = ['--bucket', bucket, '--key', 'reports/2026 é.txt']
    const expected = {
      ContentLength: 16,
      ContentType: 'text/plain',
      VersionId: versionId,
      Metadata: { case: '42' },
      ObjectLockMode: 'COMPLIANCE',
      ObjectLockRetainUntilDate: shown,
      ObjectLockLegalHoldStatus: 'ON',
    }
    expect(await aws.json('s3api', 'head-object', ...target)).toMatchObject(expected)
    const got = await aws.json('s3api', 'get-object', ...target, folder.path('got'))
    expect(got).toMatchObject({ ...expected, TagCount: 1 })
    expect(folder.sha256('got')).toBe(folder.sha256('body'))
  })

  it('delete-object: a locked version is refused in S3 words, with and without bypass, and stays', async () => {
    const bucket = await lockedBucket('cli-delete')
    const versionId = await putObject(
      ...([bucket, 'ledger', '--object-lock-mode', 'COMPLIANCE'] as const),
      ...['--object-lock-retain-until-date', until],
    )
    const remove = ['s3api', 'delete-object', '--bucket', bucket, '--key', 'ledger']
    await bench.unchanged(bucket, async () => {
      expect(await aws.refusal(...remove, '--version-id', versionId)).toBe(lockedSentence('DeleteObject'))
      expect(await aws.refusal(...remove, '--version-id', versionId, '--bypass-governance-retention')).toBe(
        lockedSentence('DeleteObject'),
      )
    })
    expect(await aws.json(...remove)).toMatchObject({ DeleteMarker: true })
    const listed = await aws.json('s3api', 'list-object-versions', '--bucket', bucket)
    expect(listed['Versions']).toMatchObject([{ Key: 'ledger', VersionId: versionId, IsLatest: false }])
    expect(listed['DeleteMarkers']).toMatchObject([{ Key: 'ledger', IsLatest: true }])
  })

  it('delete-objects: the locked key is an error of its own, the free one is deleted', async () => {
    const bucket = await lockedBucket('cli-delete-objects')
    const free = await putObject(bucket, 'free')
    const held = await putObject(bucket, 'held', '--object-lock-legal-hold-status', 'ON')
    const objects = `Objects=[{Key=free,VersionId=${free}},{Key=held,VersionId=${held}}]`
    const answer = await aws.json('s3api', 'delete-objects', '--bucket', bucket, '--delete', objects)
    expect([answer['Deleted'], answer['Errors']]).toEqual([
      [{ Key: 'free', VersionId: free }],
      [
        {
          Key: 'held',
          VersionId: held,
          Code: 'AccessDenied',
          Message: 'Access Denied because object protected by object lock.',
        },
      ],
    ])
  })
})

describe('aws s3api, locks of a version', () => {
  it('put-object-retention: shorter needs the bypass, COMPLIANCE is not shortened by anybody', async () => {
    const bucket = await lockedBucket('cli-retention')
    await putObject(bucket, 'key')
    const target = ['--bucket', bucket, '--key', 'key']
    const retain = ['s3api', 'put-object-retention', ...target, '--retention']
    const retention = (mode: string, date: string) => `Mode=${mode},RetainUntilDate=${date}`
    await aws.text(...retain, retention('GOVERNANCE', '2031-01-01T00:00:00Z'))
    const shorter = [...retain, retention('GOVERNANCE', '2030-01-01T00:00:00Z')]
    expect(await aws.refusal(...shorter)).toBe(lockedSentence('PutObjectRetention'))
    await aws.text(...shorter, '--bypass-governance-retention')
    await aws.text(...retain, retention('COMPLIANCE', until), '--bypass-governance-retention')
    const weaker = [...retain, retention('GOVERNANCE', '2032-01-01T00:00:00Z')]
    expect(await aws.refusal(...weaker, '--bypass-governance-retention')).toBe(
      lockedSentence('PutObjectRetention'),
    )
    expect(await aws.json('s3api', 'get-object-retention', ...target)).toEqual({
      Retention: { Mode: 'COMPLIANCE', RetainUntilDate: shown },
    })
  })

  it('put-object-legal-hold: ON refuses the delete, OFF lets it go', async () => {
    const bucket = await lockedBucket('cli-hold')
    const versionId = await putObject(bucket, 'key')
    const target = ['--bucket', bucket, '--key', 'key']
    const hold = (status: string) =>
      aws.text('s3api', 'put-object-legal-hold', ...target, '--legal-hold', `Status=${status}`)
    await hold('ON')
    const remove = ['s3api', 'delete-object', ...target, '--version-id', versionId]
    expect(await aws.refusal(...remove, '--bypass-governance-retention')).toBe(lockedSentence('DeleteObject'))
    await hold('OFF')
    expect(await aws.json('s3api', 'get-object-legal-hold', ...target)).toEqual({
      LegalHold: { Status: 'OFF' },
    })
    expect(await aws.json(...remove)).toEqual({ VersionId: versionId })
  })

  it('copy-object: the copy has its own tags and lock, the lock of the source is not inherited', async () => {
    const bucket = await lockedBucket('cli-copy')
    await putObject(bucket, 'source', '--object-lock-legal-hold-status', 'ON', '--tagging', 'from=source')
    const target = ['--bucket', bucket, '--key', 'copy of it']
    const copy = ['s3api', 'copy-object', ...target, '--copy-source', `${bucket}/source`]
    const lock = ['--object-lock-mode', 'GOVERNANCE', '--object-lock-retain-until-date', until]
    const copied = await aws.json(...copy, ...lock, '--tagging-directive', 'COPY')
    expect(copied['CopyObjectResult']).toMatchObject({ ETag: expect.stringMatching(/^"[0-9a-f]{32}"$/) })
    const head = await aws.json('s3api', 'head-object', ...target)
    expect(head).toMatchObject({ ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: shown })
    expect(head).not.toHaveProperty('ObjectLockLegalHoldStatus')
    const tagging = ['s3api', 'get-object-tagging', ...target]
    expect(await aws.json(...tagging)).toMatchObject({ TagSet: [{ Key: 'from', Value: 'source' }] })
    await aws.text('s3api', 'put-object-tagging', ...target, '--tagging', 'TagSet=[{Key=a,Value=b c}]')
    expect(await aws.json(...tagging)).toMatchObject({ TagSet: [{ Key: 'a', Value: 'b c' }] })
  })

  it('an operation that is not built says so by name', async () => {
    const bucket = await bench.bucket('locked')
    expect(await aws.refusal('s3api', 'get-bucket-notification-configuration', '--bucket', bucket)).toMatch(
      /^An error occurred \(NotImplemented\) .*GetBucketNotificationConfiguration/,
    )
  })
})
