/**
 * Requests that are signed and then judged by `authenticate` alone, and what a test may change in between.
 */
import { epochMs } from '../../src/lib/units.ts'
import { parseAccessKeys, rootKey } from '../../src/s3/auth/access-keys.ts'
import { type Authenticated, signedClaim, verifyClaim } from '../../src/s3/auth/authenticate.ts'
import { route } from '../../src/s3/route.ts'
import { S3Error } from '../../src/s3/s3-error.ts'
import { signingKeys } from '../../src/sigv4/keys.ts'
import { createS3Client, type SendOptions, type Wire } from './s3-client.ts'

export const nowMs = Date.UTC(2026, 10, 22, 12, 0, 0)
export const root = { accessKeyId: 'ROOTEXAMPLE', secretAccessKey: 'root-secret' }
export const alice = {
  accessKeyId: 'ALICE',
  secretAccessKey: 'secret-of-alice',
  accountId: '111111111111',
  displayName: 'A',
}
const fileKeys = new Map(
  parseAccessKeys(JSON.stringify([alice])).map((key) => [key.principal.accessKeyId, key]),
)
const keys = new Map([[root.accessKeyId, rootKey(root.accessKeyId, root.secretAccessKey)], ...fileKeys])
const expected = { region: 'eu-test-1', service: 's3' }
const knownSigningKeys = signingKeys(8)
export const client = createS3Client({
  endpoint: 'http://127.0.0.1:9000',
  credentials: root,
  region: 'eu-test-1',
  nowMs: () => nowMs,
})

export function judgeWire(wire: Wire, atMs: number): Authenticated {
  const rawHeaders = Object.entries(wire.headers).flat()
  const head = route({ method: wire.method, target: wire.target, rawHeaders }, null)
  const claim = signedClaim(head, expected, epochMs(atMs))
  const found = keys.get(claim.credential.accessKeyId) ?? null
  return verifyClaim(claim, { head, found, signingKeys: knownSigningKeys })
}

export function judge(options: Partial<SendOptions>, atMs = nowMs): Authenticated {
  return judgeWire(client.wire({ method: 'PUT', path: '/bucket/key', body: 'x', ...options }), atMs)
}

export function failure(work: () => unknown): S3Error {
  try {
    work()
  } catch (error) {
    if (error instanceof S3Error) return error
    throw error
  }
  throw new Error('it was let in')
}

/** Changes what was signed. */
export function changed(change: (wire: Wire) => Partial<Wire>): SendOptions['mutate'] {
  return (wire) => ({ ...wire, ...change(wire) })
}

export const withHeader = (name: string, value: string) =>
  changed((wire) => ({ headers: { ...wire.headers, [name]: value } }))

export const withoutHeader = (name: string) =>
  changed(({ headers: { [name]: _removed, ...headers } }) => ({ headers }))

export const withAuthorization = (change: (value: string) => string) =>
  changed((wire) => ({
    headers: { ...wire.headers, authorization: change(wire.headers['authorization'] ?? '') },
  }))

export const withTarget = (change: (target: string) => string) =>
  changed((wire) => ({ target: change(wire.target) }))
