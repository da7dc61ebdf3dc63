"""Checks of boto3 against the server at HOLDFAST_ENDPOINT, credentials in AWS_*; run by boto3.test.ts."""
import base64
import datetime
import hashlib
import io
import os
import tempfile
import urllib.error
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from boto3_support import (
    EARLIER, ENDPOINT, LOCKED, MD5, MIB, NO_CHECKSUM, NO_CONFIGURATION, NO_LOCK, NO_SUSPENSION, NOT_EMPTY,
    ONCE, UNTIL, check, equal, new_bucket, put, read, refused, resource, run_checks, s3, version_ids,
)


@check('create_bucket: with lock, versioning is Enabled and there is no rule')
def _():
    bucket = new_bucket()
    s3.get_waiter('bucket_exists').wait(Bucket=bucket)
    equal(s3.get_bucket_versioning(Bucket=bucket)['Status'], 'Enabled')
    configuration = s3.get_object_lock_configuration(Bucket=bucket)['ObjectLockConfiguration']
    equal(configuration, {'ObjectLockEnabled': 'Enabled'})
    refused(
        NO_SUSPENSION,
        s3.put_bucket_versioning,
        Bucket=bucket,
        VersioningConfiguration={'Status': 'Suspended'},
    )


@check('get_object_lock_configuration: a bucket without lock has none')
def _():
    refused(NO_CONFIGURATION, s3.get_object_lock_configuration, Bucket=new_bucket(lock=False))


@check('default retention: days and years are counted from the creation of the version')
def _():
    for rule, days in (({'Mode': 'GOVERNANCE', 'Days': 3}, 3), ({'Mode': 'COMPLIANCE', 'Years': 1}, 365)):
        bucket = new_bucket(rule=rule)
        put(bucket, 'key')
        head = s3.head_object(Bucket=bucket, Key='key')
        equal(head['ObjectLockMode'], rule['Mode'])
        over = head['ObjectLockRetainUntilDate'] - head['LastModified'] - datetime.timedelta(days=days)
        # Last-Modified has whole seconds; a calendar year may be a day longer than 365.
        if not datetime.timedelta(0) <= over < datetime.timedelta(days=days // 365, seconds=1):
            raise AssertionError(f'{over} beyond {rule}')


@check('put_object: lock parameters are read back by head_object and get_object')
def _():
    bucket = new_bucket()
    version = put(
        bucket,
        'key',
        ObjectLockMode='COMPLIANCE',
        ObjectLockRetainUntilDate=UNTIL,
        ObjectLockLegalHoldStatus='ON',
        Metadata={'case': '42'},
    )
    for answer in (s3.head_object(Bucket=bucket, Key='key'), s3.get_object(Bucket=bucket, Key='key')):
        equal((answer['ObjectLockMode'], answer['ObjectLockLegalHoldStatus']), ('COMPLIANCE', 'ON'))
        equal(answer['ObjectLockRetainUntilDate'], UNTIL)
        equal((answer['VersionId'], answer['Metadata']), (version, {'case': '42'}))
        equal(answer['ContentLength'], 5)


@check('put_object: lock parameters for a bucket without lock are refused')
def _():
    refused(
        (400, 'InvalidRequest', 'Bucket is missing ObjectLockConfiguration'),
        put,
        new_bucket(lock=False),
        'key',
        ObjectLockMode='GOVERNANCE',
        ObjectLockRetainUntilDate=UNTIL,
    )


@check('put_object: CRC32 by default, SHA256 and SHA1 on request, a wrong one is refused')
def _():
    bucket = new_bucket()
    equal(s3.put_object(Bucket=bucket, Key='crc', Body=b'hello world').get('ChecksumCRC32'), 'DUoRhQ==')
    for algorithm in ('SHA1', 'SHA256', 'CRC32'):
        put(bucket, algorithm, ChecksumAlgorithm=algorithm)
        answer = s3.get_object(Bucket=bucket, Key=algorithm, ChecksumMode='ENABLED')
        equal((answer['Body'].read(), f'Checksum{algorithm}' in answer), (b'bytes', True))
    wrong = hashlib.sha256(b'other').digest()
    error = None
    try:
        put(bucket, 'wrong', ChecksumSHA256=base64.b64encode(wrong).decode())
    except ClientError as caught:
        error = caught.response['Error']['Code']
    equal(error, 'BadDigest')
    equal('wrong' in [row['Key'] for row in s3.list_objects_v2(Bucket=bucket)['Contents']], False)


@check('put_object: without any checksum, a bucket with a default rule refuses; Content-MD5 is enough')
def _():
    bare = boto3.client(
        's3', endpoint_url=ENDPOINT, config=Config(request_checksum_calculation='when_required', **ONCE)
    )
    bucket = new_bucket(rule={'Mode': 'GOVERNANCE', 'Days': 1})
    refused(NO_CHECKSUM, bare.put_object, Bucket=bucket, Key='key', Body=b'bytes')
    equal(version_ids(bucket), set())
    bare.put_object(Bucket=bucket, Key='key', Body=b'bytes', ContentMD5=MD5)
    equal(read(bucket, 'key'), b'bytes')


@check('delete_object: a locked version is refused with and without bypass, a governed one goes by bypass')
def _():
    bucket = new_bucket()
    governed = put(bucket, 'g', ObjectLockMode='GOVERNANCE', ObjectLockRetainUntilDate=UNTIL)
    complied = put(bucket, 'c', ObjectLockMode='COMPLIANCE', ObjectLockRetainUntilDate=UNTIL)
    held = put(bucket, 'h', ObjectLockLegalHoldStatus='ON')
    bypass = {'BypassGovernanceRetention': True}
    for key, version in (('g', governed), ('c', complied), ('h', held)):
        refused(LOCKED, s3.delete_object, Bucket=bucket, Key=key, VersionId=version)
    for key, version in (('c', complied), ('h', held)):
        refused(LOCKED, s3.delete_object, Bucket=bucket, Key=key, VersionId=version, **bypass)
    s3.delete_object(Bucket=bucket, Key='g', VersionId=governed, **bypass)
    equal(version_ids(bucket), {complied, held})
    equal(s3.delete_object(Bucket=bucket, Key='c')['DeleteMarker'], True)
    equal(read(bucket, 'c', VersionId=complied), b'bytes')


@check('delete_objects: locked keys are errors of their own, also when Quiet')
def _():
    for quiet in (False, True):
        bucket = new_bucket()
        free = put(bucket, 'free')
        held = put(bucket, 'held', ObjectLockLegalHoldStatus='ON')
        objects = [{'Key': 'free', 'VersionId': free}, {'Key': 'held', 'VersionId': held}]
        answer = s3.delete_objects(Bucket=bucket, Delete={'Objects': objects, 'Quiet': quiet})
        equal(answer.get('Deleted', []), [] if quiet else [{'Key': 'free', 'VersionId': free}])
        error = {'Key': 'held', 'VersionId': held, 'Code': LOCKED[1], 'Message': LOCKED[2]}
        equal(answer['Errors'], [error])
        equal(version_ids(bucket), {held})


@check('put_object_retention: later is free, earlier needs the bypass, COMPLIANCE is never shortened')
def _():
    bucket = new_bucket()
    put(bucket, 'key')

    def retain(mode, date, **more):
        retention = {'Mode': mode, 'RetainUntilDate': date}
        return s3.put_object_retention(Bucket=bucket, Key='key', Retention=retention, **more)

    refused(NO_LOCK, s3.get_object_retention, Bucket=bucket, Key='key')
    retain('GOVERNANCE', EARLIER)
    retain('GOVERNANCE', UNTIL)
    refused(LOCKED, retain, 'GOVERNANCE', EARLIER)
    retain('GOVERNANCE', EARLIER, BypassGovernanceRetention=True)
    retain('COMPLIANCE', UNTIL, BypassGovernanceRetention=True)
    refused(LOCKED, retain, 'COMPLIANCE', EARLIER, BypassGovernanceRetention=True)
    refused(LOCKED, retain, 'GOVERNANCE', UNTIL, BypassGovernanceRetention=True)
    kept = s3.get_object_retention(Bucket=bucket, Key='key')['Retention']
    equal(kept, {'Mode': 'COMPLIANCE', 'RetainUntilDate': UNTIL})


@check('put_object_legal_hold: ON and OFF are read back')
def _():
    bucket = new_bucket()
    put(bucket, 'key')
    for status in ('ON', 'OFF'):
        s3.put_object_legal_hold(Bucket=bucket, Key='key', LegalHold={'Status': status})
        equal(s3.get_object_legal_hold(Bucket=bucket, Key='key')['LegalHold'], {'Status': status})
        equal(s3.head_object(Bucket=bucket, Key='key')['ObjectLockLegalHoldStatus'], status)


@check('upload_file: 20 MiB in parts with lock parameters, download_file gives the same bytes')
def _():
    bucket = new_bucket()
    with tempfile.TemporaryDirectory() as folder:
        content = os.urandom(20 * MIB)
        with open(f'{folder}/in', 'wb') as file:
            file.write(content)
        lock = {'ObjectLockMode': 'COMPLIANCE', 'ObjectLockRetainUntilDate': UNTIL}
        s3.upload_file(f'{folder}/in', bucket, 'big', ExtraArgs=lock)
        head = s3.head_object(Bucket=bucket, Key='big')
        equal((head['ETag'][-3:], head['ObjectLockRetainUntilDate']), ('-3"', UNTIL))
        refused(LOCKED, s3.delete_object, Bucket=bucket, Key='big', VersionId=head['VersionId'])
        s3.download_file(bucket, 'big', f'{folder}/out')
        with open(f'{folder}/out', 'rb') as file:
            equal(hashlib.sha256(file.read()).hexdigest(), hashlib.sha256(content).hexdigest())
    equal('Uploads' in s3.list_multipart_uploads(Bucket=bucket), False)


@check('upload_fileobj: a stream that cannot seek, of unknown length')
def _():
    class Pipe(io.RawIOBase):
        left = 9 * MIB + 1

        def readable(self):
            return True

        def read(self, size=-1):
            piece = self.left if size < 0 else min(size, self.left)
            self.left -= piece
            return b'x' * piece

    bucket = new_bucket(rule={'Mode': 'GOVERNANCE', 'Days': 1})
    s3.upload_fileobj(Pipe(), bucket, 'pipe')
    equal(hashlib.sha256(read(bucket, 'pipe')).digest(), hashlib.sha256(b'x' * (9 * MIB + 1)).digest())


@check('multipart by hand: list_parts, a small part is refused, abort leaves nothing')
def _():
    bucket = new_bucket()
    upload = {'Bucket': bucket, 'Key': 'key'}
    upload['UploadId'] = s3.create_multipart_upload(**upload)['UploadId']
    tags = [s3.upload_part(**upload, PartNumber=n, Body=b'p%d' % n)['ETag'] for n in (1, 2)]
    parts = s3.list_parts(**upload)['Parts']
    listed = [(part['PartNumber'], part['Size'], part['ETag']) for part in parts]
    equal(listed, [(1, 2, tags[0]), (2, 2, tags[1])])
    equal(s3.list_multipart_uploads(Bucket=bucket)['Uploads'][0]['UploadId'], upload['UploadId'])
    refused(
        (400, 'EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed object size.'),
        s3.complete_multipart_upload,
        **upload,
        MultipartUpload={'Parts': [{'PartNumber': n, 'ETag': tag} for n, tag in enumerate(tags, 1)]},
    )
    s3.abort_multipart_upload(**upload)
    equal('Uploads' in s3.list_multipart_uploads(Bucket=bucket), False)
    equal(version_ids(bucket), set())


@check('copy: a managed copy in parts, copy_object with new tags and its own lock')
def _():
    bucket = new_bucket()
    content = os.urandom(12 * MIB)
    put(bucket, 'source', content, ObjectLockLegalHoldStatus='ON', Tagging='from=source')
    source = {'Bucket': bucket, 'Key': 'source'}
    in_parts = TransferConfig(multipart_threshold=6 * MIB, multipart_chunksize=6 * MIB)
    s3.copy(source, bucket, 'managed', Config=in_parts)
    equal(read(bucket, 'managed') == content, True)
    s3.copy_object(
        Bucket=bucket,
        Key='é copy+1',
        CopySource=source,
        TaggingDirective='REPLACE',
        Tagging='own=yes',
        ObjectLockMode='GOVERNANCE',
        ObjectLockRetainUntilDate=UNTIL,
    )
    head = s3.head_object(Bucket=bucket, Key='é copy+1')
    equal((head['ObjectLockMode'], head.get('ObjectLockLegalHoldStatus')), ('GOVERNANCE', None))
    tags = s3.get_object_tagging(Bucket=bucket, Key='é copy+1')['TagSet']
    equal(tags, [{'Key': 'own', 'Value': 'yes'}])


@check('tagging: tags of a locked version are put, read and deleted')
def _():
    bucket = new_bucket()
    put(bucket, 'key', ObjectLockMode='COMPLIANCE', ObjectLockRetainUntilDate=UNTIL)
    tags = [{'Key': 'a', 'Value': 'b c'}, {'Key': 'é', 'Value': ''}]
    s3.put_object_tagging(Bucket=bucket, Key='key', Tagging={'TagSet': tags})
    equal(s3.get_object_tagging(Bucket=bucket, Key='key')['TagSet'], tags)
    s3.delete_object_tagging(Bucket=bucket, Key='key')
    equal(s3.get_object_tagging(Bucket=bucket, Key='key')['TagSet'], [])


@check('waiters: objects and buckets that come and go')
def _():
    bucket = new_bucket(lock=False)
    put(bucket, 'key')
    s3.get_waiter('object_exists').wait(Bucket=bucket, Key='key')
    s3.delete_object(Bucket=bucket, Key='key')
    s3.get_waiter('object_not_exists').wait(Bucket=bucket, Key='key')
    s3.delete_bucket(Bucket=bucket)
    s3.get_waiter('bucket_not_exists').wait(Bucket=bucket)


@check('resource: object_versions.delete leaves the locked ones, and the bucket is not deleted')
def _():
    bucket = resource.Bucket(new_bucket())
    locked = put(bucket.name, 'locked', ObjectLockMode='COMPLIANCE', ObjectLockRetainUntilDate=UNTIL)
    put(bucket.name, 'free')
    bucket.objects.all().delete()
    answers = bucket.object_versions.delete()
    errors = [error for answer in answers for error in answer.get('Errors', [])]
    equal([(e['Key'], e['Code'], e['Message']) for e in errors], [('locked', LOCKED[1], LOCKED[2])])
    equal([(version.key, version.id) for version in bucket.object_versions.all()], [('locked', locked)])
    refused(NOT_EMPTY, bucket.delete)
    equal(read(bucket.name, 'locked', VersionId=locked), b'bytes')


@check('paginators: every key and version once, odd names come back as they were')
def _():
    bucket = new_bucket()
    keys = sorted(['a b+c%25&=?#', 'a//b', 'é/☃', 'x/1', 'x/2', 'quote"<>\'', '-'], key=str.encode)
    for key in keys:
        put(bucket, key)
    pages = s3.get_paginator('list_objects_v2').paginate(Bucket=bucket, PaginationConfig={'PageSize': 2})
    equal([row['Key'] for page in pages for row in page['Contents']], keys)
    pages = s3.get_paginator('list_object_versions').paginate(Bucket=bucket, PaginationConfig={'PageSize': 3})
    equal([row['Key'] for page in pages for row in page['Versions']], keys)
    pages = s3.get_paginator('list_objects_v2').paginate(
        Bucket=bucket, Delimiter='/', PaginationConfig={'PageSize': 1}
    )
    found = [p['Prefix'] for page in pages for p in page.get('CommonPrefixes', [])]
    equal(found, ['a/', 'x/', 'é/'])
    for key in keys:
        equal(read(bucket, key), b'bytes')


@check('presigned: get and put by urllib, the lock of the link cannot be left out')
def _():
    bucket = new_bucket()
    put(bucket, 'key')
    # Without this setting boto3 signs links with version 2.
    v4 = boto3.client('s3', endpoint_url=ENDPOINT, config=Config(signature_version='s3v4', **ONCE))
    link = v4.generate_presigned_url('get_object', Params={'Bucket': bucket, 'Key': 'key'}, ExpiresIn=60)
    equal(urllib.request.urlopen(link).read(), b'bytes')
    parameters = {'Bucket': bucket, 'Key': 'up', 'ObjectLockLegalHoldStatus': 'ON', 'ContentMD5': MD5}
    link = v4.generate_presigned_url('put_object', Params=parameters, ExpiresIn=60)
    headers = {'Content-MD5': MD5, 'x-amz-object-lock-legal-hold': 'ON'}
    for sent, status in (({'Content-MD5': MD5}, 403), (headers, 200)):
        request = urllib.request.Request(link, data=b'bytes', headers=sent, method='PUT')
        try:
            equal(urllib.request.urlopen(request).status, status)
        except urllib.error.HTTPError as error:
            equal(error.code, status)
    equal(s3.head_object(Bucket=bucket, Key='up')['ObjectLockLegalHoldStatus'], 'ON')


@check('conditional requests and ranges')
def _():
    bucket = new_bucket()
    tag = s3.put_object(Bucket=bucket, Key='key', Body=b'0123456789', IfNoneMatch='*')['ETag']
    failed = (412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold')
    refused(failed, s3.put_object, Bucket=bucket, Key='key', Body=b'again', IfNoneMatch='*')
    refused(failed, s3.get_object, Bucket=bucket, Key='key', IfMatch='"other"')
    refused((304, '304', 'Not Modified'), s3.get_object, Bucket=bucket, Key='key', IfNoneMatch=tag)
    answer = s3.get_object(Bucket=bucket, Key='key', Range='bytes=2-4')
    equal((answer['Body'].read(), answer['ContentRange']), (b'234', 'bytes 2-4/10'))
    equal(read(bucket, 'key', Range='bytes=-3'), b'789')
    error = refused(
        (416, 'InvalidRange', 'The requested range is not satisfiable'),
        s3.get_object,
        Bucket=bucket,
        Key='key',
        Range='bytes=10-',
    )
    equal(error.response['Error']['ActualObjectSize'], '10')


@check('errors: each has the type that boto3 knows')
def _():
    bucket = new_bucket()
    for expected, call in (
        (s3.exceptions.NoSuchKey, lambda: s3.get_object(Bucket=bucket, Key='none')),
        (s3.exceptions.NoSuchBucket, lambda: s3.list_objects_v2(Bucket='boto3-none')),
        (
            s3.exceptions.NoSuchUpload,
            lambda: s3.abort_multipart_upload(Bucket=bucket, Key='k', UploadId='none'),
        ),
    ):
        try:
            call()
        except expected:
            continue
        raise AssertionError(f'{expected} was not raised')


@check('get_object_attributes: size, parts and checksum')
def _():
    bucket = new_bucket()
    put(bucket, 'key', ChecksumAlgorithm='SHA256')
    wanted = ['ETag', 'Checksum', 'ObjectSize', 'StorageClass']
    answer = s3.get_object_attributes(Bucket=bucket, Key='key', ObjectAttributes=wanted)
    equal((answer['ObjectSize'], answer['StorageClass']), (5, 'STANDARD'))
    equal(answer['ETag'], hashlib.md5(b'bytes').hexdigest())
    equal('ChecksumSHA256' in answer['Checksum'], True)


@check('signature version 2 is refused by name, in the header and in a link')
def _():
    old = boto3.client('s3', endpoint_url=ENDPOINT, config=Config(signature_version='s3', **ONCE))
    sentence = 'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.'
    refused((400, 'InvalidRequest', sentence), old.list_buckets)
    try:
        urllib.request.urlopen(old.generate_presigned_url('list_buckets'))
    except urllib.error.HTTPError as error:
        equal((error.code, sentence in error.read().decode()), (400, True))


if __name__ == '__main__':
    run_checks()
