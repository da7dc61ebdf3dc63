/** One Lease at an API server that lives in memory: versions, conflicts, and an outage by hand. */
import {
  type KubeClient,
  type KubeRequest,
  KubeStatusError,
  KubeUnreachableError,
} from '../../../src/operator/kube.ts'

type Spec = Readonly<Record<string, unknown>>
type Held = { readonly metadata: object; readonly spec: Spec; readonly version: number }

export class FakeLeaseServer implements KubeClient {
  readonly host = 'https://fake'
  readonly requests: string[] = []
  isAway = false
  #held: Held | null = null
  #version = 0

  get spec(): Spec | null {
    return this.#held?.spec ?? null
  }

  get holder(): unknown {
    return this.spec?.['holderIdentity'] ?? null
  }

  /** As somebody else with the right to would. */
  edit(spec: Spec): void {
    this.#put({ ...this.spec, ...spec })
  }

  delete(): void {
    this.#held = null
  }

  async send(request: KubeRequest, signal: AbortSignal): Promise<unknown> {
    this.requests.push(request.method)
    if (this.isAway) return silence(signal)
    const body = request.body as { metadata?: { resourceVersion?: string }; spec?: Spec } | undefined
    switch (request.method) {
      case 'GET':
        return this.#document()
      case 'POST':
        if (this.#held !== null) throw status(409)
        return this.#put(body?.spec ?? {})
      default:
        if (this.#held === null) throw status(404)
        if (body?.metadata?.resourceVersion !== String(this.#held.version)) throw status(409)
        return this.#put(body.spec ?? {})
    }
  }

  watch(): AsyncGenerator<unknown, void, undefined> {
    throw new Error('nobody watches a Lease')
  }

  #put(spec: Spec): object {
    this.#version += 1
    this.#held = { metadata: { uid: 'uid', labels: { kept: 'yes' } }, spec, version: this.#version }
    return this.#document()
  }

  #document(): object {
    if (this.#held === null) throw status(404)
    const { metadata, spec, version } = this.#held
    return { kind: 'Lease', metadata: { ...metadata, resourceVersion: String(version) }, spec }
  }
}

function status(code: number): KubeStatusError {
  return new KubeStatusError(code, { reason: 'Fake', message: `${code}`, retryAfterMs: null })
}

/** A server that does not answer: only the caller's own patience ends it. */
function silence(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () => reject(new KubeUnreachableError('aborted'))
    if (signal.aborted) fail()
    else signal.addEventListener('abort', fail, { once: true })
  })
}
