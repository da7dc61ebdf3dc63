/**
 * A second look at what is in quarantine: a disk that failed for a while, or a file that was away, is no damage for good, and
 * nobody is to wait for the next pass of the scrub.
 */
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import type { Bodies } from './bodies/contract.ts'
import { decodeVersion } from './codec.ts'
import { keyAfter, versionKey } from './keys.ts'
import type { KeyValue } from './kv/contract.ts'
import { endQuarantine, type Owner, pageOfQuarantine } from './quarantine.ts'
import type { ReadPace } from './read-pace.ts'
import type { ObjectData } from './records.ts'
import { contentProblem, problemOf } from './verify-content.ts'
import { orderOfVersionId } from './version-id.ts'

type Parts = { readonly kv: KeyValue; readonly bodies: Pick<Bodies, 'open'>; readonly log: Log }

/** What is whole again is served again. Throws the signal's reason once it is aborted. */
export async function lookAgain(parts: Parts, pace: ReadPace, signal: AbortSignal): Promise<void> {
  for (let after: Uint8Array | null = null; ; ) {
    const page = await pageOfQuarantine(parts.kv, after)
    for (const { listId, owner } of page) {
      signal.throwIfAborted()
      if (owner !== null) await lookAt(parts, pace, { listId, owner })
    }
    const last = page.at(-1)
    if (last === undefined || page.length < limits.quarantineListMax) return
    after = keyAfter(last.row)
  }
}

type Look = { readonly listId: string; readonly owner: Owner }

async function lookAt({ kv, bodies, log }: Parts, pace: ReadPace, { listId, owner }: Look): Promise<void> {
  const object = await contentOf(kv, owner)
  if (object?.content.listId !== listId) return
  const onRead = (byteCount: number) => pace.wait(byteCount)
  if ((await contentProblem({ reader: kv, bodies, onRead }, object)) !== null) return
  await endQuarantine(kv, listId)
  log.info({ versionId: owner.versionId }, 'the bytes of a version are whole again')
}

/** null: the version is gone, or cannot be read. */
async function contentOf(kv: KeyValue, { bucketId, key, versionId }: Owner): Promise<ObjectData | null> {
  const order = orderOfVersionId(versionId)
  if (order === null) return null
  const row = versionKey(bucketId, key, order, versionId)
  const value = await kv.get(row)
  const found: (ObjectData | null)[] = []
  await problemOf(async () => {
    if (value !== null) found.push(decodeVersion(row, value).object)
  })
  return found[0] ?? null
}
