import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { GetObjectLockConfigurationCommand, S3Client } from '@aws-sdk/client-s3'
import { describe, expect, test, vi } from 'vitest'
import { makeDirectory, root, type Standalone, startStandalone } from '../support/standalone.ts'

const bothReady =
  /LockedBucket default\/ledger: Ready[\s\S]*Try it|LockedBucket default\/backups: Ready[\s\S]*Try it/

function edit(path: string, change: (text: string) => string): void {
  // As editors do: written beside, then renamed over.
  writeFileSync(`${path}.new`, change(readFileSync(path, 'utf8')))
  renameSync(`${path}.new`, path)
}

async function defaultRule(server: Standalone, bucket: string, { untilThere = false } = {}) {
  const { accessKeyId, secretAccessKey } = server.credentials()
  const client = new S3Client({
    endpoint: server.endpoint(),
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
  })
  const ask = () => client.send(new GetObjectLockConfigurationCommand({ Bucket: bucket }))
  const isThere = () =>
    ask().then(
      () => true,
      () => false,
    )
  if (untilThere) await vi.waitUntil(isThere, { timeout: 60_000 })
  const answer = await ask()
  client.destroy()
  return answer.ObjectLockConfiguration?.Rule?.DefaultRetention
}

/** Runs the printed lines in a shell, as they were printed. */
function paste(server: Standalone) {
  const lines = server
    .output()
    .split('\n')
    .filter((line) => /^ {2}(export|VERSION=|aws )/.test(line))
  expect(lines).toHaveLength(4)
  return spawnSync('sh', ['-c', lines.join('\n')], { cwd: root, encoding: 'utf8', timeout: 60_000 })
}

describe('holdfast standalone', () => {
  test('npm start: prints the endpoint, the credentials and both buckets ready', async () => {
    const server = startStandalone(makeDirectory())
    await server.printed(bothReady)
    expect(server.output()).toMatch(/S3 endpoint {3}http:\/\/127\.0\.0\.1:\d+ {2}\(region us-east-1\)/)
    expect(server.output()).toContain('LockedBucket default/ledger: Ready. Bucket ledger, COMPLIANCE 1 day.')
    expect(server.output()).toContain(
      'LockedBucket default/backups: Ready. Bucket backups, GOVERNANCE 7 days, 1 rule.',
    )
    expect(statSync(join(server.data, 'credentials.json')).mode & 0o777).toBe(0o600)
    expect(statSync(join(server.data, 'aws-credentials')).mode & 0o777).toBe(0o600)
    expect(await server.end('SIGINT')).toBe(0)
    expect(server.output()).toContain('Stopped.')
  })

  test('the printed lines: put works, delete answers AccessDenied, the retention is shown', async () => {
    const server = startStandalone(makeDirectory("holdfast's directory-"))
    await server.printed(bothReady)
    const { stdout, stderr } = paste(server)
    expect(stderr).toContain('(AccessDenied) when calling the DeleteObject operation')
    expect(stderr).toContain('Access Denied because object protected by object lock.')
    expect(JSON.parse(stdout)).toMatchObject({ Retention: { Mode: 'COMPLIANCE' } })
  })

  test('an edited manifest: the bucket follows while it runs', async () => {
    const server = startStandalone(makeDirectory())
    await server.printed(bothReady)
    expect(await defaultRule(server, 'backups')).toEqual({ Mode: 'GOVERNANCE', Days: 7 })
    edit(join(server.manifests, 'governance-policy.yaml'), (text) => text.replace('days: 7', 'days: 9'))
    await server.printed(/LockedBucket default\/backups: Ready\. Bucket backups, GOVERNANCE 9 days/)
    expect(await defaultRule(server, 'backups')).toEqual({ Mode: 'GOVERNANCE', Days: 9 })
  })

  test('a policy with the longest name that Kubernetes takes: its bucket is ready, the others too, also after a restart', async () => {
    const directory = makeDirectory()
    const name = 'x'.repeat(253)
    const manifest = [
      '---\napiVersion: holdfast.dev/v1\nkind: RetentionPolicy',
      `metadata: {name: ${name}}\nspec: {defaultRetention: {mode: COMPLIANCE, days: 3}}`,
      '---\napiVersion: holdfast.dev/v1\nkind: LockedBucket',
      `metadata: {name: long}\nspec: {bucketName: long, retentionPolicyRef: {name: ${name}}}\n`,
    ].join('\n')
    const path = join(directory, 'manifests', 'a-long-name.yaml')
    const first = startStandalone(directory)
    await first.printed(bothReady)
    writeFileSync(path, manifest)
    await first.printed(/LockedBucket default\/long: Ready\. Bucket long, COMPLIANCE 3 days/)
    expect(await first.end('SIGTERM')).toBe(0)
    writeFileSync(path, manifest.replace('days: 3', 'days: 2'))
    const second = startStandalone(directory)
    await second.printed(/REFUSED .*a-long-name\.yaml: .*can only get longer/)
    await second.printed(bothReady)
    expect(await defaultRule(second, 'long', { untilThere: true })).toEqual({ Mode: 'COMPLIANCE', Days: 3 })
  })

  test('a deleted manifest of a bucket: it is told that the bucket stays', async () => {
    const server = startStandalone(makeDirectory())
    await server.printed(bothReady)
    rmSync(join(server.manifests, 'ledger-bucket.yaml'))
    await server.printed(/WARNING LockedBucket default\/ledger: BucketOrphaned: Bucket ledger stays/)
    expect(await defaultRule(server, 'ledger')).toEqual({ Mode: 'COMPLIANCE', Days: 1 })
  })

  test('a weakened COMPLIANCE policy: refused and explained, also after a restart', async () => {
    const directory = makeDirectory()
    const first = startStandalone(directory)
    await first.printed(bothReady)
    edit(join(first.manifests, 'compliance-policy.yaml'), (text) => text.replace('days: 1', 'days: 30'))
    await first.printed(/Bucket ledger, COMPLIANCE 30 days/)
    edit(join(first.manifests, 'compliance-policy.yaml'), (text) => text.replace('days: 30', 'days: 2'))
    await first.printed(/REFUSED .*compliance-policy\.yaml: .*can only get longer.* stays in force/)
    expect(await defaultRule(first, 'ledger')).toEqual({ Mode: 'COMPLIANCE', Days: 30 })
    edit(join(first.manifests, 'compliance-policy.yaml'), (text) =>
      text.replace('mode: COMPLIANCE', 'mode: GOVERNANCE'),
    )
    await first.printed(/REFUSED .*compliance-policy\.yaml: spec.defaultRetention.mode/)
    expect(await first.end('SIGTERM')).toBe(0)

    const second = startStandalone(directory)
    await second.printed(/REFUSED .*compliance-policy\.yaml/)
    await second.printed(/LockedBucket default\/ledger: Ready\. Bucket ledger, COMPLIANCE 30 days/)
    expect(await defaultRule(second, 'ledger')).toEqual({ Mode: 'COMPLIANCE', Days: 30 })
  })

  test('a second start: finds the same key, the same versions and their locks', async () => {
    const directory = makeDirectory()
    const first = startStandalone(directory)
    await first.printed(bothReady)
    paste(first)
    const key = first.credentials()
    expect(await first.end('SIGINT')).toBe(0)
    // At the same address nothing in a status changes; what is enforced is told all the same.
    const second = startStandalone(directory, ['--s3-listen', new URL(first.endpoint()).host])
    const [before] = (await second.printed(/[\s\S]*Try it/)) ?? []
    expect(before).toContain('LockedBucket default/ledger: Ready. Bucket ledger, COMPLIANCE 1 day.')
    expect(before).toContain('LockedBucket default/backups: Ready. Bucket backups, GOVERNANCE 7 days')
    expect(second.credentials()).toEqual(key)
    const why = spawnSync(
      process.execPath,
      [
        join(root, 'bin/holdfast'),
        'why',
        's3://ledger/hello.txt',
        '--data',
        second.data,
        '--server-admin',
        /Admin API\s+(\S+)/.exec(second.output())?.[1] ?? '',
      ],
      { encoding: 'utf8' },
    )
    expect(why.stderr).toBe('')
    expect(why.stdout).toContain('locked (COMPLIANCE until')
    expect(why.status).toBe(3)
  })

  test('kill -9, then a start: everything is found, without repair by hand', async () => {
    const directory = makeDirectory()
    const first = startStandalone(directory)
    await first.printed(bothReady)
    paste(first)
    await first.end('SIGKILL')
    const second = startStandalone(directory)
    await second.printed(bothReady)
    expect(await defaultRule(second, 'ledger')).toEqual({ Mode: 'COMPLIANCE', Days: 1 })
  })

  test('a BucketAccess: there are no Secrets here, which is said with what to do instead', async () => {
    const server = startStandalone(makeDirectory())
    await server.printed(bothReady)
    const yaml =
      readFileSync(join(root, 'examples/kubernetes/bucket-access.yaml'), 'utf8').split('---')[0] ?? ''
    writeFileSync(join(server.manifests, 'access.yaml'), yaml)
    await server.printed(/BucketAccess team-a\/ledger-writer: NoSecretsHere: .*--access-keys/)
    expect(await server.end('SIGTERM')).toBe(0)
  })

  test('a reader of the output that goes away: the server goes on, and stops cleanly', async () => {
    const server = startStandalone(makeDirectory())
    await server.printed(/Admin API/)
    server.closeOutput()
    const rule = await defaultRule(server, 'ledger', { untilThere: true })
    expect(rule).toEqual({ Mode: 'COMPLIANCE', Days: 1 })
    expect(await server.end('SIGTERM')).toBe(0)
  })

  test('the same data twice: the second server is refused and told why', async () => {
    const directory = makeDirectory()
    const first = startStandalone(directory)
    await first.printed(bothReady)
    const second = startStandalone(directory)
    expect(await second.exited).toBe(1)
    expect(second.output()).toContain('in use by another holdfast server')
  })

  test('a port in use: exit 1 with the address and what to do', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const address = taken.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const server = startStandalone(makeDirectory(), ['--s3-listen', `127.0.0.1:${port}`])
    expect(await server.exited).toBe(1)
    expect(server.output()).toContain(`127.0.0.1:${port}`)
    expect(server.output()).toContain('choose another port')
    taken.close()
  })

  test('an empty credentials.json: exit 1 and what to do; the file and the volume stay as they are', async () => {
    const directory = makeDirectory()
    mkdirSync(join(directory, 'data'))
    const path = join(directory, 'data', 'credentials.json')
    writeFileSync(path, '')
    const server = startStandalone(directory)
    expect(await server.exited).toBe(1)
    expect(server.output()).toBe(
      `holdfast standalone: ${path} is empty: it must hold accessKeyId and secretAccessKey of root. Put a copy of it back, or ` +
        'remove it: then the next start of the server makes a new key, and what is stored stays, with its locks\n',
    )
    expect(readdirSync(server.data)).toEqual(['credentials.json'])
    expect(readFileSync(path, 'utf8')).toBe('')
  })

  test('a volume without a key: a new one is made, and told', async () => {
    const directory = makeDirectory()
    const first = startStandalone(directory)
    await first.printed(bothReady)
    expect(first.output()).not.toContain('a new key of root')
    const { accessKeyId } = first.credentials()
    expect(await first.end('SIGTERM')).toBe(0)
    rmSync(join(first.data, 'credentials.json'))
    const second = startStandalone(directory)
    await second.printed(/a new key of root: the volume was there without one/)
    await second.printed(bothReady)
    expect(second.credentials().accessKeyId).not.toBe(accessKeyId)
    expect(readFileSync(join(second.data, 'aws-credentials'), 'utf8')).toContain(
      second.credentials().accessKeyId,
    )
    expect(await defaultRule(second, 'ledger')).toEqual({ Mode: 'COMPLIANCE', Days: 1 })
  })

  test('--volume-id and no volume, as where a mount is missing: exit 1, and nothing is made', async () => {
    const directory = makeDirectory()
    mkdirSync(join(directory, 'data'))
    const server = startStandalone(directory, ['--volume-id', randomUUID()])
    expect(await server.exited).toBe(1)
    expect(server.output()).toContain('Nothing was made there')
    expect(readdirSync(server.data)).toEqual([])
  })

  test('no node_modules: exit 1 and what to run', () => {
    const directory = makeDirectory()
    for (const part of ['bin', 'src', 'package.json']) {
      cpSync(join(root, part), join(directory, part), { recursive: true })
    }
    const result = spawnSync(process.execPath, [join(directory, 'bin/holdfast'), 'standalone'], {
      encoding: 'utf8',
    })
    expect(result.stderr).toContain('run `npm ci` in ')
    expect(result.status).toBe(1)
  })

  test.each([
    [['--manifests', 'nowhere'], 1, 'nowhere is not a directory'],
    [['--workers', 'two'], 2, "--workers: 'two' is not a whole number"],
    [['--colour', 'red'], 2, 'there is no flag --colour'],
  ])('wrong input %j: exit code and a sentence', (flags, code, sentence) => {
    const result = spawnSync(process.execPath, [join(root, 'bin/holdfast'), 'standalone', ...flags], {
      cwd: root,
      encoding: 'utf8',
    })
    expect(result.stderr).toContain(sentence)
    expect(result.status).toBe(code)
  })
})
