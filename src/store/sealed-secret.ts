/**
 * Secrets at rest: AES-256-GCM (NIST SP 800-38D) under a key that is never on the volume. What a secret belongs to is
 * authenticated with it, so that no row can be given the secret of another, or other rights.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto'

export type MasterKey = {
  readonly key: KeyObject
  /** Tells keys apart and says nothing about them: 16 hex digits. */
  readonly id: string
}

/** `nonce`, `ciphertext` and `tag` in base64. */
export type SealedSecret = {
  readonly masterKeyId: string
  readonly nonce: string
  readonly ciphertext: string
  readonly tag: string
}

export const masterKeyBytes = 32
const algorithm = 'aes-256-gcm'
const nonceBytes = 12
const tagBytes = 16

/** Base64 of 32 bytes, white space around it allowed; null: something else. */
export function parseMasterKey(text: string): MasterKey | null {
  const bytes = Buffer.from(text.trim(), 'base64')
  if (bytes.length !== masterKeyBytes || bytes.toString('base64') !== text.trim()) return null
  const id = createHmac('sha256', bytes).update('holdfast master key id').digest('hex').slice(0, 16)
  return { key: createSecretKey(bytes), id }
}

/** `context`: what the secret belongs to, the same text to open it. A new nonce each time. */
export function sealSecret({ key, id }: MasterKey, context: string, secret: string): SealedSecret {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes })
  cipher.setAAD(Buffer.from(context, 'utf8'))
  const ciphertext = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()])
  return {
    masterKeyId: id,
    nonce: nonce.toString('base64'),
    ciphertext: ciphertext.toString('base64'),
    tag: cipher.getAuthTag().toString('base64'),
  }
}

/** null: sealed under another master key, for another context, or damaged. */
export function openSecret({ key, id }: MasterKey, context: string, sealed: SealedSecret): string | null {
  if (sealed.masterKeyId !== id) return null
  const nonce = Buffer.from(sealed.nonce, 'base64')
  const tag = Buffer.from(sealed.tag, 'base64')
  if (nonce.length !== nonceBytes || tag.length !== tagBytes) return null
  const decipher = createDecipheriv(algorithm, key, nonce, { authTagLength: tagBytes })
  decipher.setAAD(Buffer.from(context, 'utf8'))
  decipher.setAuthTag(tag)
  const start = decipher.update(Buffer.from(sealed.ciphertext, 'base64'))
  try {
    return Buffer.concat([start, decipher.final()]).toString('utf8')
  } catch {
    // The one thing that final() says: the tag is not of this key, context and text.
    return null
  }
}
