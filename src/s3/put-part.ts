import type { PartRecord } from '../store/records.ts'
import { addressedBucket, addressedKey } from './addressed.ts'
import type { OperationContext } from './operation.ts'
import type { StagedUpload } from './stage-body.ts'
import { noSuchBucket, noSuchUpload } from './store-results.ts'

export type NewPart = StagedUpload & { readonly uploadId: string; readonly partNumber: number }

/** Adds a staged part to its upload, which may have ended meanwhile. Errors: NoSuchBucket, NoSuchUpload. */
export async function putPart(context: OperationContext, part: NewPart): Promise<PartRecord> {
  const bucket = addressedBucket(context).name
  const address = { bucket, key: addressedKey(context.request) }
  const result = await context.store.uploads.putPart(context.actor, { ...address, ...part })
  if (result.kind === 'put') return result.part
  throw result.kind === 'noSuchBucket' ? noSuchBucket(bucket) : noSuchUpload(part.uploadId)
}
