/** By what a lock server is recognised over TLS. */
import { Agent as PlainAgent } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import { unreachable } from '../lib/assert.ts'

export type ServerTrust =
  /** The authorities that this machine trusts. */
  | { readonly kind: 'system' }
  /** Only these, in PEM; the name must be right too. */
  | { readonly kind: 'authorities'; readonly pem: string }
  /** A port of this machine that this very process opened: there is nobody to be recognised, whatever its certificate. */
  | { readonly kind: 'ownProcess' }

/** Connections of one client: kept open between calls, all with the same trust. */
export type Agents = { readonly plain: PlainAgent; readonly tls: TlsAgent }

export function agentsFor(trust: ServerTrust): Agents {
  return { plain: new PlainAgent({ keepAlive: true }), tls: new TlsAgent(tlsOptions(trust)) }
}

function tlsOptions(trust: ServerTrust): ConstructorParameters<typeof TlsAgent>[0] {
  const base = { keepAlive: true, minVersion: 'TLSv1.2', rejectUnauthorized: true } as const
  switch (trust.kind) {
    case 'system':
      return base
    case 'authorities':
      return { ...base, ca: trust.pem }
    case 'ownProcess':
      return { ...base, rejectUnauthorized: false }
    default:
      return unreachable(trust, 'every kind of trust has its options')
  }
}
