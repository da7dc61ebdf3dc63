/**
 * The dialects of Object Lock that a bucket can speak: S3's own, those of five vendors, MinIO's, and the union of
 * what all of them accept. A profile words things differently or is stricter; none weakens a lock.
 */
export const profileNames = [
  'aws',
  'storj',
  'storj-preview',
  'wasabi',
  'qstorage',
  'yandex',
  'obs',
  'minio',
  'lenient',
] as const
export type ProfileName = (typeof profileNames)[number]

/** Whether a bucket demands a client's checksum of a body where nobody says, as its vendor does. */
export const requireChecksumDefaults: Readonly<Record<ProfileName, boolean>> = {
  aws: true,
  storj: false,
  'storj-preview': false,
  wasabi: false,
  qstorage: true,
  yandex: true,
  obs: false,
  minio: false,
  lenient: false,
}
