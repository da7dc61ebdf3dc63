/** The 39 lock tests of ceph/s3-tests (without `test_object_lock_`) and the rows (rows.ts) that say the same. */
export const s3tests: Readonly<Record<string, readonly string[]>> = {
  put_obj_lock: ['PutObjectLockConfiguration.4', 'CreateBucket.1'],
  put_obj_lock_invalid_bucket: ['PutObjectLockConfiguration.1', 'E6'],
  put_obj_lock_enable_after_create: ['PutObjectLockConfiguration.1', 'PutObjectLockConfiguration.2'],
  put_obj_lock_with_days_and_years: ['PutObjectLockConfiguration.11'],
  // The suite expects InvalidRetentionPeriod, which AWS does not answer.
  put_obj_lock_invalid_days: ['PutObjectLockConfiguration.13', 'Choice.3'],
  put_obj_lock_invalid_years: ['PutObjectLockConfiguration.13', 'Choice.3'],
  put_obj_lock_invalid_mode: ['PutObjectLockConfiguration.10'],
  put_obj_lock_invalid_status: ['PutObjectLockConfiguration.12'],
  suspend_versioning: ['PutBucketVersioning.1', 'E7'],
  get_obj_lock: ['GetObjectLockConfiguration.3'],
  get_obj_lock_invalid_bucket: ['GetObjectLockConfiguration.2', 'E2'],
  put_obj_retention: ['PutObjectRetention.1', 'PutObjectRetention.18'],
  put_obj_retention_invalid_bucket: ['E4'],
  put_obj_retention_invalid_mode: ['PutObjectRetention.13'],
  get_obj_retention: ['GetObjectRetention.1'],
  get_obj_retention_iso8601: ['Format.8'],
  get_obj_retention_invalid_bucket: ['GetObjectRetention.3'],
  put_obj_retention_versionid: ['PutObjectRetention.18'],
  put_obj_retention_override_default_retention: ['PutObjectRetention.3'],
  put_obj_retention_increase_period: ['PutObjectRetention.3'],
  put_obj_retention_shorten_period: ['PutObjectRetention.4'],
  put_obj_retention_shorten_period_bypass: ['PutObjectRetention.4'],
  delete_object_with_retention: ['DeleteObject.4'],
  delete_multipart_object_with_retention: ['DeleteObject.10'],
  delete_object_with_retention_and_marker: ['DeleteObject.11'],
  multi_delete_object_with_retention: ['DeleteObjects.1', 'DeleteObjects.4'],
  put_legal_hold: ['PutObjectLegalHold.1'],
  put_legal_hold_invalid_bucket: ['PutObjectLegalHold.3'],
  put_legal_hold_invalid_status: ['PutObjectLegalHold.2'],
  get_legal_hold: ['GetObjectLegalHold.1'],
  get_legal_hold_invalid_bucket: ['GetObjectLegalHold.3'],
  delete_object_with_legal_hold_on: ['DeleteObject.3'],
  delete_multipart_object_with_legal_hold_on: ['DeleteObject.10'],
  delete_object_with_legal_hold_off: ['DeleteObject.2'],
  get_obj_metadata: ['HeadObject.1'],
  uploading_obj: ['PutObject.11'],
  changing_mode_from_governance_with_bypass: ['PutObjectRetention.5'],
  changing_mode_from_governance_without_bypass: ['PutObjectRetention.5'],
  changing_mode_from_compliance: ['PutObjectRetention.10'],
}

/** Full names of those that say what the row says. */
export function s3testsOf(rowId: string): readonly string[] {
  return Object.entries(s3tests).flatMap(([name, ids]) =>
    ids.includes(rowId) ? [`test_object_lock_${name}`] : [],
  )
}
