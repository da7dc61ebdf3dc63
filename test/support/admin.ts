/** Raw requests to the admin API, signed or spoilt as a test wants. */

import { epochMs } from '../../src/lib/units.ts'
import { sha256Hex } from '../../src/sigv4/canonical.ts'
import { signingKeys } from '../../src/sigv4/keys.ts'
import { type SigningCredentials, signRequest } from '../../src/sigv4/sign.ts'
import type { TestServer } from './server.ts'

export type AdminSend = {
  readonly method: string
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly document?: object | string
  readonly epoch?: number | string
  readonly key?: SigningCredentials
  readonly service?: string
  readonly region?: string
  readonly timeMs?: number
  /** Changes the request after it was signed. */
  readonly spoil?: (request: { headers: Record<string, string>; body: string }) => void
}

export type AdminAnswer = { readonly status: number; readonly document: Record<string, unknown> }

const keys = signingKeys(16)

export type AdminWire = {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Signs without sending. */
export function adminWire(server: TestServer, send: AdminSend): AdminWire {
  const url = new URL(send.path, server.adminEndpoint)
  const query = Object.entries(send.query ?? {})
  for (const [name, value] of query) url.searchParams.append(name, value)
  const text = typeof send.document === 'string' ? send.document : JSON.stringify(send.document ?? '')
  const request = {
    headers: { host: url.host } as Record<string, string>,
    body: send.document === undefined ? '' : text,
  }
  if (send.epoch !== undefined) request.headers['x-holdfast-epoch'] = String(send.epoch)
  const signed = signRequest(
    {
      method: send.method,
      path: decodeURIComponent(url.pathname),
      query,
      headers: request.headers,
      payloadHash: sha256Hex(Buffer.from(request.body)),
    },
    {
      credentials: send.key ?? server.operator,
      region: send.region ?? server.region,
      service: send.service ?? 'holdfast',
      timeMs: epochMs(send.timeMs ?? server.nowMs()),
      keys,
    },
  )
  request.headers = { ...signed.headers }
  send.spoil?.(request)
  return { method: send.method, url, ...request }
}

export async function sendAdmin(server: TestServer, send: AdminSend): Promise<AdminAnswer> {
  const { method, url, headers, body } = adminWire(server, send)
  const init = { method, headers }
  const response = await fetch(url, method === 'GET' ? init : { ...init, body })
  return { status: response.status, document: (await response.json()) as Record<string, unknown> }
}

export const owner = { clusterId: 'cluster-1', namespace: 'default', name: 'backups', uid: 'uid-1' }

/** An ApplyBucket document: COMPLIANCE for one day unless told otherwise. */
export function applyDocument(
  change: Readonly<Record<string, unknown>> = {},
  policy: Readonly<Record<string, unknown>> = {},
) {
  return {
    owner,
    adoptionPolicy: 'Never',
    profile: 'aws',
    requireChecksum: true,
    quotaBytes: null,
    applyToExisting: 'No',
    lifecycle: null,
    tags: null,
    ...change,
    policy: {
      namespace: 'default',
      name: 'policy',
      uid: 'policy-uid',
      generation: 1,
      defaultRetention: { mode: 'COMPLIANCE', period: { unit: 'DAYS', count: 1 } },
      prefixRules: [],
      bounds: { minimum: null, maximum: null },
      ...policy,
    },
  }
}

export const days = (count: number) => ({ unit: 'DAYS', count })
export const rule = (mode: string, count: number) => ({ defaultRetention: { mode, period: days(count) } })
