/** The table of profiles, and who is answered in which. */
import type { Principal } from '../../lib/identity.ts'
import type { ProfileName } from '../../lib/profile.ts'
import { aws } from './aws.ts'
import { lenient } from './lenient.ts'
import { minio } from './minio.ts'
import { obs } from './obs.ts'
import type { Profile } from './profile.ts'
import { qstorage } from './qstorage.ts'
import { storj, storjPreview } from './storj.ts'
import { wasabi } from './wasabi.ts'
import { yandex } from './yandex.ts'

export const profiles: Readonly<Record<ProfileName, Profile>> = {
  aws,
  storj,
  'storj-preview': storjPreview,
  wasabi,
  qstorage,
  yandex,
  obs,
  minio,
  lenient,
}

/**
 * The bucket's profile; `fallback` where no bucket is addressed or it is not there yet. The operator is read and answered as
 * S3 itself: what it sees of a bucket must not depend on the bucket's dialect.
 */
export function profileOf(
  principal: Pick<Principal, 'kind'>,
  bucket: { readonly profile: ProfileName } | null,
  fallback: ProfileName,
): Profile {
  if (principal.kind === 'operator') return aws
  return profiles[bucket?.profile ?? fallback]
}
