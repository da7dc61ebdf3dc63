import { describe, expect, it } from 'vitest'
import { accessKey, accountId, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const writer = accessKey('writer', ['s3:PutBucketAcl'])
const reader = accessKey('reader', ['s3:GetBucketAcl'])
const bench = conformance({ accessKeys: [owner, writer, reader] })

const grant = (id: string, permission = 'FULL_CONTROL', type = 'CanonicalUser', inner = `<ID>${id}</ID>`) =>
  `<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="${type}">${inner}</Grantee>` +
  `<Permission>${permission}</Permission></Grant>`
const document = (grants: string, id = accountId) =>
  `<AccessControlPolicy><Owner><ID>${id}</ID></Owner><AccessControlList>${grants}</AccessControlList></AccessControlPolicy>`

const put = (bucket: string, more: { body?: string; headers?: Record<string, string>; key?: typeof owner }) =>
  bench.send({ method: 'PUT', path: `/${bucket}`, query: { acl: '' }, key: owner, ...more })
const get = (bucket: string, key = owner) =>
  bench.send({ method: 'GET', path: `/${bucket}`, query: { acl: '' }, key })

const notSupported = [400, 'AccessControlListNotSupported', 'The bucket does not allow ACLs']

describe('PutBucketAcl', () => {
  it.each([
    ['private', { headers: { 'x-amz-acl': 'private' } }],
    ['bucket-owner-full-control', { headers: { 'x-amz-acl': 'bucket-owner-full-control' } }],
    ["the owner's own list", { body: document(grant(accountId)) }],
  ])('PutBucketAcl: %s is 200 and changes nothing', async (_given, request) => {
    const bucket = await bench.bucket('unversioned', { key: owner })
    const before = (await get(bucket)).text
    expect((await put(bucket, { ...request, key: writer })).status).toBe(200)
    expect((await get(bucket)).text).toBe(before)
  })

  it('PutBucketAcl: the list that was read is taken', async () => {
    const bucket = await bench.bucket('unversioned', { key: owner })
    expect((await put(bucket, { body: (await get(bucket)).text })).status).toBe(200)
  })

  const everybody = '<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>'
  it.each([
    ['public-read', { headers: { 'x-amz-acl': 'public-read' } }],
    ['a grant by header', { headers: { 'x-amz-grant-read': `id=${accountId}` } }],
    [
      'another canned list with the right document',
      { headers: { 'x-amz-acl': 'public-read' }, body: document(grant(accountId)) },
    ],
    ['another account', { body: document(grant('222222222222')) }],
    ['a group', { body: document(grant('', 'FULL_CONTROL', 'Group', everybody)) }],
    [
      'a group beside the id',
      { body: document(grant('', 'FULL_CONTROL', 'Group', `<ID>${accountId}</ID>${everybody}`)) },
    ],
    ['another permission', { body: document(grant(accountId, 'READ')) }],
    ['one grant more', { body: document(grant(accountId) + grant('222222222222', 'READ')) }],
    ['no grant', { body: document('') }],
    ['another owner', { body: document(grant(accountId), '222222222222') }],
  ])('PutBucketAcl: %s is refused', async (_given, request) => {
    const bucket = await bench.bucket('unversioned', { key: owner })
    expect(refusal(await put(bucket, request))).toEqual(notSupported)
  })

  it.each([
    ['no XML', 'x'],
    ['another root', '<Acl/>'],
    ['no list', '<AccessControlPolicy></AccessControlPolicy>'],
    ['a grant without permission', document(grant(accountId).replace(/<Permission>.*<\/Permission>/, ''))],
    ['a grant without grantee', document('<Grant><Permission>READ</Permission></Grant>')],
    ['a foreign element', document(`${grant(accountId)}<Deny/>`)],
  ])('PutBucketAcl: %s is MalformedACLError', async (_given, body) => {
    const answer = await put(await bench.bucket('unversioned', { key: owner }), { body })
    expect([answer.status, answer.code]).toEqual([400, 'MalformedACLError'])
  })

  it('PutBucketAcl: neither header nor document, and no permission', async () => {
    const bucket = await bench.bucket('unversioned', { key: owner })
    const nothing = await put(bucket, {})
    expect([...refusal(nothing), nothing.element('MissingHeaderName')]).toEqual([
      400,
      'MissingSecurityHeader',
      'Your request is missing a required header.',
      'x-amz-acl',
    ])
    const headers = { 'x-amz-acl': 'private' }
    expect(refusal(await put(bucket, { headers, key: reader }))).toEqual(refused.forbidden)
    expect(refusal(await get(bucket, writer))).toEqual(refused.forbidden)
  })
})
