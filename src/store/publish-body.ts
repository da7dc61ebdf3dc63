/** The order of a body in a file and the commit that refers to it (docs/decisions/0012-stage-link.md). */
import { VolumeAwayError, VolumeReadOnlyError } from '../lib/read-only.ts'
import type { Bodies } from './bodies/contract.ts'
import { fileKey } from './keys.ts'
import { type KeyValueReader, StoreFailedError } from './kv/contract.ts'
import type { StagedBody } from './requests.ts'

export type PublishContext = {
  readonly kv: KeyValueReader
  readonly bodies: Pick<Bodies, 'publish' | 'settle' | 'discard'>
}

export type Publication<Answer> = {
  /** `committed`: the work's commit refers to the body. `refused`: nothing does. */
  readonly fate: 'committed' | 'refused'
  readonly answer: Answer
}

/** Publishes, works, then settles or discards. Errors: those of bodies and of `work`. */
export async function publishFor<Answer>(
  { kv, bodies }: PublishContext,
  body: StagedBody,
  work: () => Promise<Publication<Answer>>,
): Promise<Answer> {
  const { fate, answer } = await runPublished({ kv, bodies }, body, work)
  if (fate === 'committed') await bodies.settle(body)
  else await bodies.discard(body)
  return answer
}

async function runPublished<Answer>(
  context: PublishContext,
  body: StagedBody,
  work: () => Promise<Publication<Answer>>,
): Promise<Publication<Answer>> {
  try {
    await context.bodies.publish(body)
    return await work()
  } catch (error) {
    await discardUnlessCommitted(context, body, error)
    throw error
  }
}

/**
 * An error should mean that nothing was committed; bytes are too dear to rely on it. A commit that failed may still
 * be durable: then the trace stays, and the next start knows.
 */
async function discardUnlessCommitted(
  { kv, bodies }: PublishContext,
  body: StagedBody,
  error: unknown,
): Promise<void> {
  if (error instanceof StoreFailedError) return
  // Of a volume that is away nothing was committed: the look comes before the commit.
  if (error instanceof VolumeReadOnlyError && !(error instanceof VolumeAwayError)) return
  const reference = await kv.get(fileKey(body.bodyId, 0))
  if (reference === null) await bodies.discard(body)
}
