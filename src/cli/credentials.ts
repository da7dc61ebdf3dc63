/** Root's key: from the environment, else from DATA/credentials.json, which standalone makes once. */
import { randomBytes } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  createFileWhole,
  errorCode,
  ifThere,
  isVolumeFull,
  makeDirectory,
  replaceFileWhole,
  syncFileAndName,
  syncNameOf,
} from '../platform/files.ts'

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
  const text = await ifThere(readFile(path, 'utf8')).catch((error: unknown) => {
    throw new CredentialsError(
      `${path} cannot be read: ${error instanceof Error ? error.message : 'no reason'}`,
    )
  })
  if (text === null) return null
  const credentials = parseCredentials(text)
  if (credentials === null) {
    // Releases that did not flush it left an empty one after a power cut.
    const what = text === '' ? 'is empty' : 'is damaged'
    throw new CredentialsError(
      `${path} ${what}: it must hold accessKeyId and secretAccessKey of root. Put a copy of it back, or remove it: ` +
        'then the next start of the server makes a new key, and what is stored stays, with its locks',
    )
  }
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

/**
 * Standalone: the key of this data directory, made at the first start. It is durable when this resolves, so that nothing is stored
 * that only a lost key reaches. Errors: CredentialsError.
 */
export async function ensureCredentials(
  dataDirectory: string,
): Promise<{ readonly credentials: Credentials; readonly isNew: boolean }> {
  const path = credentialsPath(dataDirectory)
  const isNew = (await readCredentials(dataDirectory)) === null
  if (isNew) await makeCredentials(dataDirectory, path)
  await flush(dataDirectory, path)
  // Of two first starts one made it.
  const credentials = await readCredentials(dataDirectory)
  if (credentials === null) throw new CredentialsError(`${path} was removed while the server started`)
  return { credentials, isNew }
}

/** Who made it may have been ended before it was flushed. Where the file system takes no writes, nothing is stored by the key either. */
async function flush(dataDirectory: string, path: string): Promise<void> {
  try {
    await syncFileAndName(path)
    await syncNameOf(dataDirectory)
  } catch (error) {
    if (errorCode(error) !== 'EROFS') throw error
  }
}

async function makeCredentials(dataDirectory: string, path: string): Promise<void> {
  try {
    await makeDirectory(dataDirectory)
    await createFileWhole(
      path,
      Buffer.from(`${JSON.stringify(generateCredentials(), null, 2)}\n`),
      privateMode,
    )
  } catch (error) {
    if (errorCode(error) !== 'EROFS') throw error
    throw new CredentialsError(
      `there is no ${path}, and its file system is read-only: to read what is stored there, set ` +
        'HOLDFAST_ACCESS_KEY_ID and HOLDFAST_SECRET_ACCESS_KEY',
    )
  }
}

const privateMode = 0o600

/**
 * The same key in the AWS CLI's own format, so that commands can be pasted without showing a secret. Resolves to its path; null
 * where the volume takes no writes or is full, and has no such file of this key: it is a convenience, and what is stored is served.
 */
export async function writeAwsCredentials(dataDirectory: string, root: Credentials): Promise<string | null> {
  const path = join(dataDirectory, 'aws-credentials')
  const lines = [
    '[default]',
    `aws_access_key_id = ${root.accessKeyId}`,
    `aws_secret_access_key = ${root.secretAccessKey}`,
    '',
  ]
  const text = lines.join('\n')
  try {
    if (!(await isPrivateFile(path, text))) await replaceFileWhole(path, Buffer.from(text), privateMode)
    return path
  } catch (error) {
    if (errorCode(error) !== 'EROFS' && !isVolumeFull(error)) throw error
    return null
  }
}

async function isPrivateFile(path: string, text: string): Promise<boolean> {
  const found = await ifThere(stat(path))
  if (found === null || (found.mode & 0o777) !== privateMode) return false
  return (await ifThere(readFile(path, 'utf8'))) === text
}
