import type { ObjectVersion } from './object-headers.ts'
import type { BodyStream, OperationContext } from './operation.ts'
import type { ByteRange } from './range.ts'

/**
 * The bytes, opened as far as the first block: a body that is damaged or gone is an error answer and not an answer that
 * breaks off. Whoever takes the result ends it, by reading or by `return`.
 */
export async function openObject(
  context: OperationContext,
  version: ObjectVersion,
  range: ByteRange | null,
): Promise<BodyStream> {
  const body = context.store.versions.openBody(version, range)
  const rest = body[Symbol.asyncIterator]()
  let first: Promise<IteratorResult<Uint8Array>> | null = Promise.resolve(await rest.next())
  const iterator: AsyncIterator<Uint8Array> = {
    next: () => {
      const next = first ?? rest.next()
      first = null
      return next
    },
    return: async () => (await rest.return?.()) ?? { done: true, value: undefined },
  }
  return { [Symbol.asyncIterator]: () => iterator, recycle: (chunk) => body.recycle(chunk) }
}
