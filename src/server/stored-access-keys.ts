import type { AccessKey } from '../lib/identity.ts'
import { S3Error } from '../s3/s3-error.ts'
import type { Store } from '../store/store.ts'

/**
 * The access keys on the volume, each read from its row when a request is signed with it. One whose secret cannot be
 * opened is there, so its requests fail with ServiceUnavailable, and not as if it had never been.
 */
export function storedAccessKeys({
  accessKeys,
}: Pick<Store, 'accessKeys'>): (accessKeyId: string) => Promise<AccessKey | null> {
  return async (accessKeyId) => {
    const found = await accessKeys.find(accessKeyId)
    switch (found.kind) {
      case 'found':
        return found.key
      case 'none':
        return null
      case 'sealed':
        throw new S3Error('ServiceUnavailable', {
          message: 'The access keys of this server are not available.',
        })
    }
  }
}
