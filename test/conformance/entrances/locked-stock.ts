/** Versions in every state that a lock can have, for tests that try to remove them. */
import { join } from 'node:path'
import type { SigningCredentials } from '../../../src/sigv4/sign.ts'
import { parseVersionKey } from '../../../src/store/keys.ts'
import { openLmdb } from '../../../src/store/kv/lmdb/lmdb.ts'
import { type Bench, dayMs } from '../../support/conformance.ts'
import { rowsOf } from '../../support/crash/volume-state.ts'
import { type Headers, sha256 } from './entrances.ts'

export type StateName =
  | 'none'
  | 'expired GOVERNANCE'
  | 'expired COMPLIANCE'
  | 'GOVERNANCE'
  | 'COMPLIANCE'
  | 'hold'
  | 'hold over expired COMPLIANCE'
  | 'hold over GOVERNANCE'
  | 'unknown'
/** `removable`: by somebody who bypasses governance, or who does not. */
export type State = { readonly name: StateName; readonly removable: (bypasses: boolean) => boolean }

const never = () => false
export const states: readonly State[] = [
  { name: 'none', removable: () => true },
  { name: 'expired GOVERNANCE', removable: () => true },
  { name: 'expired COMPLIANCE', removable: () => true },
  { name: 'GOVERNANCE', removable: (bypasses) => bypasses },
  { name: 'COMPLIANCE', removable: never },
  { name: 'hold', removable: never },
  { name: 'hold over expired COMPLIANCE', removable: never },
  { name: 'hold over GOVERNANCE', removable: never },
  { name: 'unknown', removable: never },
]

export type Version = { readonly key: string; readonly versionId: string; readonly body: Buffer }

const pooled = [
  'expired GOVERNANCE',
  'expired COMPLIANCE',
  'hold over expired COMPLIANCE',
  'unknown',
] as const
/** States that take time or damage: their versions are made before the tests. */
type Pooled = (typeof pooled)[number]

const hold: Headers = { 'x-amz-object-lock-legal-hold': 'ON' }

function isPooled(name: StateName): name is Pooled {
  return pooled.some((each) => each === name)
}

export class LockedStock {
  readonly #bench: Bench
  readonly #owner: SigningCredentials
  readonly #pools = new Map<Pooled, Version[]>(pooled.map((name) => [name, []]))
  readonly #kept = new Map<StateName, Version>()
  #bucket = ''
  #written = 0

  constructor(bench: Bench, owner: SigningCredentials) {
    this.#bench = bench
    this.#owner = owner
  }

  /** Makes the bucket and so many versions of each state; two days pass and the server starts again. */
  async fill(counts: Readonly<Record<Pooled, number>>): Promise<string> {
    this.#bucket = await this.#bench.bucket('locked', { key: this.#owner })
    for (const name of pooled) {
      const writes = Array.from({ length: counts[name] }, () => this.write(this.#headersOf(name)))
      this.#pools.set(name, await Promise.all(writes))
    }
    this.#bench.server().advance(2 * dayMs)
    await this.#damageLocks(this.#pools.get('unknown') ?? [])
    return this.#bucket
  }

  /** A version of a key of its own: every other one is a file. */
  async write(headers: Headers): Promise<Version> {
    this.#written += 1
    const place = this.#written
    const body = Buffer.alloc(place % 2 === 0 ? 70_000 : 20, `version ${place} `)
    const key = `at/${place}`
    const versionId = await this.#bench.put(this.#bucket, key, { key: this.#owner, body, headers })
    return { key, versionId, body }
  }

  async fresh(name: StateName): Promise<Version> {
    if (!isPooled(name)) return this.write(this.#headersOf(name))
    const version = this.#pools.get(name)?.pop()
    if (version === undefined) throw new Error(`no version is left that is ${name}`)
    return version
  }

  /** One that goes if it may, or the one of this state that nothing ever removes. */
  async versionFor(state: State, bypasses: boolean): Promise<Version> {
    if (state.removable(bypasses)) return this.fresh(state.name)
    const version = this.#kept.get(state.name) ?? (await this.fresh(state.name))
    this.#kept.set(state.name, version)
    return version
  }

  retention(mode: string, days: number): Headers {
    const until = this.#bench.inDays(days)
    return { 'x-amz-object-lock-mode': mode, 'x-amz-object-lock-retain-until-date': until }
  }

  path({ key }: Version): string {
    return `/${this.#bucket}/${key}`
  }

  /** All that is to be seen of a version, as the owner. */
  async seen(version: Version): Promise<unknown> {
    const query = { versionId: version.versionId }
    const answer = await this.#bench.send({
      method: 'GET',
      path: this.path(version),
      query,
      key: this.#owner,
    })
    const lock = Object.entries(answer.headers).filter(([name]) => name.startsWith('x-amz-object-lock-'))
    return [answer.status, answer.status === 200 ? sha256(answer.body) : answer.code, lock]
  }

  #headersOf(name: StateName): Headers {
    switch (name) {
      case 'none':
      case 'unknown':
        return {}
      case 'GOVERNANCE':
      case 'COMPLIANCE':
        return this.retention(name, 300)
      case 'expired GOVERNANCE':
        return this.retention('GOVERNANCE', 1)
      case 'expired COMPLIANCE':
        return this.retention('COMPLIANCE', 1)
      case 'hold':
        return hold
      case 'hold over expired COMPLIANCE':
        return { ...this.retention('COMPLIANCE', 1), ...hold }
      case 'hold over GOVERNANCE':
        return { ...this.retention('GOVERNANCE', 300), ...hold }
    }
  }

  /** Flips the last bit of the lock of these versions: the rest of the row is still what was written. */
  async #damageLocks(versions: readonly Version[]): Promise<void> {
    const server = this.#bench.server()
    await server.terminate()
    const kv = await openLmdb({ directory: join(server.dataDirectory, 'kv'), readOnly: false })
    const damagedKeys = new Set(versions.map(({ key }) => key))
    for (const row of await rowsOf(kv, 'version')) {
      if (!damagedKeys.has(parseVersionKey(row.key).key)) continue
      const value = Uint8Array.from(row.value)
      value[value.length - 1] = (value.at(-1) ?? 0) ^ 1
      await kv.transact(async (transaction) => transaction.put(row.key, value))
    }
    await kv.close()
    await server.start()
  }
}
