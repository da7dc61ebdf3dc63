/** The authority of a release as it is now: its Secret may be replaced while the operator runs. */
export class ReleaseAuthority {
  readonly #serverNames: ReadonlySet<string>
  /** PEM, the newest first. */
  #certificates: readonly [string, ...string[]]

  /** `serverNames`: what the server's certificates are issued for. */
  constructor(certificate: string, serverNames: readonly string[]) {
    this.#certificates = [certificate]
    this.#serverNames = new Set(serverNames.map((name) => name.toLowerCase()))
  }

  /** PEM, with those before it: the server serves the certificate of a former one until it has read the new one. */
  get trusted(): string {
    return this.#certificates.join('')
  }

  /** Tells of the one that there is now. */
  seen(certificate: string): void {
    if (this.#certificates[0] !== certificate) this.#certificates = [certificate, ...this.#certificates]
  }

  /** PEM, what a client of this URL has to trust; null: none of ours, because it is plain HTTP or another name. */
  of(endpoint: string): string | null {
    const { protocol, hostname } = new URL(endpoint)
    const name = hostname.replace(/^\[|\]$/g, '')
    return protocol === 'https:' && this.#serverNames.has(name) ? this.#certificates[0] : null
  }
}
