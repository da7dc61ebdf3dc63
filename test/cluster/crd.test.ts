import { join } from 'node:path'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import type { LockedBucketStatus } from '../../src/api/LockedBucket.ts'
import type { ApiKind } from '../../src/api/manifest.ts'
import { schemaRule } from '../../src/api/rules.ts'
import { type ApiResponse, type Cluster, connectCluster } from '../support/cluster/cluster.ts'
import { type RuleCase, ruleCases } from '../unit/api/rule-cases.ts'
import { validateCase } from '../unit/api/rule-words.ts'

const address = inject('cluster')
const root = join(import.meta.dirname, '../..')
const plurals: Readonly<Record<ApiKind, string>> = {
  RetentionPolicy: 'retentionpolicies',
  LockedBucket: 'lockedbuckets',
  BucketAccess: 'bucketaccesses',
  ClusterRetentionPolicy: 'clusterretentionpolicies',
}

type StatusCause = { readonly field: string; readonly message: string }
type Stored = {
  readonly metadata: { readonly generation: number; readonly resourceVersion: string }
  readonly spec: object
  readonly status: object
}

describe.runIf(address !== null)('the CRDs on a real API server', () => {
  let cluster: Cluster
  let namespace: string

  beforeAll(async () => {
    if (address === null) throw new Error('the suite runs only with a control plane')
    cluster = connectCluster(address)
    const applied = await cluster.kubectl(['apply', '-f', join(root, 'crds')])
    expect(applied).toMatchObject({ code: 0, stderr: '' })
    for (const plural of Object.values(plurals)) {
      const crd = `crd/${plural}.holdfast.dev`
      const waited = await cluster.kubectl(['wait', '--for=condition=Established', crd, '--timeout=30s'])
      expect(waited).toMatchObject({ code: 0 })
    }
    namespace = await cluster.createNamespace('crd')
  })

  const pathOf = (kind: ApiKind, name = ''): string => {
    const scope = kind === 'ClusterRetentionPolicy' ? '' : `/namespaces/${namespace}`
    return `/apis/holdfast.dev/v1${scope}/${plurals[kind]}${name === '' ? '' : `/${name}`}`
  }

  function create(kind: ApiKind, name: string, spec: object): Promise<ApiResponse> {
    const metadata = kind === 'ClusterRetentionPolicy' ? { name } : { namespace, name }
    const body = { apiVersion: 'holdfast.dev/v1', kind, metadata, spec }
    return cluster.request({ method: 'POST', path: `${pathOf(kind)}?fieldValidation=Strict`, body })
  }

  async function read(kind: ApiKind, name: string): Promise<Stored> {
    return (await cluster.request({ method: 'GET', path: pathOf(kind, name) })).json() as Stored
  }

  async function replace(kind: ApiKind, name: string, spec: object): Promise<ApiResponse> {
    const body = { ...(await read(kind, name)), spec }
    return cluster.request({ method: 'PUT', path: `${pathOf(kind, name)}?fieldValidation=Strict`, body })
  }

  function patch(kind: ApiKind, name: string, body: object): Promise<ApiResponse> {
    const contentType = 'application/merge-patch+json'
    return cluster.request({ method: 'PATCH', path: pathOf(kind, name), body, contentType })
  }

  function causes(response: ApiResponse): readonly StatusCause[] {
    const status = response.json() as { readonly details?: { readonly causes?: readonly StatusCause[] } }
    return status.details?.causes ?? []
  }

  test.for(ruleCases.map((ruleCase, index) => ({ ...ruleCase, name: `case-${index}` })))(
    '$kind: $title',
    async ({ name, ...ruleCase }) => {
      const { kind, old, next, expected } = ruleCase
      if (old !== null) expect((await create(kind, name, old)).status).toBe(201)
      const response = old === null ? await create(kind, name, next) : await replace(kind, name, next)
      if (expected === 'accepted') {
        expect(response.status, response.text).toBe(old === null ? 201 : 200)
        return
      }
      expect(response.status, response.text).toBe(422)
      expect(causes(response).map(({ field }) => field)).toContain(expected.path)
      if (expected.rule === schemaRule) return
      const sentence = sentenceOf(ruleCase, expected.rule)
      const blamed = causes(response).find(
        ({ field, message }) => field === expected.path && message.includes(sentence),
      )
      expect(blamed, response.text).toBeDefined()
    },
  )

  test('RetentionPolicy: kubectl apply of a weaker COMPLIANCE policy, refused in a sentence', async () => {
    const manifest = (days: number): string =>
      JSON.stringify({
        apiVersion: 'holdfast.dev/v1',
        kind: 'RetentionPolicy',
        metadata: { namespace, name: 'weaken' },
        spec: { defaultRetention: { mode: 'COMPLIANCE', days } },
      })
    expect(await cluster.kubectl(['apply', '-f', '-'], { stdin: manifest(30) })).toMatchObject({ code: 0 })
    const refused = await cluster.kubectl(['apply', '-f', '-'], { stdin: manifest(29) })
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('the default retention of a COMPLIANCE policy can only get longer')
    const dryRun = await cluster.kubectl(['apply', '--dry-run=server', '-f', '-'], { stdin: manifest(29) })
    expect(dryRun.code).toBe(1)
    expect(await read('RetentionPolicy', 'weaken')).toMatchObject({
      metadata: { generation: 1 },
      spec: { defaultRetention: { mode: 'COMPLIANCE', days: 30 } },
    })
  })

  test('RetentionPolicy: a field to be unset and set lower later, refused at once', async () => {
    const spec = {
      defaultRetention: { mode: 'COMPLIANCE', days: 30 },
      rules: [{ prefix: 'a', days: 60 }],
      minimum: { days: 20 },
    }
    expect((await create('RetentionPolicy', 'unset', spec)).status).toBe(201)
    for (const change of [
      { rules: null },
      { minimum: null },
      { defaultRetention: null },
      { defaultRetention: { days: null } },
    ]) {
      expect((await patch('RetentionPolicy', 'unset', { spec: change })).status, JSON.stringify(change)).toBe(
        422,
      )
    }
    expect((await patch('RetentionPolicy', 'unset', { spec: null })).status).toBe(422)
    expect((await read('RetentionPolicy', 'unset')).spec).toEqual(spec)
  })

  test('RetentionPolicy: a policy kept in years, labels can be edited', async () => {
    await create('RetentionPolicy', 'labels', { defaultRetention: { mode: 'COMPLIANCE', years: 1 } })
    expect((await patch('RetentionPolicy', 'labels', { metadata: { labels: { a: 'b' } } })).status).toBe(200)
  })

  test('RetentionPolicy: a misspelt field, refused by kubectl apply', async () => {
    const body = {
      apiVersion: 'holdfast.dev/v1',
      kind: 'RetentionPolicy',
      metadata: { namespace, name: 'misspelt' },
      spec: { defaultRetention: { mode: 'COMPLIANCE', days: 1 }, minimun: { days: 1 } },
    }
    const refused = await cluster.kubectl(['apply', '-f', '-'], { stdin: JSON.stringify(body) })
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('unknown field "spec.minimun"')
  })

  test('LockedBucket: a fresh object, nothing that waits for it takes it for ready', async () => {
    await create('LockedBucket', 'fresh', { bucketName: 'fresh', retentionPolicyRef: { name: 'policy' } })
    expect(await read('LockedBucket', 'fresh')).toMatchObject({ status: { observedGeneration: -1 } })
    const waited = await cluster.kubectl([
      'wait',
      '-n',
      namespace,
      '--for=condition=Ready',
      'lbk/fresh',
      '--timeout=1s',
    ])
    expect(waited.code).toBe(1)
  })

  test('LockedBucket: a whole status, nothing of it is pruned or refused', async () => {
    await create('LockedBucket', 'whole', { bucketName: 'whole', retentionPolicyRef: { name: 'policy' } })
    expect((await patch('LockedBucket', 'whole/status', { status: wholeStatus })).status).toBe(200)
    expect((await read('LockedBucket', 'whole')).status).toEqual(wholeStatus)
    const forged = await patch('LockedBucket', 'whole', { status: { deletionProtected: false } })
    expect(forged.status).toBe(200)
    expect((await read('LockedBucket', 'whole')).status).toEqual(wholeStatus)
  })

  test('kubectl get: the columns of a bucket, and more with -o wide', async () => {
    const table = async (...flags: readonly string[]): Promise<readonly string[][]> => {
      const { stdout } = await cluster.kubectl(['get', '-n', namespace, 'lbk', 'whole', ...flags])
      return stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/ {2,}/))
    }
    const [head, row] = await table()
    expect(head).toEqual(['NAME', 'READY', 'BUCKET', 'MODE', 'RETENTION', 'LOCKED-UNTIL', 'AGE'])
    expect(row?.slice(0, 6)).toEqual([
      'whole',
      'True',
      'whole',
      'COMPLIANCE',
      '7 days, 1 rule',
      '2031-01-01T00:00:00Z',
    ])
    const [wideHead, wideRow] = await table('-o', 'wide')
    expect(wideHead?.slice(6, 9)).toEqual(['REASON', 'MESSAGE', 'ENDPOINT'])
    expect(wideRow?.slice(6, 9)).toEqual(['Enforced', 'The rule was read back.', 'http://127.0.0.1:9000'])
  })

  test('kubectl get: the columns of a policy, short names and the category', async () => {
    await create('RetentionPolicy', 'columns', { defaultRetention: { mode: 'GOVERNANCE', days: 7 } })
    const status = { observedGeneration: 1, retention: '7 days', bucketCount: 2 }
    expect((await patch('RetentionPolicy', 'columns/status', { status })).status).toBe(200)
    const { stdout } = await cluster.kubectl(['get', '-n', namespace, 'retpol', 'columns'])
    const [head, row] = stdout.split('\n')
    expect(head?.split(/ +/)).toEqual(['NAME', 'READY', 'MODE', 'RETENTION', 'BUCKETS', 'AGE'])
    expect(row).toMatch(/^columns +GOVERNANCE +7 days +2 /)
    const category = await cluster.kubectl(['get', '-n', namespace, 'holdfast', '-o', 'name'])
    expect(category.stdout).toContain('retentionpolicy.holdfast.dev/columns')
    expect(category.stdout).toContain('lockedbucket.holdfast.dev/whole')
  })

  test.each([
    ['retentionpolicy', 'In mode COMPLIANCE it can only ever'],
    ['retentionpolicy.spec.defaultRetention.mode', 'ENUM: GOVERNANCE COMPLIANCE'],
    ['retentionpolicy.spec.rules', 'A key gets the longest of the default'],
    ['retentionpolicy.spec.minimum.days', 'Days of exactly 24 hours'],
    ['lockedbucket.spec.adoptionPolicy', 'take it over if no other LockedBucket owns it'],
    ['lockedbucket.status.floor', 'What the lock server will not go below'],
  ])('kubectl explain %s: worth reading', async (field, sentence) => {
    const { code, stdout } = await cluster.kubectl(['explain', field])
    expect(code).toBe(0)
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(sentence)
  })

  test('examples/quickstart: accepted as it is', async () => {
    const folder = join(root, 'examples/quickstart')
    const applied = await cluster.kubectl(['apply', '--dry-run=server', '-f', folder])
    expect(applied).toMatchObject({ code: 0, stderr: '' })
    expect(applied.stdout.trim().split('\n')).toHaveLength(4)
  })

  test('kubectl diff: an applied object, no difference', async () => {
    const spec = { defaultRetention: { mode: 'COMPLIANCE', days: 1 }, rules: [{ prefix: 'a/', years: 1 }] }
    const metadata = { namespace, name: 'diff' }
    const stdin = JSON.stringify({ apiVersion: 'holdfast.dev/v1', kind: 'RetentionPolicy', metadata, spec })
    expect(await cluster.kubectl(['apply', '-f', '-'], { stdin })).toMatchObject({ code: 0 })
    expect(await cluster.kubectl(['diff', '-f', '-'], { stdin })).toMatchObject({ code: 0, stdout: '' })
  })
})

/** The sentence that the twin gives for the same case: both refuse with the same words. */
function sentenceOf({ kind, old, next }: Omit<RuleCase, 'title' | 'expected'>, rule: string): string {
  const violation = validateCase({ kind, old, next }).find((each) => each.rule === rule)
  if (violation === undefined) throw new Error(`the twin does not refuse by ${rule}`)
  return violation.message
}

const wholeStatus: LockedBucketStatus = {
  observedGeneration: 1,
  conditions: [
    {
      type: 'Ready',
      status: 'True',
      observedGeneration: 1,
      lastTransitionTime: '2026-01-01T00:00:00Z',
      reason: 'Enforced',
      message: 'The rule was read back.',
    },
  ],
  bucket: { name: 'whole', endpoint: 'http://127.0.0.1:9000', region: 'us-east-1', uid: '0123456789abcdef' },
  objectLock: {
    retention: '7 days, 1 rule',
    mode: 'COMPLIANCE',
    days: 7,
    rules: [{ prefix: 'a/', years: 1 }],
  },
  lockedUntil: '2031-01-01T00:00:00Z',
  lockedVersions: 3,
  legalHolds: 1,
  policy: { name: 'policy', uid: 'a-uid', generation: 2 },
  floor: { mode: 'COMPLIANCE', days: 7, rules: [{ prefix: 'a/', years: 1 }] },
  lastVerifiedTime: '2026-01-01T00:00:00Z',
  deletionProtected: true,
}
