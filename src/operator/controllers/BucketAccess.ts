import type { LockServer } from '../../client/lock-server.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Statement } from '../../lib/identity.ts'
import type { Log } from '../../lib/log.ts'
import { applyPatch } from '../apply-patch.ts'
import type { Controller } from '../controller.ts'
import { type KubeClient, type KubeRequest, KubeStatusError, KubeUnreachableError } from '../kube.ts'
import { type HeldSecret, secretPath, secretsPath } from '../kube-secrets.ts'
import type { Leadership, ServerFacts } from '../leadership.ts'
import { formatKey, keyOf, type ObjectKey, type ObjectRef } from '../objects.ts'
import { fieldManager } from '../own-marks.ts'
import type { ServerKeys } from '../server-keys.ts'
import type { EventRecord, Source } from '../sources/source.ts'
import {
  type AccessStep,
  type BucketAccessSnapshot,
  decideBucketAccess,
  type GrantStep,
  type NewKeyCause,
} from './bucket-access-decide.ts'
import { MakingPauses } from './bucket-access-pauses.ts'
import {
  contentOf,
  differsInAuthority,
  hasContent,
  type KeyPair,
  type KeySlots,
  type SecretContent,
  secretBody,
} from './bucket-access-secret.ts'
import { bucketAccessReport } from './bucket-access-status.ts'
import { namedBucket, serverError, viewSecret, viewServer } from './bucket-access-view.ts'

export type BucketAccessParts = {
  readonly source: Source
  readonly lockServer: LockServer
  readonly serverFacts: ServerFacts
  readonly serverKeys: ServerKeys
  readonly leadership: Leadership
  readonly recordEvent: (event: EventRecord) => Promise<void>
  readonly log: Log
  readonly clock: Pick<Clock, 'uptimeMs'>
  /** null: there is no API server, so there are no Secrets. */
  readonly secrets: SecretParts | null
}
export type SecretParts = {
  readonly client: KubeClient
  readonly makeKey: () => KeyPair
  /** In PEM, the authority of ours that a client of this endpoint has to trust; null: none. */
  readonly authorityOf: (endpoint: string) => string | null
}

/**
 * `granted`: the server has exactly these keys, and the Secret says so. `refused`: the server takes no such key. `secretFailed`:
 * the Secret cannot be written, so no key is made for it, or none that stays valid. `revokedIds`: what was revoked before
 * that.
 */
export type BucketAccessOutcome =
  | { readonly kind: 'none' }
  | { readonly kind: 'staleEpoch' }
  | Granted
  | ({ readonly revokedIds: readonly string[] } & (
      | { readonly kind: 'revoked' }
      | { readonly kind: 'refused'; readonly reason: 'taken' | 'noMasterKey' }
      | { readonly kind: 'serverFailed' | 'secretFailed'; readonly error: Error }
    ))
export type Granted = {
  readonly kind: 'granted'
  readonly accountId: string
  /** Of the current key, RFC 3339. */
  readonly created: string
  readonly currentId: string
  readonly previousId: string | null
  /** null: the key was there. `tampered`: the Secret had another secret for it than the server. */
  readonly made: NewKeyCause | 'tampered' | null
  /** Of the Secret. `authority`: its keys were right, and the certificate of the authority was not that of now. */
  readonly written: 'nothing' | 'authority' | 'content'
  readonly revokedIds: readonly string[]
}

/**
 * Gives the lock server the keys of a BucketAccess and writes them to its Secret. The server comes first and the Secret is the
 * memory: a key that no Secret has is revoked at the next look. Secrets are read by name and never watched, so what others do
 * to one is seen at the next verification. There is no finalizer: keys whose object is gone are revoked when that is seen, and
 * at the start for those that went unseen.
 */
export function bucketAccessController(
  parts: BucketAccessParts,
): Controller<'BucketAccess', BucketAccessSnapshot, AccessStep, BucketAccessOutcome> {
  const { source, serverKeys } = parts
  const seen = new Map<string, string>()
  const pauses = new MakingPauses(parts.clock)
  return {
    name: 'bucketaccess',
    kind: 'BucketAccess',
    watches: [
      {
        kind: 'LockedBucket',
        delayMs: 0,
        ownStatus: 'told',
        keys: (changed) => affectedAccesses(seen, changed, source),
      },
    ],
    leftovers: async () => {
      const owners = await serverKeys.owners()
      return owners.filter((key) => {
        const isThere =
          source.get('BucketAccess', key) !== null || source.unparsable('BucketAccess').has(formatKey(key))
        return source.watches(key.namespace) && !isThere
      })
    },
    read: async (key, signal) => {
      const object = source.get('BucketAccess', key)
      if (object === null) {
        pauses.end(key)
        if (source.watches(key.namespace)) await revokeAll(parts, key)
        return null
      }
      const secret = await viewSecret(parts.secrets, object, signal)
      return { object, secret, ...(await viewServer(parts, object)), guard: source.guard() }
    },
    decide: decideBucketAccess,
    act: async (snapshot, steps, signal) => {
      const step = steps[0]
      if (step === undefined) return { kind: 'none' }
      return new Work({ ...parts, pauses }, snapshot, signal).run(step)
    },
    status: bucketAccessReport,
  }
}

/** A change of what a LockedBucket is to those who name it: whether it is there, and owns its bucket. */
function affectedAccesses(
  seen: Map<string, string>,
  changed: ObjectRef,
  source: Source,
): readonly ObjectKey[] {
  const { namespace, name } = changed
  const now = JSON.stringify(namedBucket(source, namespace, name))
  if (seen.get(formatKey(changed)) === now) return []
  seen.set(formatKey(changed), now)
  return source
    .list('BucketAccess')
    .filter(({ metadata, spec }) => {
      return metadata.namespace === namespace && spec.buckets.some((bucket) => bucket.name === name)
    })
    .map(keyOf)
}

async function revokeAll(parts: BucketAccessParts, key: ObjectKey): Promise<void> {
  for (const { accessKeyId } of await parts.serverKeys.of(key)) {
    await revokeKey(parts, key, accessKeyId)
    parts.log.info({ object: formatKey(key), accessKeyId }, 'deleted; its access key is refused from now on')
    await parts.recordEvent({
      reason: 'CredentialsRevoked',
      message: `The object was deleted; access key ${accessKeyId} is refused by the lock server from now on.`,
      regarding: { kind: 'BucketAccess', ...key, uid: null, resourceVersion: null },
    })
  }
}

/** Errors: StaleEpochError, and those of the server. */
async function revokeKey(parts: BucketAccessParts, key: ObjectKey, accessKeyId: string): Promise<void> {
  const { lockServer, leadership, serverKeys } = parts
  leadership.assertHeld()
  const owner = serverKeys.ownerOf(key)
  const answer = await lockServer.deleteAccessKey({ epoch: leadership.epoch, accessKeyId, owner })
  if (answer.kind === 'staleEpoch') {
    leadership.lost(answer.epoch)
    throw new StaleEpochError()
  }
  serverKeys.wasDeleted(accessKeyId)
}

class StaleEpochError extends Error {
  override readonly name = 'StaleEpochError'
}

/** The server takes no such key. */
class KeyRefusedError extends Error {
  override readonly name = 'KeyRefusedError'
  readonly reason: 'taken' | 'noMasterKey'
  constructor(reason: 'taken' | 'noMasterKey') {
    super(reason)
    this.reason = reason
  }
}

function failureOf(error: unknown, revokedIds: readonly string[]): BucketAccessOutcome {
  if (error instanceof StaleEpochError) return { kind: 'staleEpoch' }
  if (error instanceof KeyRefusedError) return { kind: 'refused', reason: error.reason, revokedIds }
  if (error instanceof KubeStatusError || error instanceof KubeUnreachableError)
    return { kind: 'secretFailed', error, revokedIds }
  return { kind: 'serverFailed', error: serverError(error), revokedIds }
}

/** No answer, one of a server that could not say what became of the write, or a conflict, which a write that was done and repeated meets. */
function mayBeWritten(error: unknown): boolean {
  if (error instanceof KubeUnreachableError) return true
  return error instanceof KubeStatusError && (error.status === 409 || error.status >= 500)
}

type WorkParts = BucketAccessParts & { readonly pauses: MakingPauses }
type FilledSlots = KeySlots & { readonly current: KeyPair }
type PutSlots = { readonly slots: FilledSlots; readonly made: Granted['made']; readonly put: Put }
type Put = { readonly accountId: string; readonly created: string }

/** One reconcile of one object, after the decision. */
class Work {
  readonly #parts: WorkParts
  readonly #snapshot: BucketAccessSnapshot
  readonly #signal: AbortSignal
  readonly #revokedIds: string[] = []

  constructor(parts: WorkParts, snapshot: BucketAccessSnapshot, signal: AbortSignal) {
    this.#parts = parts
    this.#snapshot = snapshot
    this.#signal = signal
  }

  async run(step: AccessStep): Promise<BucketAccessOutcome> {
    try {
      if (step.kind === 'grant') return await this.#grant(step)
      for (const accessKeyId of step.accessKeyIds) await this.#revoke(accessKeyId)
      return { kind: 'revoked', revokedIds: this.#revokedIds }
    } catch (error) {
      return failureOf(error, this.#revokedIds)
    }
  }

  async #grant(step: GrantStep): Promise<Granted> {
    await this.#revokeAllBut(step.keptMeanwhile)
    const { slots, made, put } = await this.#putSlots(step)
    const written = await this.#writeSecret(step, slots).catch(async (error: unknown) => {
      if (made !== null) await this.#takeBack(slots.current, error)
      throw error
    })
    this.#parts.pauses.end(this.#snapshot.object.metadata)
    // Those that a rotation takes the place of go on until clients can read the new one.
    await this.#revokeAllBut([slots.current.accessKeyId, slots.previous?.accessKeyId ?? ''])
    return {
      kind: 'granted',
      ...put,
      currentId: slots.current.accessKeyId,
      previousId: slots.previous?.accessKeyId ?? null,
      made,
      written,
      revokedIds: this.#revokedIds,
    }
  }

  /**
   * Nobody has it: it must not wait for the next look to be refused, nor be made again at each. Where the Secret may have it all the
   * same, the next look sees which of them it has: were the new one revoked, the former would go at once as well.
   */
  async #takeBack({ accessKeyId }: KeyPair, error: unknown): Promise<void> {
    const { metadata } = this.#snapshot.object
    if (error instanceof Error) this.#parts.pauses.failed(metadata, error)
    if (mayBeWritten(error)) return
    await revokeKey(this.#parts, metadata, accessKeyId)
  }

  async #putSlots(step: GrantStep): Promise<PutSlots> {
    const { statements, previous } = step
    if (step.current.kind === 'held') {
      const put = await this.#put(step.current.pair, statements)
      if (put !== null) {
        const isThere = previous !== null && (await this.#put(previous, statements)) !== null
        return { slots: { current: step.current.pair, previous: isThere ? previous : null }, made: null, put }
      }
    }
    return this.#makeSlots(step, step.current.kind === 'new' ? step.current.cause : 'tampered')
  }

  async #makeSlots(step: GrantStep, made: NewKeyCause | 'tampered'): Promise<PutSlots> {
    const { statements, previous } = step
    this.#parts.pauses.assertOver(this.#snapshot.object.metadata)
    const current = this.#makeKey()
    const former = made === 'tampered' ? null : previous
    // What the API server would refuse needs no key: each is made and refused in the audit log of the lock server.
    await this.#writeSecret(step, { current, previous: former }, { dryRun: 'All' })
    const put = await this.#put(current, statements)
    if (put === null) throw new KeyRefusedError('taken')
    const isThere = former !== null && (await this.#put(former, statements)) !== null
    return { slots: { current, previous: isThere ? former : null }, made, put }
  }

  /** null: the server has another secret for it. Errors: KeyRefusedError, StaleEpochError, and the server's. */
  async #put(pair: KeyPair, statements: readonly Statement[]): Promise<Put | null> {
    const { lockServer, leadership, serverKeys } = this.#parts
    this.#signal.throwIfAborted()
    leadership.assertHeld()
    const { accessKeyId } = pair
    const owner = serverKeys.ownerOf(this.#snapshot.object.metadata)
    const otherSecret = this.#snapshot.object.spec.secretName === undefined ? 'replace' : 'refuse'
    const answer = await lockServer.putAccessKey({
      epoch: leadership.epoch,
      ...pair,
      owner,
      statements,
      otherSecret,
    })
    switch (answer.kind) {
      case 'put': {
        const { accountId, created } = answer
        serverKeys.wasPut({ accessKeyId, accountId, owner, statements, created })
        return { accountId, created }
      }
      case 'secretDiffers':
        return null
      case 'staleEpoch':
        leadership.lost(answer.epoch)
        throw new StaleEpochError()
      case 'taken':
      case 'noMasterKey':
        throw new KeyRefusedError(answer.kind)
    }
  }

  async #revokeAllBut(ids: readonly string[]): Promise<void> {
    const keys = await this.#parts.serverKeys.of(this.#snapshot.object.metadata)
    for (const { accessKeyId } of keys) if (!ids.includes(accessKeyId)) await this.#revoke(accessKeyId)
  }

  async #revoke(accessKeyId: string): Promise<void> {
    await revokeKey(this.#parts, this.#snapshot.object.metadata, accessKeyId)
    this.#revokedIds.push(accessKeyId)
  }

  /** Nothing where it said all of this already. Errors: the API server's. */
  async #writeSecret(
    step: GrantStep,
    slots: FilledSlots,
    more: Readonly<Record<string, string>> = {},
  ): Promise<Granted['written']> {
    const { object, server } = this.#snapshot
    const { secrets } = this.#parts
    if (step.secret.kind === 'given' || secrets === null || server.kind === 'failed') return 'nothing'
    const { held, rotatedFor } = step.secret
    const content = contentOf(slots, step.bucketNames, server, rotatedFor)
    if (held !== null && hasContent(held, object, content)) return 'nothing'
    this.#parts.leadership.assertHeld()
    const request = secretRequest(object, content, held)
    await secrets.client.send({ ...request, query: { ...request.query, ...more } }, this.#signal)
    if (held === null) return 'content'
    return differsInAuthority(held, object, content) ? 'authority' : 'content'
  }

  #makeKey(): KeyPair {
    const { secrets } = this.#parts
    if (secrets === null) throw new Error('without Secrets no key is made')
    return secrets.makeKey()
  }
}

function secretRequest(
  object: BucketAccessSnapshot['object'],
  content: SecretContent,
  held: HeldSecret | null,
): KubeRequest {
  const { namespace } = object.metadata
  const body = secretBody(object, content)
  const query = { fieldManager }
  // A create that meets another's Secret is refused; an apply would write into it.
  if (held === null) return { method: 'POST', path: secretsPath(namespace), query, body }
  const { uid, resourceVersion } = held
  return {
    method: 'PATCH',
    path: secretPath({ namespace, name: object.spec.secretName ?? '' }),
    query: { ...query, force: 'true' },
    contentType: applyPatch,
    body: { ...body, metadata: { ...body.metadata, uid, resourceVersion } },
  }
}
