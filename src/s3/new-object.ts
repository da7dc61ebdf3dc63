/** What the headers of PutObject, CopyObject and CreateMultipartUpload say of a new object, and what they need. */
import type { ObjectDescription } from '../store/store.ts'
import { type LockHeaders, lockHeaderPermissions } from './lock-headers.ts'
import { storedHeaders, userMetadata } from './object-description.ts'
import type { Action } from './operation.ts'
import { type Tags, taggingHeader } from './tagging.ts'

export type DescriptionHeaders = Omit<ObjectDescription, 'checksum'>

/** Errors: MetadataTooLarge, InvalidTag, InvalidArgument. */
export function descriptionHeaders(headers: Readonly<Record<string, string>>): DescriptionHeaders {
  return {
    headers: storedHeaders(headers),
    userMetadata: userMetadata(headers),
    tags: taggingHeader(headers),
  }
}

/** What a new object needs beyond s3:PutObject: each of its lock headers, and any tag. `tags: null`: none are set. */
export function newObjectPermissions(lock: LockHeaders, tags: Tags | null): readonly Action[] {
  const isTagged = Object.keys(tags ?? {}).length > 0
  return [...lockHeaderPermissions(lock), ...(isTagged ? (['s3:PutObjectTagging'] as const) : [])]
}
