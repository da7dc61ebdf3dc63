import { limits } from '../../lib/limits.ts'
import type { ChecksumAlgorithm, UploadRecord } from '../../store/records.ts'
import { addressedBucket } from '../addressed.ts'
import { emptyAnswer } from '../answers.ts'
import { checksumHeaderName } from '../checksums.ts'
import { demandChecksum } from '../lock-headers.ts'
import { lockOfUpload, partNumberOf, readUpload, uploadIdOf } from '../multipart.ts'
import { quotedEtag } from '../object-headers.ts'
import { defineOperation } from '../operation.ts'
import { refuseLockHeadersOnParts } from '../profiles/strictness.ts'
import { putPart } from '../put-part.ts'
import { S3Error } from '../s3-error.ts'
import { stageUpload } from '../stage-body.ts'
import { hasChecksum, type WantedChecksum, wantedChecksum } from '../wanted-checksum.ts'

type Input = { readonly uploadId: string; readonly partNumber: number }

/** One part; a second one of the same number replaces the first. Errors: NoSuchUpload, E16 for parts, BadDigest. */
export const UploadPart = defineOperation<Input>({
  name: 'UploadPart',
  match: { method: 'PUT', level: 'object', query: ['partNumber', 'uploadId'] },
  permission: 's3:PutObject',
  body: { kind: 'stream', bytesMax: limits.singleUploadBytesMax },
  parse: ({ request: { query, headers }, profile }) => {
    refuseLockHeadersOnParts(profile, headers)
    return { uploadId: uploadIdOf(query), partNumber: partNumberOf(query) }
  },
  lockFacts: ({ uploadId }, context) => lockOfUpload(context, uploadId),
  handle: async (context, { uploadId, partNumber }, payload) => {
    const upload = await readUpload(context, uploadId)
    const wanted = wantedChecksum(context.request.headers, payload.trailerNames)
    demandChecksum({
      bucket: addressedBucket(context),
      profile: context.profile,
      lockHeaders: upload.explicitRetention !== null || upload.explicitLegalHold !== null ? 'sent' : 'none',
      checksum: hasChecksum(wanted) ? 'sent' : 'none',
      subject: 'Put Part',
    })
    const fallback = algorithmOfPart(upload, wanted)
    const options = { bytesMax: limits.singleUploadBytesMax, fallback }
    const staged = await stageUpload(context, payload, wanted, options)
    const part = await putPart(context, { uploadId, partNumber, ...staged })
    const { checksum } = part
    return emptyAnswer(200, {
      etag: quotedEtag(part.etag),
      ...(checksum === null ? {} : { [checksumHeaderName(checksum.algorithm)]: checksum.value }),
    })
  },
})

/** The upload's algorithm, counted here where the part brings none. Errors: InvalidRequest for another one. */
function algorithmOfPart(upload: UploadRecord, wanted: WantedChecksum): ChecksumAlgorithm | null {
  const { checksumAlgorithm: planned } = upload
  const sent = wanted.declared?.algorithm ?? null
  if (planned === null || sent === null || planned === sent) return planned
  throw new S3Error('InvalidRequest', {
    message:
      `Checksum Type mismatch occurred, expected checksum Type: ${planned.toLowerCase()}, ` +
      `actual checksum Type: ${sent.toLowerCase()}`,
  })
}
