/** THE TABLE: every S3 operation that this server does. One file each; the rest is in not-implemented.ts. */
import { guarded } from '../guarded.ts'
import type { Operation } from '../operation.ts'
import { AbortMultipartUpload } from './AbortMultipartUpload.ts'
import { CompleteMultipartUpload } from './CompleteMultipartUpload.ts'
import { CopyObject } from './CopyObject.ts'
import { CreateBucket } from './CreateBucket.ts'
import { CreateMultipartUpload } from './CreateMultipartUpload.ts'
import { DeleteBucket } from './DeleteBucket.ts'
import { DeleteObject } from './DeleteObject.ts'
import { DeleteObjects } from './DeleteObjects.ts'
import { DeleteObjectTagging } from './DeleteObjectTagging.ts'
import { GetBucketLocation } from './GetBucketLocation.ts'
import { GetBucketVersioning } from './GetBucketVersioning.ts'
import { GetObject } from './GetObject.ts'
import { GetObjectAttributes } from './GetObjectAttributes.ts'
import { GetObjectLegalHold } from './GetObjectLegalHold.ts'
import { GetObjectLockConfiguration } from './GetObjectLockConfiguration.ts'
import { GetObjectRetention } from './GetObjectRetention.ts'
import { GetObjectTagging } from './GetObjectTagging.ts'
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
import { PutBucketVersioning } from './PutBucketVersioning.ts'
import { PutObject } from './PutObject.ts'
import { PutObjectLegalHold } from './PutObjectLegalHold.ts'
import { PutObjectLockConfiguration } from './PutObjectLockConfiguration.ts'
import { PutObjectRetention } from './PutObjectRetention.ts'
import { PutObjectTagging } from './PutObjectTagging.ts'
import { UploadPart } from './UploadPart.ts'
import { UploadPartCopy } from './UploadPartCopy.ts'

const table: readonly Operation[] = [
  AbortMultipartUpload,
  CompleteMultipartUpload,
  CopyObject,
  CreateBucket,
  CreateMultipartUpload,
  DeleteBucket,
  DeleteObject,
  DeleteObjectTagging,
  DeleteObjects,
  GetBucketLocation,
  GetBucketVersioning,
  GetObject,
  GetObjectAttributes,
  GetObjectLegalHold,
  GetObjectLockConfiguration,
  GetObjectRetention,
  GetObjectTagging,
  HeadBucket,
  HeadObject,
  ListBuckets,
  ListMultipartUploads,
  ListObjectVersions,
  ListObjects,
  ListObjectsV2,
  ListParts,
  PostObject,
  PutBucketVersioning,
  PutObject,
  PutObjectLegalHold,
  PutObjectLockConfiguration,
  PutObjectRetention,
  PutObjectTagging,
  UploadPart,
  UploadPartCopy,
]

/** Each with the checks that hold for all of them. */
export const operations: readonly Operation[] = table.map((operation) =>
  guarded(operation, [...table, ...unbuiltOperations]),
)
