import { limits } from '../../lib/limits.ts'
import type { ObjectChecksum } from '../../store/records.ts'
import { xmlAnswer } from '../answers.ts'
import { checksumValueElements } from '../checksum-xml.ts'
import {
  type CopySource,
  checkCopySize,
  copySourceVersionHeader,
  parseCopySource,
  readCopySource,
} from '../copy-source.ts'
import { formatLastModified } from '../dates.ts'
import { lockOfUpload, partNumberOf, readUpload, uploadIdOf } from '../multipart.ts'
import { quotedEtag } from '../object-headers.ts'
import { defineOperation, type OperationContext, type S3Response } from '../operation.ts'
import { refuseLockHeadersOnParts } from '../profiles/strictness.ts'
import { putPart } from '../put-part.ts'
import type { ByteRange } from '../range.ts'
import { invalidArgument, type S3Error } from '../s3-error.ts'
import { slowAnswer } from '../slow-answer.ts'
import { stageUpload } from '../stage-body.ts'
import { element, xmlDocument } from '../xml.ts'

type Input = {
  readonly source: CopySource
  readonly uploadId: string
  readonly partNumber: number
  /** `endByte` exclusive; null: the whole source. */
  readonly range: ByteRange | null
}

const rangeHeader = 'x-amz-copy-source-range'

/** A part out of an existing version's bytes. It takes the right to read them and never touches a lock. */
export const UploadPartCopy = defineOperation<Input>({
  name: 'UploadPartCopy',
  match: {
    method: 'PUT',
    level: 'object',
    query: ['partNumber', 'uploadId'],
    headers: ['x-amz-copy-source'],
  },
  permission: 's3:PutObject',
  body: { kind: 'none' },
  parse: ({ request: { query, headers }, profile }) => {
    refuseLockHeadersOnParts(profile, headers)
    return {
      source: parseCopySource(headers['x-amz-copy-source'] ?? ''),
      uploadId: uploadIdOf(query),
      partNumber: partNumberOf(query),
      range: parseCopyRange(headers[rangeHeader]),
    }
  },
  lockFacts: ({ uploadId }, context) => lockOfUpload(context, uploadId),
  handle: (context, input) => slowAnswer(context, copyPart(context, input)),
})

async function copyPart(context: OperationContext, input: Input): Promise<S3Response> {
  const { uploadId, partNumber } = input
  const upload = await readUpload(context, uploadId)
  const source = await readCopySource(context, input.source)
  const { sizeBytes } = source.version.object
  const range = input.range
  if (range !== null && range.endByte > sizeBytes) throw outside(range, sizeBytes)
  const partBytes = range === null ? sizeBytes : range.endByte - range.startByte
  checkCopySize(partBytes)
  const payload = {
    sizeBytes: partBytes,
    stream: () => context.store.versions.openBody(source.version, range),
    trailerNames: [],
    trailers: () => ({}),
  }
  const options = { bytesMax: limits.singleUploadBytesMax, fallback: upload.checksumAlgorithm }
  const staged = await stageUpload(context, payload, { md5: null, declared: null }, options)
  const part = await putPart(context, { uploadId, partNumber, ...staged })
  return xmlAnswer(resultXml(part), copySourceVersionHeader(source))
}

type CopiedPart = {
  readonly lastModifiedMs: Parameters<typeof formatLastModified>[0]
  readonly etag: string
  readonly checksum: ObjectChecksum | null
}

function resultXml(part: CopiedPart): string {
  return xmlDocument('CopyPartResult', [
    element('LastModified', formatLastModified(part.lastModifiedMs)),
    element('ETag', quotedEtag(part.etag)),
    ...checksumValueElements(part.checksum),
  ])
}

/** Both ends are needed, and all of it must exist: S3 does not clip here. */
function parseCopyRange(header: string | undefined): ByteRange | null {
  if (header === undefined) return null
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header)
  const startByte = Number(match?.[1])
  const endByte = Number(match?.[2]) + 1
  if (match === null || endByte <= startByte) {
    throw invalidArgument(
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the ' +
        'zero-based offsets of the first and last bytes to copy',
      rangeHeader,
      header,
    )
  }
  return { startByte, endByte }
}

function outside(range: ByteRange, sizeBytes: number): S3Error {
  return invalidArgument(
    `Range specified is not valid for source object of size: ${sizeBytes}`,
    rangeHeader,
    `bytes=${range.startByte}-${range.endByte - 1}`,
  )
}
