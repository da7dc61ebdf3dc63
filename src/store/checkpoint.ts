/**
 * Signed heads of the audit chain, kept outside the volume: with one of them anybody sees that a volume was set back, or
 * that its log was written anew. The server has no part in signing: who could change the volume could sign, too.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import type { AuditAnchor } from './audit-import.ts'
import { CorruptRecordError, count, instant, matching, shape, text } from './fields.ts'

export type CheckpointFacts = AuditAnchor & {
  readonly volumeId: string
  readonly trustedMs: number
  readonly wallMs: number
  /** Release of the server that told the head. */
  readonly version: string
}

/** The key is no Ed25519 key in PEM, or not this half of one. */
export class CheckpointKeyError extends Error {
  override readonly name = 'CheckpointKeyError'
}

const sha256 = matching(/^[0-9a-f]{64}$/)
const decode = shape({
  v: count,
  volumeId: text,
  sequence: count,
  hash: sha256,
  trustedMs: instant,
  wallMs: instant,
  version: text,
  keyId: sha256,
  signature: matching(/^[A-Za-z0-9+/]{86}==$/),
})
const checkpointFormat = 1

/**
 * One line of JSON. The signature is Ed25519 over the same JSON without it, in UTF-8, without white space, fields in this
 * order; `keyId` is the SHA-256 of the public key in DER. Errors: CheckpointKeyError.
 */
export function signCheckpoint(facts: CheckpointFacts, privateKeyPem: string): string {
  const key = ed25519(() => createPrivateKey(privateKeyPem), 'private')
  const keyId = keyIdOf(createPublicKey(key))
  const signature = sign(null, signedBytes({ ...facts, keyId }), key).toString('base64')
  return JSON.stringify({ ...ordered({ ...facts, keyId }), signature })
}

/** What a line says, if the key signed it. Errors: CheckpointKeyError, CorruptRecordError for any other line. */
export function openCheckpoint(line: string, publicKeyPem: string): CheckpointFacts {
  const key = ed25519(() => createPublicKey(publicKeyPem), 'public')
  const { v, keyId, signature, ...facts } = decode(parsed(line), 'checkpoint')
  if (v !== checkpointFormat)
    throw new CorruptRecordError(`checkpoint: format ${v} is not known to this release`)
  if (keyId !== keyIdOf(key))
    throw new CorruptRecordError(`checkpoint: it is signed with another key, ${keyId}`)
  if (!verify(null, signedBytes({ ...facts, keyId }), key, Buffer.from(signature, 'base64')))
    throw new CorruptRecordError('checkpoint: the signature is not that of what it says')
  return facts
}

/** The public half of the key, in PEM. Errors: CheckpointKeyError. */
export function publicHalf(privateKeyPem: string): string {
  const key = ed25519(() => createPrivateKey(privateKeyPem), 'private')
  return createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString()
}

function signedBytes(facts: CheckpointFacts & { readonly keyId: string }): Buffer {
  return Buffer.from(JSON.stringify(ordered(facts)))
}

function ordered(facts: CheckpointFacts & { readonly keyId: string }): object {
  const { volumeId, sequence, hash, trustedMs, wallMs, version, keyId } = facts
  return { v: checkpointFormat, volumeId, sequence, hash, trustedMs, wallMs, version, keyId }
}

function ed25519(read: () => KeyObject, half: 'private' | 'public'): KeyObject {
  let key: KeyObject
  try {
    key = read()
  } catch (error) {
    throw new CheckpointKeyError(`it is not the ${half} half of a key in PEM`, { cause: error })
  }
  if (key.asymmetricKeyType === 'ed25519') return key
  throw new CheckpointKeyError('it is not an Ed25519 key (openssl genpkey -algorithm ed25519)')
}

function keyIdOf(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch (error) {
    throw new CorruptRecordError('checkpoint: it is not JSON', { cause: error })
  }
}
