/** Who acts in a history, and what each may do, said a second time without a line of the server's authorization. */
import type { SigningCredentials } from '../../src/sigv4/sign.ts'
import { userPrincipal } from '../support/bucket-policy.ts'
import { accessKey, type TestKey } from '../support/conformance.ts'
import { operatorCredentials, rootCredentials } from '../support/server.ts'

export const whos = ['root', 'owner', 'writer', 'holder', 'reader', 'foreign', 'operator'] as const
export type Who = (typeof whos)[number]
export const foreignAccountId = '222222222222'

const writes = [
  's3:AbortMultipartUpload',
  's3:DeleteObject',
  's3:DeleteObjectVersion',
  's3:GetObject',
  's3:GetObjectLegalHold',
  's3:GetObjectRetention',
  's3:GetObjectVersion',
  's3:ListBucket',
  's3:PutObject',
  's3:PutObjectLegalHold',
  's3:PutObjectRetention',
  's3:PutObjectTagging',
  's3:PutObjectVersionTagging',
]
const reads = ['s3:GetObject', 's3:GetObjectVersion', 's3:ListBucket']
const bypass = 's3:BypassGovernanceRetention'

const owner = accessKey('owner', null)
const writer = accessKey('writer', writes)
const holder = accessKey('holder', [...writes, bypass])
const reader = accessKey('reader', reads)
const foreign = accessKey('foreign', null, foreignAccountId)

/** Entries of the --access-keys file. */
export const accessKeys: readonly TestKey[] = [owner, writer, holder, reader, foreign]
export const credentialsOf: Readonly<Record<Who, SigningCredentials>> = {
  root: rootCredentials,
  owner,
  writer,
  holder,
  reader,
  foreign,
  operator: operatorCredentials,
}

/** Bucket policies by name: the statement, and whom its Allow lets in. */
type Policy = {
  readonly effect: 'Allow' | 'Deny'
  readonly actions: readonly string[]
  readonly to: 'everybody' | 'foreign' | 'reader'
}
const policies = {
  denyVersionDelete: { effect: 'Deny', actions: ['s3:DeleteObjectVersion'], to: 'everybody' },
  denyRetention: { effect: 'Deny', actions: ['s3:PutObjectRetention'], to: 'everybody' },
  denyBypass: { effect: 'Deny', actions: [bypass], to: 'everybody' },
  allowForeign: {
    effect: 'Allow',
    actions: ['s3:PutObject', 's3:DeleteObject', 's3:DeleteObjectVersion', 's3:PutObjectRetention', bypass],
    to: 'foreign',
  },
  allowReader: {
    effect: 'Allow',
    actions: ['s3:DeleteObjectVersion', 's3:PutObjectRetention', 's3:PutObjectLegalHold', bypass],
    to: 'reader',
  },
} as const satisfies Record<string, Policy>

export type PolicyName = keyof typeof policies
export const policyNames: readonly PolicyName[] = [
  'denyVersionDelete',
  'denyRetention',
  'denyBypass',
  'allowForeign',
  'allowReader',
]

export function policyStatement(name: PolicyName): Readonly<Record<string, unknown>> {
  const { effect, actions, to } = policies[name]
  const Principal =
    to === 'everybody'
      ? '*'
      : to === 'foreign'
        ? { AWS: `arn:aws:iam::${foreignAccountId}:root` }
        : userPrincipal(reader)
  return { Effect: effect, Action: actions, Principal }
}

/** Nobody locks himself out: root and the account's owner keep these whatever a policy denies. */
export function may(who: Who, action: string, policyName: PolicyName | null): boolean {
  const policy: Policy | null = policyName === null ? null : policies[policyName]
  const isNamed = policy?.actions.includes(action) ?? false
  if (isNamed && policy?.effect === 'Deny') return false
  switch (who) {
    case 'root':
    case 'owner':
      return true
    case 'operator':
      return false
    case 'writer':
      return writes.includes(action)
    case 'holder':
      return action === bypass || writes.includes(action)
    case 'reader':
      // The bypass comes from a key's own statements alone.
      return reads.includes(action) || (isNamed && policy?.to === 'reader' && action !== bypass)
    case 'foreign':
      return isNamed && policy?.to === 'foreign'
  }
}

/** DeleteObjects is refused as a whole where no key could go. */
export function mayDeleteSomething(who: Who, policyName: PolicyName | null): boolean {
  if (who === 'operator') return false
  return who === 'reader' || who === 'foreign' ? policyName !== null : true
}
