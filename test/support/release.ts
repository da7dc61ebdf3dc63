/** What the chart gives the operator of a release: rights by name, for a release of a test's own. */
import { expect } from 'vitest'
import type { Cluster } from './cluster/cluster.ts'

export async function allowRelease(cluster: Cluster, release: string): Promise<void> {
  const secrets = ['operator', 'checkpoint', 'ca', 'tls'].map((name) => `${release}-${name}`)
  const rules = [
    { apiGroups: [''], resources: ['secrets', 'configmaps'], verbs: ['create'] },
    { apiGroups: [''], resources: ['secrets'], resourceNames: secrets, verbs: ['get'] },
    { apiGroups: [''], resources: ['secrets'], resourceNames: [`${release}-tls`], verbs: ['update'] },
    { apiGroups: [''], resources: ['configmaps'], resourceNames: [`${release}-ca`], verbs: ['patch'] },
    {
      apiGroups: [''],
      resources: ['configmaps'],
      resourceNames: [`${release}-checkpoints`],
      verbs: ['get', 'patch'],
    },
  ]
  const rbac = 'rbac.authorization.k8s.io/v1'
  const metadata = { name: release, namespace: 'holdfast-system' }
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: release }
  const subjects = [{ kind: 'ServiceAccount', name: 'holdfast-operator', namespace: 'holdfast-system' }]
  const items = [
    { apiVersion: rbac, kind: 'Role', metadata, rules },
    { apiVersion: rbac, kind: 'RoleBinding', metadata, roleRef, subjects },
  ]
  const stdin = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  const { code, stderr } = await cluster.kubectl(['apply', '-f', '-'], { stdin })
  expect(code, stderr).toBe(0)
}
