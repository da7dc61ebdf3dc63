import { unreachable } from '../../lib/assert.ts'
import { limits } from '../../lib/limits.ts'
import type { ObjectChecksum, PartRecord, UploadRecord } from '../../store/records.ts'
import type { CompletePart, Precondition, Store } from '../../store/store.ts'
import { addressedBucket, addressedKey } from '../addressed.ts'
import { xmlAnswer } from '../answers.ts'
import { checksumElementNames, checksumElements, checksumIn } from '../checksum-xml.ts'
import { checksumAlgorithmOf, checksumHeaderName } from '../checksums.ts'
import { preconditionName, unquotedEtag, writePrecondition } from '../conditional.ts'
import { hasDefaultRule } from '../lock-headers.ts'
import { checksumOfParts, lockOfUpload, uploadIdOf } from '../multipart.ts'
import { quotedEtag } from '../object-headers.ts'
import { defineOperation, type OperationContext, type S3Response } from '../operation.ts'
import { refuseLockHeadersOnParts, refuseTimeToLive } from '../profiles/strictness.ts'
import { S3Error } from '../s3-error.ts'
import { slowAnswer } from '../slow-answer.ts'
import { noSuchKey, noSuchUpload, writeError } from '../store-results.ts'
import { versionIdHeader } from '../version-id.ts'
import { allowOnly, children, childText, element, parseXml, type XmlNode, xmlDocument } from '../xml.ts'

type Input = {
  readonly uploadId: string
  readonly parts: readonly CompletePart[]
  /** What the client says about the whole object; null: nothing. */
  readonly declared: { readonly algorithm: ObjectChecksum['algorithm']; readonly value: string } | null
  readonly declaredType: string | null
  readonly sizeBytes: number | null
  readonly precondition: Precondition
}

/**
 * Makes the parts one version, without copying a byte; a repeated Complete gives the same version. The lock is Create's, or
 * the bucket's rule counted from now. Errors: E8, InvalidPartOrder, InvalidPart, EntityTooSmall, BadDigest, NoSuchUpload,
 * PreconditionFailed.
 */
export const CompleteMultipartUpload = defineOperation<Input>({
  name: 'CompleteMultipartUpload',
  match: { method: 'POST', level: 'object', query: ['uploadId'] },
  permission: 's3:PutObject',
  body: { kind: 'document', bytesMax: limits.completeDocumentBytesMax, checksumOf: 'object' },
  parse: ({ request: { query, headers }, profile, document }) => {
    refuseLockHeadersOnParts(profile, headers)
    return {
      uploadId: uploadIdOf(query),
      parts: parseParts(document),
      declared: declaredChecksum(headers),
      declaredType: headers['x-amz-checksum-type'] ?? null,
      sizeBytes: declaredSize(headers['x-amz-mp-object-size']),
      precondition: writePrecondition(headers),
    }
  },
  lockFacts: ({ uploadId }, context) => lockOfUpload(context, uploadId),
  handle: (context, input) => slowAnswer(context, complete(context, input)),
})

function parseParts(document: string): readonly CompletePart[] {
  if (document === '') throw new S3Error('InvalidRequest', { message: 'You must specify at least one part' })
  const root = parseXml(document, ['CompleteMultipartUpload', 'CompleteMultipartUploadRequest'])
  allowOnly(root, ['Part'])
  const parts = children(root, 'Part').map(parsePart)
  if (parts.length < 1 || parts.length > limits.partNumberMax) throw new S3Error('MalformedXML')
  parts.reduce((before, { partNumber }) => {
    if (partNumber <= before) throw new S3Error('InvalidPartOrder')
    return partNumber
  }, 0)
  return parts
}

function parsePart(node: XmlNode): CompletePart {
  allowOnly(node, ['PartNumber', 'ETag', ...checksumElementNames])
  const number = childText(node, 'PartNumber') ?? ''
  const etag = childText(node, 'ETag')
  if (etag === null || !/^\d{1,5}$/.test(number)) throw new S3Error('MalformedXML')
  const partNumber = Number(number)
  if (partNumber < 1 || partNumber > limits.partNumberMax) throw new S3Error('InvalidPart')
  return { partNumber, etag: unquotedEtag(etag), checksum: checksumIn(node) }
}

function declaredChecksum(headers: Readonly<Record<string, string>>): Input['declared'] {
  const names = Object.keys(headers).filter((name) => name.startsWith('x-amz-checksum-'))
  const found = names.flatMap((name) => {
    const algorithm = checksumAlgorithmOf(name.slice('x-amz-checksum-'.length))
    return algorithm === null ? [] : [{ algorithm, value: headers[checksumHeaderName(algorithm)] ?? '' }]
  })
  if (found.length > 1) {
    throw new S3Error('InvalidRequest', {
      message: 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    })
  }
  return found[0] ?? null
}

function declaredSize(value: string | undefined): number | null {
  if (value === undefined) return null
  if (/^\d{1,15}$/.test(value)) return Number(value)
  throw new S3Error('InvalidRequest', { message: 'Value for x-amz-mp-object-size header is invalid.' })
}

async function complete(context: OperationContext, input: Input): Promise<S3Response> {
  const bucket = addressedBucket(context)
  const { uploadId, precondition } = input
  const key = addressedKey(context.request)
  const whole = await wholeChecksum(context, input)
  const request = { bucket: bucket.name, key, uploadId, ...whole, precondition }
  const result = await context.store.uploads.complete(context.actor, request)
  if (result.kind === 'completed') return answer(context, result)
  throw refusal(result, context, input)
}

type CompleteResult = Awaited<ReturnType<Store['uploads']['complete']>>
type Refused = Exclude<CompleteResult, { kind: 'completed' }>

function refusal(
  result: Refused,
  context: OperationContext,
  { uploadId, parts, precondition }: Input,
): S3Error {
  const bucket = addressedBucket(context)
  const key = addressedKey(context.request)
  switch (result.kind) {
    case 'noSuchUpload':
      return noSuchUpload(uploadId)
    case 'invalidPart':
      return invalidPart(uploadId, parts, result.partNumber)
    case 'partTooSmall':
      return new S3Error('EntityTooSmall', {
        extra: {
          ProposedSize: String(result.sizeBytes),
          MinSizeAllowed: String(limits.partBytesMin),
          PartNumber: String(result.partNumber),
          ETag: result.etag,
        },
      })
    case 'objectTooLarge':
      return new S3Error('EntityTooLarge', {
        extra: { ProposedSize: String(result.sizeBytes), MaxSizeAllowed: String(limits.objectBytesMax) },
      })
    case 'noSuchKey':
      return noSuchKey(key)
    case 'noSuchBucket':
    case 'preconditionFailed':
    case 'denied':
    case 'clockSuspect':
    case 'quotaExceeded':
      return writeError(result, bucket, preconditionName(precondition))
    default:
      return unreachable(result, 'every result of CompleteMultipartUpload has its answer')
  }
}

function invalidPart(uploadId: string, parts: readonly CompletePart[], partNumber: number): S3Error {
  const etag = parts.find((part) => part.partNumber === partNumber)?.etag ?? ''
  return new S3Error('InvalidPart', {
    extra: { UploadId: uploadId, PartNumber: String(partNumber), ETag: etag },
  })
}

/**
 * The checksum to store, out of the stored parts', compared with what the client declares. null: the upload has none, or it is
 * not there any more (the store knows whether it was completed). The parts come back with their stored checksums, so that
 * one that is replaced after this look is found by the store in its transaction.
 */
async function wholeChecksum(context: OperationContext, input: Input): Promise<Whole> {
  const address = { bucket: addressedBucket(context).name, key: addressedKey(context.request) }
  const found = await context.store.uploads.read(address.bucket, address.key, input.uploadId)
  const asGiven = { parts: input.parts, checksum: null }
  if (found.kind !== 'found') return asGiven
  const { upload } = found
  if (hasDefaultRule(addressedBucket(context))) refuseTimeToLive(context.profile, upload.userMetadata)
  checkDeclaredType(upload, input)
  if (upload.checksumAlgorithm === null && input.sizeBytes === null) return asGiven
  const stored = await readParts(context, input)
  if (stored === null) return asGiven
  const named = input.parts.map((part) => {
    const match = stored.get(part.partNumber)
    const isSame = match !== undefined && sameChecksum(match, part)
    if (!isSame) throw invalidPart(input.uploadId, input.parts, part.partNumber)
    return match
  })
  checkSize(named, input.sizeBytes)
  const checksum = await checksumOfParts(upload, named)
  if (input.declared !== null && input.declared.value !== checksum?.value) {
    throw new S3Error('BadDigest', {
      message: `The ${input.declared.algorithm} you specified did not match the calculated checksum.`,
    })
  }
  const parts = named.map(({ partNumber, etag, checksum: known }) => ({ partNumber, etag, checksum: known }))
  return { parts, checksum }
}

type Whole = { readonly parts: readonly CompletePart[]; readonly checksum: ObjectChecksum | null }

function checkDeclaredType(upload: UploadRecord, { declared, declaredType }: Input): void {
  const planned = upload.checksumAlgorithm
  if (declared !== null && declared.algorithm !== planned) {
    throw new S3Error('InvalidRequest', {
      message:
        `Checksum Type mismatch occurred, expected checksum Type: ${(planned ?? 'null').toLowerCase()}, ` +
        `actual checksum Type: ${declared.algorithm.toLowerCase()}`,
    })
  }
  if (declaredType === null || declaredType === upload.checksumType) return
  throw new S3Error('InvalidRequest', {
    message: `The upload was created using the ${upload.checksumType ?? 'null'} checksum mode.`,
  })
}

/** null: the upload ended meanwhile. */
async function readParts(
  context: OperationContext,
  input: Input,
): Promise<ReadonlyMap<number, PartRecord> | null> {
  const address = { bucket: addressedBucket(context).name, key: addressedKey(context.request) }
  const stored = new Map<number, PartRecord>()
  let afterPartNumber = 0
  for (;;) {
    const request = { ...address, uploadId: input.uploadId, afterPartNumber, limit: limits.listKeysMax }
    const page = await context.store.uploads.listParts(request)
    if (page.kind !== 'page') return null
    for (const part of page.parts) stored.set(part.partNumber, part)
    const last = page.parts.at(-1)
    if (!page.isTruncated || last === undefined) return stored
    afterPartNumber = last.partNumber
  }
}

function sameChecksum(stored: PartRecord, { checksum, etag }: CompletePart): boolean {
  if (stored.etag !== etag) return false
  if (checksum === null) return true
  return stored.checksum?.algorithm === checksum.algorithm && stored.checksum.value === checksum.value
}

function checkSize(parts: readonly PartRecord[], declaredBytes: number | null): void {
  if (declaredBytes === null) return
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0)
  if (sizeBytes === declaredBytes) return
  throw new S3Error('InvalidRequest', {
    message: `The provided 'x-amz-mp-object-size' header value ${declaredBytes} does not match what was computed: ${sizeBytes}`,
  })
}

function answer(
  context: OperationContext,
  result: Extract<CompleteResult, { kind: 'completed' }>,
): S3Response {
  const { version, bucket } = result
  const { server, request } = context
  const location = `${server.publicEndpoint.replace(/\/$/, '')}${encodeURI(request.resource)}`
  const document = xmlDocument('CompleteMultipartUploadResult', [
    element('Location', location),
    element('Bucket', bucket.name),
    element('Key', version.key),
    element('ETag', quotedEtag(version.object?.etag ?? '')),
    ...checksumElements(version.object?.checksum ?? null),
  ])
  return xmlAnswer(document, versionIdHeader(bucket, version))
}
