/**
 * Whoever followed a vendor's page keeps the tool and its settings and changes where the name leads: the AWS SDK and the AWS
 * CLI with the vendor's endpoint, region and addressing, against a server whose buckets speak that vendor's dialect. The CLI
 * comes as through an HTTP proxy, with targets in absolute-form.
 */
import { Agent } from 'node:http'
import { afterAll, describe, expect, it } from 'vitest'
import type { ProfileName } from '../../src/lib/profile.ts'
import { type AwsCli, awsCli } from '../support/clients/aws-cli.ts'
import { clientFolder, type Folder } from '../support/clients/folder.ts'
import { bytesOf, idOf, refusedBy, type Sdk, sdkClient } from '../support/clients/sdk.ts'
import { type Bench, conformance, dayMs } from '../support/conformance.ts'

type Vendor = {
  readonly profile: ProfileName
  /** Of the vendor's page, or where it has none of its customers' settings. */
  readonly host: string
  readonly region: string
  readonly addressingStyle: 'path' | 'virtual'
}

type Tools = {
  readonly bench: Bench
  readonly s3: Sdk['s3']
  readonly aws: AwsCli
  readonly folder: Folder
}

/** One server and the tools that know it as the vendor's. */
function toolsOf({ profile, host, region, addressingStyle }: Vendor): Tools {
  const isVirtual = addressingStyle === 'virtual'
  const bench = conformance({ defaultProfile: profile, region, ...(isVirtual ? { domain: host } : {}) })
  // Every name is this machine: no resolver is asked.
  const httpAgent = new Agent({
    keepAlive: true,
    lookup: (_name, options, found) => {
      if (options.all === true) found(null, [{ address: '127.0.0.1', family: 4 }])
      else found(null, '127.0.0.1', 4)
    },
  })
  afterAll(() => httpAgent.destroy())
  const { s3 } = sdkClient(bench.server, () => ({
    endpoint: `http://${host}:${new URL(bench.server().endpoint).port}`,
    forcePathStyle: !isVirtual,
    requestHandler: { httpAgent },
  }))
  const folder = clientFolder()
  const aws = awsCli(bench.server, folder, { endpoint: `http://${host}`, addressingStyle })
  return { bench, s3, aws, folder }
}

/** And the flow that the vendors' pages have in common, by both tools. */
function vendorTools(vendor: Vendor): Tools {
  const tools = toolsOf(vendor)
  it('the SDK: a rule is stamped, extended, and outlives every deletion', () => flowOfSdk(tools))
  it('the CLI: a rule is stamped, extended, and outlives every deletion', () => flowOfCli(tools))
  return tools
}

const daysFromNow = (bench: Bench, days: number) => {
  const wholeSecond = Math.floor(bench.server().nowMs() / 1000) * 1000
  return new Date(wholeSecond + days * dayMs)
}

async function flowOfSdk({ bench, s3 }: Tools): Promise<void> {
  const Bucket = 'tools-of-the-sdk'
  await s3().createBucket({ Bucket, ObjectLockEnabledForBucket: true })
  const DefaultRetention = { Mode: 'COMPLIANCE', Days: 1 } as const
  await s3().putObjectLockConfiguration({
    Bucket,
    ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention } },
  })
  const read = (await s3().getObjectLockConfiguration({ Bucket })).ObjectLockConfiguration
  expect(read).toMatchObject({ ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention } })
  const target = { Bucket, Key: 'key', VersionId: '' }
  target.VersionId = idOf(await s3().putObject({ Bucket, Key: 'key', Body: 'bytes of the SDK' }))
  const head = await s3().headObject(target)
  expect(head.ObjectLockMode).toBe('COMPLIANCE')
  const RetainUntilDate = daysFromNow(bench, 3)
  await s3().putObjectRetention({ ...target, Retention: { Mode: 'COMPLIANCE', RetainUntilDate } })
  const after = await s3().headObject(target)
  expect([after.ObjectLockMode, after.ObjectLockRetainUntilDate]).toEqual(['COMPLIANCE', RetainUntilDate])
  for (const bypass of [{}, { BypassGovernanceRetention: true }]) {
    const [status, code] = await refusedBy(s3().deleteObject({ ...target, ...bypass }))
    expect([status, code]).toEqual([403, 'AccessDenied'])
    const Delete = { Objects: [{ Key: target.Key, VersionId: target.VersionId }] }
    const { Errors, Deleted } = await s3().deleteObjects({ Bucket, Delete, ...bypass })
    expect([Errors?.map(({ Code }) => Code), Deleted ?? []]).toEqual([['AccessDenied'], []])
  }
  expect((await refusedBy(s3().deleteBucket({ Bucket }))).slice(0, 2)).toEqual([409, 'BucketNotEmpty'])
  expect((await bytesOf(await s3().getObject(target))).toString()).toBe('bytes of the SDK')
}

async function flowOfCli({ bench, aws, folder }: Tools): Promise<void> {
  const bucket = 'tools-of-the-cli'
  const at = ['--bucket', bucket]
  await aws.text('s3api', 'create-bucket', ...at, '--object-lock-enabled-for-bucket')
  const rule = 'ObjectLockEnabled=Enabled,Rule={DefaultRetention={Mode=COMPLIANCE,Days=1}}'
  await aws.text('s3api', 'put-object-lock-configuration', ...at, '--object-lock-configuration', rule)
  const body = folder.write('body', 'bytes of the CLI')
  // The checksum of this age's CLI is asked for by name; newer ones send it by themselves.
  const put = ['put-object', ...at, '--key', 'key', '--body', body, '--checksum-algorithm', 'CRC32']
  const versionId = String((await aws.json('s3api', ...put))['VersionId'])
  const version = [...at, '--key', 'key', '--version-id', versionId]
  const until = daysFromNow(bench, 3).toISOString()
  const retention = `Mode=COMPLIANCE,RetainUntilDate=${until}`
  await aws.text('s3api', 'put-object-retention', ...version, '--retention', retention)
  const head = await aws.json('s3api', 'head-object', ...version)
  expect(head['ObjectLockMode']).toBe('COMPLIANCE')
  expect(new Date(String(head['ObjectLockRetainUntilDate'])).toISOString()).toBe(until)
  const removal = ['s3api', 'delete-object', ...version]
  expect(await aws.refusal(...removal)).toContain('(AccessDenied)')
  expect(await aws.refusal(...removal, '--bypass-governance-retention')).toContain('(AccessDenied)')
  const copy = folder.path('read-back')
  await aws.text('s3api', 'get-object', ...version, copy)
  expect(folder.sha256('read-back')).toBe(folder.sha256('body'))
}

describe('Storj', () => {
  const { s3 } = vendorTools({
    profile: 'storj',
    host: 'gateway.staging.storjshare.io',
    region: 'us-east-1',
    addressingStyle: 'path',
  })

  it('a TTL beside a lock is refused, the TTL alone and the lock alone are not', async () => {
    const target = { Bucket: 'tools-ttl', Key: 'key', Body: 'bytes' }
    await s3().createBucket({ Bucket: target.Bucket, ObjectLockEnabledForBucket: true })
    const ttl = { Metadata: { 'object-expires': '+24h' } }
    const lock = { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: new Date('2031-01-01') } as const
    const both = await refusedBy(s3().putObject({ ...target, ...ttl, ...lock }))
    expect(both.slice(0, 2)).toEqual([400, 'InvalidRequest'])
    expect((await s3().listObjectVersions({ Bucket: target.Bucket })).Versions ?? []).toEqual([])
    await s3().putObject({ ...target, ...ttl })
    const VersionId = idOf(await s3().putObject({ ...target, ...lock }))
    const version = { Bucket: target.Bucket, Key: target.Key, VersionId }
    expect((await refusedBy(s3().deleteObject(version))).slice(0, 2)).toEqual([403, 'AccessDenied'])
  })
})

describe('Storj, technical preview', () => {
  const { bench, s3 } = toolsOf({
    profile: 'storj-preview',
    host: 'gateway.staging.storjshare.io',
    region: 'us-east-1',
    addressingStyle: 'path',
  })

  it('every action of the page in COMPLIANCE; GOVERNANCE, holds and rules are not there yet', async () => {
    const Bucket = 'tools-preview'
    await s3().createBucket({ Bucket, ObjectLockEnabledForBucket: true })
    const { ObjectLockConfiguration } = await s3().getObjectLockConfiguration({ Bucket })
    expect(ObjectLockConfiguration).toEqual({ ObjectLockEnabled: 'Enabled' })
    const ObjectLockRetainUntilDate = daysFromNow(bench, 1)
    const lock = { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate } as const
    const put = await s3().putObject({ Bucket, Key: 'key', Body: 'bytes', ...lock })
    const version = { Bucket, Key: 'key', VersionId: idOf(put) }
    for (const read of [await s3().headObject(version), await s3().getObject(version)])
      expect(read).toMatchObject(lock)
    const later = { Mode: 'COMPLIANCE', RetainUntilDate: daysFromNow(bench, 2) } as const
    await s3().putObjectRetention({ ...version, Retention: later })
    expect((await s3().getObjectRetention(version)).Retention).toEqual(later)
    const governed = { ...version, Retention: { ...later, Mode: 'GOVERNANCE' } } as const
    const held = { ...version, LegalHold: { Status: 'ON' } } as const
    // One after the other: a refusal that nobody waits for yet would end the run.
    for (const ask of [() => s3().putObjectRetention(governed), () => s3().putObjectLegalHold(held)])
      expect((await refusedBy(ask())).slice(0, 2)).toEqual([501, 'NotImplemented'])
    for (const bypass of [{}, { BypassGovernanceRetention: true }]) {
      const removal = await refusedBy(s3().deleteObject({ ...version, ...bypass }))
      expect(removal.slice(0, 2)).toEqual([403, 'AccessDenied'])
    }
    expect((await bytesOf(await s3().getObject(version))).toString()).toBe('bytes')
  })
})

describe('Wasabi', () => {
  const { s3, aws } = vendorTools({
    profile: 'wasabi',
    host: 's3.wasabisys.com',
    region: 'us-east-1',
    addressingStyle: 'path',
  })

  it('a bucket with dots: the CLI clears the settings with a request without a body', async () => {
    const bucket = 'qa.objectlock.002'
    const at = ['--bucket', bucket]
    await s3().createBucket({ Bucket: bucket, ObjectLockEnabledForBucket: true })
    const rule = 'ObjectLockEnabled=Enabled,Rule={DefaultRetention={Mode=COMPLIANCE,Days=10}}'
    await aws.text('s3api', 'put-object-lock-configuration', ...at, '--object-lock-configuration', rule)
    expect(await aws.json('s3api', 'get-object-lock-configuration', ...at)).toEqual({
      ObjectLockConfiguration: {
        ObjectLockEnabled: 'Enabled',
        Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: 10 } },
      },
    })
    const VersionId = idOf(await s3().putObject({ Bucket: bucket, Key: 'key', Body: 'bytes' }))
    await aws.text('s3api', 'put-object-lock-configuration', ...at)
    expect(await aws.json('s3api', 'get-object-lock-configuration', ...at)).toEqual({
      ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled' },
    })
    const stamped = { Bucket: bucket, Key: 'key', VersionId }
    expect((await refusedBy(s3().deleteObject(stamped))).slice(0, 2)).toEqual([403, 'AccessDenied'])
    expect((await bytesOf(await s3().getObject(stamped))).toString()).toBe('bytes')
  })
})

describe('QStorage', () => {
  const { s3, aws } = vendorTools({
    profile: 'qstorage',
    host: 'qstorage.quilibrium.com',
    region: 'us-east-1',
    addressingStyle: 'virtual',
  })

  it('every parameter of the page: the requester is charged, and the rule is stored', async () => {
    const bucket = 'my-bucket'
    await s3().createBucket({ Bucket: bucket, ObjectLockEnabledForBucket: true })
    const rule = 'ObjectLockEnabled=Enabled,Rule={DefaultRetention={Mode=COMPLIANCE,Days=30}}'
    const put = ['s3api', 'put-object-lock-configuration', '--bucket', bucket]
    const owner = ['--expected-bucket-owner', '000000000000']
    const charged = await aws.json(
      ...[...put, ...owner, '--object-lock-configuration', rule],
      ...['--request-payer', 'requester', '--token', 'token', '--checksum-algorithm', 'CRC32'],
    )
    expect(charged).toEqual({ RequestCharged: 'requester' })
    const other = ['--expected-bucket-owner', '123456789012']
    expect(await aws.refusal(...put, ...other, '--object-lock-configuration', rule)).toContain(
      '(AccessDenied)',
    )
    const VersionId = idOf(await s3().putObject({ Bucket: bucket, Key: 'key', Body: 'bytes' }))
    const stamped = { Bucket: bucket, Key: 'key', VersionId }
    expect((await refusedBy(s3().deleteObject(stamped))).slice(0, 2)).toEqual([403, 'AccessDenied'])
  })
})

describe('Yandex', () => {
  const { bench, s3, aws } = vendorTools({
    profile: 'yandex',
    host: 'storage.yandexcloud.net',
    region: 'ru-central1',
    addressingStyle: 'path',
  })

  it('an empty configuration disables: what is locked stays locked and cannot be changed', async () => {
    const bucket = 'tools-disabled'
    await s3().createBucket({ Bucket: bucket, ObjectLockEnabledForBucket: true })
    const put = await s3().putObject({
      ...{ Bucket: bucket, Key: 'key', Body: 'bytes', ObjectLockMode: 'COMPLIANCE' },
      ObjectLockRetainUntilDate: daysFromNow(bench, 2),
    })
    const version = { Bucket: bucket, Key: 'key', VersionId: idOf(put) }
    await aws.text(
      ...['s3api', 'put-object-lock-configuration', '--bucket', bucket],
      ...['--object-lock-configuration', '{}'],
    )
    const read = await refusedBy(s3().getObjectLockConfiguration({ Bucket: bucket }))
    expect(read.slice(0, 2)).toEqual([404, 'ObjectLockConfigurationNotFoundError'])
    const RetainUntilDate = daysFromNow(bench, 3)
    const longer = { ...version, Retention: { Mode: 'COMPLIANCE', RetainUntilDate } } as const
    expect((await refusedBy(s3().putObjectRetention(longer)))[0]).toBe(403)
    const bypass = { ...version, BypassGovernanceRetention: true }
    expect((await refusedBy(s3().deleteObject(bypass))).slice(0, 2)).toEqual([403, 'AccessDenied'])
    expect((await bytesOf(await s3().getObject(version))).toString()).toBe('bytes')
  })
})

describe('OBS', () => {
  const { bench, s3 } = vendorTools({
    profile: 'obs',
    host: 'obs.region.example.com',
    region: 'region',
    addressingStyle: 'virtual',
  })

  it('the page of retention: COMPLIANCE only, extended and never shortened nor set again', async () => {
    const Bucket = 'bucketname'
    await s3().createBucket({ Bucket, ObjectLockEnabledForBucket: true })
    const VersionId = idOf(await s3().putObject({ Bucket, Key: 'objectname', Body: 'bytes' }))
    const version = { Bucket, Key: 'objectname', VersionId }
    const retain = (Mode: 'COMPLIANCE' | 'GOVERNANCE', days: number) => {
      const RetainUntilDate = daysFromNow(bench, days)
      return s3().putObjectRetention({ ...version, Retention: { Mode, RetainUntilDate } })
    }
    const governed = await refusedBy(retain('GOVERNANCE', 2))
    expect(governed.slice(0, 2)).toEqual([400, 'MalformedObjectLockError'])
    await retain('COMPLIANCE', 5)
    const notLater = 'The retention period date must be later than the current or the configured date.'
    expect(await refusedBy(retain('COMPLIANCE', 4))).toEqual([400, 'InvalidRequest', notLater])
    await retain('COMPLIANCE', 6)
    expect((await refusedBy(s3().deleteObject(version))).slice(0, 2)).toEqual([403, 'AccessDenied'])
    const missing = { ...version, VersionId: `${VersionId}0` }
    const RetainUntilDate = daysFromNow(bench, 7)
    const noVersion = s3().putObjectRetention({
      ...missing,
      Retention: { Mode: 'COMPLIANCE', RetainUntilDate },
    })
    expect((await refusedBy(noVersion)).slice(0, 2)).toEqual([400, 'NoSuchVersion'])
  })
})
