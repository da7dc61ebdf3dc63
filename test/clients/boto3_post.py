"""Forms that boto3 signs and urllib3 sends, against the server at HOLDFAST_ENDPOINT; run by boto3-post.test.ts."""
import json
import os
import sys

import boto3
import urllib3
from botocore.config import Config

endpoint = os.environ['HOLDFAST_ENDPOINT']
s3 = boto3.client('s3', endpoint_url=endpoint, config=Config(signature_version='s3v4'))
pool = urllib3.PoolManager(retries=False)


def post(given, file, name='name.txt', more=None):
    """Status, Location and body of one upload, its fields in the order that boto3 gives."""
    fields = {**given['fields'], **(more or {}), 'file': (name, file, 'text/plain')}
    answer = pool.request('POST', given['url'], fields=fields, redirect=False)
    return [answer.status, answer.headers.get('location'), answer.data.decode()]


case = json.loads(sys.argv[1])
given = s3.generate_presigned_post(case['bucket'], case['key'], case['fields'], case['conditions'], 60)
covered = post(given, case['file'], case['name'])
uncovered = post(given, case['file'], case['name'], {'x-amz-meta-b': '1'})
print(json.dumps([covered, uncovered]))
