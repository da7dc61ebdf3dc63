/** The `--access-keys` file: a JSON list of keys, read strictly. Messages never carry a secret. */
import {
  type AccessKey,
  accessKeyIdPattern,
  type OwnAccessKeys,
  type Principal,
  rootAccountId,
  type Statement,
} from '../../lib/identity.ts'
import { limits } from '../../lib/limits.ts'

/** What is wrong with the file, as a sentence that names the place. */
export class AccessKeysError extends Error {
  override readonly name = 'AccessKeysError'
}

type Fields = Readonly<Record<string, unknown>>

/** Errors: AccessKeysError. */
export function parseAccessKeys(text: string): readonly AccessKey[] {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    // The parser's own message quotes the text around the fault: that could be a secret.
    throw new AccessKeysError('the file is not JSON')
  }
  if (!Array.isArray(parsed)) throw new AccessKeysError('the file must be a JSON list of access keys')
  const entries: readonly unknown[] = parsed
  if (entries.length > limits.accessKeysMax) {
    throw new AccessKeysError(`the file may hold at most ${limits.accessKeysMax} access keys`)
  }
  const keys = entries.map((entry, index) => parseKey(entry, `key ${index + 1}`))
  const seen = new Set<string>()
  for (const { principal } of keys) {
    if (seen.has(principal.accessKeyId)) {
      throw new AccessKeysError(`accessKeyId ${principal.accessKeyId} is there more than once`)
    }
    seen.add(principal.accessKeyId)
  }
  return keys
}

const keyFields = ['accessKeyId', 'secretAccessKey', 'accountId', 'displayName', 'statements']

function parseKey(entry: unknown, place: string): AccessKey {
  const fields = objectOf(entry, place, keyFields)
  const accessKeyId = textOf(fields, 'accessKeyId', place)
  const named = accessKeyIdPattern.test(accessKeyId)
  if (!named)
    throw new AccessKeysError(`${place}: accessKeyId must be 3 to 128 letters, digits, dots, _ or -`)
  const secretAccessKey = textOf(fields, 'secretAccessKey', place)
  if (!isSecret(secretAccessKey)) {
    throw new AccessKeysError(
      `${place}: secretAccessKey must be 8 to 128 printable characters without spaces`,
    )
  }
  const accountId = textOf(fields, 'accountId', place)
  if (!/^\d{12}$/.test(accountId)) throw new AccessKeysError(`${place}: accountId must be 12 digits`)
  if (accountId === rootAccountId)
    throw new AccessKeysError(`${place}: accountId ${rootAccountId} is root's own`)
  const displayName = textOf(fields, 'displayName', place)
  const statements = statementsOf(fields['statements'], place)
  const principal: Principal = { kind: 'user', accessKeyId, accountId, displayName, statements }
  return { principal, secretAccessKey }
}

/** The shape of a secret that clients can carry in headers, files and environments. */
export function isSecret(text: string): boolean {
  return /^[\x21-\x7e]{8,128}$/.test(text)
}

function statementsOf(value: unknown, place: string): readonly Statement[] | null {
  if (value === undefined || value === null) return null
  return listOf(value, `${place}: statements`).map((entry, index) =>
    parseStatement(entry, `${place}, statement ${index + 1}`),
  )
}

function parseStatement(entry: unknown, place: string): Statement {
  const fields = objectOf(entry, place, ['effect', 'actions', 'buckets', 'prefixes'])
  const effect = fields['effect']
  if (effect !== 'Allow' && effect !== 'Deny')
    throw new AccessKeysError(`${place}: effect must be Allow or Deny`)
  const actions = textsOf(fields['actions'], `${place}: actions`)
  const isAction = (action: string) => action === '*' || /^s3:(?:[A-Za-z]+\*?|\*)$/i.test(action)
  const wrong = actions.find((action) => !isAction(action))
  if (wrong !== undefined)
    throw new AccessKeysError(`${place}: ${wrong} is not an action like s3:GetObject or s3:Get*`)
  const buckets = textsOf(fields['buckets'], `${place}: buckets`)
  const wrongBucket = buckets.find((bucket) => !/^(?:[a-z0-9.-]+\*?|\*)$/.test(bucket))
  if (wrongBucket !== undefined)
    throw new AccessKeysError(`${place}: ${wrongBucket} is not a bucket name or *`)
  const prefixes = fields['prefixes']
  const isUnlimited = prefixes === undefined || prefixes === null
  return { effect, actions, buckets, prefixes: isUnlimited ? null : textsOf(prefixes, `${place}: prefixes`) }
}

function objectOf(value: unknown, place: string, names: readonly string[]): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new AccessKeysError(`${place} must be an object`)
  }
  const fields = value as Fields
  // A misspelt "statements" would make its key an owner of the account.
  const unknown = Object.keys(fields).find((name) => !names.includes(name))
  if (unknown !== undefined) throw new AccessKeysError(`${place}: ${unknown} is not a field of it`)
  return fields
}

function textOf(fields: Fields, name: string, place: string): string {
  const value = fields[name]
  if (typeof value !== 'string' || value === '') throw new AccessKeysError(`${place}: ${name} must be a text`)
  return value
}

function listOf(value: unknown, place: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new AccessKeysError(`${place} must be a list`)
  return value
}

/** At least one: a statement about nothing is a mistake, and an empty Deny would deny nothing. */
function textsOf(value: unknown, place: string): readonly string[] {
  const list = listOf(value, place)
  if (list.length === 0) throw new AccessKeysError(`${place} must not be empty`)
  return list.map((entry) => {
    if (typeof entry !== 'string') throw new AccessKeysError(`${place} must be texts`)
    return entry
  })
}

export type AccessKeySources = {
  /** Errors: whatever says that the file cannot be used. */
  readonly file: () => ReadonlyMap<string, AccessKey>
  readonly stored: (accessKeyId: string) => Promise<AccessKey | null>
}

/**
 * Root's and the operator's keys before the file's, and those before the stored ones, so that nobody takes their ids. All are
 * asked at each look-up, so that revocation is at once. While the file cannot be used, stored keys go on: each has a secret and
 * rights of its own. An id that is not stored may be of the file, so the error of the file is its answer.
 */
export function accessKeys(own: readonly AccessKey[], { file, stored }: AccessKeySources): OwnAccessKeys {
  const byId = new Map(own.map((key) => [key.principal.accessKeyId, key]))
  return {
    find: async (accessKeyId) => {
      const known = byId.get(accessKeyId)
      if (known !== undefined) return known
      let ofFile: ReadonlyMap<string, AccessKey>
      try {
        ofFile = file()
      } catch (error) {
        const key = await stored(accessKeyId)
        if (key === null) throw error
        return key
      }
      return ofFile.get(accessKeyId) ?? (await stored(accessKeyId))
    },
    isReserved: (accessKeyId) => byId.has(accessKeyId) || file().has(accessKeyId),
  }
}

export function rootKey(accessKeyId: string, secretAccessKey: string): AccessKey {
  return { principal: systemPrincipal('root', accessKeyId), secretAccessKey }
}

export function operatorKey(accessKeyId: string, secretAccessKey: string): AccessKey {
  return { principal: systemPrincipal('operator', accessKeyId), secretAccessKey }
}

function systemPrincipal(kind: 'root' | 'operator', accessKeyId: string): Principal {
  return { kind, accessKeyId, accountId: rootAccountId, displayName: kind, statements: null }
}
