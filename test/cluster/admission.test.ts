import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { bucketFinalizer } from '../../src/api/metadata.ts'
import { type Attempt, attempt, bindRole } from '../support/cluster/attempts.ts'
import { type ControlPlane, startControlPlane } from '../support/cluster/control-plane.ts'
import { until } from '../support/cluster/until.ts'
import type { UserName } from '../support/cluster/users.ts'
import { prepareCluster } from '../support/operator.ts'

const examples = join(import.meta.dirname, '../../examples/kubernetes')
const everybody: readonly UserName[] = ['cluster-admin', 'developer', 'retention-officer', 'operator']
const people: readonly UserName[] = ['cluster-admin', 'developer', 'retention-officer']

/** A control plane of its own: other tests write statuses as cluster-admin. */
describe.runIf(inject('cluster') !== null)('admission policies on a real API server', () => {
  let cluster: ControlPlane
  let namespace: string

  beforeAll(async () => {
    cluster = await startControlPlane()
    await prepareCluster(cluster)
    const files = ['admission.yaml', 'user-roles.yaml'].flatMap((file) => ['-f', join(examples, file)])
    expect(await cluster.kubectl(['apply', ...files])).toMatchObject({ code: 0, stderr: '' })
    namespace = await cluster.createNamespace('guarded')
    // All that RBAC can give: what is refused then is refused by the policies.
    await bindRole(cluster, { user: 'developer', role: 'all-but-verbs', namespace: null })
    await bindRole(cluster, { user: 'operator', role: 'all-but-verbs', namespace: null })
    await bindRole(cluster, { user: 'retention-officer', role: 'all-but-verbs', namespace: null })
    await bindRole(cluster, {
      user: 'retention-officer',
      role: 'holdfast-retention-officer',
      namespace: null,
    })
    const verbs = ['get', 'list', 'create', 'update', 'patch', 'delete', 'deletecollection']
    const rules = [{ apiGroups: ['*'], resources: ['*'], verbs }]
    const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', rules }
    const stdin = JSON.stringify({ ...role, metadata: { name: 'all-but-verbs' } })
    expect(await cluster.kubectl(['apply', '-f', '-'], { stdin })).toMatchObject({ code: 0 })
    // New policies are in force a moment after they are made.
    await makePolicy('probe', { mode: 'GOVERNANCE', days: 1 })
    await until('the policies are in force', 60_000, async () =>
      (await writeStatus('developer', 'retentionpolicies/probe', {})).startsWith('403') ? true : null,
    )
  })

  afterAll(async () => {
    cluster?.assertRunning()
    await cluster?.stop()
  })

  const pathOf = (name: string) => `/apis/holdfast.dev/v1/namespaces/${namespace}/${name}`
  const say = (refusal: string) => expect.stringMatching(new RegExp(`^403 .*${refusal}`))
  const send = (request: Attempt) => attempt(cluster, request)
  const patch = (user: UserName, name: string, body: unknown) =>
    send({ user, method: 'PATCH', path: pathOf(name), body })
  const writeStatus = (user: UserName, name: string, status: object) =>
    patch(user, `${name}/status`, { status })
  const remove = (user: UserName, name: string) => send({ user, method: 'DELETE', path: pathOf(name) })

  async function make(user: UserName, plural: string, body: object): Promise<void> {
    const apiVersion = 'holdfast.dev/v1'
    const created = await send({
      user,
      method: 'POST',
      path: pathOf(plural),
      body: { apiVersion, ...body },
    })
    expect(created).toBe('201')
  }

  function makePolicy(name: string, defaultRetention: object, more: object = {}): Promise<void> {
    const spec = { defaultRetention, ...more }
    return make('developer', 'retentionpolicies', { kind: 'RetentionPolicy', metadata: { name }, spec })
  }

  async function makeBucket(name: string, { finalizers, status }: BucketState): Promise<void> {
    const spec = { bucketName: name, retentionPolicyRef: { name: 'keep' } }
    const metadata = { name, ...(finalizers === undefined ? {} : { finalizers }) }
    await make('developer', 'lockedbuckets', { kind: 'LockedBucket', metadata, spec })
    if (status !== undefined)
      expect(await writeStatus('operator', `lockedbuckets/${name}`, status)).toBe('200')
  }
  type BucketState = { readonly finalizers?: readonly string[]; readonly status?: object }
  const isProtected = { deletionProtected: true }

  test.each(people)('status: %s forges it, refused on every kind; the operator writes it', async (user) => {
    await makePolicy(`forged-${user}`, { mode: 'GOVERNANCE', days: 1 })
    await makeBucket(`forged-${user}`, { status: isProtected })
    for (const plural of ['retentionpolicies', 'lockedbuckets']) {
      const forged = await writeStatus(user, `${plural}/forged-${user}`, { deletionProtected: false })
      expect(forged).toEqual(say('the operator alone writes it'))
    }
    const own = await writeStatus('operator', `lockedbuckets/forged-${user}`, { deletionProtected: false })
    expect(own).toBe('200')
  })

  test.each(people)(
    'deletion: %s deletes what is protected, refused one by one and all at once',
    async (user) => {
      const name = `lockedbuckets/held-${user}`
      await makeBucket(`held-${user}`, { status: isProtected })
      expect(await remove(user, name)).toEqual(say('locked versions, or buckets that refer to it'))
      expect(await remove(user, `lockedbuckets?labelSelector=a!=b`)).toEqual(say('would be left behind'))
      const all = await cluster.kubectl(['delete', 'lbk', '--all', '-n', namespace, '--wait=false'], { user })
      expect(all.code).toBe(1)
      expect(all.stderr).toContain(`"held-${user}" is forbidden`)
      expect(await writeStatus('operator', name, { deletionProtected: false })).toBe('200')
      expect(await remove(user, name)).toBe('200')
    },
  )

  test('deletion: a policy that buckets refer to is protected in the same way', async () => {
    await makePolicy('referenced', { mode: 'COMPLIANCE', days: 1 })
    expect(await writeStatus('operator', 'retentionpolicies/referenced', isProtected)).toBe('200')
    for (const user of people)
      expect(await remove(user, 'retentionpolicies/referenced')).toEqual(say('buckets that refer to it'))
  })

  test('deletion: the verb orphan and its annotation, only both together let a protected object go', async () => {
    const name = 'lockedbuckets/orphaned'
    const annotate = (value: string) => ({ metadata: { annotations: { 'holdfast.dev/orphan': value } } })
    await makeBucket('orphaned', { status: isProtected })
    expect(await remove('retention-officer', name)).toEqual(say('with the annotation holdfast.dev/orphan'))
    expect(await patch('developer', name, annotate('false'))).toBe('200')
    expect(await remove('retention-officer', name)).toEqual(say('would be left behind'))
    expect(await patch('developer', name, annotate('true'))).toBe('200')
    expect(await remove('developer', name)).toEqual(say('holds the verb orphan'))
    expect(await remove('retention-officer', name)).toBe('200')
  })

  test.each([
    ['fewer days', { mode: 'GOVERNANCE', days: 30 }, {}, { defaultRetention: { days: 29 } }],
    [
      'years for more days',
      { mode: 'GOVERNANCE', days: 366 },
      {},
      { defaultRetention: { days: null, years: 1 } },
    ],
    [
      'days for a longer year',
      { mode: 'GOVERNANCE', years: 1 },
      {},
      { defaultRetention: { days: 365, years: null } },
    ],
    [
      'COMPLIANCE, but shorter',
      { mode: 'GOVERNANCE', days: 30 },
      {},
      { defaultRetention: { mode: 'COMPLIANCE', days: 1 } },
    ],
    ['a rule less', { mode: 'GOVERNANCE', days: 1 }, { rules: [{ prefix: 'a/', days: 9 }] }, { rules: null }],
    [
      'a shorter rule',
      { mode: 'GOVERNANCE', days: 1 },
      { rules: [{ prefix: 'a/', days: 9 }] },
      { rules: [{ prefix: 'a/', days: 8 }] },
    ],
    ['no minimum', { mode: 'GOVERNANCE', days: 9 }, { minimum: { days: 5 } }, { minimum: null }],
    [
      'a shorter minimum',
      { mode: 'GOVERNANCE', days: 9 },
      { minimum: { days: 5 } },
      { minimum: { days: 4 } },
    ],
    [
      'a year for a longer minimum',
      { mode: 'GOVERNANCE', days: 9 },
      { minimum: { days: 366 } },
      { minimum: { days: null, years: 1 } },
    ],
  ] as const)(
    'governance: %s, refused without the verb and allowed with it',
    async (title, old, more, next) => {
      const name = title.toLowerCase().replaceAll(/[^a-z]+/g, '-')
      await makePolicy(name, old, more)
      for (const user of ['developer', 'operator'] as const)
        expect(await patch(user, `retentionpolicies/${name}`, { spec: next })).toEqual(
          say("(bypassgovernance|none of the operator's work)"),
        )
      expect(await patch('retention-officer', `retentionpolicies/${name}`, { spec: next })).toBe('200')
    },
  )

  test.each([
    ['more days', { mode: 'GOVERNANCE', days: 30 }, { defaultRetention: { days: 31 } }],
    [
      '366 days for a year',
      { mode: 'GOVERNANCE', years: 1 },
      { defaultRetention: { days: 366, years: null } },
    ],
    [
      'COMPLIANCE for as long',
      { mode: 'GOVERNANCE', days: 30 },
      { defaultRetention: { mode: 'COMPLIANCE' } },
    ],
    ['a rule more', { mode: 'GOVERNANCE', days: 30 }, { rules: [{ prefix: 'b/', days: 1 }] }],
    ['nothing but a bound', { mode: 'GOVERNANCE', days: 30 }, { minimum: { days: 1 } }],
  ] as const)('governance: %s, allowed to a developer', async (title, old, next) => {
    const name = `longer-${title.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}`
    await makePolicy(name, old)
    expect(await patch('developer', `retentionpolicies/${name}`, { spec: next })).toBe('200')
  })

  test.each(everybody)('COMPLIANCE: %s shortens, empties or unsets it, refused', async (user) => {
    const name = `retentionpolicies/compliance-${user}`
    await makePolicy(`compliance-${user}`, { mode: 'COMPLIANCE', days: 30 })
    for (const change of [{ days: 29 }, { days: null }, { mode: 'GOVERNANCE' }])
      expect(await patch(user, name, { spec: { defaultRetention: change } })).toMatch(/^422 /)
    expect(await patch(user, name, { spec: { defaultRetention: null } })).toMatch(/^422 /)
    expect(await patch(user, name, [{ op: 'remove', path: '/spec' }])).toMatch(/^422 /)
  })

  test('bucket-reference: another policy for a bucket in GOVERNANCE mode takes the verb, in COMPLIANCE the server judges', async () => {
    const other = { spec: { retentionPolicyRef: { name: 'other' } } }
    await makeBucket('governed', { status: { objectLock: { mode: 'GOVERNANCE', days: 9 } } })
    await makeBucket('complied', { status: { objectLock: { mode: 'COMPLIANCE', days: 9 } } })
    for (const user of ['developer', 'operator'] as const)
      expect(await patch(user, 'lockedbuckets/governed', other)).toEqual(
        say('(might be a shorter one|operator writes no spec)'),
      )
    expect(await patch('developer', 'lockedbuckets/governed', { metadata: { labels: { a: 'b' } } })).toBe(
      '200',
    )
    expect(await patch('retention-officer', 'lockedbuckets/governed', other)).toBe('200')
    expect(await patch('developer', 'lockedbuckets/complied', other)).toBe('200')
  })

  test('retention-officer: keys that bypass GOVERNANCE take the verb, to make them and to change them', async () => {
    const spec = (role: string, name = 'a') => ({ buckets: [{ name }], role, secretName: 's' })
    const created = (user: UserName, name: string, role: string) => {
      const body = {
        apiVersion: 'holdfast.dev/v1',
        kind: 'BucketAccess',
        metadata: { name },
        spec: spec(role),
      }
      return send({ user, method: 'POST', path: pathOf('bucketaccesses'), body })
    }
    const refusal = say("(the role RetentionOfficer bypass GOVERNANCE|none of the operator's work)")
    expect(await created('developer', 'keys', 'RetentionOfficer')).toEqual(refusal)
    expect(await created('developer', 'keys', 'ReadWrite')).toBe('201')
    const officer = { spec: spec('RetentionOfficer') }
    for (const user of ['developer', 'operator'] as const)
      expect(await patch(user, 'bucketaccesses/keys', officer)).toEqual(refusal)
    expect(await patch('retention-officer', 'bucketaccesses/keys', officer)).toBe('200')
    const more = { spec: spec('RetentionOfficer', 'b') }
    expect(await patch('developer', 'bucketaccesses/keys', more)).toEqual(refusal)
    const annotations = { 'holdfast.dev/rotate-now': 'a' }
    expect(await patch('developer', 'bucketaccesses/keys', { metadata: { annotations } })).toBe('200')
    expect(await patch('developer', 'bucketaccesses/keys', { spec: spec('Auditor') })).toBe('200')
    const forged = await writeStatus('developer', 'bucketaccesses/keys', { accessKeyIds: ['MINE'] })
    expect(forged).toEqual(say('the operator alone writes it'))
    expect(await remove('developer', 'bucketaccesses/keys')).toBe('200')
  })

  test.each(people)('finalizer: %s strips it, refused; the operator takes it away', async (user) => {
    const name = `lockedbuckets/final-${user}`
    const other = 'example.com/other'
    await makeBucket(`final-${user}`, { finalizers: [bucketFinalizer, other] })
    const stripped = say('removed by the operator alone')
    expect(await patch(user, name, { metadata: { finalizers: null } })).toEqual(stripped)
    expect(await patch(user, name, { metadata: { finalizers: [other] } })).toEqual(stripped)
    expect(await patch(user, name, [{ op: 'remove', path: '/metadata/finalizers/0' }])).toEqual(stripped)
    expect(await patch(user, name, { metadata: { finalizers: [bucketFinalizer] } })).toBe('200')
    expect(await patch('operator', name, { metadata: { finalizers: null } })).toBe('200')
  })

  test('long-compliance: beyond 366 days kubectl apply says for how long, once, and within says nothing', async () => {
    const apply = (spec: object, name = 'long') => {
      const object = { apiVersion: 'holdfast.dev/v1', kind: 'RetentionPolicy', metadata: { name }, spec }
      const stdin = JSON.stringify(object)
      return cluster.kubectl(['apply', '-n', namespace, '-f', '-'], { stdin, user: 'developer' })
    }
    const sure = { irreversible: true }
    const compliance = (period: object) => ({ defaultRetention: { mode: 'COMPLIANCE', ...period } })
    expect(await apply({ ...compliance({ days: 366 }), ...sure }, 'short')).toMatchObject({
      code: 0,
      stderr: '',
    })
    expect(await apply({ ...compliance({ years: 1 }), ...sure }, 'year')).toMatchObject({
      code: 0,
      stderr: '',
    })
    const long = await apply({ ...compliance({ days: 367 }), ...sure })
    expect(long).toMatchObject({ code: 0, stderr: expect.stringContaining('COMPLIANCE for 367 days: until') })
    expect(await apply({ ...compliance({ days: 367 }), ...sure })).toMatchObject({ code: 0, stderr: '' })
    const rules = [{ prefix: 'a/', years: 7 }]
    const ruled = await apply({ ...compliance({ days: 1 }), ...sure, rules }, 'ruled')
    expect(ruled.stderr).toContain('COMPLIANCE for 7 years under a/: until')
  })
})
