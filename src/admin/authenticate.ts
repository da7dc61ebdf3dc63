import type { AccessKeys, Principal } from '../lib/identity.ts'
import { limits } from '../lib/limits.ts'
import type { EpochMs } from '../lib/units.ts'
import { algorithm, canonicalRequest, type QueryPairs, sha256Hex, stringToSign } from '../sigv4/canonical.ts'
import { type SigningKeys, sameSignature, signature } from '../sigv4/keys.ts'
import { AdminError } from './operation.ts'

/** The SigV4 service of the admin API: a signature made for S3 is worth nothing here, and the other way round. */
export const adminService = 'holdfast'

/** A request without its body: it proves itself by the hash that its signature covers. */
export type AdminHead = {
  readonly method: string
  /** Decoded. */
  readonly path: string
  readonly query: QueryPairs
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
}

/** `payloadHash`: of the body that was signed, which the caller must hold the bytes to. */
export type AdminSender = { readonly principal: Principal; readonly payloadHash: string }

export type AdminAuthSettings = {
  readonly accessKeys: AccessKeys
  readonly signingKeys: SigningKeys
  readonly region: string
}

const authorizationForm =
  /^AWS4-HMAC-SHA256 Credential=([\w-]{1,128})\/(\d{8})\/([\w-]+)\/([\w-]+)\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/

/**
 * Header signature over everything: all headers that steer the request and the hash of the whole body must be signed. Nothing of the
 * body is needed, so nothing is held for a sender who is not proven. One answer for whatever is wrong with a signature, so that it
 * tells nothing. Throws AdminError 403.
 */
export async function authenticateAdmin(
  request: AdminHead,
  settings: AdminAuthSettings,
  wallMs: EpochMs,
): Promise<AdminSender> {
  const match = authorizationForm.exec(request.headers['authorization'] ?? '')
  if (match === null)
    throw refused(`the Authorization header must be ${algorithm} with scope ${adminService}`)
  const [, accessKeyId = '', date = '', region = '', service = '', names = '', given = ''] = match
  if (service !== adminService || region !== settings.region)
    throw refused(`the signature's scope must be ${settings.region}/${adminService}`)
  const amzDate = request.headers['x-amz-date'] ?? ''
  checkDate(amzDate, date, wallMs)
  const signedHeaders = names.split(';')
  const unsigned = Object.keys(request.headers).filter(
    (name) => (name.startsWith('x-') || name === 'host') && !signedHeaders.includes(name),
  )
  if (unsigned.length > 0) throw refused(`these headers are not signed: ${unsigned.join(', ')}`)
  const payloadHash = request.headers['x-amz-content-sha256'] ?? ''
  if (!/^[0-9a-f]{64}$/.test(payloadHash)) throw anotherPayload()
  const key = await settings.accessKeys.find(accessKeyId)
  if (key === null) throw refused('the access key or its signature is wrong')
  const scope = { date, region, service }
  const canonical = canonicalRequest({ ...request, signedHeaders, payloadHash })
  const expected = signature(
    settings.signingKeys.of(key.secretAccessKey, scope),
    stringToSign(amzDate, scope, canonical),
  )
  if (!sameSignature(expected, given)) throw refused('the access key or its signature is wrong')
  return { principal: key.principal, payloadHash }
}

/** Throws AdminError 403 when it is not the body that was signed. */
export function demandPayload(body: Uint8Array, { payloadHash }: AdminSender): void {
  if (sha256Hex(body) !== payloadHash) throw anotherPayload()
}

function anotherPayload(): AdminError {
  return refused('x-amz-content-sha256 is not the SHA-256 of the body')
}

function checkDate(amzDate: string, date: string, wallMs: EpochMs): void {
  const iso = amzDate.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z')
  const sentMs = Date.parse(iso)
  if (Number.isNaN(sentMs) || !amzDate.startsWith(date)) throw refused('x-amz-date is missing or malformed')
  if (Math.abs(sentMs - wallMs) > limits.requestSkewMsMax)
    throw new AdminError(403, 'RequestTimeTooSkewed', 'x-amz-date is more than 15 minutes from the server')
}

function refused(message: string): AdminError {
  return new AdminError(403, 'AccessDenied', message)
}
