import type { ChecksumAlgorithm, ObjectChecksum } from '../../store/records.ts'
import type { ExplicitLock, ObjectDescription, Precondition, PutVersionResult } from '../../store/store.ts'
import { addressedBucket, addressedKey } from '../addressed.ts'
import { xmlAnswer } from '../answers.ts'
import { checksumElements, parseChecksumAlgorithm } from '../checksum-xml.ts'
import { preconditionName, writePrecondition } from '../conditional.ts'
import {
  type CopySource,
  checkCopySize,
  copySourceVersionHeader,
  parseCopySource,
  type ReadSource,
  readCopySource,
} from '../copy-source.ts'
import { formatLastModified } from '../dates.ts'
import { getsLocked, judgeLockHeaders, type LockHeaders, parseLockHeaders } from '../lock-headers.ts'
import { newObjectPermissions } from '../new-object.ts'
import { refuseUnkeptPromises, storedHeaders, userMetadata } from '../object-description.ts'
import { quotedEtag } from '../object-headers.ts'
import { defineOperation, type OperationContext, type S3Response } from '../operation.ts'
import { lockFacts } from '../policy/facts.ts'
import { refuseTimeToLiveOfNew } from '../profiles/strictness.ts'
import { invalidArgument, S3Error } from '../s3-error.ts'
import { slowAnswer } from '../slow-answer.ts'
import { noSuchKey, writeError } from '../store-results.ts'
import { type Tags, taggingHeader } from '../tagging.ts'
import { versionIdHeader } from '../version-id.ts'
import { checksumTap } from '../wanted-checksum.ts'
import { element, xmlDocument } from '../xml.ts'

type Input = {
  readonly source: CopySource
  readonly lock: LockHeaders
  /** null: the source's (directive COPY). */
  readonly metadata: Pick<ObjectDescription, 'headers' | 'userMetadata'> | null
  readonly tags: Tags | null
  readonly algorithm: ChecksumAlgorithm | null
  readonly precondition: Precondition
}

/**
 * A new version that shares the source's bytes: nothing is copied, and neither the source nor an older version is touched. The
 * lock comes from this request's headers or the bucket's rule, never from the source. Errors: those of PutObject (E9 to
 * E13, E5) and of the source.
 */
export const CopyObject = defineOperation<Input>({
  name: 'CopyObject',
  match: { method: 'PUT', level: 'object', headers: ['x-amz-copy-source'] },
  permission: 's3:PutObject',
  body: { kind: 'none' },
  parse: ({ request, profile }) => {
    const { headers } = request
    refuseUnkeptPromises(headers)
    const source = parseCopySource(headers['x-amz-copy-source'] ?? '')
    const replacesMetadata = directive(headers, 'x-amz-metadata-directive') === 'REPLACE'
    const replacesTags = directive(headers, 'x-amz-tagging-directive') === 'REPLACE'
    // An older version may be copied onto itself: that is how it is restored.
    const isItself =
      source.bucket === request.bucket && source.key === request.key && source.versionId === null
    // A storage class that is named counts as a change for S3, also the one that the object has.
    const changes = replacesMetadata || headers['x-amz-storage-class'] !== undefined
    if (isItself && !changes) throw copyOntoItself()
    return {
      source,
      lock: parseLockHeaders(headers, profile),
      metadata: replacesMetadata
        ? { headers: storedHeaders(headers), userMetadata: userMetadata(headers) }
        : null,
      tags: replacesTags ? taggingHeader(headers) : null,
      algorithm: parseChecksumAlgorithm(headers['x-amz-checksum-algorithm']),
      precondition: writePrecondition(headers),
    }
  },
  lockFacts: ({ lock }) => lockFacts(lock),
  morePermissions: ({ lock, tags }) => newObjectPermissions(lock, tags),
  // Slow only when a checksum has to be counted anew over a large object.
  handle: (context, input) => slowAnswer(context, copy(context, input)),
})

async function copy(context: OperationContext, input: Input): Promise<S3Response> {
  const bucket = addressedBucket(context)
  const lock = judgeLockHeaders(input.lock, bucket, (await context.now()).requestMs)
  // A source in a bucket without versioning can be replaced between the read and the write.
  for (let attempt = 0; attempt < sourceAttemptsMax; attempt += 1) {
    const source = await readCopySource(context, input.source)
    checkCopySize(source.version.object.sizeBytes)
    const result = await putCopy(context, input, { source, lock })
    if (result.kind === 'put') return answer(source, result)
    if (result.kind === 'noSuchKey') throw noSuchKey(addressedKey(context.request))
    if (result.kind !== 'sourceGone') throw writeError(result, bucket, preconditionName(input.precondition))
  }
  throw new S3Error('OperationAborted')
}

const sourceAttemptsMax = 3

type Copy = { readonly source: ReadSource; readonly lock: ExplicitLock }

async function putCopy(
  context: OperationContext,
  input: Input,
  { source, lock }: Copy,
): Promise<PutVersionResult> {
  const { object } = source.version
  const metadata = input.metadata ?? { headers: object.headers, userMetadata: object.userMetadata }
  refuseTimeToLiveOfNew(context.profile, {
    headers: context.request.headers,
    userMetadata: metadata.userMetadata,
    lock: getsLocked(lock, addressedBucket(context)),
  })
  const description = {
    ...metadata,
    tags: input.tags ?? (await copiedTags(context, source, input.source)),
    checksum: await checksumOf(context, source, input.algorithm),
  }
  return context.store.versions.put(context.actor, {
    bucket: addressedBucket(context).name,
    key: addressedKey(context.request),
    content: { kind: 'shared', source: source.version },
    description,
    lock,
    precondition: input.precondition,
  })
}

/** Tags of the source are read and written with the rights that tags take. */
async function copiedTags(context: OperationContext, source: ReadSource, asked: CopySource): Promise<Tags> {
  const { tags } = source.version.object
  if (Object.keys(tags).length === 0) return tags
  const read = asked.versionId === null ? 's3:GetObjectTagging' : 's3:GetObjectVersionTagging'
  const mayRead = await context.mayIn(source.bucket, read, asked.key)
  const mayWrite = context.may('s3:PutObjectTagging', addressedKey(context.request))
  if (!mayRead || !mayWrite) throw new S3Error('AccessDenied')
  return tags
}

/** The source's checksum, unless another algorithm is asked for: that one is counted over the bytes. */
async function checksumOf(
  context: OperationContext,
  { version }: ReadSource,
  algorithm: ChecksumAlgorithm | null,
): Promise<ObjectChecksum | null> {
  const { checksum } = version.object
  if (algorithm === null || checksum?.algorithm === algorithm) return checksum
  const tap = await checksumTap({ md5: null, declared: null }, algorithm)
  for await (const bytes of context.store.versions.openBody(version, null)) tap.update(bytes)
  return tap.verify({})
}

function answer(
  source: ReadSource,
  { version, bucket }: Extract<PutVersionResult, { kind: 'put' }>,
): S3Response {
  const document = xmlDocument('CopyObjectResult', [
    element('LastModified', formatLastModified(version.lastModifiedMs)),
    element('ETag', quotedEtag(version.object?.etag ?? '')),
    ...checksumElements(version.object?.checksum ?? null),
  ])
  return xmlAnswer(document, { ...versionIdHeader(bucket, version), ...copySourceVersionHeader(source) })
}

function directive(headers: Readonly<Record<string, string>>, name: string): 'COPY' | 'REPLACE' {
  const value = headers[name] ?? 'COPY'
  if (value === 'COPY' || value === 'REPLACE') return value
  const subject = name === 'x-amz-metadata-directive' ? 'metadata' : 'tagging'
  throw invalidArgument(`Unknown ${subject} directive.`, name, value)
}

function copyOntoItself(): S3Error {
  return new S3Error('InvalidRequest', {
    message:
      'This copy request is illegal because it is trying to copy an object to itself without changing the ' +
      "object's metadata, storage class, website redirect location or encryption attributes.",
  })
}
