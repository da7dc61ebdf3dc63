/**
 * Every bound on what a client, a manifest or a disk can make us do. Unit in the name, origin in the comment.
 */
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
  /** S3: an object has at most 10 tags; lengths in characters. */
  objectTagsMax: 10,
  tagKeyLengthMax: 128,
  tagValueLengthMax: 256,
  /** S3: a bucket has at most 50 tags. */
  bucketTagsMax: 50,
  /** S3: rules of a lifecycle and of a CORS configuration; the ids of both are at most 255 characters. */
  lifecycleRulesMax: 1000,
  corsRulesMax: 100,
  ruleIdLengthMax: 255,
  /** Lifecycle rules of a manifest: more would cost the API server too much, and its readers. */
  manifestLifecycleRulesMax: 32,
  /** S3: NewerNoncurrentVersions is 1 to 100. */
  newerNoncurrentVersionsMax: 100,
  /** S3: numbers of days are 32-bit integers; sizes of a lifecycle filter are at most 1,000 TiB. */
  lifecycleDaysMax: 2 ** 31 - 1,
  lifecycleSizeBytesMax: 1000 * 1024 ** 4,
  /**
   * After this long an answer that is not ready yet begins with white space (S3 does so on Complete and
   * Copy).
   */
  answerPatienceMs: 5000,
  /** S3: buckets per ListBuckets. */
  listBucketsMax: 10_000,
  /** S3: keys per DeleteObjects and per listing page. */
  deleteObjectsKeysMax: 1000,
  listKeysMax: 1000,
  /** MinIO allows 4 KiB for lock and retention documents; ours adds room for namespaces and comments. */
  lockDocumentBytesMax: 8 * 1024,
  /** S3: the form of a PostObject without the content of its file is at most 20 KB. */
  formBytesMax: 20 * 1024,
  /** 1,000 keys of 1,024 bytes with versions and markup, escaped. */
  deleteDocumentBytesMax: 8 * 1024 ** 2,
  smallDocumentBytesMax: 64 * 1024,
  /** A bucket's policy, lifecycle, tags or CORS rules as stored: 1,000 lifecycle rules with their filters. */
  bucketDocumentBytesMax: 1024 ** 2,
  /** S3: a bucket policy is at most 20 KiB. */
  bucketPolicyBytesMax: 20 * 1024,
  /** Parsed policies that a worker remembers, some 50 KiB each at most. */
  policiesRememberedMax: 1000,
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
  /** aws-chunked: chunks of at least 8 KiB (AWS); so much may be staged before a signature proves it. */
  chunkBytesMax: 16 * 1024 ** 2,
  chunkHeaderBytesMax: 1024,
  trailerBytesMax: 4096,
  /** Keys of one --access-keys file: all of them are held in memory. */
  accessKeysMax: 10_000,
  /** Of a stored access key: a role has a handful of statements over the buckets of one BucketAccess. */
  keyStatementsMax: 16,
  statementActionsMax: 64,
  accessBucketsMax: 64,
  /** A BucketAccess makes a new key no more often: each is a change of a Secret that programs must take up. */
  keyRotationMsMin: 3_600_000,
  /** Stored access keys in one answer of the admin API. */
  accessKeysPageMax: 500,
  /** Signing keys remembered by a worker: one a key, day and region. */
  signingKeysMax: 10_000,
  /** Silence inside a request's body: RequestTimeout (AWS: about 20 s). */
  bodyIdleMsMax: 20_000,
  /** A connection on which nothing moves, also a client that does not read its answer. */
  connectionIdleMsMax: 120_000,
  headerMsMax: 30_000,
  keepAliveMs: 65_000,
  connectionsMax: 4096, // of a worker and port; more are closed
  /** A refused upload with so little left is read to its end, and its connection goes on. */
  restBytesMax: 256 * 1024,
  restMsMax: 1000,
  /**
   * What is read and dropped of a larger one after its answer: a client that is still sending when the
   * connection ends sees a reset and not the answer.
   */
  lingerBytesMax: 64 * 1024 ** 2,
  /** A worker whose store failed gets this long to send its last answers. */
  failedWorkerMs: 500,
  /** A LockedBucket with all lifecycle rules and tags that it may have. */
  adminDocumentBytesMax: 512 * 1024,
  /** Series of one metric: operations times statuses times error codes stay far below. */
  metricSeriesMax: 10_000,
  /** How long a worker may take to tell its metrics; a busy one is shown by its last ones. */
  metricsAnswerMsMax: 1000,
  /** Totals over all buckets are counted again after this. */
  bucketTotalsMs: 60_000,
  /** HTTP/2: requests at once and their memory on one connection; bytes that a stream may send ahead. */
  http2StreamsMax: 128,
  http2SessionMegabytesMax: 32,
  http2WindowBytes: 1024 ** 2,
  /** A renewed certificate is served this long after its files changed, at the latest. */
  certificateLookMs: 5000,
  certificateRenewalLookMs: 3_600_000,

  /** Default retention: S3 Days 1..36500, Years 1..100. */
  retentionDaysMax: 36_500,
  retentionYearsMax: 100,
  /** Storj's limit on Years. */
  storjRetentionYearsMax: 10,
  /** COMPLIANCE beyond this many days needs `irreversible: true`. */
  complianceDaysUnconfirmedMax: 366,
  prefixRulesMax: 32,
  /** Labels and comparisons of a selector, and values of a comparison: more than any has, less than CEL costs. */
  selectorTermsMax: 16,
  selectorValuesMax: 64,
  prefixRuleBytesMax: 512,

  /** One store transaction. */
  transactionKeysMax: 2000,
  transactionBytesMax: 4 * 1024 ** 2,
  transactionMsMax: 5000,
  transactionConflictsMax: 8,
  /** LMDB with 4 KiB pages takes keys up to 1,978 bytes; a range bound may be one byte longer than a key. */
  storeKeyBytesMax: 1900,
  /** What one transaction may read: 100 versions with inline bodies, and their chunk of index entries. */
  transactionReadKeysMax: 20_000,
  transactionReadBytesMax: 32 * 1024 ** 2,
  /** One commit of the engine carries many transactions; what does not fit waits for the next. */
  commitBatchBytesMax: 32 * 1024 ** 2,
  /** A commit that has not ended by now never will: the store is declared failed. */
  commitMsMax: 30_000,
  /** How long closing a failed store may take. */
  closeMsMax: 2000,
  /** One listing passes over at most this many rows (delete markers), then its page ends early. */
  listRowsScannedMax: 20_000,
  /** Buckets whose id a process remembers, only to read ahead. */
  bucketPlacesMax: 10_000,
  /** Ours: decoded records that a worker keeps, some KiB each. */
  rememberedBucketsMax: 1000,
  /** Expiries of the current day that facts count one by one. */
  factsExpiryRowsMax: 10_000,
  /** Bodies up to this size live in the KV: larger ones are faster as files. */
  inlineBodyBytesMax: 64 * 1024,
  /** Each block of this size has its own CRC32C, checked on read. */
  bodyBlockBytes: 64 * 1024,
  /** Reads of a body: so many bytes each, so many at a time. With 128 large GETs: 192 MiB of buffers. */
  bodyReadBytes: 512 * 1024,
  bodyReadsInFlightMax: 3,
  /** Two of these for each body being staged. */
  bodyWriteBytes: 256 * 1024,
  /** Bodies read, and as many staged, with buffers of those sizes; each beyond them has 128 KiB, in blocks. */
  bodyBufferUsersMax: 128,
  /** Buffers kept for use again, of each of both sizes. */
  bodyBuffersKeptMax: 16,
  bodiesPerListChunkMax: 500,
  /** 64 KiB of checksums in a row: one row per GiB of a body. */
  crcsPerFileRowMax: 16_384,
  /**
   * One page of the garbage walk, and bodies whose rows go in one transaction (a body has at most 5 rows).
   */
  garbagePageMax: 100,
  garbageBodiesPerTransactionMax: 100,
  /** A repeated CompleteMultipartUpload finds its answer for a day of trusted time. */
  completedUploadMsMax: 24 * 3_600_000,
  /** Complete starts again when parts change under it, at most so often; then 503 SlowDown. */
  completeAttemptsMax: 4,
  /** Part rows read at once by Complete, ListParts and garbage. */
  partsPageMax: 500,
  deleteObjectsPerTransactionMax: 100,
  /**
   * applyToExisting: versions looked at in one step, each of which may change (12 keys); a pause after each step, so that
   * clients' writes come first (at most 2,000 versions a second); buckets read at once.
   */
  existingPageVersionsMax: 100,
  existingPauseMs: 50,
  /** How often the operator looks at a walk that goes on. */
  existingProgressMs: 30_000,
  existingBucketsPageMax: 500,
  /** Rows of a format upgrade in one transaction, and after how many written bytes it ends: one row may be an inline body. */
  upgradeRowsPerTransactionMax: 500,
  upgradeBytesPerTransaction: 1024 ** 2,
  /** Read at once: the largest row is a bucket's document of 1 MiB. */
  upgradeRowsPerPage: 20,
  /** Lifecycle: rows read at once, and removals in one transaction, each of which may read its kept neighbours again. */
  lifecyclePageMax: 250,
  lifecycleDeletesPerTransactionMax: 50,
  /** A pause after each of them: at most 500 removals a second, so that clients' writes come first. */
  lifecyclePauseMs: 100,
  /** Pages without a removal between two records of how far a run has come. */
  lifecyclePagesPerRecordMax: 20,

  /** Below max(5 %, 1 GiB) free new data is refused; the ballast is freed for deletes and lock extensions. */
  freeSpaceFractionMin: 0.05,
  freeSpaceBytesMin: 1024 ** 3,
  ballastBytes: 64 * 1024 ** 2,
  /** With less free no commit begins: the largest transaction, its pages, and what comes before the next look. */
  commitFreeBytesMin: 8 * 1024 ** 2,
  /** Fewer inodes than these are told in /readyz: objects in files of some seconds of load. */
  freeFilesMin: 1024,
  /** A look at the free space serves all requests of so long, and so many bytes of what arrives at one process. */
  freeSpaceProbeMsMax: 1000,
  freeSpaceProbeBytesMax: 32 * 1024 ** 2,
  /** CRC64NVME hashers kept for the next bodies in one process; 64 KiB of memory each. */
  idleHashersMax: 32,

  /** Trusted clock. */
  clockBudgetMsMax: 24 * 3_600_000,
  clockSlewPpmMax: 1000,
  clockSuspectLockMsMax: 31 * 86_400_000,
  /** The budget grows by one millisecond per this many of trusted time: 24 h in 30 days. */
  clockBudgetRefillRatio: 30,
  /** What slew alone evens out; a wall clock further ahead draws from the budget. */
  clockStepMsMin: 1000,
  /** A wall clock this far beyond what the budget covers is suspect; below it is the noise of restarts. */
  clockSuspectMsMin: 60_000,
  clockAcceptReasonLengthMax: 1024,

  /**
   * Operator: retry delays per object as in controller-runtime, and overall 10 a second,
   * burst 100.
   */
  reconcileRetryDelayMsMin: 5,
  reconcileRetryDelayMsMax: 1_000_000,
  reconcileRetriesPerSecond: 10,
  reconcileRetriesBurst: 100,
  reconcileMsMax: 60_000,
  reconcileWorkersMax: 16,
  /** After SIGTERM running reconciles may end for so long; Kubernetes gives a pod 30 s. */
  drainMsMax: 10_000,
  /** What a Lease may ask others to wait, also one that somebody edited. */
  leaseDurationMsMax: 300_000,
  /** An annotation may have 256 KiB; its echo in a status is for comparing. */
  annotationEchoLengthMax: 253,
  /** A delayed key never sleeps longer: node fires timers beyond 2^31 ms at once. */
  timerMsMax: 2 ** 31 - 1,
  /** Kubernetes: client-go pages its lists by 500; failures back off 0.8 s to 30 s. */
  kubeListPageMax: 500,
  kubeBackoffMsMin: 800,
  kubeBackoffMsMax: 30_000,
  /** The API server sends a bookmark about every 60 s: silence beyond this is a dead connection. */
  kubeWatchSilenceMsMax: 90_000,
  kubeWatchSecondsMin: 300,
  kubeWatchSecondsMax: 600,
  kubeRequestMsMax: 30_000,
  kubeRequestAttemptsMax: 4,
  /** The API server's own priority and fairness is the judge; this only keeps a bug of ours from being a flood. */
  kubeRequestsPerSecond: 100,
  kubeRequestsBurst: 200,
  /** One watch line or list page: an object of 1.5 MiB (etcd's bound) with room for its wrapping. */
  kubeLineLengthMax: 4 * 1024 ** 2,
  /** A list page of 500 objects of that size would be 2 GiB: what a page may really take. */
  kubeDocumentLengthMax: 64 * 1024 ** 2,
  /**
   * client-go's recorder: 25 events per object, then one in 5 minutes; equal ones are counted for 10 minutes.
   */
  eventsPerObjectBurst: 25,
  eventRefillMs: 300_000,
  eventSeriesMs: 600_000,
  eventSeriesMax: 4096,
  /** Beyond this many similar ones in that time, with different messages, they are one event that counts up. */
  eventSimilarMax: 10,
  eventMessageLengthMax: 1024,
  /** After a write of finalizers the watch tells of it by then. */
  finalizerSettleMs: 200,
  /** Conditions: metav1.Condition allows 32,768 characters; a message is for people. */
  conditionMessageLengthMax: 1024,
  /** Text of others in a status: keys may have 1024 bytes, five of them would be most of it. */
  statusTextLengthMax: 256,
  /** Verification of a bucket against the server, and the least time between writes of counts alone. */
  verifyIntervalMsMin: 100,
  verifyIntervalMsMax: 24 * 3_600_000,
  countsWriteIntervalMs: 300_000,
  /**
   * An unchanged status is written again this seldom, so that lastVerifiedTime says that somebody looks.
   */
  statusRefreshMs: 6 * 3_600_000,
  /**
   * While the lock server is away, every bucket is tried again at least this often: recovery needs nobody.
   */
  serverRetryMsMax: 30_000,
  /** The lock server's own facts (endpoint, region, epoch) are asked again after this. */
  serverInfoMsMax: 30_000,
  /**
   * A policy counts its buckets this long after the first of them changed: a thousand new ones are one write.
   */
  bucketCountDelayMs: 200,
  /** The canary is locked for an hour, renewed when half of that is left; a list of its versions is a page of so many. */
  canaryLockMs: 3_600_000,
  canaryRenewMs: 1_800_000,
  canaryVersionsMax: 16,
  /** An attempt that proved nothing speaks for so long: the log gets no line for every bucket. */
  canaryRetryMs: 5000,
  /** How long the operator's start waits to know whether the admission policies are installed. */
  admissionGuardWaitMs: 5000,
  /** Claims of one lock server; how long a term waits for the first look at them, so that no status begins as Unknown. */
  storageClaimsMax: 16,
  storageLookWaitMs: 5000,

  /** Operators of one cluster that the admission policies name: an expression of a policy is bounded. */
  operatorAccountsMax: 50,
  /**
   * The operator signs the head of the audit chain so often, and keeps so many: one write an hour. The last one of a term is given so
   * long, because a pod that is to end does not wait.
   */
  checkpointIntervalMs: 3_600_000,
  checkpointsKeptMax: 64,
  checkpointFlushMs: 5000,

  /** Namespaces that one operator watches one by one: two watches each. */
  watchNamespacesMax: 100,

  /** Standalone: a folder of manifests. */
  manifestFileBytesMax: 1024 ** 2,
  manifestFilesMax: 1000,
  manifestObjectsMax: 10_000,
  manifestDebounceMs: 50,
  manifestReadIntervalMs: 2000,

  /** Denied decisions recorded singly per second, access key, bucket and rule; the rest are counted. */
  auditDenialsSingleMax: 10,
  auditDenialWindowMs: 1000,
  /** One counted record in this time, for which its refusals wait: at most 50 a second of one source. */
  auditDenialCountedMs: 20,
  /** A burst waits less: so many records of a process, sooner, that come back as fast as one source may write them. */
  auditDenialBurstMs: 2,
  auditDenialBurstMax: 5000,
  /** Sources of denials told apart at a time; those beyond share their counted records. */
  auditDenialSourcesMax: 10_000,
  /** The last refusals of a bucket: rows that are kept, and how many of them a status shows. */
  denialSlots: 8,
  lastDenialsMax: 5,
  /** Damaged versions that an answer about a bucket names. */
  quarantinedNamedMax: 5,
  /** Records that verification reads at once. */
  auditPageMax: 500,
  /** Ids that verify holds in memory at a time (some 40 MB), and versions of shared bytes that a finding names. */
  verifyNamesMax: 250_000,
  verifySharersNamedMax: 10,
  /** Scrub: versions looked at between two pauses; a pass a week. */
  scrubPageMax: 100,
  scrubPauseMs: 50,
  scrubIntervalMs: 7 * 86_400_000,
  /** Its progress is kept after so many bytes, two minutes at the usual pace; damage that it met is looked into so often. */
  scrubUnsavedBytesMax: 4 * 1024 ** 3,
  scrubOwnersIntervalMs: 600_000,
  /** Bodies in a row that the disk does not give out before a run of it ends; twice as many the next time, up to quarantineListMax. */
  scrubUnreadMax: 8,
  quarantineListMax: 1000,
  /** Two rows each, of keys that may be six times as long in JSON. */
  quarantineOwnersPerTransactionMax: 100,
  /** Lists whose damage the reads of one process put into quarantine in such a time; a disk that is going is the scrub's. */
  metDamageMax: 60,
  metDamageWindowMs: 60_000,
  /** Backup and restore: how long one waits for a garbage collection to end; bodies copied at a time. */
  bodiesHoldMsMax: 600_000,
  bodyCopiesMax: 4,
  /** How far a restore skips numbers: at least what a volume gives out between two backups; at most, 900 restores fit the accounts. */
  restoreSkippedMin: 1_000_000,
  restoreSkippedMax: 1_000_000_000,
  /** Records of an audit log applied in one transaction; each changes some 20 keys. */
  auditReplayBatchMax: 50,
  /** A line of an exported audit log: a key of 1,024 bytes, escaped, with all that a record says, is far below. */
  auditLineLengthMax: 1024 ** 2,
} as const

assert(limits.commitBatchBytesMax >= limits.transactionBytesMax, 'the largest transaction fits a commit')
assert(
  limits.upgradeRowsPerTransactionMax + 2 <= limits.transactionKeysMax &&
    limits.upgradeBytesPerTransaction + 2 * limits.bucketDocumentBytesMax <= limits.transactionBytesMax &&
    (limits.upgradeRowsPerPage + 2) * limits.bucketDocumentBytesMax <= limits.transactionReadBytesMax,
  'a batch of a format upgrade fits a transaction',
)
assert(limits.bodyReadBytes % limits.bodyBlockBytes === 0, 'a read is made of whole blocks')
assert(limits.bodyBlockBytes >= limits.inlineBodyBytesMax, 'what was kept in memory fits a write buffer')
assert(limits.inlineBodyBytesMax <= limits.transactionBytesMax / 8, 'an inline body fits a transaction')
assert(
  limits.deleteObjectsPerTransactionMax * 16 <= limits.transactionKeysMax,
  'a chunk of deletes fits a transaction',
)
assert(limits.deleteObjectsPerTransactionMax <= limits.deleteObjectsKeysMax, 'a chunk is part of a batch')
assert(
  limits.lifecycleDeletesPerTransactionMax * (limits.newerNoncurrentVersionsMax + 9) <=
    limits.transactionReadKeysMax,
  'planned deletes read within the bound of a transaction',
)
