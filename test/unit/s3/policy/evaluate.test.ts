import { describe, expect, it } from 'vitest'
import { epochMs } from '../../../../src/lib/units.ts'
import type { PolicyVerdict } from '../../../../src/s3/policy/evaluate.ts'
import { lockFacts, noLock, pendingLock } from '../../../../src/s3/policy/facts.ts'
import { type Asked, account, bucket, foreign, judge, nowMs, policyText, root, user } from './support.ts'

const arn = `arn:aws:s3:::${bucket}`
const day = 86_400_000

/** What is left of a verdict for one statement. */
function outcome({ denied, allowed }: PolicyVerdict): string {
  return denied ? 'denied' : allowed
}

function of(change: Readonly<Record<string, unknown>>, asked: Asked = {}): string {
  return outcome(judge(policyText(change), asked))
}

describe('whom a statement is about', () => {
  const userArn = (name: string, accountId = account) => `arn:aws:iam::${accountId}:user/${name}`
  const owner = user('owner', account, null)
  it.each([
    ['a user, himself', { AWS: userArn('alice') }, user('alice'), 'principal'],
    ['a user, another', { AWS: userArn('alice') }, user('alicia'), 'none'],
    ['a user, his namesake elsewhere', { AWS: userArn('alice') }, user('alice', foreign), 'none'],
    ['a user with a path', { AWS: userArn('team/alice') }, user('team/alice'), 'principal'],
    ['an account, a key of it', { AWS: account }, user('alice'), 'account'],
    [
      'an account by its root, a key of it',
      { AWS: `arn:aws:iam::${account}:root` },
      user('alice'),
      'account',
    ],
    ['an account, its owner', { AWS: account }, owner, 'principal'],
    ['an account, a key of another', { AWS: account }, user('alice', foreign), 'none'],
    [
      'an account and a user of it, the user',
      { AWS: [account, userArn('alice')] },
      user('alice'),
      'principal',
    ],
    ['everybody, somebody', '*', user('x', foreign), 'principal'],
    ['everybody, root', { AWS: '*' }, root, 'principal'],
    ['account of root, root', { AWS: '000000000000' }, root, 'principal'],
  ])('principal: %s', (_given, principal, asking, expected) => {
    expect(of({ Principal: principal }, { principal: asking })).toBe(expected)
  })

  it.each([
    ['the user alone, the user', { AWS: userArn('alice') }, user('alice'), 'denied'],
    ['the user and his account, the user', { AWS: [userArn('alice'), account] }, user('alice'), 'none'],
    ['the user and his account, another', { AWS: [userArn('alice'), account] }, user('bob'), 'denied'],
    ['the account, its owner', { AWS: account }, owner, 'none'],
    ['the account, a key of it', { AWS: account }, user('alice'), 'denied'],
    ['the account, another', { AWS: account }, user('alice', foreign), 'denied'],
  ])('NotPrincipal of a Deny: %s', (_given, principal, asking, expected) => {
    const change = { Effect: 'Deny', Principal: undefined, NotPrincipal: principal }
    expect(of(change, { principal: asking })).toBe(expected)
  })
})

describe('what a statement is about', () => {
  it.each([
    ['its action', {}, {}, 'principal'],
    ['another action', {}, { action: 's3:GetObjectVersion' }, 'none'],
    ['a wildcard', { Action: 's3:Get*' }, { action: 's3:GetObjectVersion' }, 'principal'],
    ['a wildcard inside', { Action: 's3:*Object' }, {}, 'principal'],
    ['one letter', { Action: 's3:Ge?Object' }, {}, 'principal'],
    ['every action', { Action: '*' }, {}, 'principal'],
    ['NotAction, the action', { Action: undefined, NotAction: 's3:Get*' }, {}, 'none'],
    ['NotAction, another', { Action: undefined, NotAction: 's3:Put*' }, {}, 'principal'],
    ['its key', { Resource: `${arn}/a/b` }, {}, 'principal'],
    ['another key', { Resource: `${arn}/a/b` }, { key: 'a/c' }, 'none'],
    ['a key that begins so', { Resource: `${arn}/a/b` }, { key: 'a/bc' }, 'none'],
    ['keys below a prefix', { Resource: `${arn}/a/*` }, {}, 'principal'],
    ['a wildcard over slashes', { Resource: `${arn}/a*z` }, { key: 'a/b/c/z' }, 'principal'],
    ['? is one character, a smiley too', { Resource: `${arn}/?` }, { key: '😀' }, 'principal'],
    ['? is not none', { Resource: `${arn}/a?` }, { key: 'a' }, 'none'],
    ['case counts', { Resource: `${arn}/A/*` }, {}, 'none'],
    ['keys, the bucket', { Resource: `${arn}/*` }, { key: null }, 'none'],
    ['the bucket, keys', { Action: 's3:ListBucket', Resource: arn }, { action: 's3:ListBucket' }, 'none'],
    [
      'the bucket',
      { Action: 's3:ListBucket', Resource: arn },
      { action: 's3:ListBucket', key: null },
      'principal',
    ],
    ['NotResource, the key', { Resource: undefined, NotResource: `${arn}/a/*` }, {}, 'none'],
    ['NotResource, another', { Resource: undefined, NotResource: `${arn}/b/*` }, {}, 'principal'],
    ['NotResource, the bucket', { Resource: undefined, NotResource: `${arn}/*` }, { key: null }, 'principal'],
  ] as const)('resource: %s', (_given, change, asked, expected) => {
    expect(of(change, asked)).toBe(expected)
  })

  it('policy: a Deny of one statement, beside every Allow, in any order', () => {
    const allow = { Effect: 'Allow', Principal: '*', Action: 's3:*', Resource: `${arn}/*` }
    const deny = { ...allow, Effect: 'Deny', Action: 's3:GetObject' }
    for (const statements of [
      [allow, deny],
      [deny, allow],
    ]) {
      expect(judge(JSON.stringify({ Statement: statements }))).toEqual({ denied: true, allowed: 'principal' })
    }
  })
})

const retention = (days: number, mode: 'GOVERNANCE' | 'COMPLIANCE' = 'COMPLIANCE') =>
  lockFacts({ retention: { mode, retainUntilMs: epochMs(nowMs + days * day) }, legalHold: null })
const hold = lockFacts({ retention: null, legalHold: 'ON' })

const put = { Action: 's3:PutObject' }
const write = { action: 's3:PutObject' }
const list = { Action: 's3:ListBucket', Resource: arn }
const listing = { action: 's3:ListBucket', key: null }
const until = new Date(nowMs + 10 * day).toISOString()

type Row = readonly [operator: string, key: string, value: unknown, asked: Asked, holds: boolean]

const rows: readonly Row[] = [
  ['StringEquals', 's3:object-lock-mode', 'COMPLIANCE', { lock: retention(1) }, true],
  ['StringEquals', 's3:object-lock-mode', 'compliance', { lock: retention(1) }, false],
  ['StringEqualsIgnoreCase', 's3:object-lock-mode', 'compliance', { lock: retention(1) }, true],
  ['StringEquals', 's3:object-lock-mode', 'COMPLIANCE', { lock: noLock }, false],
  ['StringEqualsIfExists', 's3:object-lock-mode', 'COMPLIANCE', { lock: noLock }, true],
  ['StringNotEquals', 's3:object-lock-mode', 'COMPLIANCE', { lock: noLock }, true],
  ['StringNotEquals', 's3:object-lock-mode', ['GOVERNANCE', 'COMPLIANCE'], { lock: retention(1) }, false],
  ['StringNotEquals', 's3:object-lock-mode', 'GOVERNANCE', { lock: retention(1) }, true],
  ['StringNotEqualsIgnoreCase', 's3:object-lock-mode', 'compliance', { lock: retention(1) }, false],
  ['ForAnyValue:StringNotEquals', 's3:object-lock-mode', 'X', { lock: noLock }, false],
  ['ForAllValues:StringEquals', 's3:object-lock-mode', 'X', { lock: noLock }, true],
  ['Null', 's3:object-lock-mode', 'true', { lock: noLock }, true],
  ['Null', 's3:object-lock-mode', 'true', { lock: retention(1) }, false],
  ['Null', 's3:object-lock-mode', 'false', { lock: hold }, false],
  ['StringEquals', 's3:object-lock-legal-hold', 'ON', { lock: hold }, true],
  ['StringEquals', 's3:object-lock-legal-hold', 'ON', { lock: retention(1) }, false],
  ['NumericEquals', 's3:object-lock-remaining-retention-days', '10', { lock: retention(10) }, true],
  ['NumericNotEquals', 's3:object-lock-remaining-retention-days', '10', { lock: retention(10) }, false],
  ['NumericGreaterThan', 's3:object-lock-remaining-retention-days', '10', { lock: retention(10) }, false],
  [
    'NumericGreaterThan',
    's3:object-lock-remaining-retention-days',
    '10',
    { lock: retention(10 + 1 / day) },
    true,
  ],
  [
    'NumericGreaterThanEquals',
    's3:object-lock-remaining-retention-days',
    '10',
    { lock: retention(9.5) },
    true,
  ],
  ['NumericLessThan', 's3:object-lock-remaining-retention-days', '10', { lock: retention(9.5) }, false],
  ['NumericLessThanEquals', 's3:object-lock-remaining-retention-days', '9', { lock: retention(9) }, true],
  ['NumericLessThan', 's3:object-lock-remaining-retention-days', '1.5', { lock: retention(1) }, true],
  ['DateEquals', 's3:object-lock-retain-until-date', until, { lock: retention(10) }, true],
  ['DateNotEquals', 's3:object-lock-retain-until-date', until, { lock: retention(10) }, false],
  ['DateLessThan', 's3:object-lock-retain-until-date', until, { lock: retention(10) }, false],
  ['DateLessThanEquals', 's3:object-lock-retain-until-date', until, { lock: retention(10) }, true],
  ['DateGreaterThan', 's3:object-lock-retain-until-date', until, { lock: retention(11) }, true],
  ['DateGreaterThan', 's3:object-lock-retain-until-date', until, { lock: noLock }, false],
  ['DateGreaterThanEquals', 'aws:CurrentTime', new Date(nowMs).toISOString(), {}, true],
  ['DateGreaterThan', 'aws:CurrentTime', new Date(nowMs).toISOString(), {}, false],
  ['IpAddress', 'aws:SourceIp', '203.0.113.0/24', {}, true],
  ['IpAddress', 'aws:SourceIp', ['10.0.0.0/8', '203.0.113.9'], {}, true],
  ['IpAddress', 'aws:SourceIp', '203.0.113.0/29', {}, false],
  ['NotIpAddress', 'aws:SourceIp', '203.0.113.0/24', {}, false],
  ['NotIpAddress', 'aws:SourceIp', '10.0.0.0/8', {}, true],
  ['IpAddress', 'aws:SourceIp', '203.0.113.0/24', { sourceIp: '::ffff:203.0.113.9' }, true],
  ['IpAddress', 'aws:SourceIp', '::/0', { sourceIp: '::ffff:203.0.113.9' }, false],
  ['IpAddress', 'aws:SourceIp', '0.0.0.0/0', { sourceIp: '2001:db8::1' }, false],
  ['IpAddress', 'aws:SourceIp', '2001:db8::/32', { sourceIp: '2001:db8::1' }, true],
  ['IpAddress', 'aws:SourceIp', 'fe80::/10', { sourceIp: 'fe80::1%eth0' }, true],
  ['Bool', 'aws:SecureTransport', 'false', {}, true],
  ['Bool', 'aws:SecureTransport', true, { secure: true }, true],
  ['Bool', 'aws:SecureTransport', 'true', {}, false],
  ['StringEquals', 'aws:PrincipalAccount', account, {}, true],
  ['StringEquals', 'aws:PrincipalAccount', foreign, {}, false],
  ['StringEquals', 'aws:username', 'alice', {}, true],
  ['StringEquals', 'aws:username', 'root', { principal: root }, false],
  ['StringNotEquals', 'aws:username', 'alice', { principal: root }, true],
  ['StringEquals', 'aws:PrincipalArn', 'arn:aws:iam::000000000000:root', { principal: root }, true],
  ['StringLike', 'aws:PrincipalArn', 'arn:aws:iam::*:user/al?ce', {}, true],
  ['StringNotLike', 'aws:PrincipalArn', '*alice', {}, false],
  ['ArnLike', 'aws:PrincipalArn', 'arn:aws:iam::*:user/*', {}, true],
  ['ArnEquals', 'aws:PrincipalArn', 'arn:aws:iam::*:user/alice', {}, true],
  ['ArnLike', 'aws:PrincipalArn', 'arn:aws:iam:*1:*:user/alice', {}, false],
  ['ArnNotLike', 'aws:PrincipalArn', `arn:aws:iam::${account}:user/*`, {}, false],
  ['ArnNotEquals', 'aws:PrincipalArn', `arn:aws:iam::${foreign}:user/*`, {}, true],
]

const listings: readonly Row[] = [
  ['StringLike', 's3:prefix', 'team/*', { query: { prefix: 'team/a' } }, true],
  ['StringLike', 's3:prefix', 'team/*', { query: { prefix: 'tea' } }, false],
  ['StringEquals', 's3:prefix', '', { query: { prefix: '' } }, true],
  ['StringEquals', 's3:prefix', '', {}, false],
  ['StringNotLike', 's3:prefix', 'team/*', {}, true],
  ['StringEquals', 's3:delimiter', '/', { query: { delimiter: '/' } }, true],
  ['NumericLessThanEquals', 's3:max-keys', '10', { query: { 'max-keys': '10' } }, true],
  ['NumericLessThanEquals', 's3:max-keys', '10', { query: { 'max-keys': '11' } }, false],
  ['NumericLessThanEquals', 's3:max-keys', '10', {}, false],
  ['NumericLessThanEqualsIfExists', 's3:max-keys', '10', {}, true],
]

describe('conditions', () => {
  it.each(rows)('condition: %s %s %j', (operator, key, value, asked, holds) => {
    const change = {
      ...(key.startsWith('s3:') ? put : {}),
      Principal: '*',
      Condition: { [operator]: { [key]: value } },
    }
    const action = key.startsWith('s3:') ? write : {}
    expect(of(change, { ...action, ...asked })).toBe(holds ? 'principal' : 'none')
    expect(of({ ...change, Effect: 'Deny' }, { ...action, ...asked })).toBe(holds ? 'denied' : 'none')
  })

  it.each(listings)('condition of listings: %s %s %j', (operator, key, value, asked, holds) => {
    const change = { ...list, Condition: { [operator]: { [key]: value } } }
    expect(of(change, { ...listing, ...asked })).toBe(holds ? 'principal' : 'none')
  })

  it('condition: parameters of a listing on a request for an object, there are none', () => {
    const change = {
      Action: 's3:*',
      Resource: [arn, `${arn}/*`],
      Condition: { StringEquals: { 's3:prefix': 'a' } },
    }
    expect(of(change, { query: { prefix: 'a' } })).toBe('none')
  })

  it('condition: all must hold', () => {
    const change = (secure: string) => ({
      Condition: { StringEquals: { 'aws:username': 'alice' }, Bool: { 'aws:SecureTransport': secure } },
    })
    expect(of(change('false'))).toBe('principal')
    expect(of(change('true'))).toBe('none')
  })

  // A value that cannot be read must never let anybody in, nor out of a Deny.
  it.each([
    ['NumericLessThan', 's3:max-keys', '10', { query: { 'max-keys': 'many' } }],
    ['NumericGreaterThan', 's3:max-keys', '10', { query: { 'max-keys': '-1' } }],
    ['NumericNotEquals', 's3:max-keys', '10', { query: { 'max-keys': '' } }],
    ['IpAddress', 'aws:SourceIp', '0.0.0.0/0', { sourceIp: '' }],
    ['NotIpAddress', 'aws:SourceIp', '10.0.0.0/8', { sourceIp: 'somewhere' }],
  ] as const)(
    'condition: %s %s with a value that is unreadable, denied either way',
    (operator, key, value, asked) => {
      const change = { ...list, Condition: { [operator]: { [key]: value } } }
      expect(of(change, { ...listing, ...asked })).toBe('none')
      expect(of({ ...change, Effect: 'Deny' }, { ...listing, ...asked })).toBe('denied')
    },
  )

  it.each([
    ['StringEquals', 's3:object-lock-mode', 'COMPLIANCE'],
    ['StringNotEquals', 's3:object-lock-mode', 'COMPLIANCE'],
    ['Null', 's3:object-lock-mode', 'true'],
    ['NumericLessThan', 's3:object-lock-remaining-retention-days', '10'],
    ['StringEquals', 's3:object-lock-legal-hold', 'ON'],
  ])('condition: %s %s before the document is read, nothing is decided', (operator, key, value) => {
    const change = { ...put, Condition: { [operator]: { [key]: value } } }
    expect(of(change, { ...write, lock: pendingLock })).toBe('principal')
    expect(of({ ...change, Effect: 'Deny' }, { ...write, lock: pendingLock })).toBe('none')
  })
})
