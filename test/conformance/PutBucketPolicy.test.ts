import { describe, expect, it } from 'vitest'
import { type Fields, policyDocument, policyWriterOf, userPrincipal } from '../support/bucket-policy.ts'
import { accessKey, accountId, conformance, md5, refusal, refused } from '../support/conformance.ts'

const foreignAccount = '222222222222'
const owner = accessKey('owner', null)
const nobody = accessKey('nobody', ['s3:ListAllMyBuckets'])
const writer = accessKey('writer', ['s3:Put*', 's3:Get*', 's3:ListBucket', 's3:DeleteObject*'])
const policyWriter = accessKey('policywriter', ['s3:PutBucketPolicy'])
const foreigner = accessKey('foreigner', null, foreignAccount)
const foreignReader = accessKey('foreignreader', ['s3:GetObject'], foreignAccount)
const bench = conformance({
  accessKeys: [owner, nobody, writer, policyWriter, foreigner, foreignReader],
})

const { put, putPolicy } = policyWriterOf(bench, owner)
const get = (bucket: string, key = owner, name = 'key') =>
  bench.send({ method: 'GET', path: `/${bucket}/${name}`, key })

describe('PutBucketPolicy', () => {
  it('PutBucketPolicy: a policy is in force for the next request of every worker, and so is its end', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    for (let round = 0; round < 4; round += 1) {
      await putPolicy(bucket, { Principal: userPrincipal(nobody), Action: 's3:GetObject' })
      for (let turn = 0; turn < 4; turn += 1) expect((await get(bucket, nobody)).text).toBe('bytes')
      await putPolicy(bucket, { Effect: 'Deny', Principal: '*', Action: 's3:GetObject' })
      for (let turn = 0; turn < 4; turn += 1) expect(refusal(await get(bucket))).toEqual(refused.forbidden)
      const gone = await bench.send({
        method: 'DELETE',
        path: `/${bucket}`,
        query: { policy: '' },
        key: owner,
      })
      expect(gone.status).toBe(204)
      for (let turn = 0; turn < 4; turn += 1) {
        expect(refusal(await get(bucket, nobody))).toEqual(refused.forbidden)
        expect((await get(bucket)).status).toBe(200)
      }
    }
  })

  it('PutBucketPolicy: what is not understood is MalformedPolicy with its name, and the old policy stays', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const before = policyDocument(bucket, { Principal: userPrincipal(nobody), Action: 's3:GetObject' })
    expect((await put(bucket, before)).status).toBe(204)
    const bad = {
      Principal: '*',
      Effect: 'Deny',
      Action: 's3:GetObject',
      Condition: { StringIs: { 'aws:username': 'x' } },
    }
    const answer = await put(bucket, policyDocument(bucket, bad))
    expect([...refusal(answer), answer.element('Detail')]).toEqual([
      400,
      'MalformedPolicy',
      'Invalid Condition type : StringIs',
      'StringIs',
    ])
    const other = policyDocument('another-bucket', {
      Principal: userPrincipal(nobody),
      Action: 's3:GetObject',
    })
    expect(refusal(await put(bucket, other))).toEqual([400, 'MalformedPolicy', 'Policy has invalid resource'])
    expect(refusal(await put(bucket, ''))).toEqual([
      400,
      'MalformedPolicy',
      "Policies must be valid JSON and the first byte must be '{'",
    ])
    const stored = await bench.send({ method: 'GET', path: `/${bucket}`, query: { policy: '' }, key: owner })
    expect(stored.text).toBe(before)
  })

  it('PutBucketPolicy: 20 KiB are taken, one byte more is not', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const text = policyDocument(bucket, { Principal: userPrincipal(nobody), Action: 's3:GetObject' })
    const padded = (length: number) => `{${' '.repeat(length - text.length)}${text.slice(1)}`
    expect((await put(bucket, padded(20 * 1024))).status).toBe(204)
    const large = await put(bucket, padded(20 * 1024 + 1))
    expect([large.status, large.code]).toEqual([400, 'MaxMessageLengthExceeded'])
  })

  it('PutBucketPolicy: a wrong checksum is BadDigest and nothing is stored', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const text = policyDocument(bucket, { Principal: userPrincipal(nobody), Action: 's3:GetObject' })
    const wrong = await put(bucket, text, { headers: { 'content-md5': md5('other') } })
    expect([wrong.status, wrong.code]).toEqual([400, 'BadDigest'])
    const stored = await bench.send({ method: 'GET', path: `/${bucket}`, query: { policy: '' }, key: owner })
    expect(stored.code).toBe('NoSuchBucketPolicy')
  })

  it('B-64 PutBucketPolicy: a policy that lets everybody in is refused, with an account or a network it is not', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const everybody = { Principal: '*', Action: 's3:GetObject' }
    expect(refusal(await put(bucket, policyDocument(bucket, everybody)))).toEqual([
      403,
      'AccessDenied',
      'Access Denied because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.',
    ])
    await putPolicy(bucket, {
      ...everybody,
      Condition: { StringEquals: { 'aws:PrincipalAccount': accountId } },
    })
    await putPolicy(bucket, { ...everybody, Condition: { IpAddress: { 'aws:SourceIp': '127.0.0.0/8' } } })
  })

  it('PutBucketPolicy: without the permission, and from another account that the policy lets in', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const text = policyDocument(bucket, { Principal: { AWS: foreignAccount }, Action: 's3:*' })
    expect(refusal(await put(bucket, text, { key: nobody }))).toEqual(refused.forbidden)
    expect((await put(bucket, text)).status).toBe(204)
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const body = method === 'PUT' ? text : ''
      const answer = await bench.send({
        method,
        path: `/${bucket}`,
        query: { policy: '' },
        body,
        key: foreigner,
      })
      expect([answer.status, answer.code]).toEqual([405, 'MethodNotAllowed'])
    }
  })

  it('PutBucketPolicy: owner and root take back a policy that denies them everything', async () => {
    for (const key of [owner, undefined]) {
      const bucket = await bench.bucket('enabled', { key: owner })
      await putPolicy(bucket, { Effect: 'Deny', Principal: '*', Action: 's3:*' })
      const signer = key === undefined ? {} : { key }
      const list = { method: 'GET', path: `/${bucket}`, ...signer }
      expect(refusal(await bench.send(list))).toEqual(refused.forbidden)
      const again = policyDocument(bucket, { Effect: 'Deny', Principal: '*', Action: 's3:DeleteObject' })
      const answer = await bench.send({
        method: 'PUT',
        path: `/${bucket}`,
        query: { policy: '' },
        body: again,
        ...signer,
      })
      expect(answer.status).toBe(204)
      expect((await bench.send(list)).status).toBe(200)
    }
  })
})

describe('a bucket policy', () => {
  it('Bucket policy: another account needs it and a statement of its own', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    for (const key of [foreigner, foreignReader])
      expect(refusal(await get(bucket, key))).toEqual(refused.forbidden)
    await putPolicy(bucket, {
      Principal: { AWS: foreignAccount },
      Action: ['s3:GetObject', 's3:DeleteObject'],
    })
    for (const key of [foreigner, foreignReader]) expect((await get(bucket, key)).text).toBe('bytes')
    const remove = (key: typeof owner) => bench.send({ method: 'DELETE', path: `/${bucket}/key`, key })
    expect(refusal(await remove(foreignReader))).toEqual(refused.forbidden)
    expect((await remove(foreigner)).status).toBe(204)
  })

  it('Bucket policy: the source of a copy is judged by its own policy', async () => {
    const [source, target] = [
      await bench.bucket('enabled', { key: owner }),
      await bench.bucket('enabled', { key: owner }),
    ]
    await bench.put(source, 'key', { key: owner })
    const copy = () =>
      bench.send({
        method: 'PUT',
        path: `/${target}/copy`,
        headers: { 'x-amz-copy-source': `/${source}/key` },
        key: writer,
      })
    expect((await copy()).status).toBe(200)
    await putPolicy(source, {
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:GetObject',
      Resource: `arn:aws:s3:::${source}/key`,
    })
    expect(refusal(await copy())).toEqual(refused.forbidden)
    await putPolicy(target, { Effect: 'Deny', Principal: '*', Action: 's3:GetObject' })
    await bench.send({ method: 'DELETE', path: `/${source}`, query: { policy: '' }, key: owner })
    expect((await copy()).status).toBe(200)
  })

  it('Bucket policy: a missing key is told apart only to who may list, by the policy too', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    expect(refusal(await get(bucket, writer))).toEqual(refused.noSuchKey)
    await putPolicy(bucket, { Effect: 'Deny', Principal: userPrincipal(writer), Action: 's3:ListBucket' })
    expect(refusal(await get(bucket, writer))).toEqual(refused.forbidden)
  })

  it('Bucket policy: lock headers of GET are shown only to who may read locks', async () => {
    const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>GOVERNANCE</Mode><Days>1</Days>' })
    await bench.put(bucket, 'key', { key: owner, headers: { 'x-amz-object-lock-legal-hold': 'ON' } })
    const shown = async () =>
      Object.keys((await get(bucket)).headers)
        .filter((name) => name.startsWith('x-amz-object-lock'))
        .toSorted()
    const [hold, mode, date] = [
      'x-amz-object-lock-legal-hold',
      'x-amz-object-lock-mode',
      'x-amz-object-lock-retain-until-date',
    ]
    expect(await shown()).toEqual([hold, mode, date])
    await putPolicy(bucket, { Effect: 'Deny', Principal: '*', Action: 's3:GetObjectLegalHold' })
    expect(await shown()).toEqual([mode, date])
    await putPolicy(bucket, { Effect: 'Deny', Principal: '*', Action: 's3:GetObjectRetention' })
    expect(await shown()).toEqual([hold])
  })

  it('Bucket policy: listings by prefix, delimiter and page size', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'team/a', { key: owner })
    await putPolicy(bucket, {
      Principal: userPrincipal(nobody),
      Action: 's3:ListBucket',
      Resource: `arn:aws:s3:::${bucket}`,
      Condition: { StringLike: { 's3:prefix': 'team/*' }, NumericLessThanEquals: { 's3:max-keys': 10 } },
    })
    const list = (query: Readonly<Record<string, string>>) =>
      bench.send({ method: 'GET', path: `/${bucket}`, query, key: nobody })
    expect((await list({ prefix: 'team/', 'max-keys': '10' })).element('Key')).toBe('team/a')
    for (const query of [
      {},
      { prefix: 'team/' },
      { prefix: 'tea', 'max-keys': '10' },
      { prefix: 'team/', 'max-keys': '11' },
    ]) {
      expect(refusal(await list(query))).toEqual(refused.forbidden)
    }
  })

  it('Bucket policy: the address of the client and the missing TLS are seen', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    const deny = (Condition: Fields) =>
      putPolicy(bucket, { Effect: 'Deny', Principal: '*', Action: 's3:GetObject', Condition })
    await deny({ NotIpAddress: { 'aws:SourceIp': '127.0.0.0/8' } })
    expect((await get(bucket)).status).toBe(200)
    await deny({ IpAddress: { 'aws:SourceIp': '127.0.0.1' } })
    expect(refusal(await get(bucket))).toEqual(refused.forbidden)
    await deny({ Bool: { 'aws:SecureTransport': 'false' } })
    expect(refusal(await get(bucket))).toEqual(refused.forbidden)
  })

  it('Bucket policy: multi-delete is judged key by key', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const versionId = await bench.put(bucket, 'kept/a', { key: owner })
    await bench.put(bucket, 'free', { key: owner })
    await putPolicy(bucket, {
      Effect: 'Deny',
      Principal: '*',
      Action: ['s3:DeleteObject', 's3:DeleteObjectVersion'],
      Resource: `arn:aws:s3:::${bucket}/kept/*`,
    })
    const entries = [
      '<Key>free</Key>',
      '<Key>kept/a</Key>',
      `<Key>kept/a</Key><VersionId>${versionId}</VersionId>`,
    ]
    const body = `<Delete>${entries.map((each) => `<Object>${each}</Object>`).join('')}</Delete>`
    const answer = await bench.document({
      method: 'POST',
      path: `/${bucket}`,
      query: { delete: '' },
      body,
      key: owner,
    })
    expect(answer.text.match(/<Deleted>/g)).toHaveLength(1)
    expect(answer.text.match(/<Code>AccessDenied<\/Code>/g)).toHaveLength(2)
    expect((await get(bucket, owner, 'kept/a')).text).toBe('bytes')
  })
})

describe('who may write policies', () => {
  it('B-57 Bucket policy: a key that may write policies does not get the bypass by one', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const headers = {
      'x-amz-object-lock-mode': 'GOVERNANCE',
      'x-amz-object-lock-retain-until-date': bench.inDays(1),
    }
    const versionId = await bench.put(bucket, 'key', { key: owner, headers })
    const all = policyDocument(bucket, { Principal: userPrincipal(policyWriter), Action: 's3:*' })
    expect((await put(bucket, all, { key: policyWriter })).status).toBe(204)
    const remove = (key: typeof owner) =>
      bench.send({
        method: 'DELETE',
        path: `/${bucket}/key`,
        query: { versionId },
        headers: { 'x-amz-bypass-governance-retention': 'true' },
        key,
      })
    expect((await get(bucket, policyWriter)).text).toBe('bytes')
    expect(refusal(await remove(policyWriter))).toEqual(refused.locked)
    const weaken = await bench.retain({ bucket, key: 'key', versionId }, 'GOVERNANCE', bench.inDays(0.5), {
      key: policyWriter,
      headers: { 'x-amz-bypass-governance-retention': 'true' },
    })
    expect(refusal(weaken)).toEqual(refused.locked)
    await putPolicy(bucket, { Effect: 'Deny', Principal: '*', Action: 's3:BypassGovernanceRetention' })
    expect(refusal(await remove(owner))).toEqual(refused.locked)
    expect((await get(bucket)).text).toBe('bytes')
  })

  it('B-57 Bucket policy: a session token, refused and never ignored', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const answer = await bench.send({
      method: 'GET',
      path: `/${bucket}`,
      headers: { 'x-amz-security-token': 'x' },
      key: owner,
    })
    expect([answer.status, answer.code]).toEqual([400, 'InvalidToken'])
  })
})
