/** Conditions of bucket policies about the lock that a request asks for, through every entrance, and about time. */
import { describe, expect, it } from 'vitest'
import { type Fields, policyWriterOf } from '../support/bucket-policy.ts'
import { accessKey, conformance, dayMs, md5, refusal, refused } from '../support/conformance.ts'
import type { Answer } from '../support/s3-client.ts'

const owner = accessKey('owner', null)
const writer = accessKey('writer', ['s3:Put*', 's3:Get*', 's3:ListBucket'])
const bench = conformance({ accessKeys: [owner, writer] })
const { putPolicy } = policyWriterOf(bench, owner)
const get = (bucket: string) => bench.send({ method: 'GET', path: `/${bucket}/key`, key: owner })

/** Every entrance that a lock can come in by: the name, and a request that asks for this lock. */
type LockAsked = { readonly mode: string; readonly days: number; readonly hold?: 'ON' | 'OFF' }

function lockHeaders({ mode, days, hold }: LockAsked): Record<string, string> {
  return {
    'x-amz-object-lock-mode': mode,
    'x-amz-object-lock-retain-until-date': bench.inDays(days),
    ...(hold === undefined ? {} : { 'x-amz-object-lock-legal-hold': hold }),
  }
}

const entrances: readonly (readonly [
  name: string,
  send: (bucket: string, asked: LockAsked) => Promise<Answer>,
])[] = [
  [
    'PutObject',
    (bucket, asked) =>
      bench.send({
        method: 'PUT',
        path: `/${bucket}/new`,
        body: 'x',
        headers: { ...lockHeaders(asked), 'content-md5': md5('x') },
        key: writer,
      }),
  ],
  [
    'a presigned PutObject',
    (bucket, asked) =>
      bench.send({
        method: 'PUT',
        path: `/${bucket}/new`,
        body: 'x',
        headers: { ...lockHeaders(asked), 'content-md5': md5('x') },
        key: writer,
        sign: 'presigned',
      }),
  ],
  [
    'CopyObject',
    (bucket, asked) =>
      bench.send({
        method: 'PUT',
        path: `/${bucket}/new`,
        headers: { ...lockHeaders(asked), 'x-amz-copy-source': `/${bucket}/key` },
        key: writer,
      }),
  ],
  [
    'CreateMultipartUpload',
    (bucket, asked) =>
      bench.send({
        method: 'POST',
        path: `/${bucket}/new`,
        query: { uploads: '' },
        headers: lockHeaders(asked),
        key: writer,
      }),
  ],
  [
    'PutObjectRetention',
    (bucket, asked) =>
      bench.retain({ bucket, key: 'key' }, asked.mode, bench.inDays(asked.days), { key: writer }),
  ],
]

describe('conditions about the lock that is asked for', () => {
  for (const [name, send] of entrances) {
    it(`[PutObjectRetention.20] Bucket policy: ${name} within and beyond the days, the mode and the date that a policy allows`, async () => {
      const bucket = await bench.bucket('locked', { key: owner })
      await bench.put(bucket, 'key', { key: owner })
      const deny = (Condition: Fields) =>
        putPolicy(bucket, {
          Effect: 'Deny',
          Principal: '*',
          Action: ['s3:PutObject', 's3:PutObjectRetention'],
          Resource: `arn:aws:s3:::${bucket}/*`,
          Condition,
        })
      await deny({ NumericGreaterThan: { 's3:object-lock-remaining-retention-days': '10' } })
      const long = await bench.unchanged(bucket, () => send(bucket, { mode: 'GOVERNANCE', days: 11 }))
      expect(refusal(long)).toEqual(refused.forbidden)
      expect((await send(bucket, { mode: 'GOVERNANCE', days: 10 })).status).toBe(200)
      await deny({ StringEquals: { 's3:object-lock-mode': 'COMPLIANCE' } })
      const strict = await bench.unchanged(bucket, () => send(bucket, { mode: 'COMPLIANCE', days: 11 }))
      expect(refusal(strict)).toEqual(refused.forbidden)
      expect((await send(bucket, { mode: 'GOVERNANCE', days: 11 })).status).toBe(200)
      await deny({ DateGreaterThan: { 's3:object-lock-retain-until-date': bench.inDays(12) } })
      const late = await bench.unchanged(bucket, () => send(bucket, { mode: 'GOVERNANCE', days: 13 }))
      expect(refusal(late)).toEqual(refused.forbidden)
    })
  }

  it('Bucket policy: a hold by header and by document', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    await putPolicy(bucket, {
      Effect: 'Deny',
      Principal: '*',
      Action: ['s3:PutObject', 's3:PutObjectLegalHold'],
      Condition: { StringEquals: { 's3:object-lock-legal-hold': 'OFF' } },
    })
    const target = { bucket, key: 'key' }
    expect((await bench.hold(target, 'ON', { key: writer })).status).toBe(200)
    const lifted = await bench.unchanged(bucket, () => bench.hold(target, 'OFF', { key: writer }))
    expect(refusal(lifted)).toEqual(refused.forbidden)
    const headers = { 'x-amz-object-lock-legal-hold': 'OFF', 'content-md5': md5('x') }
    const header = await bench.send({
      method: 'PUT',
      path: `/${bucket}/new`,
      body: 'x',
      headers,
      key: writer,
    })
    expect(refusal(header)).toEqual(refused.forbidden)
  })

  it('Bucket policy: uploads without a lock are refused, those of parts go by their upload', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    await putPolicy(bucket, {
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:PutObject',
      Resource: `arn:aws:s3:::${bucket}/*`,
      Condition: { StringNotEquals: { 's3:object-lock-mode': 'COMPLIANCE' } },
    })
    const path = `/${bucket}/new`
    const plain = await bench.send({ method: 'PUT', path, body: 'x', key: writer })
    expect(refusal(plain)).toEqual(refused.forbidden)
    const create = (headers: Record<string, string>) =>
      bench.send({ method: 'POST', path, query: { uploads: '' }, headers, key: writer })
    expect(refusal(await create({}))).toEqual(refused.forbidden)
    const created = await create(lockHeaders({ mode: 'COMPLIANCE', days: 1 }))
    const uploadId = created.element('UploadId') ?? ''
    const headers = { 'content-md5': md5('part') }
    const part = await bench.send({
      method: 'PUT',
      path,
      query: { partNumber: '1', uploadId },
      body: 'part',
      headers,
      key: writer,
    })
    expect(part.status).toBe(200)
    const etag = String(part.headers['etag'])
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`
    const complete = () => bench.send({ method: 'POST', path, query: { uploadId }, body, key: writer })
    expect((await complete()).status).toBe(200)
    expect((await complete()).status).toBe(200)
    const head = await bench.send({ method: 'HEAD', path, key: owner })
    expect(head.headers['x-amz-object-lock-mode']).toBe('COMPLIANCE')
  })

  it('Bucket policy: a document is refused before it is read, where no lock could change the answer', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    await putPolicy(bucket, { Effect: 'Deny', Principal: '*', Action: 's3:PutObjectRetention' })
    const answer = await bench.document({
      method: 'PUT',
      path: `/${bucket}/key`,
      query: { retention: '' },
      body: '<no',
      key: writer,
    })
    expect(refusal(answer)).toEqual(refused.forbidden)
  })

  it('Bucket policy: time passes, and a Deny until a date ends', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    await putPolicy(bucket, {
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:GetObject',
      Condition: { DateLessThan: { 'aws:CurrentTime': bench.inDays(1) } },
    })
    expect(refusal(await get(bucket))).toEqual(refused.forbidden)
    bench.server().advance(dayMs + 60_000)
    expect((await get(bucket)).status).toBe(200)
  })
})
