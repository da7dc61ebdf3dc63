import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { formatViolations, parseManifest, parseObject } from '../../../src/api/manifest.ts'

const policy = {
  apiVersion: 'holdfast.dev/v1',
  kind: 'RetentionPolicy',
  metadata: { name: 'compliance' },
  spec: { defaultRetention: { mode: 'COMPLIANCE', days: 1 } },
}
const bucket = {
  apiVersion: 'holdfast.dev/v1',
  kind: 'LockedBucket',
  metadata: { name: 'ledger', namespace: 'team-a', labels: { app: 'ledger' } },
  spec: { bucketName: 'ledger', retentionPolicyRef: { name: 'compliance' } },
}

function pathsOf(document: unknown): readonly string[] {
  const result = parseManifest(document)
  return result.kind === 'invalid' ? result.violations.map(({ path }) => path) : []
}

describe('parseManifest', () => {
  test('parseManifest: a policy, namespace default', () => {
    expect(parseManifest(policy)).toEqual({
      kind: 'manifest',
      manifest: { ...policy, metadata: { name: 'compliance', namespace: 'default' } },
    })
  })

  test('parseManifest: a bucket, its namespace and labels kept', () => {
    expect(parseManifest(bucket)).toEqual({ kind: 'manifest', manifest: bucket })
  })

  test('parseManifest: what kubectl get prints, what the server set is ignored', () => {
    const printed = {
      ...bucket,
      metadata: {
        ...bucket.metadata,
        uid: 'u',
        generation: 3,
        resourceVersion: '7',
        creationTimestamp: '2026-01-01T00:00:00Z',
        managedFields: [{ manager: 'kubectl' }],
      },
      status: { observedGeneration: 3 },
    }
    expect(parseManifest(printed)).toEqual({ kind: 'manifest', manifest: bucket })
  })

  test.each([
    ['nothing', null, ['']],
    ['a text', 'holdfast', ['']],
    ['a list', [policy], ['']],
    ['another group', { ...policy, apiVersion: 'apps/v1' }, ['apiVersion']],
    ['another kind', { ...policy, kind: 'ConfigMap' }, ['kind']],
    ['no metadata', { ...policy, metadata: undefined }, ['metadata']],
    ['no name', { ...policy, metadata: {} }, ['metadata.name']],
    ['a name with a slash', { ...policy, metadata: { name: 'a/b' } }, ['metadata.name']],
    ['a name of 254 characters', { ...policy, metadata: { name: 'a'.repeat(254) } }, ['metadata.name']],
    [
      'a namespace of 64 characters',
      { ...policy, metadata: { name: 'a', namespace: 'a'.repeat(64) } },
      ['metadata.namespace'],
    ],
    [
      'a namespace with a dot',
      { ...policy, metadata: { name: 'a', namespace: 'a.b' } },
      ['metadata.namespace'],
    ],
    [
      'a label that is a number',
      { ...policy, metadata: { name: 'a', labels: { a: 1 } } },
      ['metadata.labels.a'],
    ],
    ['no spec', { ...policy, spec: undefined }, ['spec']],
    ['a field of the object that does not exist', { ...policy, data: {} }, ['data']],
    [
      'a field of metadata that does not exist',
      { ...policy, metadata: { name: 'a', nmae: 'b' } },
      ['metadata.nmae'],
    ],
    [
      'a field of spec that does not exist',
      { ...policy, spec: { ...policy.spec, minimun: {} } },
      ['spec.minimun'],
    ],
    [
      'a field of a rule that does not exist',
      { ...policy, spec: { ...policy.spec, rules: [{ prefix: 'a', days: 1, mode: 'GOVERNANCE' }] } },
      ['spec.rules[0].mode'],
    ],
    ['a bucket without a policy', { ...bucket, spec: { bucketName: 'ledger' } }, ['spec.retentionPolicyRef']],
    [
      'a prefix with half a character',
      { ...policy, spec: { ...policy.spec, rules: [{ prefix: '\ud83d', days: 1 }] } },
      ['spec.rules[0].prefix'],
    ],
  ])('parseManifest: %s, refused at its field', (_title, document, paths) => {
    expect(pathsOf(document)).toEqual(paths)
  })

  test('parseManifest: a rule of the kind broken, refused with the sentence of the rule', () => {
    const result = parseManifest({ ...policy, spec: { defaultRetention: { mode: 'COMPLIANCE', days: 400 } } })
    if (result.kind !== 'invalid') throw new Error('refused')
    expect(formatViolations(result.violations)).toBe(
      'spec.irreversible: COMPLIANCE retention of more than 366 days cannot be undone by anybody while it lasts: ' +
        'confirm it with spec.irreversible: true',
    )
  })

  test('parseManifest: names that JavaScript gives a meaning, plain unknown fields', () => {
    const document = JSON.parse(
      '{"apiVersion":"holdfast.dev/v1","kind":"LockedBucket","metadata":{"name":"a"},"__proto__":{"a":1},' +
        '"spec":{"bucketName":"abc","retentionPolicyRef":{"name":"a"},"constructor":{}}}',
    )
    expect(pathsOf(document)).toContain('spec.constructor')
  })
})

describe('settings of a bucket', () => {
  const settings = {
    profile: 'minio',
    requireChecksum: true,
    quota: '500Gi',
    tags: [{ key: 'team', value: 'ledger' }],
    lifecycle: {
      rules: [
        {
          id: 'tmp',
          status: 'Enabled',
          filter: { prefix: 'tmp/', tags: [{ key: 'a', value: '' }], objectSizeGreaterThan: 1 },
          expiration: { date: '2031-01-01' },
          noncurrentVersionExpiration: { noncurrentDays: 3, newerNoncurrentVersions: 2 },
        },
      ],
    },
  }

  test('parseManifest: every setting of a bucket, kept as it was written', () => {
    const spec = { ...bucket.spec, ...settings }
    expect(parseManifest({ ...bucket, spec })).toMatchObject({ kind: 'manifest', manifest: { spec } })
  })

  test('parseManifest: a field of S3 that a lifecycle rule does not have here, refused by its name', () => {
    const rule = { ...settings.lifecycle.rules[0], transitions: [] }
    const spec = { ...bucket.spec, lifecycle: { rules: [rule] } }
    expect(parseManifest({ ...bucket, spec })).toEqual({
      kind: 'invalid',
      violations: [{ path: 'spec.lifecycle.rules[0].transitions', rule: 'Schema', message: 'unknown field' }],
    })
  })
})

describe('parseObject', () => {
  const metadata = { name: 'ledger', namespace: 'default', uid: 'u', generation: 1, resourceVersion: '1' }

  test('parseObject: fields that we do not know, dropped', () => {
    const given = {
      ...bucket,
      metadata: { ...metadata, managedFields: [] },
      spec: { ...bucket.spec, notYet: 1 },
    }
    expect(parseObject(given)).toEqual({ kind: 'object', object: { ...bucket, metadata } })
  })

  test('parseObject: the status of a fresh object', () => {
    const given = { ...policy, metadata, status: { observedGeneration: -1 } }
    expect(parseObject(given)).toEqual({ kind: 'object', object: given })
  })

  test('parseObject: an object without uid or of another kind, invalid', () => {
    expect(parseObject(bucket)).toMatchObject({ kind: 'invalid' })
    expect(parseObject({ ...bucket, metadata: { ...metadata, uid: '' } })).toMatchObject({ kind: 'invalid' })
    expect(parseObject({ ...bucket, metadata: { ...metadata, generation: 0 } })).toMatchObject({
      kind: 'invalid',
    })
    expect(parseObject({ ...policy, metadata, kind: 'Pod' })).toMatchObject({ kind: 'invalid' })
  })

  test('parseObject: a policy that a newer rule would refuse, still read', () => {
    const given = { ...policy, metadata, spec: { defaultRetention: { mode: 'COMPLIANCE', years: 9 } } }
    expect(parseObject(given)).toEqual({ kind: 'object', object: given })
  })
})

test('formatViolations: a violation of the whole document, no field before it', () => {
  expect(formatViolations([{ path: '', rule: 'Schema', message: 'no object' }])).toBe('no object')
})

test('examples/quickstart: every file is one manifest, every policy that is named is there', () => {
  const folder = join(import.meta.dirname, '../../../examples/quickstart')
  const results = readdirSync(folder).map((name) =>
    parseManifest(parse(readFileSync(join(folder, name), 'utf8'))),
  )
  const manifests = results.flatMap((result) => (result.kind === 'manifest' ? [result.manifest] : []))
  expect(manifests.length).toBe(results.length)
  const policies = manifests.flatMap((each) => (each.kind === 'RetentionPolicy' ? [each] : []))
  const buckets = manifests.flatMap((each) => (each.kind === 'LockedBucket' ? [each] : []))
  expect(policies.map(({ spec }) => spec.defaultRetention)).toEqual([
    { mode: 'COMPLIANCE', days: 1 },
    { mode: 'GOVERNANCE', days: 7 },
  ])
  expect(buckets.map(({ spec }) => spec.retentionPolicyRef.name).sort()).toEqual(
    policies.map(({ metadata }) => metadata.name).sort(),
  )
})
