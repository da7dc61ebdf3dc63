/** The order of a body in a file and the commit that refers to it (docs/decisions/0012-stage-link.md). */
import type { Bodies } from './bodies/contract.ts'
import { StoreFailedError } from './kv/contract.ts'
import type { StagedBody } from './requests.ts'

export type Publication<Answer> = {
  /** `committed`: the work's commit refers to the body. `refused`: nothing does. */
  readonly fate: 'committed' | 'refused'
  readonly answer: Answer
}

/** Publishes, works, then settles or discards. Errors: those of bodies and of `work`. */
export async function publishFor<Answer>(
  bodies: Pick<Bodies, 'publish' | 'settle' | 'discard'>,
  body: StagedBody,
  work: () => Promise<Publication<Answer>>,
): Promise<Answer> {
  const { fate, answer } = await orDiscard(bodies, body, async () => {
    await bodies.publish(body)
    return work()
  })
  if (fate === 'committed') await bodies.settle(body)
  else await bodies.discard(body)
  return answer
}

async function orDiscard<Answer>(
  bodies: Pick<Bodies, 'discard'>,
  body: StagedBody,
  work: () => Promise<Answer>,
): Promise<Answer> {
  try {
    return await work()
  } catch (error) {
    // A commit that failed may be durable: then the trace stays, and the next start knows.
    if (!(error instanceof StoreFailedError)) await bodies.discard(body)
    throw error
  }
}
