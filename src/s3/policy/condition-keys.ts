/**
 * The condition keys that this server can answer truly, each with its type, the actions it is about and where its value comes
 * from. A key that is not here is refused when the policy is put: a condition that is skipped would be a hole.
 */
import type { Principal } from '../../lib/identity.ts'
import { dayMs } from '../../lib/units.ts'
import type { LockFacts, PolicyFacts } from './facts.ts'
import { sourceAddress } from './ip-ranges.ts'
import { principalArn, userName } from './principals.ts'

export type ConditionType = 'text' | 'arn' | 'number' | 'instant' | 'boolean' | 'address'

export type ConditionValue =
  | { readonly kind: 'absent' }
  /** Not known yet: the document that says it was not read. */
  | { readonly kind: 'pending' }
  /** There, but no value of its type: in doubt the request is denied. */
  | { readonly kind: 'unreadable' }
  | { readonly kind: 'text'; readonly text: string }
  /** Also instants, in milliseconds. */
  | { readonly kind: 'number'; readonly number: number }

export type ConditionSource = { readonly principal: Principal; readonly facts: PolicyFacts }

export type ConditionKey = {
  /** In AWS's letters; case does not count when it is looked up. */
  readonly name: string
  readonly type: ConditionType
  /** null: every action. */
  readonly actions: readonly string[] | null
  readonly read: (source: ConditionSource) => ConditionValue
}

const absent: ConditionValue = { kind: 'absent' }
const textValue = (text: string): ConditionValue => ({ kind: 'text', text })
const numberValue = (number: number): ConditionValue => ({ kind: 'number', number })

const listings = ['s3:ListBucket', 's3:ListBucketVersions']
const retentions = ['s3:PutObject', 's3:PutObjectRetention', 's3:BypassGovernanceRetention']
const holds = ['s3:PutObject', 's3:PutObjectLegalHold', 's3:BypassGovernanceRetention']

type KnownLock = Extract<LockFacts, { kind: 'known' }>
type KnownRetention = NonNullable<KnownLock['retention']>

/** Of the lock that is asked for, never of the one that is stored. */
function fromLock(read: (lock: KnownLock, source: ConditionSource) => ConditionValue): ConditionKey['read'] {
  return (source) => {
    const { lock } = source.facts
    return lock.kind === 'pending' ? lock : read(lock, source)
  }
}

function fromRetention(
  read: (retention: KnownRetention, source: ConditionSource) => ConditionValue,
): ConditionKey['read'] {
  return fromLock(({ retention }, source) => (retention === null ? absent : read(retention, source)))
}

/** Parameters of listings: a request for an object may carry the same names and mean nothing by them. */
function fromListing(name: string, read: (value: string) => ConditionValue): ConditionKey['read'] {
  return ({ facts: { request } }) => {
    const value = request.key === null ? request.query.get(name) : null
    return value === null ? absent : read(value)
  }
}

export const conditionKeys: readonly ConditionKey[] = [
  {
    name: 's3:object-lock-mode',
    type: 'text',
    actions: retentions,
    read: fromRetention(({ mode }) => textValue(mode)),
  },
  {
    name: 's3:object-lock-retain-until-date',
    type: 'instant',
    actions: retentions,
    read: fromRetention(({ retainUntilMs }) => numberValue(retainUntilMs)),
  },
  {
    // Days begun count: who asks for ten days from his own clock's now gets ten here.
    name: 's3:object-lock-remaining-retention-days',
    type: 'number',
    actions: retentions,
    read: fromRetention(({ retainUntilMs }, { facts }) =>
      numberValue(Math.ceil((retainUntilMs - facts.now.requestMs) / dayMs)),
    ),
  },
  {
    name: 's3:object-lock-legal-hold',
    type: 'text',
    actions: holds,
    read: fromLock(({ legalHold }) => (legalHold === null ? absent : textValue(legalHold))),
  },
  { name: 's3:prefix', type: 'text', actions: listings, read: fromListing('prefix', textValue) },
  { name: 's3:delimiter', type: 'text', actions: listings, read: fromListing('delimiter', textValue) },
  {
    name: 's3:max-keys',
    type: 'number',
    actions: listings,
    read: fromListing('max-keys', (value) =>
      /^\d{1,10}$/.test(value) ? numberValue(Number(value)) : { kind: 'unreadable' },
    ),
  },
  {
    name: 'aws:SourceIp',
    type: 'address',
    actions: null,
    read: ({ facts: { request } }) => {
      const address = sourceAddress(request.sourceIp)
      return address === null ? { kind: 'unreadable' } : textValue(address)
    },
  },
  {
    name: 'aws:SecureTransport',
    type: 'boolean',
    actions: null,
    read: ({ facts: { request } }) => textValue(String(request.secure)),
  },
  {
    // By the clock that nobody sets ahead: a Deny until a date lasts until that date.
    name: 'aws:CurrentTime',
    type: 'instant',
    actions: null,
    read: ({ facts: { now } }) => numberValue(now.trustedMs),
  },
  {
    name: 'aws:PrincipalAccount',
    type: 'text',
    actions: null,
    read: ({ principal }) => textValue(principal.accountId),
  },
  {
    name: 'aws:PrincipalArn',
    type: 'arn',
    actions: null,
    read: ({ principal }) => textValue(principalArn(principal)),
  },
  {
    name: 'aws:username',
    type: 'text',
    actions: null,
    read: ({ principal }) => {
      const name = userName(principal)
      return name === null ? absent : textValue(name)
    },
  },
]

const byName = new Map(conditionKeys.map((key) => [key.name.toLowerCase(), key]))

export function conditionKey(name: string): ConditionKey | null {
  return byName.get(name.toLowerCase()) ?? null
}
