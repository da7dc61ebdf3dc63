/**
 * Judges a recording of one request on an idle server: whatever it wrote to the volume must be durable before
 * the first byte of the answer is given to the client's socket.
 */
import type { SystemCall } from './strace.ts'

/**
 * What a sync makes durable: bytes of a body, its name or its stage name, a shard that bodies lie in (once for
 * each worker and shard), pages of the store, its new root.
 */
export type Sync = 'body bytes' | 'body name' | 'stage name' | 'shard' | 'store pages' | 'store root'

export type Exchange = {
  /** In the order of their beginning. */
  readonly syncs: readonly Sync[]
  /** Sentences; empty when all was durable in time. */
  readonly faults: readonly string[]
}

const writing = new Set(['write', 'writev', 'sendto', 'sendmsg'])
const flushing = new Set(['fsync', 'fdatasync'])
const fileWriting = new Set([
  ...['write', 'writev', 'pwrite64', 'pwritev', 'pwritev2', 'ftruncate', 'fallocate'],
  ...['copy_file_range', 'sendfile'],
])

/** `requestLine`: how the request begins, e.g. `PUT /bucket/key`. Errors: it or its answer is not recorded. */
export function judgeExchange(
  calls: readonly SystemCall[],
  requestLine: string,
  dataDirectory: string,
): Exchange {
  const ordered = [...calls].sort((a, b) => a.start - b.start)
  const request = ordered.find(({ text, target }) => isSocket(target) && text.startsWith(requestLine))
  if (request === undefined) throw new Error(`no ${requestLine} was recorded`)
  const later = ordered.filter((call) => call.process === request.process && call.start >= request.start)
  const answer = later.find((call) => call.target === request.target && isAnswer(call))
  if (answer === undefined) throw new Error(`no answer to ${requestLine} was recorded`)
  const next = later.find((call) => call.start > answer.start && isRequest(call))
  const own = later.filter(
    ({ start, target }) => (next === undefined || start < next.start) && target.startsWith(dataDirectory),
  )
  const syncs = own.filter((call) => syncOf(call, dataDirectory) !== null)
  return {
    syncs: syncs.map((call) => syncOf(call, dataDirectory)).filter((sync) => sync !== null),
    faults: [
      ...lateSyncs(syncs, answer),
      ...failedSyncs(syncs),
      ...unsyncedWrites(own, syncs, answer),
      ...unsyncedNames(own, syncs, answer),
      ...commitBeforeBody(syncs, dataDirectory),
    ],
  }
}

function isSocket(target: string): boolean {
  return target.startsWith('TCP')
}

function isAnswer({ name, text }: SystemCall): boolean {
  return writing.has(name) && text.startsWith('HTTP/1.1 ')
}

function isRequest({ name, target, text }: SystemCall): boolean {
  return name === 'read' && isSocket(target) && /^[A-Z]+ \/\S*/.test(text)
}

function syncOf(call: SystemCall, dataDirectory: string): Sync | null {
  const path = call.target.slice(dataDirectory.length)
  if (path === '/kv/data.mdb') {
    if (flushing.has(call.name)) return 'store pages'
    return call.isSynchronous && fileWriting.has(call.name) ? 'store root' : null
  }
  if (!flushing.has(call.name)) return null
  if (/\/[0-9a-f]{32}$/.test(path)) return 'body bytes'
  if (path.startsWith('/stage')) return 'stage name'
  return /^\/bodies\/[^/]+\/[^/]+$/.test(path) ? 'body name' : 'shard'
}

function lateSyncs(syncs: readonly SystemCall[], answer: SystemCall): readonly string[] {
  return syncs
    .filter(({ end }) => end > answer.start)
    .map(({ name, target }) => `${name} of ${target} ended after the answer began`)
}

function failedSyncs(syncs: readonly SystemCall[]): readonly string[] {
  return syncs.filter(({ result }) => result < 0).map(({ name, target }) => `${name} of ${target} failed`)
}

/** A write counts as safe only by a sync of the same file that began after it ended. */
function unsyncedWrites(
  own: readonly SystemCall[],
  syncs: readonly SystemCall[],
  answer: SystemCall,
): readonly string[] {
  const writes = own.filter(({ name, isSynchronous }) => fileWriting.has(name) && !isSynchronous)
  return writes
    .filter(
      ({ target, end }) =>
        !syncs.some(
          (sync) =>
            flushing.has(sync.name) &&
            sync.target === target &&
            sync.start >= end &&
            sync.end <= answer.start,
        ),
    )
    .map(({ name, target }) => `${name} to ${target} was not flushed before the answer`)
}

function unsyncedNames(
  own: readonly SystemCall[],
  syncs: readonly SystemCall[],
  answer: SystemCall,
): readonly string[] {
  const names = own.filter(({ name, result }) => result === 0 && /^(link|rename|mkdir)/.test(name))
  return names
    .filter(({ target, end }) => {
      const directory = target.slice(0, target.lastIndexOf('/'))
      return !syncs.some((sync) => sync.target === directory && sync.start >= end && sync.end <= answer.start)
    })
    .map(({ target }) => `the name ${target} was not flushed before the answer`)
}

/** The store refers to bodies that are durable already, and its root to pages that are. */
function commitBeforeBody(syncs: readonly SystemCall[], dataDirectory: string): readonly string[] {
  const ofKind = (...kinds: readonly Sync[]) =>
    syncs.filter((call) => kinds.some((kind) => kind === syncOf(call, dataDirectory)))
  const bodies = ofKind('body bytes', 'body name', 'stage name', 'shard')
  const pages = ofKind('store pages')
  const roots = ofKind('store root')
  const faults: string[] = []
  const lastBodyEnd = Math.max(...bodies.map(({ end }) => end))
  if (roots.some(({ start }) => start < lastBodyEnd))
    faults.push('the store took a new root before the body was durable')
  if (roots.some((root) => !pages.some((page) => page.end <= root.start)))
    faults.push('the store took a new root before its pages were durable')
  return faults
}
