/** Policies, principals and requests for the tests of the policy language. */

import type { Principal, Statement } from '../../../../src/lib/identity.ts'
import { epochMs } from '../../../../src/lib/units.ts'
import { evaluatePolicy, type PolicyVerdict } from '../../../../src/s3/policy/evaluate.ts'
import { type LockFacts, noLock, type PolicyFacts } from '../../../../src/s3/policy/facts.ts'
import { parsePolicy } from '../../../../src/s3/policy/parse-policy.ts'

export const bucket = 'logs'
export const account = '111111111111'
export const foreign = '222222222222'
export const nowMs = epochMs(Date.UTC(2030, 0, 1))

export function user(
  name: string,
  accountId: string = account,
  statements: readonly Statement[] | null = [],
): Principal {
  return { kind: 'user', accessKeyId: `KEY${name}`, accountId, displayName: name, statements }
}

export const root: Principal = {
  kind: 'root',
  accessKeyId: 'ROOT',
  accountId: '000000000000',
  displayName: 'root',
  statements: null,
}

export type FactChanges = {
  readonly lock?: LockFacts
  readonly sourceIp?: string
  readonly secure?: boolean
  readonly query?: Readonly<Record<string, string>>
  readonly key?: string | null
}

export function facts(changes: FactChanges = {}): PolicyFacts {
  const { lock = noLock, sourceIp = '203.0.113.9', secure = false, query = {}, key = 'a/b' } = changes
  return {
    request: {
      requestId: 'R',
      method: 'GET',
      bucket,
      key,
      query: new URLSearchParams(query),
      headers: {},
      resource: '/logs',
      secure,
      sourceIp,
    },
    now: { trustedMs: nowMs, wallMs: nowMs, requestMs: nowMs, suspect: false },
    lock,
  }
}

export const statement = {
  Effect: 'Allow',
  Principal: { AWS: `arn:aws:iam::${account}:user/alice` },
  Action: 's3:GetObject',
  Resource: `arn:aws:s3:::${bucket}/*`,
}

/** The text of a policy with one statement; `undefined` takes an element out. */
export function policyText(change: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: [{ ...statement, ...change }] })
}

export type Asked = FactChanges & { readonly principal?: Principal; readonly action?: string }

export function judge(text: string, asked: Asked = {}): PolicyVerdict {
  const { principal = user('alice'), action = 's3:GetObject', key = 'a/b' } = asked
  return evaluatePolicy(parsePolicy(text, bucket), { principal, action, key, facts: facts(asked) })
}
