/** By what a lock server is recognised over TLS. */
import { Agent as PlainAgent } from 'node:http'
import { type AgentOptions, Agent as TlsAgent } from 'node:https'
import { unreachable } from '../lib/assert.ts'

export type ServerTrust =
  /** The authorities that this machine trusts. */
  | { readonly kind: 'system' }
  /** Only these, in PEM, as they are when a connection is opened; the name must be right too. */
  | { readonly kind: 'authorities'; readonly pem: () => string }
  /** A port of this machine that this very process opened: there is nobody to be recognised, whatever its certificate. */
  | { readonly kind: 'ownProcess' }

/** Connections of one client: kept open between calls, all with the same trust. */
export type Agents = { readonly plain: PlainAgent; readonly tls: TlsAgent }

export function agentsFor(trust: ServerTrust): Agents {
  return { plain: new PlainAgent({ keepAlive: true }), tls: tlsAgent(trust) }
}

function tlsAgent(trust: ServerTrust): TlsAgent {
  const base = { keepAlive: true, minVersion: 'TLSv1.2', rejectUnauthorized: true } as const
  switch (trust.kind) {
    case 'system':
      return new TlsAgent(base)
    case 'authorities':
      return new AuthoritiesAgent(base, trust.pem)
    case 'ownProcess':
      return new TlsAgent({ ...base, rejectUnauthorized: false })
    default:
      return unreachable(trust, 'every kind of trust has its agent')
  }
}

/** Asks whom to trust at each new connection: an authority may be replaced while the process runs. */
class AuthoritiesAgent extends TlsAgent {
  readonly #pem: () => string

  constructor(options: AgentOptions, pem: () => string) {
    super(options)
    this.#pem = pem
  }

  override createConnection(
    ...[options, callback]: Parameters<TlsAgent['createConnection']>
  ): ReturnType<TlsAgent['createConnection']> {
    return super.createConnection({ ...options, ca: this.#pem() }, callback)
  }
}
