import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { makeAdmission } from '../../src/operator/admission/policies.ts'
import { attempt } from '../support/cluster/attempts.ts'
import { type Cluster, connectCluster } from '../support/cluster/cluster.ts'
import { until } from '../support/cluster/until.ts'
import { prepareCluster } from '../support/operator.ts'

const address = inject('cluster')
const group = '/apis/holdfast.dev/v1'
const suffix = randomBytes(4).toString('hex')
const tier = `test.holdfast.dev/${suffix}`

/** On the tier's API server, with these two policies alone and for as long as this suite runs. */
describe.runIf(address !== null)('ceilings and floors at admission', () => {
  let cluster: Cluster
  const policies = makeAdmission([]).filter(({ metadata }) => /^(ceiling|long-floor)\./.test(metadata.name))
  const items = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: policies })
  const made: string[] = []

  beforeAll(async () => {
    if (address === null) throw new Error('the suite runs only with a control plane')
    cluster = connectCluster(address)
    await prepareCluster(cluster)
    expect(await cluster.kubectl(['apply', '-f', '-'], { stdin: items })).toMatchObject({
      code: 0,
      stderr: '',
    })
  })

  afterAll(async () => {
    const gone = await cluster?.kubectl(['delete', '-f', '-'], { stdin: items })
    const others = await cluster?.kubectl(['delete', 'clusterretentionpolicies', ...made])
    expect([gone?.code, others?.code]).toEqual([0, 0])
  })

  const send = (method: 'POST' | 'PATCH', path: string, body: object) =>
    attempt(cluster, { user: 'cluster-admin', method, path, body })

  async function makeNamespace(name: string, labels: object): Promise<string> {
    const unique = `${name}-${suffix}`
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: unique, labels } }
    expect(await send('POST', '/api/v1/namespaces', body)).toBe('201')
    return unique
  }

  async function makeClusterPolicy(name: string, spec: object): Promise<void> {
    const kind = 'ClusterRetentionPolicy'
    const body = { apiVersion: 'holdfast.dev/v1', kind, metadata: { name: `${name}-${suffix}` }, spec }
    expect(await send('POST', `${group}/clusterretentionpolicies`, body)).toBe('201')
    made.push(`${name}-${suffix}`)
  }

  /** The API server judges by it a moment after it was made. */
  const known = (isRefused: () => Promise<string>) =>
    until('the ceiling is known', 60_000, async () => ((await isRefused()).startsWith('422') ? true : null))

  const policyOf = (spec: object) => ({
    apiVersion: 'holdfast.dev/v1',
    kind: 'RetentionPolicy',
    metadata: { name: 'keep' },
    spec,
  })
  /** What would be answered. */
  const applied = (namespace: string, spec: object) =>
    send('POST', `${group}/namespaces/${namespace}/retentionpolicies?dryRun=All`, policyOf(spec))
  const governance = (period: object, more: object = {}) => ({
    defaultRetention: { mode: 'GOVERNANCE', ...period },
    ...more,
  })

  test('ceiling: a default, a rule or a minimum beyond it is refused with both periods; at it, and the maximum of clients, not', async () => {
    const namespace = await makeNamespace('capped', {})
    const free = await makeNamespace('free', {})
    const matchLabels = { 'kubernetes.io/metadata.name': namespace }
    await makeClusterPolicy('capped', { namespaceSelector: { matchLabels }, ceiling: { years: 2 } })
    await known(() => applied(namespace, governance({ years: 100 })))
    const exceeds = (what: string) =>
      expect.stringMatching(
        new RegExp(
          `^422 .*${what} exceeds the ceiling of 2 years of ClusterRetentionPolicy capped-${suffix}$`,
        ),
      )
    expect(await applied(namespace, governance({ days: 730 }))).toBe('201')
    expect(await applied(namespace, governance({ days: 731 }))).toEqual(exceeds('the default of 731 days'))
    expect(await applied(namespace, governance({ years: 2 }))).toBe('201')
    expect(await applied(namespace, governance({ years: 3 }))).toEqual(exceeds('the default of 3 years'))
    const rules = [
      { prefix: 'a/', days: 1 },
      { prefix: 'b/', years: 3 },
    ]
    expect(await applied(namespace, governance({ days: 1 }, { rules }))).toEqual(
      exceeds('the rule for "b/" of 3 years'),
    )
    expect(await applied(namespace, governance({ days: 1 }, { minimum: { days: 731 } }))).toEqual(
      exceeds('the minimum of 731 days'),
    )
    expect(await applied(namespace, governance({ days: 1 }, { maximum: { years: 9 } }))).toBe('201')
    expect(await applied(free, governance({ years: 3 }))).toBe('201')
  })

  test('ceiling: what was there before it may be edited elsewhere and get shorter, and gets neither longer nor stronger', async () => {
    const namespace = await makeNamespace('late', { [tier]: 'late' })
    const path = `${group}/namespaces/${namespace}/retentionpolicies`
    const spec = governance({ days: 90 }, { rules: [{ prefix: 'a/', days: 80 }], minimum: { days: 70 } })
    expect(await send('POST', path, policyOf(spec))).toBe('201')
    const namespaceSelector = { matchLabels: { [tier]: 'late' } }
    await makeClusterPolicy('late', { namespaceSelector, ceiling: { days: 60 } })
    const edit = (change: object) => send('PATCH', `${path}/keep?dryRun=All`, { spec: change })
    await known(() => edit({ defaultRetention: { days: 91 } }))
    expect(await edit({ maximum: { days: 99 } })).toBe('200')
    expect(await edit({ defaultRetention: { days: 60 } })).toBe('200')
    expect(await edit({ defaultRetention: { days: 61 } })).toMatch(/^422 .*the default of 61 days/)
    expect(await edit({ defaultRetention: { mode: 'COMPLIANCE' } })).toMatch(/^422 .*the default of 90 days/)
    expect(await edit({ rules: [{ prefix: 'a/', days: 81 }] })).toMatch(/^422 .*"a\/" of 81 days/)
    expect(await edit({ minimum: { days: 71 } })).toMatch(/^422 .*the minimum of 71 days/)
    expect(await send('PATCH', `${path}/keep`, { metadata: { labels: { any: 'thing' } } })).toBe('200')
  })

  test.each([
    ['in', 'In', ['x', 'y'], { tier: 'y' }, { tier: 'z' }],
    ['not-in', 'NotIn', ['x'], { tier: 'y' }, { tier: 'x' }],
    ['exists', 'Exists', undefined, { tier: 'any' }, {}],
    ['does-not-exist', 'DoesNotExist', undefined, {}, { tier: 'any' }],
  ] as const)(
    'ceiling: selected by %s, the one namespace is bound and the other is not',
    async (name, operator, values, bound, free) => {
      const matchLabels = { [tier]: name }
      const namespace = await makeNamespace(name, { ...matchLabels, ...bound })
      const other = await makeNamespace(`${name}-free`, { ...matchLabels, ...free })
      const matchExpressions = [{ key: 'tier', operator, ...(values === undefined ? {} : { values }) }]
      const namespaceSelector = { matchLabels, matchExpressions }
      await makeClusterPolicy(name, { namespaceSelector, ceiling: { days: 10 } })
      await known(() => applied(namespace, governance({ days: 11 })))
      expect(await applied(namespace, governance({ days: 11 }))).toMatch(/the ceiling of 10 days/)
      expect(await applied(namespace, governance({ days: 10 }))).toBe('201')
      expect(await applied(other, governance({ days: 11 }))).toBe('201')
    },
  )

  test('ceiling: of two that bind a namespace each is judged by', async () => {
    const namespace = await makeNamespace('both', { [tier]: 'both' })
    const namespaceSelector = { matchLabels: { [tier]: 'both' } }
    await makeClusterPolicy('higher', { namespaceSelector, ceiling: { days: 20 } })
    await makeClusterPolicy('lower', { namespaceSelector, ceiling: { days: 10 } })
    await known(() => applied(namespace, governance({ days: 11 })))
    expect(await applied(namespace, governance({ days: 11 }))).toMatch(/the ceiling of 10 days/)
    expect(await applied(namespace, governance({ days: 10 }))).toBe('201')
  })

  test('long-floor: COMPLIANCE of more than 366 days in a ClusterRetentionPolicy warns of where it reaches, once', async () => {
    const apply = async (name: string, floor: object, flags: readonly string[] = []) => {
      const spec = { namespaceSelector: { matchLabels: { [tier]: 'none' } }, floor, irreversible: true }
      const kind = 'ClusterRetentionPolicy'
      const metadata = { name: `${name}-${suffix}` }
      const stdin = JSON.stringify({ apiVersion: 'holdfast.dev/v1', kind, metadata, spec })
      const { code, stderr } = await cluster.kubectl(['apply', ...flags, '-f', '-'], { stdin })
      expect(code, stderr).toBe(0)
      if (flags.length === 0 && !made.includes(metadata.name)) made.push(metadata.name)
      return stderr
    }
    const warning =
      'COMPLIANCE for 2 years in every bucket of the namespaces that it binds: until then nobody'
    const long = { mode: 'COMPLIANCE', years: 2 }
    await until('the policy is in force', 60_000, async () =>
      (await apply('probe', long, ['--dry-run=server'])) === '' ? null : true,
    )
    expect(await apply('long', long)).toContain(warning)
    expect(await apply('long', long)).toBe('')
    expect(await apply('short', { mode: 'COMPLIANCE', days: 366 })).toBe('')
    expect(await apply('soft', { mode: 'GOVERNANCE', years: 9 })).toBe('')
  })
})
