/**
 * Whom a statement is about. A key is the user `arn:aws:iam::<account>:user/<displayName>`, so that both keys of a rotation are
 * one user; an owner's key is its account's root as well. Root is `arn:aws:iam::000000000000:root`.
 */
import type { Principal } from '../../lib/identity.ts'

export type PrincipalName =
  | { readonly kind: 'account'; readonly accountId: string }
  | { readonly kind: 'user'; readonly accountId: string; readonly userName: string }

export type PrincipalMatch =
  | { readonly kind: 'everyone' }
  | { readonly kind: 'only'; readonly names: readonly PrincipalName[] }
  /** NotPrincipal; only with Deny. */
  | { readonly kind: 'except'; readonly names: readonly PrincipalName[] }

/** null: root and the operator are no users. */
export function userName(principal: Principal): string | null {
  return principal.kind === 'user' ? principal.displayName : null
}

export function principalArn(principal: Principal): string {
  const name = userName(principal)
  const account = `arn:aws:iam::${principal.accountId}`
  return name === null ? `${account}:root` : `${account}:user/${name}`
}

/** Twelve digits, `arn:aws:iam::<account>:root` or `arn:aws:iam::<account>:user/<name>`; null: none of these. */
export function parsePrincipalName(text: string): PrincipalName | null {
  if (/^\d{12}$/.test(text)) return { kind: 'account', accountId: text }
  const match = /^arn:aws:iam::(\d{12}):(?:root|user\/([^*?]+))$/u.exec(text)
  if (match === null) return null
  const [, accountId = '', name] = match
  return name === undefined ? { kind: 'account', accountId } : { kind: 'user', accountId, userName: name }
}

/**
 * `principal`: the statement is about this very key (or everybody). `account`: about its account, which allows no more than
 * that the key's own statements say so.
 */
export type PrincipalReach = 'principal' | 'account' | 'none'

export function reach(match: PrincipalMatch, principal: Principal): PrincipalReach {
  if (match.kind === 'everyone') return 'principal'
  const isNamed = match.names.some((name) => name.kind === 'user' && isUser(name, principal))
  const isAccount = match.names.some(
    (name) => name.kind === 'account' && name.accountId === principal.accountId,
  )
  // As AWS: to be left out of a Deny the account must be named, and the user in it.
  if (match.kind === 'except') {
    return isAccount && (isNamed || isItsAccount(principal)) ? 'none' : 'principal'
  }
  if (isNamed || (isAccount && isItsAccount(principal))) return 'principal'
  return isAccount ? 'account' : 'none'
}

/** Root, and the key without statements that owns its account. */
export function isItsAccount(principal: Principal): boolean {
  return principal.kind !== 'user' || principal.statements === null
}

function isUser(name: Extract<PrincipalName, { kind: 'user' }>, principal: Principal): boolean {
  return name.accountId === principal.accountId && name.userName === userName(principal)
}
