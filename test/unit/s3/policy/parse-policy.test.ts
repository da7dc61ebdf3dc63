import { describe, expect, it } from 'vitest'
import { operations } from '../../../../src/s3/operations/index.ts'
import { policyActions } from '../../../../src/s3/policy/actions.ts'
import { isPublicPolicy, parsePolicy } from '../../../../src/s3/policy/parse-policy.ts'
import { S3Error } from '../../../../src/s3/s3-error.ts'
import { account, bucket, policyText, statement } from './support.ts'

function refusal(text: string): readonly [message: string, detail: string | undefined] {
  try {
    parsePolicy(text, bucket)
  } catch (error) {
    if (error instanceof S3Error && error.code === 'MalformedPolicy') {
      return [error.detail.message, error.detail.extra['Detail']]
    }
    throw error
  }
  return ['accepted', undefined]
}

const arn = `arn:aws:s3:::${bucket}`
const json = (value: unknown) => JSON.stringify(value)
const condition = (operator: string, key: string, value: unknown) =>
  policyText({ Condition: { [operator]: { [key]: value } } })
const listing = (operator: string, key: string, value: unknown) =>
  policyText({ Action: 's3:ListBucket', Resource: arn, Condition: { [operator]: { [key]: value } } })

const refused: readonly (readonly [
  given: string,
  text: string,
  message: string,
  detail?: string | undefined,
])[] = [
  ['no JSON', '{', "Policies must be valid JSON and the first byte must be '{'"],
  ['a list', '[]', "Policies must be valid JSON and the first byte must be '{'", '[]'],
  ['nothing', '', "Policies must be valid JSON and the first byte must be '{'"],
  ['a blank before it', ` ${policyText()}`, "Policies must be valid JSON and the first byte must be '{'"],
  [
    'a name twice',
    policyText().replace('"Effect":"Allow"', '"Effect":"Deny","Effect":"Allow"'),
    'Invalid policy syntax.',
    'Effect is there twice',
  ],
  [
    'a name twice, once with an escape',
    policyText().replace('"Effect":"Allow"', '"Effect":"Deny","\\u0045ffect":"Allow"'),
    'Invalid policy syntax.',
    'Effect is there twice',
  ],
  ['a foreign field', json({ Statement: [statement], Sids: 1 }), 'Unknown field Sids', 'Sids'],
  [
    'a foreign version',
    json({ Version: '2020-01-01', Statement: [statement] }),
    'The policy must contain a valid version string',
    '2020-01-01',
  ],
  [
    'an Id that is no text',
    json({ Id: 1, Statement: [statement] }),
    'Invalid policy syntax.',
    'Id must be text',
  ],
  ['no statement', json({ Version: '2012-10-17' }), 'Missing required field Statement'],
  ['an empty list', json({ Statement: [] }), 'Could not parse the policy: Statement is empty!'],
  ['a statement that is text', json({ Statement: ['x'] }), 'Invalid policy syntax.'],
  ['a foreign element', policyText({ Actions: 's3:GetObject' }), 'Unknown field Actions', 'Actions'],
  ['__proto__', policyText().replace('"Effect"', '"__proto__":{},"Effect"'), 'Unknown field __proto__'],
  ['no effect', policyText({ Effect: undefined }), 'Missing required field Effect'],
  ['an effect in other letters', policyText({ Effect: 'deny' }), 'Invalid effect: deny'],
  ['no principal', policyText({ Principal: undefined }), 'Missing required field Principal'],
  ['a principal that is text', policyText({ Principal: 'alice' }), 'Invalid principal in policy', 'alice'],
  ['no principals', policyText({ Principal: { AWS: [] } }), 'Invalid principal in policy'],
  [
    'a service',
    policyText({ Principal: { Service: 's3.amazonaws.com' } }),
    'Invalid principal in policy',
    'principals of type Service do not exist here',
  ],
  [
    'a canonical user beside it',
    policyText({ Principal: { AWS: account, CanonicalUser: account } }),
    'Invalid principal in policy',
    'principals of type CanonicalUser do not exist here',
  ],
  [
    'a wildcard in a principal',
    policyText({ Principal: { AWS: `arn:aws:iam::${account}:user/*` } }),
    'Invalid principal in policy',
    `"AWS" : "arn:aws:iam::${account}:user/*"`,
  ],
  [
    'a role',
    policyText({ Principal: { AWS: `arn:aws:iam::${account}:role/r` } }),
    'Invalid principal in policy',
  ],
  [
    'an Allow by NotPrincipal',
    policyText({ Principal: undefined, NotPrincipal: { AWS: account } }),
    'Invalid principal in policy',
    'NotPrincipal is for Deny only',
  ],
  [
    'both principals',
    policyText({ Effect: 'Deny', NotPrincipal: { AWS: account } }),
    'Invalid policy syntax.',
    'Principal and NotPrincipal exclude each other',
  ],
  [
    'a Deny for nobody',
    policyText({ Effect: 'Deny', Principal: undefined, NotPrincipal: '*' }),
    'Invalid principal in policy',
    'NotPrincipal *',
  ],
  ['no action', policyText({ Action: undefined }), 'Missing required field Action'],
  ['no actions', policyText({ Action: [] }), 'Policy has invalid action'],
  [
    'an action that does not exist',
    policyText({ Action: 's3:GetObjects' }),
    'Policy has invalid action',
    's3:GetObjects',
  ],
  [
    'a wildcard for nothing',
    policyText({ Action: ['s3:GetObject', 's3:Foo*'] }),
    'Policy has invalid action',
    's3:Foo*',
  ],
  ['another service', policyText({ Action: 'ec2:*' }), 'Policy has invalid action', 'ec2:*'],
  ['both actions', policyText({ NotAction: 's3:GetObject' }), 'Invalid policy syntax.'],
  ['no resource', policyText({ Resource: undefined }), 'Missing required field Resource'],
  ['another bucket', policyText({ Resource: 'arn:aws:s3:::other/*' }), 'Policy has invalid resource'],
  ['a bucket with the same beginning', policyText({ Resource: `${arn}2/*` }), 'Policy has invalid resource'],
  [
    'a wildcard for the bucket',
    policyText({ Resource: `${arn}*` }),
    'Policy has invalid resource',
    `${arn}*`,
  ],
  ['everything', policyText({ Resource: '*' }), 'Policy has invalid resource', '*'],
  ['a path', policyText({ Resource: `${bucket}/*` }), 'Policy has invalid resource'],
  [
    'a key that no key is long enough for',
    policyText({ Resource: `${arn}/${'é'.repeat(513)}` }),
    'Policy has invalid resource',
  ],
  [
    'a policy variable',
    policyText({ Resource: `${arn}/\${aws:username}/*` }),
    'Policy variables are not supported by this server',
  ],
  [
    'a variable in a condition',
    listing('StringLike', 's3:prefix', `\${aws:username}/*`),
    'Policy variables are not supported by this server',
  ],
  [
    'an action of the bucket on objects',
    policyText({ Action: ['s3:GetObject', 's3:ListBucket'] }),
    'Action does not apply to any resource(s) in statement',
    's3:ListBucket',
  ],
  [
    'an action of objects on the bucket',
    policyText({ Resource: arn }),
    'Action does not apply to any resource(s) in statement',
    's3:GetObject',
  ],
  ['a condition that is text', policyText({ Condition: 'x' }), 'Invalid policy syntax.'],
  ['an operator without keys', policyText({ Condition: { Bool: true } }), 'Invalid policy syntax.'],
  ['an unknown operator', condition('StringIs', 'aws:username', 'a'), 'Invalid Condition type : StringIs'],
  [
    'an operator in other letters',
    condition('bool', 'aws:SecureTransport', 'true'),
    'Invalid Condition type : bool',
  ],
  [
    'an operator that is not for the key',
    condition('NumericEquals', 'aws:username', '1'),
    'Invalid Condition type : NumericEquals',
    'NumericEquals is not for aws:username',
  ],
  [
    'an unknown key',
    condition('StringEquals', 's3:foo', 'a'),
    'Policy has an invalid condition key',
    's3:foo',
  ],
  [
    'a key of AWS that cannot be answered here',
    condition('StringEquals', 'aws:SourceVpc', 'vpc-1'),
    'Policy has an invalid condition key',
    'aws:SourceVpc',
  ],
  ['a key without value', condition('StringEquals', 'aws:username', []), 'Invalid value in Condition'],
  ['a value that is an object', condition('StringEquals', 'aws:username', {}), 'Invalid value in Condition'],
  ['a value that is null', condition('StringEquals', 'aws:username', null), 'Invalid value in Condition'],
  [
    'a number that is none',
    listing('NumericLessThan', 's3:max-keys', 'ten'),
    'Invalid value in Condition',
    's3:max-keys: ten',
  ],
  ['a date that is none', condition('DateLessThan', 'aws:CurrentTime', '2030'), 'Invalid value in Condition'],
  ['a boolean that is none', condition('Bool', 'aws:SecureTransport', 'yes'), 'Invalid value in Condition'],
  ['an ARN that is none', condition('ArnLike', 'aws:PrincipalArn', 'alice'), 'Invalid value in Condition'],
  ['a Null that is neither', condition('Null', 'aws:username', 'maybe'), 'Invalid value in Condition'],
  ['a Null that is both', condition('Null', 'aws:username', ['true', 'false']), 'Invalid value in Condition'],
  ...['1.2.3.4.5', '1.2.3.4/33', '2001:db8::/129', '1.2.3.4/', '1.2.3.4/8/8', '::ffff:1.2.3.4', 'x'].map(
    (address) =>
      [
        `address ${address}`,
        condition('IpAddress', 'aws:SourceIp', address),
        'Invalid IP address in Conditions',
        `aws:SourceIp: ${address}`,
      ] as const,
  ),
  [
    'a condition of listings on reads',
    condition('StringEquals', 's3:prefix', 'a'),
    'Conditions do not apply to combination of actions and resources in statement',
    's3:prefix',
  ],
  [
    'a condition for one of two actions',
    policyText({
      Effect: 'Deny',
      Action: ['s3:PutObject', 's3:GetObject'],
      Condition: { StringNotEquals: { 's3:object-lock-mode': 'COMPLIANCE' } },
    }),
    'Conditions do not apply to combination of actions and resources in statement',
    's3:object-lock-mode',
  ],
  ['a version nested deeply', `{"Version":${'['.repeat(9000)}${']'.repeat(9000)}}`, 'Invalid policy syntax.'],
  [
    'an effect nested deeply',
    `{"Statement":{"Effect":${'['.repeat(9000)}${']'.repeat(9000)}}}`,
    'Invalid policy syntax.',
    'more than 16 levels',
  ],
  [
    'a version with a toString of its own',
    json({ Version: { toString: 1 }, Statement: [] }),
    'The policy must contain a valid version string',
    '{"toString":1}',
  ],
  [
    'an effect with a toString',
    policyText({ Effect: [{ toString: 1 }] }),
    'Invalid effect: [{"toString":1}]',
  ],
  [
    'a principal with a toString',
    policyText({ Principal: [{ toString: 1 }] }),
    'Invalid principal in policy',
  ],
  [
    'one Sid twice',
    json({
      Statement: [
        { ...statement, Sid: 'a' },
        { ...statement, Sid: 'a' },
      ],
    }),
    'Statement IDs (SID) in a single policy must be unique.',
    'a',
  ],
]

describe('parsePolicy', () => {
  for (const [given, text, message, detail] of refused) {
    it(`policy: ${given} is refused`, () => {
      const [foundMessage, foundDetail] = refusal(text)
      expect(foundMessage).toBe(message)
      if (detail !== undefined) expect(foundDetail).toBe(detail)
    })
  }

  it.each([
    ['the smallest', policyText()],
    ['one statement without a list', json({ Statement: statement })],
    ['the old version and an Id', json({ Version: '2008-10-17', Id: 'x', Statement: [statement] })],
    [
      'a wildcard action that reaches both levels',
      policyText({ Action: 's3:*', Resource: [arn, `${arn}/*`] }),
    ],
    ['actions in other letters', policyText({ Action: 'S3:getobject' })],
    [
      'NotAction and NotResource',
      policyText({ Action: undefined, NotAction: 's3:GetObject', Resource: undefined, NotResource: arn }),
    ],
    [
      'a wildcard that reaches what knows the key',
      policyText({ Action: 's3:*', Condition: { Null: { 's3:object-lock-mode': false } } }),
    ],
    ['a number and a boolean as such', listing('NumericLessThanIfExists', 's3:max-keys', 10)],
    ['keys in other letters', condition('Bool', 'AWS:securetransport', true)],
    ['a key that is written with an escape', policyText({ Sid: 'a"b{:}' })],
  ])('policy: %s is taken', (_given, text) => {
    expect(refusal(text)).toEqual(['accepted', undefined])
  })

  it('policy: every action that an operation asks for is known, and on its level', () => {
    const known = new Map(policyActions.map(({ name, level }) => [name, level]))
    // These are about no bucket that exists.
    const without = ['s3:ListAllMyBuckets']
    for (const { name, match, permission, versionPermission } of operations) {
      if (without.includes(permission)) continue
      const level = name === 'DeleteObjects' || name === 'PostObject' ? 'object' : match.level
      expect([permission, known.get(permission)]).toEqual([permission, level])
      if (versionPermission !== undefined) expect(known.get(versionPermission)).toBe(level)
    }
  })
})

const everyone = { Principal: '*' }
const conditioned = (operator: string, key: string, value: unknown) => ({
  ...everyone,
  Condition: { [operator]: { [key]: value } },
})

describe('isPublicPolicy', () => {
  it.each([
    ['everybody', everyone, true],
    ['everybody in a list', { Principal: { AWS: [account, '*'] } }, true],
    ['everybody in a Deny', { ...everyone, Effect: 'Deny' }, false],
    ['one account', {}, false],
    ['everybody of one account', conditioned('StringEquals', 'aws:PrincipalAccount', account), false],
    ['everybody of a pattern', conditioned('StringLike', 'aws:PrincipalAccount', '1*'), true],
    ['everybody but one account', conditioned('StringNotEquals', 'aws:PrincipalAccount', account), true],
    [
      'everybody, if there is an account',
      conditioned('StringEqualsIfExists', 'aws:PrincipalAccount', account),
      true,
    ],
    ['all values of none', conditioned('ForAllValues:StringEquals', 'aws:PrincipalAccount', account), true],
    ['any value', conditioned('ForAnyValue:StringEquals', 'aws:PrincipalAccount', account), false],
    [
      'everybody with one ARN',
      conditioned('ArnEquals', 'aws:PrincipalArn', `arn:aws:iam::${account}:root`),
      false,
    ],
    ['everybody with one name', conditioned('StringEquals', 'aws:username', 'alice'), true],
    [
      'everybody in a network',
      conditioned('IpAddress', 'aws:SourceIp', ['10.0.0.0/8', '2001:db8::/32']),
      false,
    ],
    [
      'everybody in a wide network',
      conditioned('IpAddress', 'aws:SourceIp', ['10.0.0.0/8', '0.0.0.0/1']),
      true,
    ],
    ['everybody in a wide IPv6 network', conditioned('IpAddress', 'aws:SourceIp', '2000::/3'), true],
    ['everybody over TLS', conditioned('Bool', 'aws:SecureTransport', 'true'), true],
  ])('public: %s', (_given, change, expected) => {
    expect(isPublicPolicy(parsePolicy(policyText(change), bucket))).toBe(expected)
  })
})
