import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Principal, Statement } from '../../../src/lib/identity.ts'
import {
  AccessKeysError,
  accessKeys,
  operatorKey,
  parseAccessKeys,
  rootKey,
} from '../../../src/s3/auth/access-keys.ts'
import { type AuthorizationRequest, authorize, mayForSomeKey } from '../../../src/s3/auth/authorize.ts'
import type { Action } from '../../../src/s3/operation.ts'
import { operations } from '../../../src/s3/operations/index.ts'

const account = '111111111111'
const other = '222222222222'

function user(statements: readonly Statement[] | null): Principal {
  return { kind: 'user', accessKeyId: 'AK', accountId: account, displayName: 'user', statements }
}

function allow(action: string, more: Partial<Statement> = {}): Statement {
  return { effect: 'Allow', actions: [action], buckets: ['*'], prefixes: null, ...more }
}

function request(action: Action, more: Partial<AuthorizationRequest> = {}): AuthorizationRequest {
  return {
    action,
    bucket: 'logs',
    bucketAccountId: account,
    key: 'a/b',
    policy: { kind: 'none' },
    ...more,
  }
}

function verdict(principal: Principal, asked: AuthorizationRequest): string {
  const found = authorize(principal, asked)
  return `${found.kind} ${found.rule}`
}

describe('some key', () => {
  const statement = fc.record({
    effect: fc.constantFrom('Allow' as const, 'Deny' as const),
    actions: fc.array(fc.constantFrom('s3:DeleteObject', 's3:*', 's3:Get*', '*'), {
      minLength: 1,
      maxLength: 2,
    }),
    buckets: fc.array(fc.constantFrom('logs', 'lo*', 'other', '*'), { minLength: 1, maxLength: 2 }),
    prefixes: fc.option(fc.constantFrom(['a/'], ['']), { nil: null }),
  })
  const statements = fc.option(fc.array(statement, { maxLength: 3 }), { nil: null })

  test('Some key: what it refuses is denied for every key', () => {
    const policies = fc.constantFrom({ kind: 'none' } as const, { kind: 'unreadable' } as const)
    fc.assert(
      fc.property(statements, policies, fc.boolean(), fc.string(), (own, policy, isOther, key) => {
        const asked = request('s3:DeleteObject', { policy, ...(isOther ? { bucketAccountId: other } : {}) })
        if (mayForSomeKey(user(own), asked)) return
        expect(authorize(user(own), { ...asked, key }).kind).toBe('deny')
      }),
    )
  })

  test.each([
    ['root', rootKey('R', 'x').principal, true],
    ['the operator', operatorKey('O', 'x').principal, false],
    ['an owner', user(null), true],
    ['a key with no statement', user([]), false],
    ['a key for one prefix', user([allow('s3:DeleteObject', { prefixes: ['a/'] })]), true],
    ['a key for another bucket', user([allow('s3:DeleteObject', { buckets: ['other'] })]), false],
    ['a key for another action', user([allow('s3:PutObject')]), false],
    ['a key that is only denied', user([allow('s3:DeleteObject', { effect: 'Deny' })]), false],
  ])('Some key: %s, %s is %s', (_name, principal, expected) => {
    expect(mayForSomeKey(principal, request('s3:DeleteObject'))).toBe(expected)
  })
})

describe('authorize', () => {
  test('Authorize: root, every action on every account', () => {
    const root = rootKey('R', 'x').principal
    expect(verdict(root, request('s3:BypassGovernanceRetention', { bucketAccountId: other }))).toBe(
      'allow Root',
    )
    expect(
      verdict(root, request('s3:ListAllMyBuckets', { bucket: null, bucketAccountId: null, key: null })),
    ).toBe('allow Root')
  })

  test('Authorize: the operator, reads of configuration on every account and nothing else', () => {
    const operator = operatorKey('O', 'x').principal
    const allowed = new Set<Action>()
    const actions = operations.flatMap((operation) =>
      [operation.permission, operation.versionPermission ?? []].flat(),
    )
    const more: readonly Action[] = [
      's3:BypassGovernanceRetention',
      's3:PutObjectLegalHold',
      's3:PutObjectRetention',
    ]
    for (const action of [...actions, ...more]) {
      if (verdict(operator, request(action, { bucketAccountId: other })).startsWith('allow'))
        allowed.add(action)
    }
    expect([...allowed].sort()).toEqual([
      's3:GetBucketLocation',
      's3:GetBucketObjectLockConfiguration',
      's3:GetBucketVersioning',
      's3:ListAllMyBuckets',
      's3:ListBucket',
      's3:ListBucketVersions',
    ])
  })

  test("Authorize: the operator in the canary's bucket, the lock is written and its deletion tried, without bypass", () => {
    const operator = operatorKey('O', 'x').principal
    const own = { bucket: 'holdfast-canary', bucketAccountId: operator.accountId }
    const more: readonly Action[] = ['s3:BypassGovernanceRetention', 's3:PutObjectRetention', 's3:PutObject']
    const actions = operations.flatMap(({ permission, versionPermission = permission }) => [
      permission,
      versionPermission,
    ])
    const allowedIn = (bucket: string) =>
      [...new Set([...actions, ...more])]
        .filter((action) => verdict(operator, request(action, { ...own, bucket })).startsWith('allow'))
        .sort()
    const elsewhere = allowedIn('holdfast-other')
    expect(allowedIn('holdfast-canary-2')).toEqual(elsewhere)
    expect(allowedIn('holdfast-canary').filter((action) => !elsewhere.includes(action))).toEqual([
      's3:CreateBucket',
      's3:DeleteObjectVersion',
      's3:GetObject',
      's3:GetObjectRetention',
      's3:GetObjectVersion',
      's3:PutBucketObjectLockConfiguration',
      's3:PutBucketVersioning',
      's3:PutObject',
      's3:PutObjectRetention',
    ])
  })

  test('Authorize: a bucket of the system, root looks, users do nothing, whoever owns it', () => {
    const root = rootKey('R', 'x').principal
    const system = { bucket: 'holdfast-canary', bucketAccountId: account }
    for (const action of ['s3:PutObject', 's3:DeleteObjectVersion', 's3:PutBucketPolicy'] as const) {
      expect(verdict(root, request(action, system))).toBe('deny SystemBucket')
      expect(verdict(user(null), request(action, system))).toBe('deny SystemBucket')
    }
    expect(verdict(root, request('s3:GetObjectVersion', system))).toBe('allow Root')
    expect(verdict(root, request('s3:ListBucketVersions', system))).toBe('allow Root')
    expect(verdict(user(null), request('s3:GetObject', system))).toBe('deny SystemBucket')
    // The name is refused where buckets are made, with S3's own code.
    const create = { ...system, bucketAccountId: null, key: null }
    expect(verdict(user(null), request('s3:CreateBucket', create))).toBe('allow AccountOwner')
  })

  test('Authorize: an account owner, everything on its buckets and the bypass, nothing on others', () => {
    const owner = user(null)
    expect(verdict(owner, request('s3:BypassGovernanceRetention'))).toBe('allow AccountOwner')
    expect(verdict(owner, request('s3:CreateBucket', { bucketAccountId: null, key: null }))).toBe(
      'allow AccountOwner',
    )
    expect(verdict(owner, request('s3:GetObject', { bucketAccountId: other }))).toBe('deny OtherAccount')
  })

  test('Authorize: a kind of principal that does not exist, an assertion and never allowed', () => {
    const stranger = { ...user(null), kind: 'stranger' as never }
    expect(() => verdict(stranger, request('s3:GetObject'))).toThrow('every kind of principal is authorized')
  })

  test('Authorize: no statement that matches, denied', () => {
    expect(verdict(user([]), request('s3:GetObject'))).toBe('deny NoStatement')
    expect(verdict(user([allow('s3:PutObject')]), request('s3:GetObject'))).toBe('deny NoStatement')
  })

  test('Authorize: a statement for all buckets, none on buckets of another account', () => {
    expect(verdict(user([allow('s3:*')]), request('s3:GetObject', { bucketAccountId: other }))).toBe(
      'deny OtherAccount',
    )
  })

  test('Authorize: an explicit Deny, stronger than any Allow in any order', () => {
    const deny: Statement = { ...allow('s3:DeleteObjectVersion'), effect: 'Deny' }
    for (const statements of [
      [deny, allow('s3:*')],
      [allow('s3:*'), deny],
    ]) {
      expect(verdict(user(statements), request('s3:DeleteObjectVersion'))).toBe('deny ExplicitDeny')
      expect(verdict(user(statements), request('s3:DeleteObject'))).toBe('allow Statement')
    }
    expect(verdict(user([deny]), request('s3:DeleteObjectVersion'))).toBe('deny ExplicitDeny')
  })

  test('Authorize: wildcards, at the end only and in any letter case of the action', () => {
    expect(verdict(user([allow('s3:Get*')]), request('s3:GetObject'))).toBe('allow Statement')
    expect(verdict(user([allow('S3:getobject')]), request('s3:GetObject'))).toBe('allow Statement')
    expect(verdict(user([allow('*')]), request('s3:GetObject'))).toBe('allow Statement')
    expect(verdict(user([allow('s3:GetObject')]), request('s3:GetObjectRetention'))).toBe('deny NoStatement')
    expect(verdict(user([allow('s3:*Object')]), request('s3:GetObject'))).toBe('deny NoStatement')
  })

  test('Authorize: buckets by name, by trailing wildcard, never by another letter case', () => {
    const named = (bucket: string) => user([allow('s3:*', { buckets: [bucket] })])
    expect(verdict(named('logs'), request('s3:GetObject'))).toBe('allow Statement')
    expect(verdict(named('lo*'), request('s3:GetObject'))).toBe('allow Statement')
    expect(verdict(named('log'), request('s3:GetObject'))).toBe('deny NoStatement')
    expect(verdict(named('LOGS'), request('s3:GetObject'))).toBe('deny NoStatement')
    const service = request('s3:ListAllMyBuckets', { bucket: null, bucketAccountId: null, key: null })
    expect(verdict(named('logs'), service)).toBe('deny NoStatement')
    expect(verdict(named('*'), service)).toBe('allow Statement')
  })

  test('Authorize: prefixes, keys below them and not the bucket itself', () => {
    const limited = user([allow('s3:*', { prefixes: ['a/', 'x'] })])
    expect(verdict(limited, request('s3:GetObject'))).toBe('allow Statement')
    expect(verdict(limited, request('s3:GetObject', { key: 'xyz' }))).toBe('allow Statement')
    expect(verdict(limited, request('s3:GetObject', { key: 'a' }))).toBe('deny NoStatement')
    expect(verdict(limited, request('s3:PutBucketVersioning', { key: null }))).toBe('deny NoStatement')
  })

  // B-34, B-35, B-66, I8: grant each single permission, try each action.
  test('Authorize: each action, allowed by its own permission alone', () => {
    const more: readonly Action[] = [
      's3:BypassGovernanceRetention',
      's3:DeleteObjectVersion',
      's3:GetObjectVersion',
      's3:PutObjectLegalHold',
      's3:PutObjectRetention',
    ]
    const actions = [...new Set<Action>([...operations.map((operation) => operation.permission), ...more])]
    for (const granted of actions) {
      const allowed = actions.filter((asked) =>
        verdict(user([allow(granted)]), request(asked)).startsWith('allow'),
      )
      expect(allowed).toEqual([granted])
    }
  })
})

const entry = {
  accessKeyId: 'ALICE',
  secretAccessKey: 'secret-of-alice',
  accountId: account,
  displayName: 'Alice',
}

function reasonOf(value: unknown): string {
  try {
    parseAccessKeys(typeof value === 'string' ? value : JSON.stringify(value))
  } catch (error) {
    if (error instanceof AccessKeysError) return error.message
    throw error
  }
  return 'none'
}

describe('access keys file', () => {
  test('Access keys: an owner and a key with statements, read', () => {
    const statements = [
      { effect: 'Allow', actions: ['s3:GetObject', 's3:Put*'], buckets: ['logs', '*'], prefixes: ['a/'] },
      { effect: 'Deny', actions: ['s3:*'], buckets: ['x*'] },
    ]
    const keys = parseAccessKeys(JSON.stringify([entry, { ...entry, accessKeyId: 'BOB', statements }]))
    expect(keys[0]?.principal).toEqual({
      kind: 'user',
      accessKeyId: 'ALICE',
      accountId: account,
      displayName: 'Alice',
      statements: null,
    })
    expect(keys[0]?.secretAccessKey).toBe('secret-of-alice')
    expect(keys[1]?.principal.statements).toEqual([statements[0], { ...statements[1], prefixes: null }])
  })

  const withStatement = (change: object) => [
    { ...entry, statements: [{ effect: 'Allow', actions: ['s3:*'], buckets: ['*'], ...change }] },
  ]
  const bad: readonly (readonly [given: unknown, reason: string])[] = [
    ['{', 'the file is not JSON'],
    [{}, 'the file must be a JSON list of access keys'],
    [[1], 'key 1 must be an object'],
    [[[]], 'key 1 must be an object'],
    [[null], 'key 1 must be an object'],
    [[{ ...entry, statement: [] }], 'key 1: statement is not a field of it'],
    [[{ ...entry, accessKeyId: undefined }], 'key 1: accessKeyId must be a text'],
    [[{ ...entry, displayName: '' }], 'key 1: displayName must be a text'],
    [[{ ...entry, accessKeyId: 'a/b' }], 'key 1: accessKeyId must be 3 to 128 letters, digits, dots, _ or -'],
    [
      [{ ...entry, secretAccessKey: 'short' }],
      'key 1: secretAccessKey must be 8 to 128 printable characters without spaces',
    ],
    [[{ ...entry, accountId: '1' }], 'key 1: accountId must be 12 digits'],
    [[{ ...entry, accountId: '000000000000' }], "key 1: accountId 000000000000 is root's own"],
    [[entry, entry], 'accessKeyId ALICE is there more than once'],
    [[{ ...entry, statements: {} }], 'key 1: statements must be a list'],
    [[entry, { ...entry, statements: [1] }], 'key 2, statement 1 must be an object'],
    [withStatement({ effect: 'allow' }), 'key 1, statement 1: effect must be Allow or Deny'],
    [withStatement({ actions: [] }), 'key 1, statement 1: actions must not be empty'],
    [withStatement({ actions: [1] }), 'key 1, statement 1: actions must be texts'],
    [withStatement({ actions: 's3:*' }), 'key 1, statement 1: actions must be a list'],
    [
      withStatement({ actions: ['ec2:Run'] }),
      'key 1, statement 1: ec2:Run is not an action like s3:GetObject or s3:Get*',
    ],
    [
      withStatement({ actions: ['s3:*Object'] }),
      'key 1, statement 1: s3:*Object is not an action like s3:GetObject or s3:Get*',
    ],
    [withStatement({ buckets: ['a*b'] }), 'key 1, statement 1: a*b is not a bucket name or *'],
    [withStatement({ prefixes: [] }), 'key 1, statement 1: prefixes must not be empty'],
    [withStatement({ condition: {} }), 'key 1, statement 1: condition is not a field of it'],
    [Array.from({ length: 10_001 }, () => entry), 'the file may hold at most 10000 access keys'],
  ]
  for (const [given, reason] of bad) {
    test(`Access keys: ${reason}`, () => {
      expect(reasonOf(given)).toBe(reason)
    })
  }

  test('Access keys: a secret in a file that is no JSON, not in the message', () => {
    expect(reasonOf('[{"secretAccessKey": "hunter2hunter2"')).not.toContain('hunter2')
  })

  test('Access keys: ids of root and the operator, not taken by a file; those of a file not by stored ones', async () => {
    const file = new Map(
      parseAccessKeys(JSON.stringify([{ ...entry, accessKeyId: 'ROOT' }, entry])).map((key) => [
        key.principal.accessKeyId,
        key,
      ]),
    )
    const bob = rootKey('BOB', 'secret-of-bob')
    const stored = new Map([...['ROOT', 'OPERATOR', 'ALICE', 'BOB'].map((id) => [id, bob] as const)])
    const keys = accessKeys([rootKey('ROOT', 'x'), operatorKey('OPERATOR', 'y')], {
      file: () => file,
      stored: async (id) => stored.get(id) ?? null,
    })
    expect((await keys.find('ROOT'))?.principal.kind).toBe('root')
    expect((await keys.find('OPERATOR'))?.principal.kind).toBe('operator')
    expect((await keys.find('ALICE'))?.secretAccessKey).toBe(entry.secretAccessKey)
    expect((await keys.find('BOB'))?.secretAccessKey).toBe('secret-of-bob')
    expect(await keys.find('NOBODY')).toBeNull()
  })
})
