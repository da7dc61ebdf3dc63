/** Root's key: from the environment, else from DATA/credentials.json, which standalone makes once. */
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export type Credentials = { readonly accessKeyId: string; readonly secretAccessKey: string }

export class CredentialsError extends Error {
  override readonly name = 'CredentialsError'
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** A key of its own: 20 characters of base 32 for the id, 40 of base64url for the secret. */
export function generateCredentials(): Credentials {
  const id = [...randomBytes(16)].map((byte) => alphabet[byte % alphabet.length]).join('')
  return { accessKeyId: `HOLD${id}`, secretAccessKey: randomBytes(30).toString('base64url') }
}

/** Both or none; null: none. Throws CredentialsError when only one is set. */
export function credentialsOf(
  accessKeyId: string | null,
  secretAccessKey: string | null,
): Credentials | null {
  if (accessKeyId === null && secretAccessKey === null) return null
  if (accessKeyId === null || secretAccessKey === null)
    throw new CredentialsError('set the access key id and the secret access key, or neither')
  return { accessKeyId, secretAccessKey }
}

export function credentialsPath(dataDirectory: string): string {
  return join(dataDirectory, 'credentials.json')
}

/** null: there is no such file. Throws CredentialsError when it cannot be read or understood. */
export async function readCredentials(dataDirectory: string): Promise<Credentials | null> {
  const path = credentialsPath(dataDirectory)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw new CredentialsError(
      `${path} cannot be read: ${error instanceof Error ? error.message : 'no reason'}`,
    )
  }
  const credentials = parseCredentials(text)
  if (credentials === null)
    throw new CredentialsError(`${path} is damaged: it must hold accessKeyId and secretAccessKey`)
  return credentials
}

function parseCredentials(text: string): Credentials | null {
  try {
    const document: unknown = JSON.parse(text)
    if (typeof document !== 'object' || document === null) return null
    const { accessKeyId, secretAccessKey } = document as Record<string, unknown>
    if (typeof accessKeyId !== 'string' || typeof secretAccessKey !== 'string') return null
    return accessKeyId === '' || secretAccessKey === '' ? null : { accessKeyId, secretAccessKey }
  } catch {
    return null
  }
}

/** Writes a file only its owner may read, whatever the umask and whether it was there before. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 })
  await chmod(path, 0o600)
}

/** Standalone: the key of this data directory, made at the first start. */
export async function ensureCredentials(dataDirectory: string): Promise<Credentials> {
  const found = await readCredentials(dataDirectory)
  if (found !== null) return found
  const made = generateCredentials()
  await mkdir(dataDirectory, { recursive: true })
  await writePrivateFile(credentialsPath(dataDirectory), `${JSON.stringify(made, null, 2)}\n`)
  return made
}
