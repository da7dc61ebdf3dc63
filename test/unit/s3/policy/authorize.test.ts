/** Who wins: the key's own statements, the bucket's policy, accounts, root and the operator. */
import { describe, expect, it } from 'vitest'
import type { Principal, Statement } from '../../../../src/lib/identity.ts'
import { operatorKey } from '../../../../src/s3/auth/access-keys.ts'
import { authorize, type PolicyInForce } from '../../../../src/s3/auth/authorize.ts'
import type { Action } from '../../../../src/s3/operation.ts'
import { parsePolicy } from '../../../../src/s3/policy/parse-policy.ts'
import { account, bucket, facts, foreign, root, user } from './support.ts'

const arn = `arn:aws:s3:::${bucket}`
const both = [arn, `${arn}/*`]
const own = (effect: Statement['effect'], action: string): Statement => ({
  effect,
  actions: [action],
  buckets: ['*'],
  prefixes: null,
})

function policy(...statements: readonly object[]): PolicyInForce {
  const text = JSON.stringify({ Statement: statements.map((each) => ({ Resource: both, ...each })) })
  return { kind: 'policy', policy: parsePolicy(text, bucket), facts: facts() }
}
const none: PolicyInForce = { kind: 'none' }
const unreadable: PolicyInForce = { kind: 'unreadable' }
const everybody = { Principal: '*', Action: 's3:*' }
const allowAll = policy({ Effect: 'Allow', ...everybody })
const denyAll = policy({ Effect: 'Deny', ...everybody })

function verdict(principal: Principal, inForce: PolicyInForce, action: Action = 's3:GetObject'): string {
  const request = { action, bucket, bucketAccountId: account, key: 'a/b', policy: inForce }
  const found = authorize(principal, request)
  return `${found.kind} ${found.rule}`
}

const alice = (...statements: readonly Statement[]) => user('alice', account, statements)
const stranger = (...statements: readonly Statement[]) => user('alice', foreign, statements)
const owner = user('owner', account, null)
const foreignOwner = user('owner', foreign, null)
const operator = operatorKey('OPERATOR', 'x').principal

describe('authorize with a bucket policy', () => {
  it.each([
    ['a key without statement, allowed by the policy', alice(), allowAll, 'allow BucketPolicy'],
    ['a key without statement, no policy', alice(), none, 'deny NoStatement'],
    [
      'a statement, a policy that says nothing',
      alice(own('Allow', 's3:*')),
      policy({ Effect: 'Allow', Principal: { AWS: foreign }, Action: 's3:*' }),
      'allow Statement',
    ],
    ['an own Deny, a policy that allows', alice(own('Deny', 's3:GetObject')), allowAll, 'deny ExplicitDeny'],
    ['an own Allow, a policy that denies', alice(own('Allow', 's3:*')), denyAll, 'deny BucketPolicyDeny'],
    ['the owner, a policy that denies', owner, denyAll, 'deny BucketPolicyDeny'],
    ['root, a policy that denies', root, denyAll, 'deny BucketPolicyDeny'],
    ['root, no policy', root, none, 'allow Root'],
    [
      'its account allowed, a key without statement',
      alice(),
      policy({ Effect: 'Allow', Principal: { AWS: account }, Action: 's3:*' }),
      'deny NoStatement',
    ],
    [
      'its account denied, a key with statement',
      alice(own('Allow', 's3:*')),
      policy({ Effect: 'Deny', Principal: { AWS: account }, Action: 's3:*' }),
      'deny BucketPolicyDeny',
    ],
    ['another account, no policy', stranger(own('Allow', 's3:*')), none, 'deny OtherAccount'],
    [
      'another account, allowed by the policy and itself',
      stranger(own('Allow', 's3:*')),
      allowAll,
      'allow Statement',
    ],
    ['another account, allowed by the policy alone', stranger(), allowAll, 'deny NoStatement'],
    [
      'another account by its number',
      stranger(own('Allow', 's3:*')),
      policy({ Effect: 'Allow', Principal: { AWS: foreign }, Action: 's3:*' }),
      'allow Statement',
    ],
    [
      'another account, its own Deny',
      stranger(own('Allow', 's3:*'), own('Deny', 's3:Get*')),
      allowAll,
      'deny ExplicitDeny',
    ],
    [
      'another account, denied besides',
      stranger(own('Allow', 's3:*')),
      policy({ Effect: 'Allow', ...everybody }, { Effect: 'Deny', ...everybody }),
      'deny BucketPolicyDeny',
    ],
    ["another account's owner", foreignOwner, allowAll, 'allow AccountOwner'],
    ["another account's owner, not allowed", foreignOwner, denyAll, 'deny OtherAccount'],
    [
      'a policy that cannot be read, a key',
      alice(own('Allow', 's3:*')),
      unreadable,
      'deny BucketPolicyUnreadable',
    ],
    ['a policy that cannot be read, the owner', owner, unreadable, 'deny BucketPolicyUnreadable'],
    ['a policy that cannot be read, root', root, unreadable, 'deny BucketPolicyUnreadable'],
    ['a policy that cannot be read, another account', foreignOwner, unreadable, 'deny OtherAccount'],
  ] as const)('authorize: %s', (_given, principal, inForce, expected) => {
    expect(verdict(principal, inForce)).toBe(expected)
  })

  it.each(['s3:GetBucketPolicy', 's3:PutBucketPolicy', 's3:DeleteBucketPolicy'] as const)(
    'authorize: %s under a policy that denies all or cannot be read, still open to root and owner alone',
    (action) => {
      for (const inForce of [denyAll, unreadable]) {
        expect(verdict(root, inForce, action)).toBe('allow Root')
        expect(verdict(owner, inForce, action)).toBe('allow AccountOwner')
        for (const other of [alice(own('Allow', 's3:*')), foreignOwner, operator]) {
          expect(verdict(other, inForce, action)).toMatch(/^deny/)
        }
      }
    },
  )

  it("authorize: another account's owner, let in and denied the policy, denied", () => {
    const letIn = policy(
      { Effect: 'Allow', ...everybody },
      { Effect: 'Deny', Principal: '*', Action: 's3:*BucketPolicy' },
    )
    for (const action of ['s3:GetBucketPolicy', 's3:PutBucketPolicy', 's3:DeleteBucketPolicy'] as const) {
      expect(verdict(foreignOwner, letIn, action)).toBe('deny BucketPolicyDeny')
      expect(verdict(owner, letIn, action)).toBe('allow AccountOwner')
    }
  })

  it('authorize: GetBucketPolicyStatus, denied to the owner as anything else', () => {
    expect(verdict(owner, denyAll, 's3:GetBucketPolicyStatus')).toBe('deny BucketPolicyDeny')
  })

  // B-57: the right to write policies must not grow into the right to bypass.
  it('B-57 authorize: the bypass by a policy alone, denied; by an own statement, allowed unless the policy denies', () => {
    const bypass = 's3:BypassGovernanceRetention'
    expect(verdict(alice(own('Allow', 's3:PutBucketPolicy')), allowAll, bypass)).toBe('deny NoStatement')
    expect(verdict(alice(own('Allow', bypass)), none, bypass)).toBe('allow Statement')
    expect(verdict(alice(own('Allow', bypass)), denyAll, bypass)).toBe('deny BucketPolicyDeny')
    expect(verdict(stranger(), allowAll, bypass)).toBe('deny NoStatement')
    expect(verdict(root, denyAll, bypass)).toBe('deny BucketPolicyDeny')
  })

  it("authorize: the operator, its evidence whatever a policy says, and nothing of a policy's gifts", () => {
    for (const inForce of [denyAll, allowAll, unreadable]) {
      expect(verdict(operator, inForce, 's3:GetBucketObjectLockConfiguration')).toBe('allow OperatorScope')
      expect(verdict(operator, inForce, 's3:GetObject')).toBe('deny OperatorScope')
    }
  })
})
