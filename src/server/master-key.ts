/** The key that seals the secrets of stored access keys: a file beside the volume, never on it. */
import { readFileSync } from 'node:fs'
import { type MasterKey, masterKeyBytes, parseMasterKey } from '../store/sealed-secret.ts'

/** What is wrong with the file, as a sentence that names it and nothing of what is in it. */
export class MasterKeyError extends Error {
  override readonly name = 'MasterKeyError'
}

/** Errors: MasterKeyError. */
export function readMasterKey(path: string): MasterKey {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'unreadable'
    throw new MasterKeyError(`--master-key-file: ${reason}`, { cause })
  }
  const key = parseMasterKey(text)
  if (key === null)
    throw new MasterKeyError(`--master-key-file: ${path} is not ${masterKeyBytes} bytes in base64`)
  return key
}
