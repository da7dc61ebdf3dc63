import { mkdirSync, readFileSync, utimesSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { awsCli } from '../support/clients/aws-cli.ts'
import { clientEnvironment, runCommand } from '../support/clients/command.ts'
import { clientFolder } from '../support/clients/folder.ts'
import { conformance, listedVersions } from '../support/conformance.ts'

const bench = conformance()
const folder = clientFolder()
const aws = awsCli(bench.server, folder)
const mebibyte = 1024 ** 2
const quiet = '--no-progress'

async function versions(bucket: string) {
  return listedVersions(await bench.send({ method: 'GET', path: `/${bucket}`, query: { versions: '' } }))
}

describe('aws s3', () => {
  it('cp: 20 MiB go in as parts under the default rule, are copied as parts, come out byte for byte', async () => {
    const bucket = await bench.bucket('locked', { rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
    folder.random('big', 20 * mebibyte)
    await aws.text('s3', 'cp', quiet, 'big', `s3://${bucket}/big`)
    const head = await aws.json('s3api', 'head-object', '--bucket', bucket, '--key', 'big')
    expect(head).toMatchObject({ ContentLength: 20 * mebibyte, ObjectLockMode: 'COMPLIANCE' })
    expect(head['ETag']).toMatch(/^"[0-9a-f]{32}-3"$/)
    await aws.text('s3', 'cp', quiet, `s3://${bucket}/big`, `s3://${bucket}/copies/big`)
    await aws.text('s3', 'cp', quiet, `s3://${bucket}/copies/big`, 'back')
    expect(folder.sha256('back')).toBe(folder.sha256('big'))
    const uploads = await bench.send({ method: 'GET', path: `/${bucket}`, query: { uploads: '' } })
    expect(uploads.text).not.toContain('<Upload>')
  })

  it('sync: a tree goes in and comes out, a second sync moves nothing, --delete leaves all versions', async () => {
    const bucket = await bench.bucket('locked', { rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
    mkdirSync(folder.path('tree/a/b'), { recursive: true })
    const names = ['tree/a/one', 'tree/a/b/two words + é.txt', 'tree/empty']
    for (const name of names) folder.write(name, name.endsWith('empty') ? '' : `content of ${name}`)
    // LastModified has whole seconds: a file that was written in the second of its upload looks newer than that.
    const minuteAgo = Date.now() / 1000 - 60
    for (const name of names) utimesSync(folder.path(name), minuteAgo, minuteAgo)
    await aws.text('s3', 'sync', quiet, 'tree', `s3://${bucket}/t`)
    expect(await aws.text('s3', 'sync', quiet, 'tree', `s3://${bucket}/t`)).toBe('')
    await aws.text('s3', 'sync', quiet, `s3://${bucket}/t`, 'tree-back')
    for (const name of names)
      expect(readFileSync(folder.path(name.replace('tree/', 'tree-back/')))).toEqual(
        readFileSync(folder.path(name)),
      )
    mkdirSync(folder.path('nothing'))
    await aws.text('s3', 'sync', quiet, '--delete', 'nothing', `s3://${bucket}/t`)
    const kinds = (await versions(bucket)).map(({ kind }) => kind)
    expect(kinds).toEqual(['DeleteMarker', 'Version', 'DeleteMarker', 'Version', 'DeleteMarker', 'Version'])
  })

  it('rb --force: a bucket with locked versions stays, and so do they', async () => {
    const bucket = await bench.bucket('locked', { rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
    const ids = [await bench.put(bucket, 'first'), await bench.put(bucket, 'second')]
    const outcome = await aws.run('s3', 'rb', '--force', `s3://${bucket}`)
    expect([outcome.code, outcome.stderr.trim()]).toEqual([
      1,
      `remove_bucket failed: s3://${bucket} An error occurred (BucketNotEmpty) when calling the DeleteBucket ` +
        'operation: The bucket you tried to delete is not empty. You must delete all versions in the bucket.',
    ])
    const kept = (await versions(bucket)).filter(({ kind }) => kind === 'Version')
    expect(kept.map(({ versionId }) => versionId).sort()).toEqual([...ids].sort())
    for (const { key, versionId } of kept) {
      const got = await bench.send({ method: 'GET', path: `/${bucket}/${key}`, query: { versionId } })
      expect([got.status, got.text]).toEqual([200, 'bytes'])
    }
  })

  it('rb --force: an unversioned bucket is emptied and goes', async () => {
    const bucket = await bench.bucket('unversioned')
    await bench.put(bucket, 'key')
    expect(await aws.text('s3', 'rb', '--force', `s3://${bucket}`)).toContain(`remove_bucket: ${bucket}`)
    expect((await bench.send({ method: 'HEAD', path: `/${bucket}` })).status).toBe(404)
  })

  it('mv: the source gets a delete marker, its locked version stays', async () => {
    const bucket = await bench.bucket('locked', { rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
    const source = await bench.put(bucket, 'a', { body: 'moved' })
    await aws.text('s3', 'mv', quiet, `s3://${bucket}/a`, `s3://${bucket}/b`)
    const listed = (await versions(bucket)).map(({ kind, key }) => `${kind} ${key}`)
    expect(listed).toEqual(['DeleteMarker a', 'Version a', 'Version b'])
    const got = await bench.send({ method: 'GET', path: `/${bucket}/a`, query: { versionId: source } })
    expect(got.text).toBe('moved')
    const moved = await aws.text('s3', 'cp', quiet, `s3://${bucket}/b`, '-')
    expect(moved).toBe('moved')
  })

  it('presign: curl reads the object with the link, and not with another key in it', async () => {
    const bucket = await bench.bucket('locked')
    await bench.put(bucket, 'a key', { body: 'for curl' })
    const link = (await aws.text('s3', 'presign', `s3://${bucket}/a key`, '--expires-in', '60')).trim()
    const curl = (url: string) =>
      runCommand('curl', ['-sS', '-w', '\n%{http_code}', url], { env: clientEnvironment(folder.path('.')) })
    expect((await curl(link)).stdout).toBe('for curl\n200')
    const other = await curl(link.replace('a%20key', 'other'))
    expect(other.stdout).toMatch(/<Code>SignatureDoesNotMatch<\/Code>.*\n403$/s)
  })

  it('ls: buckets and prefixes as a person reads them', async () => {
    const bucket = await bench.bucket('locked')
    for (const key of ['top', 'folder/one', 'folder/two']) await bench.put(bucket, key)
    expect(await aws.text('s3', 'ls')).toMatch(new RegExp(`^[-0-9]{10} [:0-9]{8} ${bucket}$`, 'm'))
    const listed = await aws.text('s3', 'ls', `s3://${bucket}/`)
    expect(listed).toMatch(/^ +PRE folder\/\n[-0-9]{10} [:0-9]{8} +5 top\n$/)
  })
})
