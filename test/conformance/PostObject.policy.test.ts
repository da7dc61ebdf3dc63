import { describe, expect, it } from 'vitest'
import { accessKey, conformance, md5, refusal, refused } from '../support/conformance.ts'
import { formParts, formRequest, type PostForm } from '../support/form.ts'
import type { SendOptions } from '../support/s3-client.ts'

const owner = accessKey('owner', null)
const prefixed = {
  ...accessKey('prefixed', []),
  statements: [{ effect: 'Allow', actions: ['s3:PutObject'], buckets: ['*'], prefixes: ['mine/'] }],
}
const bench = conformance({ accessKeys: [owner, prefixed] })

type Change = Partial<PostForm> & { readonly bucket: string }

function form({ fields, ...change }: Change): PostForm {
  return {
    key: owner,
    nowMs: bench.server().nowMs(),
    fields: { key: 'key', ...fields },
    file: 'bytes',
    ...change,
  }
}

function post(change: Change, more: Partial<SendOptions> = {}) {
  return bench.send({ ...formRequest(form(change)), ...more })
}

/** Sends it and asserts that it changed nothing. */
function refusedPost(change: Change, more: Partial<SendOptions> = {}) {
  return bench.unchanged(change.bucket, () => post(change, more))
}

const violated = (reason: string) => [403, 'AccessDenied', `Invalid according to Policy: ${reason}`]
const missing = (name: string) => [
  400,
  'InvalidArgument',
  `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`,
]

/** The parts without one, or with another value for one. */
const without = (name: string): NonNullable<PostForm['mutate']> => {
  return (parts) => parts.filter((part) => part.name !== name)
}
const changed = (name: string, change: (value: string) => string): NonNullable<PostForm['mutate']> => {
  return (parts) =>
    parts.map((part) => (part.name === name ? { ...part, value: change(String(part.value)) } : part))
}
const flipped = (value: string) => (value.startsWith('0') ? '1' : '0') + value.slice(1)

describe('PostObject: who signed the form', () => {
  it('PostObject: a form without any proof is anonymous, AccessDenied', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const proof = ['policy', 'x-amz-algorithm', 'x-amz-credential', 'x-amz-date', 'x-amz-signature']
    const anonymous = (parts: readonly { name: string; value: string | Uint8Array }[]) =>
      parts.filter(({ name }) => !proof.includes(name))
    expect(refusal(await refusedPost({ bucket, mutate: anonymous }))).toEqual(refused.forbidden)
    expect(refusal(await refusedPost({ bucket, mutate: without('policy') }))).toEqual(refused.forbidden)
  })

  it.each([
    ['x-amz-signature', 'X-Amz-Signature'],
    ['x-amz-algorithm', 'X-Amz-Algorithm'],
    ['x-amz-credential', 'X-Amz-Credential'],
    ['x-amz-date', 'X-Amz-Date'],
    ['key', 'key'],
  ])('PostObject: without %s, InvalidArgument naming %s', async (name, named) => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const answer = await refusedPost({ bucket, mutate: without(name) })
    expect([refusal(answer), answer.element('ArgumentName')]).toEqual([missing(named), named])
    const behind = await refusedPost({
      bucket,
      mutate: (parts) => [...without(name)(parts), ...parts.filter((part) => part.name === name)],
    })
    expect(refusal(behind)).toEqual(missing(named))
  })

  it('PostObject: another signature, policy or secret is SignatureDoesNotMatch', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const sentence =
      'The request signature we calculated does not match the signature you provided. Check your key and signing method.'
    const changes: readonly Partial<PostForm>[] = [
      { mutate: changed('x-amz-signature', flipped) },
      { mutate: changed('x-amz-signature', () => 'x') },
      { mutate: changed('policy', (text) => text.slice(0, -2)) },
      { mutate: changed('policy', (text) => `${text}=`) },
      { key: { ...owner, secretAccessKey: 'another-secret' } },
    ]
    for (const change of changes) {
      const answer = await refusedPost({ bucket, ...change })
      expect(refusal(answer)).toEqual([403, 'SignatureDoesNotMatch', sentence])
      expect(answer.element('AWSAccessKeyId')).toBe(owner.accessKeyId)
      const signed = Buffer.from(answer.element('StringToSign') ?? '')
      expect(answer.element('StringToSignBytes')?.replaceAll(' ', '')).toBe(signed.toString('hex'))
    }
  })

  it('PostObject: an unknown key is InvalidAccessKeyId', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const key = { accessKeyId: 'NOBODY', secretAccessKey: 'nobodys-secret' }
    expect((await refusedPost({ bucket, key })).code).toBe('InvalidAccessKeyId')
  })

  it.each([
    ['x-amz-credential', () => 'ROOT/20260101/us-east-1/s3', 'mal-formed'],
    ['x-amz-credential', (text: string) => text.replace('/s3/', '/iam/'), 'incorrect service'],
    ['x-amz-credential', (text: string) => text.replace('us-east-1', 'mars'), "'mars' is wrong"],
    [
      'x-amz-credential',
      (text: string) => text.replace(/\/\d{8}\//, '/20200101/'),
      'not the same as X-Amz-Date',
    ],
    ['x-amz-date', () => '2026-01-01T00:00:00Z', 'ISO8601 Long format'],
    ['x-amz-algorithm', () => 'AWS4-HMAC-SHA1', 'only supports "AWS4-HMAC-SHA256"'],
  ])('PostObject: a wrong %s is InvalidArgument', async (name, change, message) => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const answer = await refusedPost({ bucket, mutate: changed(name, change) })
    expect([answer.status, answer.code]).toEqual([400, 'InvalidArgument'])
    expect(answer.element('Message')).toContain(message)
  })

  it('PostObject: the region is part of the signature, and a wrong one names the right one', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const answer = await refusedPost({ bucket, region: 'eu-west-1' })
    expect([answer.code, answer.element('Region')]).toEqual(['InvalidArgument', 'us-east-1'])
  })

  it('PostObject: a session token is InvalidToken, signature version 2 is refused', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const token = await refusedPost({ bucket, fields: { 'x-amz-security-token': 'x' } })
    expect(token.code).toBe('InvalidToken')
    const old = await refusedPost({
      bucket,
      uncovered: { AWSAccessKeyId: owner.accessKeyId, signature: 'x' },
    })
    expect(old.code).toBe('InvalidRequest')
  })

  it('PostObject: signed more than seven days ago, or for tomorrow, AccessDenied', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const dayMs = 86_400_000
    const at = (days: number) => ({
      nowMs: bench.server().nowMs() + days * dayMs,
      expiresMs: 30 * dayMs,
    })
    expect((await post({ bucket, ...at(-6.9) })).status).toBe(204)
    expect(refusal(await refusedPost({ bucket, ...at(-7.1) }))).toEqual([
      403,
      'AccessDenied',
      'Request has expired',
    ])
    expect(refusal(await refusedPost({ bucket, ...at(1) }))).toEqual([
      403,
      'AccessDenied',
      'Request is not yet valid',
    ])
  })
})

describe('PostObject: what the policy allows', () => {
  it('PostObject: an expired policy, AccessDenied', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    expect(refusal(await refusedPost({ bucket, expiresMs: -1000 }))).toEqual(violated('Policy expired.'))
  })

  it.each([
    ['{"expiration":', 'Invalid Policy: Invalid JSON.'],
    ['{"conditions":[]}', 'Invalid Policy: Policy missing expiration.'],
    [
      '{"expiration":"2026-01-01","conditions":[]}',
      "Invalid Policy: Invalid 'expiration' value: '2026-01-01'",
    ],
  ])('PostObject: the policy %s is InvalidPolicyDocument', async (policy, message) => {
    const bucket = await bench.bucket('enabled', { key: owner })
    expect(refusal(await refusedPost({ bucket, policy }))).toEqual([400, 'InvalidPolicyDocument', message])
  })

  it('[PostObject.1] B-60 PostObject: a field without a condition is refused, whatever it says', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const fields = {
      'x-amz-object-lock-mode': 'COMPLIANCE',
      'x-amz-object-lock-retain-until-date': bench.inDays(1),
      'X-Amz-Object-Lock-Legal-Hold': 'ON',
      'x-amz-meta-a': '1',
      acl: 'private',
      tagging: '<Tagging><TagSet></TagSet></Tagging>',
      success_action_status: '201',
      submit: 'Upload',
    }
    for (const [name, value] of Object.entries(fields)) {
      const answer = await refusedPost({
        bucket,
        fields: { 'content-md5': md5('bytes') },
        uncovered: { [name]: value },
      })
      expect(refusal(answer)).toEqual(violated(`Extra input fields: ${name}`))
    }
  })

  it('[PostObject.1] B-60 PostObject: a covered field of another value is refused, also one that is left out', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const fields = {
      'content-md5': md5('bytes'),
      'x-amz-object-lock-mode': 'COMPLIANCE',
      'x-amz-object-lock-retain-until-date': bench.inDays(1),
    }
    const weaker = changed('x-amz-object-lock-mode', () => 'GOVERNANCE')
    const sentence = violated('Policy Condition failed: ["eq", "$x-amz-object-lock-mode", "COMPLIANCE"]')
    expect(refusal(await refusedPost({ bucket, fields, mutate: weaker }))).toEqual(sentence)
    const dropped = without('x-amz-object-lock-mode')
    expect(refusal(await refusedPost({ bucket, fields, mutate: dropped }))).toEqual(sentence)
  })

  it('B-53 PostObject: the bucket is the one of the address, whatever policy and form say', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const other = await bench.bucket('enabled', { key: owner })
    const forOther = { ...formRequest(form({ bucket: other })), path: `/${bucket}` }
    const answer = await bench.unchanged(bucket, () => bench.unchanged(other, () => bench.send(forOther)))
    expect(refusal(answer)).toEqual(violated(`Policy Condition failed: ["eq", "$bucket", "${other}"]`))
    const field = await bench.unchanged(other, () => refusedPost({ bucket, uncovered: { bucket: other } }))
    expect(refusal(field)).toEqual(violated('the field bucket is not the bucket of the request.'))
    const fieldForOther = {
      ...formRequest(form({ bucket: other, fields: { bucket: other } })),
      path: `/${bucket}`,
    }
    expect((await bench.unchanged(bucket, () => bench.send(fieldForOther))).status).toBe(403)
    expect((await post({ bucket, uncovered: { bucket } })).status).toBe(204)
  })

  it('B-53 PostObject: a policy that names no bucket is for none', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const parts = formParts(form({ bucket }))
    const credential = String(parts.find(({ name }) => name === 'x-amz-credential')?.value)
    const date = String(parts.find(({ name }) => name === 'x-amz-date')?.value)
    const policy = JSON.stringify({
      expiration: new Date(bench.server().nowMs() + 60_000).toISOString(),
      conditions: [
        { key: 'key' },
        { 'x-amz-algorithm': 'AWS4-HMAC-SHA256' },
        { 'x-amz-credential': credential },
        { 'x-amz-date': date },
      ],
    })
    const nowMs = Date.UTC(
      Number(date.slice(0, 4)),
      Number(date.slice(4, 6)) - 1,
      Number(date.slice(6, 8)),
      Number(date.slice(9, 11)),
      Number(date.slice(11, 13)),
      Number(date.slice(13, 15)),
    )
    const answer = await refusedPost({ bucket, policy, nowMs })
    expect(refusal(answer)).toEqual(violated('Extra input fields: bucket'))
  })

  it('B-62 PostObject: the key of the form is authorised and stored byte for byte', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    expect((await post({ bucket, key: prefixed, fields: { key: 'mine/a' } })).status).toBe(204)
    const fields = { key: 'other' }
    for (const key of ['mine', 'Mine/a', '/mine/a', 'other', './mine/a', 'x/../mine/a', 'mine%2Fa'])
      expect(refusal(await refusedPost({ bucket, key: prefixed, fields: { ...fields, key } }))).toEqual(
        refused.forbidden,
      )
    for (const key of ['mine/../other', 'mine/%2e%2e/x', 'mine//a', 'mine/a?versionId=x', 'mine/a\\b']) {
      expect((await post({ bucket, key: prefixed, fields: { key } })).status).toBe(204)
      const stored = await bench.send({ method: 'GET', path: `/${bucket}/${key}`, key: owner })
      expect([key, stored.status, stored.text]).toEqual([key, 200, 'bytes'])
    }
  })

  it('PostObject: a file name cannot leave the prefix that the policy allows', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const conditions = [['starts-with', '$key', 'in/']]
    const fields = { key: `in/${'$'}{filename}` }
    expect((await post({ bucket, conditions, fields, fileName: '../../out' })).status).toBe(204)
    expect((await bench.send({ method: 'GET', path: `/${bucket}/in/out`, key: owner })).status).toBe(200)
    const outside = await refusedPost({
      bucket,
      conditions,
      fields: { key: `${'$'}{filename}` },
      fileName: 'in',
    })
    expect(refusal(outside)).toEqual(violated('Policy Condition failed: ["starts-with", "$key", "in/"]'))
  })

  it('PostObject: content-length-range holds for the bytes of the file, bounds included', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const moreConditions = [['content-length-range', 5, 10]]
    const sized = (bytes: number) => ({ bucket, moreConditions, file: 'x'.repeat(bytes) })
    for (const bytes of [5, 10]) expect((await post(sized(bytes))).status).toBe(204)
    const large = await refusedPost(sized(11))
    expect(refusal(large)).toEqual([
      400,
      'EntityTooLarge',
      'Your proposed upload exceeds the maximum allowed size',
    ])
    expect([large.element('ProposedSize'), large.element('MaxSizeAllowed')]).toEqual(['11', '10'])
    const small = await refusedPost(sized(4))
    expect(refusal(small)).toEqual([
      400,
      'EntityTooSmall',
      'Your proposed upload is smaller than the minimum allowed size',
    ])
    expect([small.element('ProposedSize'), small.element('MinSizeAllowed')]).toEqual(['4', '5'])
    expect((await refusedPost(sized(3_000_000))).code).toBe('EntityTooLarge')
  })
})
