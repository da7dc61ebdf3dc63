import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { bucketAccessRules } from '../../../src/api/BucketAccess.ts'
import { effectiveRetention } from '../../../src/api/cluster-retention.ts'
import { makeCrds } from '../../../src/api/crd.ts'
import { lockedBucketRules } from '../../../src/api/LockedBucket.ts'
import { type RetentionPolicySpec, validateRetentionPolicy } from '../../../src/api/RetentionPolicy.ts'
import { enforcedBy } from '../../../src/cli/plan-retention.ts'
import { makeAdmission } from '../../../src/operator/admission/policies.ts'
import { weakerAspects } from '../../../src/store/apply-bucket.ts'
import { makeOperationsDocument, remedies } from '../../support/operations-document.ts'
import { weakenings } from '../../support/weakening.ts'

const root = join(import.meta.dirname, '../../..')
type Node = {
  readonly properties?: Readonly<Record<string, Node>>
  readonly items?: Node
  readonly description?: string
}

function specsOf(): readonly { readonly kind: string; readonly schema: Node; readonly spec: Node }[] {
  return makeCrds().map(({ crd }) => {
    const { names, versions } = JSON.parse(JSON.stringify(crd)).spec
    const schema: Node = versions[0].schema.openAPIV3Schema
    return { kind: names.kind, schema, spec: schema.properties?.['spec'] ?? {} }
  })
}

/** Every field below, as `spec.rules.days`. */
function fieldsOf(path: string, node: Node): readonly string[] {
  const below = Object.entries({ ...node.properties, ...node.items?.properties })
  return below.flatMap(([name, each]) => [`${path}.${name}`, ...fieldsOf(`${path}.${name}`, each)])
}

function undescribed(path: string, node: Node): readonly string[] {
  const below = Object.entries({ ...node.properties, ...node.items?.properties })
  return below.flatMap(([name, each]) => [
    ...(each.description === undefined ? [`${path}.${name}`] : []),
    ...undescribed(`${path}.${name}`, each),
  ])
}

// `npm run docs:operations` is this test with --update.
test('docs/OPERATIONS.md: says what the code says, else npm run docs:operations', async () => {
  await expect(makeOperationsDocument()).toMatchFileSnapshot(join(root, 'docs/OPERATIONS.md'))
})

test('docs/OPERATIONS.md: every reason that stalls an object has its remedy', () => {
  const texts = globSync('src/operator/controllers/*.ts', { cwd: root }).map((path) =>
    readFileSync(join(root, path), 'utf8'),
  )
  const stalling = texts.flatMap((text) =>
    [...text.matchAll(/stalled\(\s*'(\w+)'|type: 'Stalled', status: 'True', reason: '(\w+)'/g)].map(
      ([, reason, literal]) => reason ?? literal ?? '',
    ),
  )
  // Those of `Bar`, which stall by their own names.
  const bars = [
    'ClusterPolicyUnparsable',
    'ClusterPolicyInvalid',
    'ModeNotAllowed',
    'ExceedsCeiling',
    'ConfirmationMissing',
  ]
  // Those of the volume's history, by theirs.
  stalling.push(...bars, 'RollbackDetected', 'CheckpointsUnreadable')
  expect(stalling.length).toBeGreaterThan(6)
  expect(Object.keys(remedies).sort()).toEqual([...new Set(stalling)].sort())
})

const enforced = (spec: RetentionPolicySpec) => enforcedBy(effectiveRetention(spec, []))

describe('who refuses a weaker setting', () => {
  test('every field of every spec has its row in test/support/weakening.ts, and no row is of no field', () => {
    const fields = specsOf().flatMap(({ kind, spec }) =>
      fieldsOf('spec', spec).map((field) => `${kind} ${field}`),
    )
    const rows = [...new Set(weakenings.map(({ kind, field }) => `${kind} ${field}`))]
    const isCovered = (field: string) => rows.some((row) => field === row || field.startsWith(`${row}.`))
    const isParent = (field: string) => fields.some((each) => each.startsWith(`${field}.`))
    expect(fields.filter((field) => !isCovered(field) && !isParent(field))).toEqual([])
    expect(rows.filter((row) => !fields.includes(row))).toEqual([])
  })

  test('every admission policy that is named is one that is installed', () => {
    const names = makeAdmission([]).map(({ metadata }) => metadata.name)
    const named = weakenings.flatMap(({ admission }) => (admission === null ? [] : [admission]))
    expect(named.filter((name) => !names.includes(name))).toEqual([])
    expect(makeOperationsDocument()).toContain('`deletion.holdfast.dev`')
    expect(names).toContain('deletion.holdfast.dev')
  })

  test.each(weakenings.flatMap(({ sample, ...row }) => (sample === undefined ? [] : [{ ...row, sample }])))(
    '$kind $field: $change, refused exactly by the layers of its row',
    ({ kind, cel, floor, sample: { from, to } }) => {
      const refused = kind === 'RetentionPolicy' ? validateRetentionPolicy({ spec: from }, { spec: to }) : []
      expect(refused.map(({ rule }) => rule)).toEqual(cel === null ? [] : [cel])
      expect(weakerAspects(enforced(from), enforced(to)).length > 0).toBe(floor === 'refused')
    },
  )

  test('BucketAccess: the transition rules that are named are those of its kind', () => {
    const named = weakenings.flatMap(({ kind, cel }) =>
      kind === 'BucketAccess' && cel !== null ? [cel] : [],
    )
    const transitions = bucketAccessRules.filter(({ cel }) => cel.includes('oldSelf'))
    expect(named).toEqual(transitions.map(({ name }) => name))
  })

  test('LockedBucket: the rules that are named are those of its kind', () => {
    const named = weakenings.flatMap(({ kind, cel }) =>
      kind === 'LockedBucket' && cel !== null ? [cel] : [],
    )
    expect(named).toEqual(lockedBucketRules.map(({ name }) => name))
  })
})

test('kubectl explain: every field of every kind, also of status, has its sentence', () => {
  const missing = specsOf().flatMap(({ kind, schema }) =>
    undescribed('', schema)
      .filter((field) => /^\.(spec|status)/.test(field))
      .map((field) => `${kind} ${field}`),
  )
  expect(missing).toEqual([])
})
