import type { ChecksumAlgorithm, ObjectChecksum } from '../store/records.ts'
import type { StagedBody } from '../store/store.ts'
import type { OperationContext, RequestBody } from './operation.ts'
import { S3Error } from './s3-error.ts'
import { checksumTap, contentMd5Mismatch, type WantedChecksum } from './wanted-checksum.ts'

export type StagedUpload = { readonly body: StagedBody; readonly checksum: ObjectChecksum | null }

export type StageOptions = {
  readonly bytesMax: number /** Counted where the request declares no checksum. */
  readonly fallback: ChecksumAlgorithm | null
}

/**
 * Makes the payload durable and checks it against everything the request declared. Nothing of it is part of a version yet.
 * Errors: MissingContentLength, EntityTooLarge, BadDigest, MalformedTrailerError, and those of the payload's own frames and
 * signatures; the stage is gone after any of them.
 */
export async function stageUpload(
  context: OperationContext,
  payload: RequestBody,
  wanted: WantedChecksum,
  options: StageOptions,
): Promise<StagedUpload> {
  const { sizeBytes } = payload
  if (sizeBytes === null) throw new S3Error('MissingContentLength')
  if (sizeBytes > options.bytesMax) {
    throw new S3Error('EntityTooLarge', {
      extra: { ProposedSize: String(sizeBytes), MaxSizeAllowed: String(options.bytesMax) },
    })
  }
  // The stage counts an MD5 anyway, for the ETag: the tap need not count another.
  const tap = await checksumTap({ ...wanted, md5: null }, options.fallback)
  const { versions } = context.store
  // Nor does the payload's own hash need counting twice.
  const bytes = payload.unhashed?.stream() ?? payload.stream()
  const body = await versions.stage(tapped(bytes, tap.update), options.bytesMax, sizeBytes)
  try {
    payload.unhashed?.verify(body.sha256)
    if (wanted.md5 !== null && wanted.md5 !== Buffer.from(body.md5, 'hex').toString('base64')) {
      throw contentMd5Mismatch()
    }
    return { body, checksum: tap.verify(payload.trailers()) }
  } catch (error) {
    await versions.discard(body)
    throw error
  }
}

async function* tapped(
  stream: AsyncIterable<Uint8Array>,
  update: (bytes: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  for await (const bytes of stream) {
    update(bytes)
    yield bytes
  }
}
