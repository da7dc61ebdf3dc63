import { limits } from '../lib/limits.ts'
import { renderError } from './error-document.ts'
import type { OperationContext, S3Response } from './operation.ts'
import { inNamespace, reworded } from './profiles/answers.ts'
import { S3Error } from './s3-error.ts'

type Asked = {
  readonly request: OperationContext['request']
  readonly profile: OperationContext['profile']
  readonly actor: Pick<OperationContext['actor'], 'operation'>
}

const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'

/**
 * For work that may outlast a client's patience. What ends soon is answered as ever. What does not is answered 200 with white
 * space until the result comes, and an error is then a document below that 200, as S3 does it: clients look for it. By then
 * the bucket's profile no longer sees the answer, so that its words are put in here.
 */
export async function slowAnswer(context: Asked, work: Promise<S3Response>): Promise<S3Response> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<'slow'>((resolve) => {
    timer = setTimeout(() => resolve('slow'), limits.answerPatienceMs)
  })
  try {
    const first = await Promise.race([work, patience])
    if (first !== 'slow') return first
  } finally {
    clearTimeout(timer)
  }
  return { status: 200, headers: { 'content-type': 'application/xml' }, body: keptAlive(context, work) }
}

async function* keptAlive(context: Asked, work: Promise<S3Response>): AsyncGenerator<Uint8Array> {
  yield Buffer.from(declaration)
  // Settled in any case, so that a failure while nobody waits is not unhandled.
  const ended = work.then(
    (response) => ({ text: bodyText(context, response), failure: null }),
    (error: unknown) => ({ text: errorText(context, error), failure: error }),
  )
  for (;;) {
    const next = await Promise.race([ended, pause()])
    if (next === null) {
      yield Buffer.from(' ')
      continue
    }
    yield Buffer.from(next.text)
    // What is no expected failure is the pipeline's to judge: it may mean that the store is gone.
    if (next.failure !== null && !(next.failure instanceof S3Error)) throw next.failure
    return
  }
}

function pause(): Promise<null> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(null), limits.answerPatienceMs).unref()
  })
}

function bodyText({ profile, request }: Asked, response: S3Response): string {
  const document = typeof response.body === 'string' ? response.body : ''
  const text = inNamespace({ profile, headers: request.headers }, document)
  return text.startsWith(declaration) ? text.slice(declaration.length) : text
}

function errorText({ profile, request, actor }: Asked, error: unknown): string {
  const known = error instanceof S3Error ? error : new S3Error('InternalError', { cause: error })
  const place = { resource: request.resource, requestId: request.requestId, hostId: request.requestId }
  return renderError(reworded({ profile, operation: actor.operation }, known), place).slice(
    declaration.length,
  )
}
