/** Who may do what: shared by the S3 and the admin surface. Plain data, no look-ups. */

export type Statement = {
  readonly effect: 'Allow' | 'Deny'
  /** AWS action names; `s3:*` and trailing `*` wildcards as in IAM. */
  readonly actions: readonly string[]
  /** Bucket names or `*`. */
  readonly buckets: readonly string[]
  /** Key prefixes the statement is limited to; null: all keys and the bucket itself. */
  readonly prefixes: readonly string[] | null
}

/** `root` acts on every account, `operator` drives the admin API, `user` has what its statements give. */
export type PrincipalKind = 'root' | 'operator' | 'user'

export type Principal = {
  readonly kind: PrincipalKind
  readonly accessKeyId: string
  /** Twelve digits. Root and operator: 000000000000. */
  readonly accountId: string
  readonly displayName: string
  /** null: owner of its account, everything on the account's buckets, GOVERNANCE bypass included. */
  readonly statements: readonly Statement[] | null
}

export type AccessKey = { readonly principal: Principal; readonly secretAccessKey: string }

/** Looks a key up by its id; must answer from current truth, so that revocation is at once. */
export type AccessKeys = { find(accessKeyId: string): Promise<AccessKey | null> }
/**
 * `isReserved`: the id is root's, the operator's or the --access-keys file's, so a stored key of it would never be found. Throws
 * while the file cannot be used.
 */
export type OwnAccessKeys = AccessKeys & { isReserved(accessKeyId: string): boolean }

export const rootAccountId = '000000000000'

/** The id of an access key, as clients, files, environments and the admin API carry it. Root's and the operator's may be others. */
export const accessKeyIdPattern = /^[A-Za-z0-9._-]{3,128}$/
