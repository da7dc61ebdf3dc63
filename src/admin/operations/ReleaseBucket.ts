import { parseDocument, releaseBucketDocument } from '../../api/admin.ts'
import { AdminError, type AdminOperation } from '../operation.ts'

/** Removes a managed bucket for its LockedBucket, if it is empty; also answers 200 where there is none. */
export const ReleaseBucket: AdminOperation = {
  name: 'ReleaseBucket',
  method: 'DELETE',
  path: '/v1/buckets/{name}',
  principals: ['operator'],
  handle: async ({ store, actor, pathName, epoch }, body) => {
    if (epoch === null) throw new AdminError(400, 'MissingEpoch', 'the header x-holdfast-epoch is required')
    const parsed = parseDocument(releaseBucketDocument, body)
    if (parsed.kind === 'bad') throw new AdminError(400, 'InvalidDocument', parsed.message)
    const { owner } = parsed.value
    const result = await store.buckets.release(actor, { epoch, name: pathName, owner })
    return { status: result.kind === 'released' ? 200 : 409, document: result }
  },
}
