/** THE TABLE: every S3 operation that this server does. One file each; the rest is in not-implemented.ts. */
import { guarded } from '../guarded.ts'
import type { Operation } from '../operation.ts'
import { AbortMultipartUpload } from './AbortMultipartUpload.ts'
import { CompleteMultipartUpload } from './CompleteMultipartUpload.ts'
import { CopyObject } from './CopyObject.ts'
import { CreateBucket } from './CreateBucket.ts'
import { CreateMultipartUpload } from './CreateMultipartUpload.ts'
import { DeleteBucket } from './DeleteBucket.ts'
import { DeleteBucketCors } from './DeleteBucketCors.ts'
import { DeleteBucketLifecycle } from './DeleteBucketLifecycle.ts'
import { DeleteBucketOwnershipControls } from './DeleteBucketOwnershipControls.ts'
import { DeleteBucketPolicy } from './DeleteBucketPolicy.ts'
import { DeleteBucketTagging } from './DeleteBucketTagging.ts'
import { DeleteObject } from './DeleteObject.ts'
import { DeleteObjects } from './DeleteObjects.ts'
import { DeleteObjectTagging } from './DeleteObjectTagging.ts'
import { DeletePublicAccessBlock } from './DeletePublicAccessBlock.ts'
import { GetBucketAcl } from './GetBucketAcl.ts'
import { GetBucketCors } from './GetBucketCors.ts'
import { GetBucketEncryption } from './GetBucketEncryption.ts'
import { GetBucketLifecycleConfiguration } from './GetBucketLifecycleConfiguration.ts'
import { GetBucketLocation } from './GetBucketLocation.ts'
import { GetBucketOwnershipControls } from './GetBucketOwnershipControls.ts'
import { GetBucketPolicy } from './GetBucketPolicy.ts'
import { GetBucketPolicyStatus } from './GetBucketPolicyStatus.ts'
import { GetBucketTagging } from './GetBucketTagging.ts'
import { GetBucketVersioning } from './GetBucketVersioning.ts'
import { GetObject } from './GetObject.ts'
import { GetObjectAcl } from './GetObjectAcl.ts'
import { GetObjectAttributes } from './GetObjectAttributes.ts'
import { GetObjectLegalHold } from './GetObjectLegalHold.ts'
import { GetObjectLockConfiguration } from './GetObjectLockConfiguration.ts'
import { GetObjectRetention } from './GetObjectRetention.ts'
import { GetObjectTagging } from './GetObjectTagging.ts'
import { GetPublicAccessBlock } from './GetPublicAccessBlock.ts'
import { HeadBucket } from './HeadBucket.ts'
import { HeadObject } from './HeadObject.ts'
import { ListBuckets } from './ListBuckets.ts'
import { ListMultipartUploads } from './ListMultipartUploads.ts'
import { ListObjects } from './ListObjects.ts'
import { ListObjectsV2 } from './ListObjectsV2.ts'
import { ListObjectVersions } from './ListObjectVersions.ts'
import { ListParts } from './ListParts.ts'
import { unbuiltOperations } from './not-implemented.ts'
import { PostObject } from './PostObject.ts'
import { PutBucketAcl } from './PutBucketAcl.ts'
import { PutBucketCors } from './PutBucketCors.ts'
import { PutBucketLifecycleConfiguration } from './PutBucketLifecycleConfiguration.ts'
import { PutBucketOwnershipControls } from './PutBucketOwnershipControls.ts'
import { PutBucketPolicy } from './PutBucketPolicy.ts'
import { PutBucketTagging } from './PutBucketTagging.ts'
import { PutBucketVersioning } from './PutBucketVersioning.ts'
import { PutObject } from './PutObject.ts'
import { PutObjectAcl } from './PutObjectAcl.ts'
import { PutObjectLegalHold } from './PutObjectLegalHold.ts'
import { PutObjectLockConfiguration } from './PutObjectLockConfiguration.ts'
import { PutObjectRetention } from './PutObjectRetention.ts'
import { PutObjectTagging } from './PutObjectTagging.ts'
import { PutPublicAccessBlock } from './PutPublicAccessBlock.ts'
import { UploadPart } from './UploadPart.ts'
import { UploadPartCopy } from './UploadPartCopy.ts'

const table: readonly Operation[] = [
  AbortMultipartUpload,
  CompleteMultipartUpload,
  CopyObject,
  CreateBucket,
  CreateMultipartUpload,
  DeleteBucket,
  DeleteBucketCors,
  DeleteBucketLifecycle,
  DeleteBucketOwnershipControls,
  DeleteBucketPolicy,
  DeleteBucketTagging,
  DeleteObject,
  DeleteObjectTagging,
  DeleteObjects,
  DeletePublicAccessBlock,
  GetBucketAcl,
  GetBucketCors,
  GetBucketEncryption,
  GetBucketLifecycleConfiguration,
  GetBucketLocation,
  GetBucketOwnershipControls,
  GetBucketPolicy,
  GetBucketPolicyStatus,
  GetBucketTagging,
  GetBucketVersioning,
  GetObject,
  GetObjectAcl,
  GetObjectAttributes,
  GetObjectLegalHold,
  GetObjectLockConfiguration,
  GetObjectRetention,
  GetObjectTagging,
  GetPublicAccessBlock,
  HeadBucket,
  HeadObject,
  ListBuckets,
  ListMultipartUploads,
  ListObjectVersions,
  ListObjects,
  ListObjectsV2,
  ListParts,
  PostObject,
  PutBucketAcl,
  PutBucketCors,
  PutBucketLifecycleConfiguration,
  PutBucketOwnershipControls,
  PutBucketPolicy,
  PutBucketTagging,
  PutBucketVersioning,
  PutObject,
  PutObjectAcl,
  PutObjectLegalHold,
  PutObjectLockConfiguration,
  PutObjectRetention,
  PutObjectTagging,
  PutPublicAccessBlock,
  UploadPart,
  UploadPartCopy,
]

/** Each with the checks that hold for all of them. */
export const operations: readonly Operation[] = table.map((operation) =>
  guarded(operation, [...table, ...unbuiltOperations]),
)
