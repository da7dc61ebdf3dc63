/** What users try at a real API server, as one line each: `200`, or the status with the sentence of the refusal. */
import type { Cluster } from './cluster.ts'
import { type UserName, usernameOf } from './users.ts'

export type Attempt = {
  readonly user: UserName
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  /** Of a PATCH: an array is a JSON patch, an object a merge patch. */
  readonly body?: unknown
}

/** Sends it; `403 <message>` when it was refused, `200` or `201` when not. */
export async function attempt(cluster: Cluster, { user, method, path, body }: Attempt): Promise<string> {
  const patchType = Array.isArray(body) ? 'application/json-patch+json' : 'application/merge-patch+json'
  const contentType = method === 'PATCH' ? patchType : 'application/json'
  const response = await cluster.request({ user, method, path, body, contentType })
  if (response.status < 400) return String(response.status)
  const { message } = response.json() as { readonly message: string }
  return `${response.status} ${message}`
}

/** Gives a user a ClusterRole in a namespace; `null`: everywhere. */
export async function bindRole(
  cluster: Cluster,
  { user, role, namespace }: { user: UserName; role: string; namespace: string | null },
): Promise<void> {
  const group = 'rbac.authorization.k8s.io'
  const kind = namespace === null ? 'ClusterRoleBinding' : 'RoleBinding'
  const metadata = { name: `${user}-${role}`, ...(namespace === null ? {} : { namespace }) }
  const stdin = JSON.stringify({
    apiVersion: `${group}/v1`,
    kind,
    metadata,
    roleRef: { apiGroup: group, kind: 'ClusterRole', name: role },
    subjects: [{ apiGroup: group, kind: 'User', name: usernameOf(user) }],
  })
  const { code, stderr } = await cluster.kubectl(['apply', '-f', '-'], { stdin })
  if (code !== 0) throw new Error(stderr)
}
