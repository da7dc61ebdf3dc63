/** The admin API from a request's head to its answer: authenticate, route, authorize, read the body, handle; one place for errors. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Clock } from '../lib/clock.ts'
import { CollectedBytes } from '../lib/collected-bytes.ts'
import type { OwnAccessKeys, Principal } from '../lib/identity.ts'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { isWantOfRoom, VolumeReadOnlyError } from '../lib/read-only.ts'
import type { QueryPairs } from '../sigv4/canonical.ts'
import type { SigningKeys } from '../sigv4/keys.ts'
import { CorruptRecordError } from '../store/fields.ts'
import type { Actor, Store } from '../store/store.ts'
import { type AdminHead, authenticateAdmin, demandPayload } from './authenticate.ts'
import { type AdminAnswer, AdminError, type AdminFacts } from './operation.ts'
import { routeAdmin } from './operations/index.ts'

export type AdminOptions = {
  readonly store: Store
  readonly accessKeys: OwnAccessKeys
  readonly signingKeys: SigningKeys
  readonly facts: AdminFacts
  readonly clock: Clock
  readonly log: Log
  /** Told of errors that no answer is meant for, as of a store that failed; never throws. */
  readonly onError: (error: unknown) => void
}

export type AdminReply = AdminAnswer & { readonly requestId: string }

/** `body`: read once, and only of a sender who is proven and may do what is asked. Errors of it: AdminError. Never rejects. */
export type AdminHandler = (message: IncomingMessage, body: AsyncIterable<Uint8Array>) => Promise<AdminReply>

export function createAdminHandler(options: AdminOptions): AdminHandler {
  return async (message, body) => {
    const requestId = randomUUID()
    try {
      return { requestId, ...(await answer(options, { message, body, requestId })) }
    } catch (error) {
      return { requestId, ...errorAnswer(options, requestId, error) }
    }
  }
}

type Exchange = {
  readonly message: IncomingMessage
  readonly body: AsyncIterable<Uint8Array>
  readonly requestId: string
}

async function answer(options: AdminOptions, { message, body, requestId }: Exchange): Promise<AdminAnswer> {
  const head = readHead(message)
  const sender = await authenticateAdmin(
    head,
    { accessKeys: options.accessKeys, signingKeys: options.signingKeys, region: options.facts.region },
    options.clock.wallMs(),
  )
  const { principal } = sender
  const route = routeAdmin(head.method, head.path)
  if (route === null) throw new AdminError(404, 'NotFound', `there is no ${head.method} ${head.path}`)
  const { operation, pathName } = route
  const actor = actorOf(principal, requestId, operation.name)
  if (!operation.principals.includes(principal.kind)) {
    // As on the S3 side, reads are not lock-relevant.
    if (operation.method !== 'GET')
      await recordDenial(options.store, actor, operation.path.startsWith('/v1/buckets/') ? pathName : '')
    throw new AdminError(403, 'AccessDenied', `${operation.name} is for: ${operation.principals.join(', ')}`)
  }
  const document = await readDocument(head, body)
  demandPayload(document, sender)
  return operation.handle(
    {
      store: options.store,
      principal,
      actor,
      facts: options.facts,
      isReserved: (accessKeyId) => isReserved(options, accessKeyId),
      pathName,
      query: new URLSearchParams(Object.fromEntries(head.query)),
      epoch: epochOf(head.headers['x-holdfast-epoch']),
    },
    Buffer.from(document).toString('utf8'),
  )
}

/** Errors: AdminError 503, while the file that the id may be of cannot be used. */
function isReserved({ accessKeys, log }: AdminOptions, accessKeyId: string): boolean {
  try {
    return accessKeys.isReserved(accessKeyId)
  } catch (error) {
    log.error({ accessKeyId, error }, 'nobody can say whether an access key is free')
    const message = 'the file of --access-keys cannot be used, and the id may be in it: see the server’s log'
    throw new AdminError(503, 'ServiceUnavailable', message)
  }
}

function recordDenial(store: Store, actor: Actor, bucket: string): Promise<void> {
  const subject = { bucket, key: null, versionId: null }
  return store.audit.denied(actor, { ...subject, rule: 'AdminScope', reason: actor.operation })
}

function actorOf(principal: Principal, requestId: string, operation: string): Actor {
  return { accessKeyId: principal.accessKeyId, accountId: principal.accountId, requestId, operation }
}

function epochOf(header: string | undefined): number | null {
  if (header === undefined) return null
  const epoch = Number(header)
  if (!/^\d{1,15}$/.test(header)) throw new AdminError(400, 'InvalidEpoch', 'x-holdfast-epoch is a number')
  return epoch
}

function readHead(message: IncomingMessage): AdminHead {
  const url = targetOf(message.url ?? '/')
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(message.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(',') : value
  }
  return { method: message.method ?? 'GET', ...url, headers }
}

function targetOf(target: string): { path: string; query: QueryPairs } {
  try {
    const url = new URL(target, 'http://admin.invalid')
    return { path: decodeURIComponent(url.pathname), query: [...url.searchParams] }
  } catch {
    throw new AdminError(400, 'InvalidTarget', 'the request target is not a URL path')
  }
}

/** Errors: AdminError 413, for a body that is declared too long before any of it is read. */
async function readDocument({ headers }: AdminHead, body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const tooLarge = () =>
    new AdminError(413, 'DocumentTooLarge', `at most ${limits.adminDocumentBytesMax} bytes`)
  if (Number(headers['content-length'] ?? 0) > limits.adminDocumentBytesMax) throw tooLarge()
  const collected = new CollectedBytes()
  for await (const piece of body) {
    if (collected.sizeBytes + piece.length > limits.adminDocumentBytesMax) throw tooLarge()
    collected.add(piece)
  }
  return collected.bytes()
}

function errorAnswer({ log, onError }: AdminOptions, requestId: string, error: unknown): AdminAnswer {
  if (error instanceof AdminError)
    return { status: error.status, document: { code: error.code, message: error.message } }
  if (isWantOfRoom(error))
    return { status: 507, document: { code: 'InsufficientStorage', message: error.message } }
  if (error instanceof VolumeReadOnlyError)
    return { status: 503, document: { code: 'VolumeReadOnly', message: error.message } }
  log.error({ requestId, error }, 'admin request failed')
  onError(error)
  // Asked again it is as damaged as before: whoever waits for it must be told.
  if (error instanceof CorruptRecordError) {
    const message = `${error.message}; what depends on it is denied (request ${requestId})`
    return { status: 500, document: { code: 'CorruptRecord', message } }
  }
  return {
    status: 503,
    document: { code: 'ServiceUnavailable', message: `the request failed; id ${requestId}` },
  }
}
