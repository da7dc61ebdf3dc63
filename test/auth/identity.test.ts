import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { silentLog } from '../../src/lib/log.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { openVolumeOwner } from '../../src/server/open-volume.ts'
import type { SigningCredentials } from '../../src/sigv4/sign.ts'
import type { Answer, SendOptions } from '../support/s3-client.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const account = '111111111111'

function entry(name: string, more: object = {}): object {
  return {
    accessKeyId: name,
    secretAccessKey: `secret-of-${name}`,
    accountId: account,
    displayName: name,
    ...more,
  }
}

function key(name: string): SigningCredentials {
  return { accessKeyId: name, secretAccessKey: `secret-of-${name}` }
}

const allow = (actions: readonly string[], more: object = {}) => ({
  effect: 'Allow',
  actions,
  buckets: ['*'],
  ...more,
})

const entries = [
  entry('OWNER'),
  entry('READER', { statements: [allow(['s3:GetObject', 's3:ListBucket'])] }),
  entry('WRITER', { statements: [allow(['s3:PutObject'])] }),
  entry('DELETER', {
    statements: [allow(['s3:*']), { effect: 'Deny', actions: ['s3:DeleteObjectVersion'], buckets: ['*'] }],
  }),
  entry('NOBYPASS', {
    statements: [
      allow(['s3:*']),
      { effect: 'Deny', actions: ['s3:BypassGovernanceRetention'], buckets: ['*'] },
    ],
  }),
  entry('PREFIXED', { statements: [allow(['s3:PutObject', 's3:GetObject'], { prefixes: ['team/'] })] }),
  entry('STRANGER', { accountId: '222222222222' }),
]

let server: TestServer
const bucket = '/identity-bucket'

beforeAll(async () => {
  server = await startTestServer({ accessKeys: entries })
  await send('OWNER', {
    method: 'PUT',
    path: bucket,
    headers: { 'x-amz-bucket-object-lock-enabled': 'true' },
  })
})
afterAll(() => server.stop())

function send(name: string, options: SendOptions): Promise<Answer> {
  return server.client.send({ ...options, key: name === 'ROOT' ? server.credentials : key(name) })
}

async function lockedVersion(name: string): Promise<string> {
  const answer = await send('OWNER', {
    method: 'PUT',
    path: `${bucket}/${name}`,
    body: 'locked',
    headers: {
      'x-amz-object-lock-mode': 'GOVERNANCE',
      'x-amz-object-lock-retain-until-date': new Date(server.nowMs() + 86_400_000).toISOString(),
      'x-amz-checksum-sha256': createHash('sha256').update('locked').digest('base64'),
    },
  })
  expect(answer.status, answer.text).toBe(200)
  return String(answer.headers['x-amz-version-id'])
}

describe('statements', () => {
  test('Identity: a reader, reads and nothing else', async () => {
    await send('OWNER', { method: 'PUT', path: `${bucket}/read`, body: 'r' })
    expect((await send('READER', { method: 'GET', path: `${bucket}/read` })).text).toBe('r')
    for (const method of ['PUT', 'DELETE']) {
      const answer = await send('READER', {
        method,
        path: `${bucket}/read`,
        body: method === 'PUT' ? 'x' : '',
      })
      expect([answer.status, answer.code]).toEqual([403, 'AccessDenied'])
    }
    expect((await send('READER', { method: 'GET', path: `${bucket}/read` })).text).toBe('r')
  })

  // B-61: a version needs its own action.
  test('B-61 Identity: GetObject without GetObjectVersion, the version is denied', async () => {
    const put = await send('OWNER', { method: 'PUT', path: `${bucket}/read`, body: 'r' })
    const versionId = String(put.headers['x-amz-version-id'])
    expect(
      (await send('READER', { method: 'GET', path: `${bucket}/read`, query: { versionId } })).status,
    ).toBe(403)
    expect((await send('READER', { method: 'GET', path: bucket, query: { versions: '' } })).status).toBe(403)
    expect(
      (await send('OWNER', { method: 'GET', path: `${bucket}/read`, query: { versionId } })).status,
    ).toBe(200)
  })

  // B-36: locks need their own permission.
  test('B-36 Identity: PutObject without the lock permissions, locks denied, nothing written', async () => {
    for (const headers of [
      { 'x-amz-object-lock-legal-hold': 'ON' },
      {
        'x-amz-object-lock-mode': 'GOVERNANCE',
        'x-amz-object-lock-retain-until-date': new Date(server.nowMs() + 86_400_000).toISOString(),
      },
    ]) {
      const checksum = { 'x-amz-checksum-crc32': 'jNxs2Q==' }
      const answer = await send('WRITER', {
        method: 'PUT',
        path: `${bucket}/w`,
        body: 'x',
        headers: { ...headers, ...checksum },
      })
      expect([answer.status, answer.code]).toEqual([403, 'AccessDenied'])
    }
    expect((await send('OWNER', { method: 'GET', path: `${bucket}/w` })).code).toBe('NoSuchKey')
    expect((await send('WRITER', { method: 'PUT', path: `${bucket}/w`, body: 'x' })).status).toBe(200)
  })

  test('B-66 Identity: an explicit Deny of version deletes, markers are written, versions stay', async () => {
    const put = await send('OWNER', { method: 'PUT', path: `${bucket}/kept`, body: 'k' })
    const versionId = String(put.headers['x-amz-version-id'])
    expect(
      (await send('DELETER', { method: 'DELETE', path: `${bucket}/kept`, query: { versionId } })).status,
    ).toBe(403)
    expect((await send('DELETER', { method: 'DELETE', path: `${bucket}/kept` })).status).toBe(204)
    const body = `<Delete><Object><Key>kept</Key><VersionId>${versionId}</VersionId></Object></Delete>`
    const headers = { 'content-md5': createHash('md5').update(body).digest('base64') }
    const many = await send('DELETER', { method: 'POST', path: bucket, query: { delete: '' }, body, headers })
    expect([many.status, many.element('Code')]).toEqual([200, 'AccessDenied'])
    expect((await send('OWNER', { method: 'GET', path: `${bucket}/kept`, query: { versionId } })).text).toBe(
      'k',
    )
  })

  test('B-35 Identity: retention and hold by document without their permissions, nothing changed', async () => {
    const versionId = await lockedVersion('kept-as-it-was')
    const path = `${bucket}/kept-as-it-was`
    const until = new Date(server.nowMs() + 5 * 86_400_000).toISOString()
    const documents = {
      retention: `<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>${until}</RetainUntilDate></Retention>`,
      'legal-hold': '<LegalHold><Status>ON</Status></LegalHold>',
    }
    const before = await send('OWNER', { method: 'HEAD', path })
    for (const [query, body] of Object.entries(documents)) {
      const headers = { 'content-md5': createHash('md5').update(body).digest('base64') }
      for (const name of ['WRITER', 'READER', 'STRANGER']) {
        const answer = await send(name, {
          method: 'PUT',
          path,
          query: { [query]: '', versionId },
          body,
          headers,
        })
        expect([answer.status, answer.code]).toEqual([403, 'AccessDenied'])
      }
    }
    const after = await send('OWNER', { method: 'HEAD', path })
    const lock = (answer: Answer) =>
      Object.entries(answer.headers).filter(([name]) => name.startsWith('x-amz-object-lock'))
    expect(lock(after)).toEqual(lock(before))
    expect(lock(after)).toHaveLength(2)
  })

  // B-34, B-35: the bypass is the header and the permission together.
  test('B-34 Identity: the bypass header without the permission, the locked version stays', async () => {
    const versionId = await lockedVersion('bypass')
    const request = (headers: Readonly<Record<string, string>>): SendOptions => ({
      method: 'DELETE',
      path: `${bucket}/bypass`,
      query: { versionId },
      headers,
    })
    const bypass = { 'x-amz-bypass-governance-retention': 'true' }
    expect((await send('NOBYPASS', request(bypass))).code).toBe('AccessDenied')
    expect((await send('OWNER', request({}))).code).toBe('AccessDenied')
    expect((await send('STRANGER', request(bypass))).code).toBe('AccessDenied')
    expect((await server.client.send({ ...request(bypass), key: server.operator })).code).toBe('AccessDenied')
    expect((await send('OWNER', { method: 'GET', path: `${bucket}/bypass` })).text).toBe('locked')
    expect((await send('OWNER', request(bypass))).status).toBe(204)
  })

  test('Identity: prefixes, keys below them only', async () => {
    expect((await send('PREFIXED', { method: 'PUT', path: `${bucket}/team/a`, body: 'a' })).status).toBe(200)
    expect((await send('PREFIXED', { method: 'PUT', path: `${bucket}/team/../a`, body: 'a' })).status).toBe(
      200,
    )
    expect((await send('PREFIXED', { method: 'PUT', path: `${bucket}/teama`, body: 'a' })).status).toBe(403)
    // I10: the key with dots is below the prefix and is no other key.
    expect((await send('OWNER', { method: 'GET', path: `${bucket}/a` })).code).toBe('NoSuchKey')
  })

  test('Identity: a key of another account, denied on every level and not listed', async () => {
    for (const options of [
      { method: 'GET', path: bucket },
      { method: 'GET', path: `${bucket}/read` },
      { method: 'DELETE', path: bucket },
      { method: 'PUT', path: bucket, query: { versioning: '' }, body: '<VersioningConfiguration/>' },
    ]) {
      expect((await send('STRANGER', options)).code).toBe('AccessDenied')
    }
    expect((await send('STRANGER', { method: 'PUT', path: bucket })).code).toBe('BucketAlreadyExists')
    expect((await send('STRANGER', { method: 'GET', path: '/' })).text).not.toContain('identity-bucket')
    expect((await send('OWNER', { method: 'GET', path: '/' })).text).toContain('identity-bucket')
    expect((await send('ROOT', { method: 'GET', path: '/' })).text).toContain('identity-bucket')
  })

  test('Identity: the operator, configuration is read, nothing of objects is', async () => {
    const operator = (options: SendOptions) => server.client.send({ ...options, key: server.operator })
    expect((await operator({ method: 'GET', path: bucket, query: { 'object-lock': '' } })).status).toBe(200)
    expect((await operator({ method: 'GET', path: bucket, query: { versioning: '' } })).status).toBe(200)
    expect((await operator({ method: 'HEAD', path: bucket })).status).toBe(200)
    expect((await operator({ method: 'GET', path: `${bucket}/read` })).code).toBe('AccessDenied')
    expect((await operator({ method: 'PUT', path: `${bucket}/op`, body: 'x' })).code).toBe('AccessDenied')
    expect((await operator({ method: 'DELETE', path: bucket })).code).toBe('AccessDenied')
    expect((await operator({ method: 'PUT', path: '/operator-bucket' })).code).toBe('AccessDenied')
  })
})

describe('the audit log', () => {
  const policy = JSON.stringify({
    Statement: {
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:PutObject',
      Resource: 'arn:aws:s3:::identity-bucket/closed/*',
      Condition: { StringNotEquals: { 's3:object-lock-mode': 'COMPLIANCE' } },
    },
  })
  let records: readonly Readonly<Record<string, unknown>>[] = []

  beforeAll(async () => {
    await send('READER', { method: 'PUT', path: `${bucket}/audited`, body: 'x' })
    await send('WRITER', { method: 'GET', path: `${bucket}/audited` })
    const put = { method: 'PUT', path: bucket, query: { policy: '' }, body: policy }
    expect((await send('OWNER', put)).status).toBe(204)
    const refused = await send('OWNER', { method: 'PUT', path: `${bucket}/closed/a`, body: 'x' })
    expect([refused.status, refused.code]).toEqual([403, 'AccessDenied'])
    await send('OWNER', { method: 'DELETE', path: bucket, query: { policy: '' } })
    await server.terminate()
    records = await auditRecords()
    await server.start()
  })

  test('I23 Identity: a denied write, in the log with who and why; a denied read is not', () => {
    const denied = records.filter((record) => record['key'] === 'audited')
    expect(denied).toHaveLength(1)
    expect(denied[0]).toMatchObject({
      bucket: 'identity-bucket',
      verdict: 'deny',
      rule: 'NoStatement',
      actor: { accessKeyId: 'READER', accountId: account, operation: 'PutObject' },
    })
  })

  test('I23 Identity: a write that the policy denies, in the log; the policy and its end by digest', () => {
    const denied = records.filter((record) => record['key'] === 'closed/a')
    expect(denied).toHaveLength(1)
    expect(denied[0]).toMatchObject({
      bucket: 'identity-bucket',
      verdict: 'deny',
      rule: 'BucketPolicyDeny',
      actor: { accessKeyId: 'OWNER', operation: 'PutObject' },
    })
    const digest = createHash('sha256').update(policy).digest('hex')
    const changes = records
      .map((record) => JSON.stringify(record))
      .filter((text) => text.includes('documentSha256'))
    expect(changes.map((text) => text.includes(digest))).toEqual([true, false])
  })
})

async function auditRecords(): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const log = silentLog
  const owner = await openVolumeOwner({ directory: server.dataDirectory, clock: systemClock(), log })
  try {
    const entriesFound = await owner.store.audit.list({ afterSequence: 0, limit: 500 })
    return entriesFound.map((found) => found.record)
  } finally {
    await owner.close()
  }
}

describe('the file of access keys', () => {
  test('Access keys: a key that is taken out, refused by the next request of every worker', async () => {
    const without = entries.filter((each) => !JSON.stringify(each).includes('"READER"'))
    server.writeAccessKeys(JSON.stringify(without))
    for (let index = 0; index < 6; index += 1) {
      expect((await send('READER', { method: 'GET', path: `${bucket}/read` })).code).toBe(
        'InvalidAccessKeyId',
      )
    }
    server.writeAccessKeys(JSON.stringify(entries))
    expect((await send('READER', { method: 'GET', path: `${bucket}/read` })).status).toBe(200)
  })

  test('Access keys: a file that is wrong, its keys are refused and root goes on', async () => {
    server.writeAccessKeys('[{"accessKeyId": "OWNER", "secretAccessKey": "hunter2hunter2"')
    const refused = await send('OWNER', { method: 'GET', path: '/' })
    expect([refused.status, refused.code]).toEqual([503, 'ServiceUnavailable'])
    expect((await send('ROOT', { method: 'GET', path: '/' })).status).toBe(200)
    server.writeAccessKeys(JSON.stringify(entries))
    expect((await send('OWNER', { method: 'GET', path: '/' })).status).toBe(200)
    expect(server.logs()).toContain('the access keys file is not usable')
    expect(server.logs()).not.toContain('hunter2')
  })
})
