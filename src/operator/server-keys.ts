import type { AccessKeyFactsAnswer, AccessKeyOwnerRef, LockServer } from '../client/lock-server.ts'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import { formatKey, type ObjectKey } from './objects.ts'

/**
 * Which access keys the lock server has, of this cluster: listed at most every 30 s for all BucketAccesses together, and
 * kept up between by what is put and deleted here, because only the leader does either. Never asked whether a key may do
 * something: that is the server's to say.
 */
export class ServerKeys {
  readonly #lockServer: LockServer
  readonly #clock: Clock
  readonly #clusterId: string
  #held: { readonly keys: Map<string, AccessKeyFactsAnswer>; readonly atMs: number } | null = null
  #listing: Promise<Map<string, AccessKeyFactsAnswer>> | null = null
  /** What was put and deleted while a listing ran, which may or may not have seen it. */
  #missed: ((keys: Map<string, AccessKeyFactsAnswer>) => void)[] = []

  constructor(options: { lockServer: LockServer; clock: Clock; clusterId: string }) {
    this.#lockServer = options.lockServer
    this.#clock = options.clock
    this.#clusterId = options.clusterId
  }

  ownerOf({ namespace, name }: ObjectKey): AccessKeyOwnerRef {
    return { clusterId: this.#clusterId, namespace, name }
  }

  /** Those of one BucketAccess, in order of their making. Errors: ServerUnreachableError, ServerRefusedError. */
  async of({ namespace, name }: ObjectKey): Promise<readonly AccessKeyFactsAnswer[]> {
    return [...(await this.#read()).values()]
      .filter(({ owner }) => owner.namespace === namespace && owner.name === name)
      .sort((a, b) => Date.parse(a.created) - Date.parse(b.created))
  }

  /** The BucketAccesses that have keys, listed now. Errors: as `of`. */
  async owners(): Promise<readonly ObjectKey[]> {
    this.#held = null
    const keys = [...(await this.#read()).values()]
    const owners = keys.map(({ owner: { namespace, name } }) => ({ namespace, name }))
    return [...new Map(owners.map((owner) => [formatKey(owner), owner])).values()]
  }

  wasPut(key: AccessKeyFactsAnswer): void {
    this.#change((keys) => keys.set(key.accessKeyId, key))
  }

  wasDeleted(accessKeyId: string): void {
    this.#change((keys) => keys.delete(accessKeyId))
  }

  #change(change: (keys: Map<string, AccessKeyFactsAnswer>) => void): void {
    if (this.#held !== null) change(this.#held.keys)
    if (this.#listing !== null) this.#missed.push(change)
  }

  async #read(): Promise<ReadonlyMap<string, AccessKeyFactsAnswer>> {
    const nowMs = this.#clock.uptimeMs()
    if (this.#held !== null && nowMs - this.#held.atMs < limits.serverInfoMsMax) return this.#held.keys
    this.#listing ??= this.#list().finally(() => {
      this.#listing = null
      this.#missed = []
    })
    return this.#listing
  }

  async #list(): Promise<Map<string, AccessKeyFactsAnswer>> {
    const atMs = this.#clock.uptimeMs()
    const keys = new Map<string, AccessKeyFactsAnswer>()
    let after: string | null = null
    do {
      const page: Awaited<ReturnType<LockServer['listAccessKeys']>> =
        await this.#lockServer.listAccessKeys(after)
      for (const key of page.accessKeys) {
        if (key.owner.clusterId === this.#clusterId) keys.set(key.accessKeyId, key)
      }
      after = page.next
    } while (after !== null)
    for (const change of this.#missed) change(keys)
    this.#held = { keys, atMs }
    return keys
  }
}
