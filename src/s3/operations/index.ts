/** THE TABLE: every S3 operation that this server does. One file each; the rest is in not-implemented.ts. */
import { guarded } from '../guarded.ts'
import type { Operation } from '../operation.ts'
import { CreateBucket } from './CreateBucket.ts'
import { DeleteBucket } from './DeleteBucket.ts'
import { DeleteObject } from './DeleteObject.ts'
import { DeleteObjects } from './DeleteObjects.ts'
import { GetBucketLocation } from './GetBucketLocation.ts'
import { GetBucketVersioning } from './GetBucketVersioning.ts'
import { GetObject } from './GetObject.ts'
import { GetObjectLegalHold } from './GetObjectLegalHold.ts'
import { GetObjectLockConfiguration } from './GetObjectLockConfiguration.ts'
import { GetObjectRetention } from './GetObjectRetention.ts'
import { HeadBucket } from './HeadBucket.ts'
import { HeadObject } from './HeadObject.ts'
import { ListBuckets } from './ListBuckets.ts'
import { ListObjectsV2 } from './ListObjectsV2.ts'
import { ListObjectVersions } from './ListObjectVersions.ts'
import { unbuiltOperations } from './not-implemented.ts'
import { PutBucketVersioning } from './PutBucketVersioning.ts'
import { PutObject } from './PutObject.ts'
import { PutObjectLegalHold } from './PutObjectLegalHold.ts'
import { PutObjectLockConfiguration } from './PutObjectLockConfiguration.ts'
import { PutObjectRetention } from './PutObjectRetention.ts'

const table: readonly Operation[] = [
  CreateBucket,
  DeleteBucket,
  DeleteObject,
  DeleteObjects,
  GetBucketLocation,
  GetBucketVersioning,
  GetObject,
  GetObjectLegalHold,
  GetObjectLockConfiguration,
  GetObjectRetention,
  HeadBucket,
  HeadObject,
  ListBuckets,
  ListObjectVersions,
  ListObjectsV2,
  PutBucketVersioning,
  PutObject,
  PutObjectLegalHold,
  PutObjectLockConfiguration,
  PutObjectRetention,
]

/** Each with the checks that hold for all of them. */
export const operations: readonly Operation[] = table.map((operation) =>
  guarded(operation, [...table, ...unbuiltOperations]),
)
