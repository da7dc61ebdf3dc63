/** UploadPart: the body becomes the part's; a part of the same number gives way and its body becomes garbage. */
import { assert } from '../lib/assert.ts'
import { limits } from '../lib/limits.ts'
import type { Bodies } from './bodies/contract.ts'
import { decodePart, encodePart } from './codec.ts'
import type { StoreContext } from './decision.ts'
import { putGarbage } from './garbage-rows.ts'
import { partKey } from './keys.ts'
import type { KeyValueTransaction } from './kv/contract.ts'
import { putFileRows } from './list-rows.ts'
import { publishFor } from './publish-body.ts'
import type { ObjectChecksum, PartRecord } from './records.ts'
import type { Actor, NoSuchBucket, StagedBody } from './requests.ts'
import { changeCounterKey, findUpload, type UploadAddress } from './upload-rows.ts'

export type PutPart = UploadAddress & {
  readonly partNumber: number
  readonly body: StagedBody
  readonly checksum: ObjectChecksum | null
}
export type PutPartResult =
  | { readonly kind: 'put'; readonly part: PartRecord }
  | NoSuchBucket
  | { readonly kind: 'noSuchUpload' }

/** Errors: those of `transact` and of bodies. */
export async function putPart(
  context: StoreContext & { readonly bodies: Bodies },
  actor: Actor,
  input: PutPart,
): Promise<PutPartResult> {
  const { partNumber } = input
  assert(partNumber >= 1 && partNumber <= limits.partNumberMax, 'a part number is 1 to 10,000')
  const body = await asFile(context.bodies, input.body)
  return publishFor(context, body, async () => {
    const answer = await context.kv.transact((transaction) =>
      writePart(transaction, context, { ...input, actor, body }),
    )
    return { fate: answer.kind === 'put' ? 'committed' : 'refused', answer }
  })
}

async function writePart(
  transaction: KeyValueTransaction,
  { clock }: StoreContext,
  input: PutPart & { readonly actor: Actor },
): Promise<PutPartResult> {
  const { uploadId, partNumber, body, checksum } = input
  const row = partKey(uploadId, partNumber)
  const found = await findUpload(transaction, input, input.actor)
  if (found.kind === 'noSuchBucket') return found
  if (found.kind === 'noSuchUpload') return { kind: 'noSuchUpload' }
  const before = await transaction.get(row)
  if (before !== null) {
    const { bodyId, sizeBytes } = decodePart(row, before)
    putGarbage(transaction, bodyId, { kind: 'body', sizeBytes })
  }
  const { bodyId, sizeBytes, md5, sha256, blockCrcs } = body
  const part = { partNumber, bodyId, sizeBytes, etag: md5, sha256, checksum, lastModifiedMs: clock.wallMs() }
  transaction.put(row, encodePart(row, part))
  putFileRows(transaction, bodyId, blockCrcs)
  // Blind: parts of one upload arrive together and must not conflict with each other.
  transaction.add(changeCounterKey(uploadId), 1)
  return { kind: 'put', part }
}

/** A part is always a file, so that Complete only names it; small parts are rare. */
async function asFile(bodies: Bodies, body: StagedBody): Promise<StagedBody> {
  const { inline } = body
  if (inline === null) return body
  const file = await bodies.stage(oneChunk(inline), { bytesMax: inline.length, place: 'file' })
  assert(file.sha256 === body.sha256, 'a body written to a file is the body that was received')
  return file
}

async function* oneChunk(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  if (bytes.length > 0) yield bytes
}
