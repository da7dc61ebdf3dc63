/** A bucket's tags as their document: the S3 surface and the operator write it. */
import { mapOf, shape, text } from './fields.ts'
import { type TextCodec, textCodec } from './text-codec.ts'

export type BucketTags = Readonly<Record<string, string>>

export const bucketTagsCodec: TextCodec<{ readonly tags: BucketTags }> = textCodec(
  'tagging',
  shape({ tags: mapOf(text) }),
)
