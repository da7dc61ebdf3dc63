import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Who can talk to a test control plane. A row here is all that a further user needs: it gets a token, a kubeconfig
 * and, until a test binds a role to it, no rights (cluster-admin has all of them). The operator looks to RBAC and to
 * admission policies like its ServiceAccount.
 */
const users = [
  { name: 'cluster-admin', username: 'cluster-admin', groups: ['system:masters'] },
  { name: 'developer', username: 'developer', groups: ['developers'] },
  { name: 'retention-officer', username: 'retention-officer', groups: ['retention-officers'] },
  {
    name: 'operator',
    username: 'system:serviceaccount:holdfast-system:holdfast-operator',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:holdfast-system'],
  },
  {
    name: 'namespaced-operator',
    username: 'system:serviceaccount:tenant-holdfast:holdfast-operator',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:tenant-holdfast'],
  },
  { name: 'node', username: 'system:node:holdfast-node', groups: ['system:nodes'] },
] as const

export type UserName = (typeof users)[number]['name']

/** What RBAC and admission policies know a user by. */
export function usernameOf(user: UserName): string {
  const found = users.find(({ name }) => name === user)
  if (found === undefined) throw new Error(`there is no user ${user}: add it to ${import.meta.filename}`)
  return found.username
}

/** Bearer tokens, by user name. */
export type Tokens = Readonly<Record<string, string>>

export function generateTokens(): Tokens {
  return Object.fromEntries(users.map(({ name }) => [name, randomBytes(24).toString('hex')]))
}

/** The bearer token of a user. */
export function tokenOf(tokens: Tokens, user: UserName): string {
  const token = tokens[user]
  if (token === undefined) throw new Error(`no token for the user ${user}: add it to ${import.meta.filename}`)
  return token
}

/** Writes the API server's --token-auth-file: lines of token,username,uid,"groups". Returns its path. */
export function writeTokenFile(directory: string, tokens: Tokens): string {
  const path = join(directory, 'tokens.csv')
  const lines = users.map(
    ({ name, username, groups }) =>
      `${tokenOf(tokens, name)},${username},uid-${name},"${groups.join(',')}"\n`,
  )
  writeFileSync(path, lines.join(''), { mode: 0o600 })
  return path
}

export type KubeconfigTarget = { readonly endpoint: string; readonly caPath: string }

/** Writes one kubeconfig for each user (JSON is YAML) to kubeconfigPath(directory, user). */
export function writeKubeconfigs(directory: string, target: KubeconfigTarget, tokens: Tokens): void {
  const cluster = { server: target.endpoint, 'certificate-authority': target.caPath }
  for (const { name } of users) {
    const kubeconfig = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [{ name: 'test', cluster }],
      users: [{ name, user: { token: tokenOf(tokens, name) } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: name } }],
    }
    writeFileSync(kubeconfigPath(directory, name), JSON.stringify(kubeconfig, null, 2), { mode: 0o600 })
  }
}

export function kubeconfigPath(directory: string, user: UserName): string {
  return join(directory, `${user}.kubeconfig`)
}
