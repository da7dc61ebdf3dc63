"""What the checks share: the client, the registry of checks, refusals and buckets."""
import base64
import datetime
import hashlib
import json
import os
import traceback

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

MIB = 1024 * 1024
MD5 = base64.b64encode(hashlib.md5(b'bytes').digest()).decode()
UTC = datetime.timezone.utc
UNTIL = datetime.datetime(2031, 1, 1, 12, 30, tzinfo=UTC)
EARLIER = datetime.datetime(2030, 1, 1, tzinfo=UTC)
LOCKED = (403, 'AccessDenied', 'Access Denied because object protected by object lock.')
NO_CHECKSUM = (
    400,
    'InvalidRequest',
    'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests '
    'with Object Lock parameters',
)
NOT_EMPTY = (
    409,
    'BucketNotEmpty',
    'The bucket you tried to delete is not empty. You must delete all versions in the bucket.',
)
NO_SUSPENSION = (
    409,
    'InvalidBucketState',
    'An Object Lock configuration is present on this bucket, '
    'so the versioning state cannot be changed.',
)
NO_CONFIGURATION = (
    404,
    'ObjectLockConfigurationNotFoundError',
    'Object Lock configuration does not exist for this bucket',
)
NO_LOCK = (
    404,
    'NoSuchObjectLockConfiguration',
    'The specified object does not have a ObjectLock configuration',
)

ENDPOINT = os.environ['HOLDFAST_ENDPOINT']
# One attempt: a retry would hide an answer 500.
ONCE = {'retries': {'total_max_attempts': 1}}
s3 = boto3.client('s3', endpoint_url=ENDPOINT, config=Config(**ONCE))
resource = boto3.resource('s3', endpoint_url=ENDPOINT, config=Config(**ONCE))

checks = {}
bucket_count = 0


def check(name):
    def register(function):
        checks[name] = function
        return function

    return register


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f'{actual!r} is not {expected!r}')


def refused(expected, call, *args, **kwargs):
    """Status, code and message of the ClientError that the call must raise."""
    try:
        call(*args, **kwargs)
    except ClientError as error:
        answer = error.response
        status = answer['ResponseMetadata']['HTTPStatusCode']
        equal((status, answer['Error']['Code'], answer['Error'].get('Message')), expected)
        return error
    raise AssertionError('the call was not refused')


def new_bucket(lock=True, rule=None):
    global bucket_count
    bucket_count += 1
    name = f'boto3-{bucket_count}'
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
    if rule is not None:
        configuration = {'ObjectLockEnabled': 'Enabled', 'Rule': {'DefaultRetention': rule}}
        s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=configuration)
    return name


def put(bucket, key, body=b'bytes', **more):
    return s3.put_object(Bucket=bucket, Key=key, Body=body, **more).get('VersionId')


def read(bucket, key, **more):
    return s3.get_object(Bucket=bucket, Key=key, **more)['Body'].read()


def version_ids(bucket):
    return {row['VersionId'] for row in s3.list_object_versions(Bucket=bucket).get('Versions', [])}


def run_checks():
    """Prints one JSON object: for each check by name null, or the traceback of its failure."""
    results = {}
    for name, function in checks.items():
        try:
            function()
            results[name] = None
        except Exception:
            results[name] = traceback.format_exc()
    print(json.dumps({'version': boto3.__version__, 'results': results}))
