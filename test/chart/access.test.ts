import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { settings } from '../../src/config/settings.ts'
import { makeAdmission } from '../../src/operator/admission/policies.ts'
import {
  at,
  flagsOf,
  type KubeObject,
  parseObjects,
  podOf,
  render,
  renderSet,
  root,
} from '../support/chart.ts'

const example = (name: string) => parseObjects(readFileSync(join(root, 'examples/kubernetes', name), 'utf8'))
const rulesOf = (object: KubeObject) => at(object, 'rules')
const chart = renderSet('default')
const own = { namespace: 'holdfast-system', serviceAccount: 'holdfast-operator', namespaces: null }
type Rule = { readonly resources: readonly string[] }

describe('rights', () => {
  test('operator: the rights of examples/kubernetes/operator-rbac.yaml, and those that make the Secrets', () => {
    const documented = example('operator-rbac.yaml')
    const find = (kind: string) => {
      const object = documented.find((one) => one.kind === kind && one.metadata.name === 'holdfast-operator')
      if (object === undefined) throw new Error(`the example has no ${kind}`)
      return object
    }
    expect(rulesOf(chart.one('ClusterRole', 'holdfast-operator'))).toEqual(rulesOf(find('ClusterRole')))
    const named = ['operator', 'checkpoint', 'ca', 'tls'].map((name) => `holdfast-${name}`)
    expect(rulesOf(chart.one('Role'))).toEqual([
      ...(rulesOf(find('Role')) as readonly object[]),
      { apiGroups: [''], resources: ['secrets', 'configmaps'], verbs: ['create'] },
      { apiGroups: [''], resources: ['secrets'], resourceNames: named, verbs: ['get'] },
      { apiGroups: [''], resources: ['secrets'], resourceNames: ['holdfast-tls'], verbs: ['update'] },
      { apiGroups: [''], resources: ['configmaps'], resourceNames: ['holdfast-ca'], verbs: ['patch'] },
      {
        apiGroups: [''],
        resources: ['configmaps'],
        resourceNames: ['holdfast-checkpoints'],
        verbs: ['get', 'patch'],
      },
    ])
  })

  test('operator: the claim and the namespace of its server by name, which it is told; volumes alone without one', () => {
    for (const [set, claim] of [
      ['default', 'data-holdfast-server-0'],
      ['bare', 'old-data'],
    ] as const) {
      const { one } = renderSet(set)
      expect(flagsOf(podOf(one('Deployment'))).get('--storage-claims')).toBe(claim)
      const rules = rulesOf(one('Role')) as readonly Rule[]
      const named = rules.filter(({ resources }) => /^(persistentvolume|namespaces)/.test(String(resources)))
      const verbs = ['get', 'patch']
      expect(named).toEqual([
        { apiGroups: [''], resources: ['persistentvolumeclaims'], resourceNames: [claim], verbs },
        { apiGroups: [''], resources: ['namespaces'], resourceNames: ['holdfast-system'], verbs },
      ])
      const whole = rulesOf(one('ClusterRole', 'holdfast-operator')) as readonly Rule[]
      const volumes = whole.filter(({ resources }) => resources.includes('persistentvolumes'))
      expect(volumes).toEqual([{ apiGroups: [''], resources: ['persistentvolumes'], verbs }])
    }
    const templates = at(chart.one('StatefulSet'), 'spec', 'volumeClaimTemplates') as readonly KubeObject[]
    const { name } = chart.one('StatefulSet').metadata
    expect(templates.map(({ metadata }) => `${metadata.name}-${name}-0`)).toEqual(['data-holdfast-server-0'])
  })

  test('operator: Secrets of users by name only, and nowhere unless it is bound or asked for', () => {
    const name = 'holdfast-operator-secrets'
    const documented = example('operator-rbac.yaml').find(({ metadata }) => metadata.name === name)
    expect(documented).toBeDefined()
    expect(rulesOf(chart.one('ClusterRole', name))).toEqual([
      { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'create', 'patch'] },
    ])
    if (documented !== undefined) expect(rulesOf(chart.one('ClusterRole', name))).toEqual(rulesOf(documented))
    expect(chart.all('ClusterRoleBinding').map(({ metadata }) => metadata.name)).toEqual([
      'holdfast-operator',
    ])
    const full = renderSet('full').all('ClusterRoleBinding')
    expect(full.map(({ metadata }) => metadata.name)).toEqual(['holdfast-operator', name])
  })

  test('operator: bound to its own service account, and nobody else to anything', () => {
    const subject = { kind: 'ServiceAccount', name: 'holdfast-operator', namespace: 'holdfast-system' }
    const bindings = [...chart.all('ClusterRoleBinding'), ...chart.all('RoleBinding')]
    expect(bindings.map((binding) => binding['subjects'])).toEqual([[subject], [subject]])
    expect(at(chart.one('Deployment'), 'spec', 'template', 'spec', 'serviceAccountName')).toBe(subject.name)
    for (const account of chart.all('ServiceAccount')) {
      expect(account).toMatchObject({ automountServiceAccountToken: false })
    }
  })

  test('operator of some namespaces: a Role in each, nothing of the whole cluster', () => {
    const { objects, all } = renderSet('namespaced')
    const namespaces = new Set(objects.map(({ metadata }) => metadata.namespace))
    expect(namespaces).toEqual(new Set([undefined, 'team-a', 'team-b']))
    const kinds = objects.map(({ kind }) => kind)
    const clusterKinds = ['ClusterRole', 'ClusterRoleBinding', 'CustomResourceDefinition']
    expect(kinds.filter((kind) => clusterKinds.includes(kind) || kind.startsWith('Validating'))).toEqual([])

    const whole = at(chart.one('ClusterRole', 'holdfast-operator'), 'rules') as readonly Rule[]
    const outside = [
      'namespaces',
      'persistentvolumes',
      'clusterretentionpolicies',
      'clusterretentionpolicies/status',
      'validatingadmissionpolicies',
      'validatingadmissionpolicybindings',
    ]
    const wanted = whole.filter(({ resources }) => resources.every((one) => !outside.includes(one)))
    expect(wanted.length).toBeGreaterThan(2)
    const secrets = at(chart.one('ClusterRole', 'holdfast-operator-secrets'), 'rules') as readonly Rule[]
    for (const namespace of ['team-a', 'team-b']) {
      const there = (kind: string) => all(kind).filter(({ metadata }) => metadata.namespace === namespace)
      expect(there('Role').map(rulesOf)).toEqual([[...wanted, ...secrets]])
      expect(there('RoleBinding')).toMatchObject([
        {
          roleRef: { kind: 'Role', name: there('Role')[0]?.metadata.name },
          subjects: [{ kind: 'ServiceAccount', name: 'holdfast-operator', namespace: 'holdfast-system' }],
        },
      ])
    }
    expect(flagsOf(podOf(renderSet('namespaced').one('Deployment')))).toEqual(
      expect.objectContaining(
        new Map([
          ['--watch-namespaces', 'team-a,team-b'],
          ['--cluster-id', 'tenant-1'],
        ]),
      ),
    )
    expect(flagsOf(podOf(chart.one('Deployment'))).has('--watch-namespaces')).toBe(false)
  })

  test('operator of some namespaces: the Roles that others write by hand are those of the chart', () => {
    const documented = example('operator-namespaced-rbac.yaml').filter(({ kind }) => kind === 'Role')
    const [ours] = renderSet('namespaced').all('Role')
    expect(documented.slice(0, 2).map(rulesOf)).toEqual([at(ours, 'rules'), at(ours, 'rules')])
  })

  test('users: the roles of examples/kubernetes/user-roles.yaml, with their aggregation', () => {
    for (const role of example('user-roles.yaml')) {
      const ours = chart.one('ClusterRole', role.metadata.name)
      expect(rulesOf(ours)).toEqual(rulesOf(role))
      const aggregation = (object: KubeObject) =>
        Object.entries(object.metadata.labels ?? {}).filter(([label]) => label.startsWith('rbac.'))
      expect(aggregation(ours)).toEqual(aggregation(role))
    }
    const bare = renderSet('bare').all('ClusterRole')
    expect(bare.map(({ metadata }) => metadata.name)).toEqual([
      'holdfast-operator',
      'holdfast-operator-secrets',
    ])
  })
})

describe('what stays', () => {
  test('admission policies: those that print-admission prints for the operator of the release, and they stay', () => {
    const wanted = makeAdmission([own])
    for (const { kind, metadata, spec } of wanted) {
      const ours = chart.all(kind).find((object) => object.metadata.name === metadata.name)
      expect(ours?.['spec']).toEqual(spec)
      expect(ours?.metadata).toMatchObject({
        labels: metadata.labels,
        annotations: { 'helm.sh/resource-policy': 'keep' },
      })
    }
    const kinds = ['ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding']
    expect(kinds.flatMap((kind) => chart.all(kind))).toHaveLength(wanted.length)
    const other = renderSet('full').one('ValidatingAdmissionPolicy', 'status.holdfast.dev')
    expect(JSON.stringify(other)).toContain('system:serviceaccount:holdfast-system:vault-operator')
    expect(renderSet('bare').all('ValidatingAdmissionPolicy')).toEqual([])
  })

  test('admission policies: of several operators, those that print-admission prints, and the operator knows of them', () => {
    const texts = ['tenant/keeper=team-b+team-a', 'aaa/first']
    const others = settings.operators.parse(texts.join())
    const ownText = 'holdfast-system/holdfast-operator'
    for (const [values, watched] of [
      [{}, null],
      [{ operator: { watchNamespaces: ['team-d', 'team-c'] }, cluster: { id: 'a' } }, ['team-d', 'team-c']],
    ] as const) {
      const rendering = render({ ...values, admission: { otherOperators: texts } })
      for (const { kind, metadata, spec } of makeAdmission([{ ...own, namespaces: watched }, ...others])) {
        const ours = rendering.all(kind).find((object) => object.metadata.name === metadata.name)
        expect(ours?.['spec']).toEqual(spec)
      }
      const self = watched === null ? ownText : `${ownText}=${watched.join('+')}`
      const flags = flagsOf(podOf(rendering.one('Deployment')))
      expect(flags.get('--operators')).toBe([self, ...texts].join())
    }
    expect(flagsOf(podOf(chart.one('Deployment'))).has('--operators')).toBe(false)
  })

  test('CRDs: rendered as they are in crds/, and they stay', () => {
    const crds = chart.all('CustomResourceDefinition')
    expect(crds.length).toBeGreaterThan(1)
    for (const crd of crds) {
      const [plural = '', ...group] = crd.metadata.name.split('.')
      const [source] = parseObjects(
        readFileSync(join(root, `crds/${group.join('.')}_${plural}.yaml`), 'utf8'),
      )
      expect(crd['spec']).toEqual(source?.['spec'])
      expect(crd.metadata.annotations).toEqual({ 'helm.sh/resource-policy': 'keep' })
    }
    expect(renderSet('bare').all('CustomResourceDefinition')).toEqual([])
  })

  test('Secrets: the chart renders none, and nothing random', () => {
    expect(chart.all('Secret')).toEqual([])
    expect(render({}).objects).toEqual(chart.objects)
  })
})
