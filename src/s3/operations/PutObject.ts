import { limits } from '../../lib/limits.ts'
import type { Precondition, PutVersionResult } from '../../store/store.ts'
import { addressedBucket, addressedKey } from '../addressed.ts'
import { emptyAnswer } from '../answers.ts'
import { preconditionName, writePrecondition } from '../conditional.ts'
import {
  demandChecksum,
  getsLocked,
  judgeLockHeaders,
  type LockHeaders,
  parseLockHeaders,
} from '../lock-headers.ts'
import { type DescriptionHeaders, descriptionHeaders, newObjectPermissions } from '../new-object.ts'
import { refuseUnkeptPromises } from '../object-description.ts'
import { quotedEtag } from '../object-headers.ts'
import { defineOperation, type S3Response } from '../operation.ts'
import { lockFacts } from '../policy/facts.ts'
import { refuseTimeToLiveOfNew } from '../profiles/strictness.ts'
import { S3Error } from '../s3-error.ts'
import { stageUpload } from '../stage-body.ts'
import { noSuchKey, writeError } from '../store-results.ts'
import { versionIdHeader } from '../version-id.ts'
import { checksumHeader, hasChecksum, wantedChecksum } from '../wanted-checksum.ts'

type Input = {
  readonly lock: LockHeaders
  readonly description: DescriptionHeaders
  readonly precondition: Precondition
}

/**
 * Writes a new version; an older one is never touched. 200 means that bytes, lock and audit record are durable. Headers and
 * bucket are judged before a byte is taken. Errors: E9 to E13, E5, E16, BadDigest, InvalidDigest, PreconditionFailed, 403 of
 * the policy's bounds.
 */
export const PutObject = defineOperation<Input>({
  name: 'PutObject',
  match: { method: 'PUT', level: 'object' },
  permission: 's3:PutObject',
  body: { kind: 'stream', bytesMax: limits.singleUploadBytesMax },
  parse: ({ request: { headers }, profile }) => {
    refuseUnkeptPromises(headers)
    return {
      lock: parseLockHeaders(headers, profile),
      description: descriptionHeaders(headers),
      precondition: writePrecondition(headers),
    }
  },
  lockFacts: ({ lock }) => lockFacts(lock),
  morePermissions: ({ lock, description }) => newObjectPermissions(lock, description.tags),
  handle: async (context, input, payload) => {
    const bucket = addressedBucket(context)
    const key = addressedKey(context.request)
    const lock = judgeLockHeaders(input.lock, bucket, (await context.now()).requestMs)
    refuseTimeToLiveOfNew(context.profile, {
      headers: context.request.headers,
      userMetadata: input.description.userMetadata,
      lock: getsLocked(lock, bucket),
    })
    const wanted = wantedChecksum(context.request.headers, payload.trailerNames)
    demandChecksum({
      bucket,
      profile: context.profile,
      lockHeaders: input.lock.sent ? 'sent' : 'none',
      checksum: hasChecksum(wanted) ? 'sent' : 'none',
      subject: 'Put Object',
    })
    const options = { bytesMax: limits.singleUploadBytesMax, fallback: 'CRC64NVME' } as const
    const { body, checksum } = await stageUpload(context, payload, wanted, options)
    const result = await context.store.versions.put(context.actor, {
      bucket: bucket.name,
      key,
      content: { kind: 'staged', body, etag: body.md5 },
      description: { ...input.description, checksum },
      lock,
      precondition: input.precondition,
    })
    if (result.kind === 'put') return answer(result)
    if (result.kind === 'noSuchKey') throw noSuchKey(key)
    if (result.kind === 'sourceGone') throw new S3Error('InternalError')
    throw writeError(result, bucket, preconditionName(input.precondition))
  },
})

function answer({ version, bucket }: Extract<PutVersionResult, { kind: 'put' }>): S3Response {
  const checksum = version.object?.checksum ?? null
  return emptyAnswer(200, {
    etag: quotedEtag(version.object?.etag ?? ''),
    ...versionIdHeader(bucket, version),
    ...(checksum === null ? {} : checksumHeader(checksum)),
  })
}
