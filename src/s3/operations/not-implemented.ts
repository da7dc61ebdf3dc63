/**
 * Every operation of the S3 model (2006-03-01) that is not in the table, so that each is refused by its own name. An
 * operation that gets built leaves this list; a test holds both lists together to the model of the AWS SDK.
 */
import type { Match } from '../operation.ts'
import { S3Error } from '../s3-error.ts'

export type UnbuiltOperation = { readonly name: string; readonly match: Match }

type Row = readonly [name: string, method: Match['method'], query: string, ...more: readonly string[]]

const bucketRows: readonly Row[] = [
  ['CreateBucketMetadataConfiguration', 'POST', 'metadataConfiguration'],
  ['CreateBucketMetadataTableConfiguration', 'POST', 'metadataTable'],
  ['CreateSession', 'GET', 'session'],
  ['DeleteBucketAnalyticsConfiguration', 'DELETE', 'analytics'],
  ['DeleteBucketEncryption', 'DELETE', 'encryption'],
  ['DeleteBucketIntelligentTieringConfiguration', 'DELETE', 'intelligent-tiering'],
  ['DeleteBucketInventoryConfiguration', 'DELETE', 'inventory'],
  ['DeleteBucketMetadataConfiguration', 'DELETE', 'metadataConfiguration'],
  ['DeleteBucketMetadataTableConfiguration', 'DELETE', 'metadataTable'],
  ['DeleteBucketMetricsConfiguration', 'DELETE', 'metrics'],
  ['DeleteBucketReplication', 'DELETE', 'replication'],
  ['DeleteBucketWebsite', 'DELETE', 'website'],
  ['GetBucketAbac', 'GET', 'abac'],
  ['GetBucketAccelerateConfiguration', 'GET', 'accelerate'],
  ['GetBucketAnalyticsConfiguration', 'GET', 'analytics', 'id'],
  ['GetBucketIntelligentTieringConfiguration', 'GET', 'intelligent-tiering', 'id'],
  ['GetBucketInventoryConfiguration', 'GET', 'inventory', 'id'],
  ['GetBucketLogging', 'GET', 'logging'],
  ['GetBucketMetadataConfiguration', 'GET', 'metadataConfiguration'],
  ['GetBucketMetadataTableConfiguration', 'GET', 'metadataTable'],
  ['GetBucketMetricsConfiguration', 'GET', 'metrics', 'id'],
  ['GetBucketNotificationConfiguration', 'GET', 'notification'],
  ['GetBucketReplication', 'GET', 'replication'],
  ['GetBucketRequestPayment', 'GET', 'requestPayment'],
  ['GetBucketWebsite', 'GET', 'website'],
  ['ListBucketAnalyticsConfigurations', 'GET', 'analytics'],
  ['ListBucketIntelligentTieringConfigurations', 'GET', 'intelligent-tiering'],
  ['ListBucketInventoryConfigurations', 'GET', 'inventory'],
  ['ListBucketMetricsConfigurations', 'GET', 'metrics'],
  ['PutBucketAbac', 'PUT', 'abac'],
  ['PutBucketAccelerateConfiguration', 'PUT', 'accelerate'],
  ['PutBucketAnalyticsConfiguration', 'PUT', 'analytics'],
  ['PutBucketEncryption', 'PUT', 'encryption'],
  ['PutBucketIntelligentTieringConfiguration', 'PUT', 'intelligent-tiering'],
  ['PutBucketInventoryConfiguration', 'PUT', 'inventory'],
  ['PutBucketLogging', 'PUT', 'logging'],
  ['PutBucketMetricsConfiguration', 'PUT', 'metrics'],
  ['PutBucketNotificationConfiguration', 'PUT', 'notification'],
  ['PutBucketReplication', 'PUT', 'replication'],
  ['PutBucketRequestPayment', 'PUT', 'requestPayment'],
  ['PutBucketWebsite', 'PUT', 'website'],
  ['UpdateBucketMetadataAnnotationTableConfiguration', 'PUT', 'metadataAnnotationTable'],
  ['UpdateBucketMetadataInventoryTableConfiguration', 'PUT', 'metadataInventoryTable'],
  ['UpdateBucketMetadataJournalTableConfiguration', 'PUT', 'metadataJournalTable'],
]

const objectRows: readonly Row[] = [
  ['DeleteObjectAnnotation', 'DELETE', 'annotation'],
  ['GetObjectAnnotation', 'GET', 'annotation', 'annotationName'],
  ['GetObjectTorrent', 'GET', 'torrent'],
  ['ListObjectAnnotations', 'GET', 'annotation'],
  ['PutObjectAnnotation', 'PUT', 'annotation'],
  ['RenameObject', 'PUT', 'renameObject'],
  // OBS's parallel file system.
  ['RenameFile', 'POST', 'rename'],
  ['RestoreObject', 'POST', 'restore'],
  ['SelectObjectContent', 'POST', 'select'],
  ['UpdateObjectEncryption', 'PUT', 'encryption'],
]

/** Without a sub-resource of their own: S3 Express and Object Lambda. */
const otherRows: readonly UnbuiltOperation[] = [
  {
    name: 'ListDirectoryBuckets',
    match: { method: 'GET', level: 'service', queryValues: { 'x-id': 'ListDirectoryBuckets' } },
  },
  {
    name: 'WriteGetObjectResponse',
    match: { method: 'POST', level: 'bucket', headers: ['x-amz-request-route'] },
  },
]

function unbuilt(level: Match['level'], rows: readonly Row[]): readonly UnbuiltOperation[] {
  return rows.map(([name, method, ...query]) => ({ name, match: { method, level, query } }))
}

export const unbuiltOperations: readonly UnbuiltOperation[] = [
  ...unbuilt('bucket', bucketRows),
  ...unbuilt('object', objectRows),
  ...otherRows,
]

export function notImplemented(name: string): S3Error {
  return new S3Error('NotImplemented', { message: `${name} is not implemented by this server.` })
}
