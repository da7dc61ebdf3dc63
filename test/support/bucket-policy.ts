/** What the tests of bucket policies share: documents and a way to put them. */
import { expect } from 'vitest'
import type { Bench, TestKey } from './conformance.ts'
import type { Answer } from './s3-client.ts'

export type Fields = Readonly<Record<string, unknown>>

/** A policy for this bucket; Allow on the bucket and its keys, unless a statement says otherwise. */
export function policyDocument(bucket: string, ...statements: readonly Fields[]): string {
  const arn = `arn:aws:s3:::${bucket}`
  const Statement = statements.map((each) => ({ Effect: 'Allow', Resource: [arn, `${arn}/*`], ...each }))
  return JSON.stringify({ Version: '2012-10-17', Statement })
}

/** A key as the principal of a statement. */
export function userPrincipal({ accountId, displayName }: TestKey): Fields {
  return { AWS: `arn:aws:iam::${accountId}:user/${displayName}` }
}

export type PolicyWriter = {
  readonly put: (bucket: string, body: string, more?: object) => Promise<Answer>
  /** Asserts that the policy was taken. */
  readonly putPolicy: (bucket: string, ...statements: readonly Fields[]) => Promise<void>
}

/** Puts policies as `owner`. */
export function policyWriterOf(bench: Bench, owner: TestKey): PolicyWriter {
  const put: PolicyWriter['put'] = (bucket, body, more = {}) =>
    bench.send({ method: 'PUT', path: `/${bucket}`, query: { policy: '' }, body, key: owner, ...more })
  return {
    put,
    putPolicy: async (bucket, ...statements) => {
      const answer = await put(bucket, policyDocument(bucket, ...statements))
      expect([answer.status, answer.text]).toEqual([204, ''])
    },
  }
}
