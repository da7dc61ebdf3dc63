import { limits } from '../../lib/limits.ts'
import {
  type LifecycleConfiguration,
  lifecycleCodec,
  transitionDefaultMinimumObjectSizes,
} from '../../store/lifecycle-document.ts'
import { emptyAnswer } from '../answers.ts'
import { putBucketDocument } from '../bucket-document.ts'
import { parseLifecycle } from '../lifecycle-xml.ts'
import { demandDocumentChecksum } from '../lock-headers.ts'
import { defineOperation } from '../operation.ts'
import { invalidArgument } from '../s3-error.ts'

const sizeHeader = 'x-amz-transition-default-minimum-object-size'

/**
 * Accepted whatever is locked: locks do not limit the configuration, they limit what it can do. Errors: E17, E8,
 * InvalidArgument, InvalidRequest, NotImplemented for transitions.
 */
export const PutBucketLifecycleConfiguration = defineOperation<LifecycleConfiguration>({
  name: 'PutBucketLifecycleConfiguration',
  match: { method: 'PUT', level: 'bucket', query: ['lifecycle'] },
  permission: 's3:PutLifecycleConfiguration',
  body: { kind: 'document', bytesMax: limits.bucketDocumentBytesMax },
  parse: ({ request, bucket, profile, document }) => {
    demandDocumentChecksum({ request, bucket, profile }, 'other')
    const transitionDefaultMinimumObjectSize = sizeOf(request.headers[sizeHeader])
    return { rules: parseLifecycle(document), transitionDefaultMinimumObjectSize }
  },
  handle: async (context, configuration) => {
    await putBucketDocument(context, 'lifecycle', lifecycleCodec.encode(configuration))
    return emptyAnswer(200, { [sizeHeader]: configuration.transitionDefaultMinimumObjectSize })
  },
})

function sizeOf(header: string | undefined): LifecycleConfiguration['transitionDefaultMinimumObjectSize'] {
  const value = header ?? 'all_storage_classes_128K'
  const known = transitionDefaultMinimumObjectSizes.find((size) => size === value)
  if (known === undefined) {
    const words = transitionDefaultMinimumObjectSizes.join(' or ')
    throw invalidArgument(`${sizeHeader} must be ${words}`, sizeHeader, value)
  }
  return known
}
