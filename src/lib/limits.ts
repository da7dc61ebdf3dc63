/** Every bound on what a client, a manifest or a disk can make us do. Unit in the name, origin in the comment. */
import { assert } from './assert.ts'

export const limits = {
  /** S3: object keys are 1 to 1,024 bytes of UTF-8. */
  objectKeyBytesMax: 1024,
  /** S3: bucket names are 3 to 63 characters. */
  bucketNameLengthMin: 3,
  bucketNameLengthMax: 63,
  /** S3: a single PUT or part is at most 5 GiB. */
  singleUploadBytesMax: 5 * 1024 ** 3,
  /** S3: an object is at most 5 TiB here (50 TiB since 2025-12 on AWS; raised when it is tested). */
  objectBytesMax: 5 * 1024 ** 4,
  partNumberMax: 10_000,
  /** S3: every part but the last has at least 5 MiB. */
  partBytesMin: 5 * 1024 ** 2,
  /** S3: user metadata is at most 2 KiB, counted over names and values. */
  userMetadataBytesMax: 2 * 1024,
  /** S3: keys per DeleteObjects and per listing page. */
  deleteObjectsKeysMax: 1000,
  listKeysMax: 1000,
  /** MinIO allows 4 KiB for lock and retention documents; ours adds room for namespaces and comments. */
  lockDocumentBytesMax: 8 * 1024,
  /** 1,000 keys of 1,024 bytes with versions and markup, escaped. */
  deleteDocumentBytesMax: 8 * 1024 ** 2,
  smallDocumentBytesMax: 64 * 1024,
  /** 10,000 parts with five checksums each. */
  completeDocumentBytesMax: 4 * 1024 ** 2,
  xmlDepthMax: 12,
  xmlNodesMax: 60_000,
  /** Request head: AWS allows 8 KiB of headers; node's default is 16 KiB. */
  headerBytesMax: 16 * 1024,
  /** AWS: the longest validity of a presigned URL is seven days. */
  presignedSecondsMax: 7 * 86_400,
  /** AWS: RequestTimeTooSkewed beyond 15 minutes. */
  requestSkewMsMax: 15 * 60_000,
  /** aws-chunked: AWS asks for chunks of at least 8 KiB; one frame is buffered until its signature verifies. */
  chunkBytesMax: 16 * 1024 ** 2,
  chunkHeaderBytesMax: 1024,
  trailerBytesMax: 4096,
  adminDocumentBytesMax: 64 * 1024,

  /** Default retention: S3 Days 1..36500, Years 1..100. */
  retentionDaysMax: 36_500,
  retentionYearsMax: 100,
  /** COMPLIANCE beyond this many days needs `irreversible: true`. */
  complianceDaysUnconfirmedMax: 366,
  prefixRulesMax: 32,
  prefixRuleBytesMax: 512,

  /** One store transaction (DESIGN 4). */
  transactionKeysMax: 2000,
  transactionBytesMax: 4 * 1024 ** 2,
  transactionMsMax: 5000,
  transactionConflictsMax: 8,
  /** Bodies up to this size live in the KV (performance.md 6: files win from here on). */
  inlineBodyBytesMax: 64 * 1024,
  /** Each block of this size has its own CRC32C, checked on read. */
  bodyBlockBytes: 64 * 1024,
  bodiesPerListChunkMax: 500,
  deleteObjectsPerTransactionMax: 100,

  /** Free space below max(5 %, 1 GiB) refuses new data; the ballast is freed for deletes and lock extensions. */
  freeSpaceFractionMin: 0.05,
  freeSpaceBytesMin: 1024 ** 3,
  ballastBytes: 64 * 1024 ** 2,

  /** Trusted clock (DESIGN 7). */
  clockBudgetMsMax: 24 * 3_600_000,
  clockSlewPpmMax: 1000,
  clockSuspectLockMsMax: 31 * 86_400_000,

  /** Denied decisions recorded singly per second, access key, bucket and rule; the rest are counted. */
  auditDenialsSingleMax: 10,
} as const

assert(limits.inlineBodyBytesMax <= limits.transactionBytesMax / 8, 'an inline body fits a transaction')
assert(limits.deleteObjectsPerTransactionMax * 16 <= limits.transactionKeysMax, 'a chunk of deletes fits a transaction')
assert(limits.deleteObjectsPerTransactionMax <= limits.deleteObjectsKeysMax, 'a chunk is part of a batch')
