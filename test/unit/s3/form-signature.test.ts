/** The example of AWS: "Example: Browser-Based Upload using HTTP POST", Amazon S3 API reference. */
import { describe, expect, test } from 'vitest'
import { epochMs } from '../../../src/lib/units.ts'
import { accessKeys, rootKey } from '../../../src/s3/auth/access-keys.ts'
import { authenticateForm } from '../../../src/s3/auth/form-signature.ts'
import { checkPostPolicy, parsePostPolicy } from '../../../src/s3/auth/post-policy.ts'
import type { FormFields } from '../../../src/s3/form/open-form.ts'
import { signingKeys } from '../../../src/sigv4/keys.ts'
import { caught } from '../../support/records.ts'

const redirect = 'http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html'
const credential = 'AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request'
const document = [
  '{ "expiration": "2015-12-30T12:00:00.000Z",',
  '  "conditions": [',
  '    {"bucket": "sigv4examplebucket"},',
  '    ["starts-with", "$key", "user/user1/"],',
  '    {"acl": "public-read"},',
  `    {"success_action_redirect": "${redirect}"},`,
  '    ["starts-with", "$Content-Type", "image/"],',
  '    {"x-amz-meta-uuid": "14365123651274"},',
  '    {"x-amz-server-side-encryption": "AES256"},',
  '    ["starts-with", "$x-amz-meta-tag", ""],',
  '',
  `    {"x-amz-credential": "${credential}"},`,
  '    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},',
  '    {"x-amz-date": "20151229T000000Z" }',
  '  ]',
  '}',
].join('\r\n')

const sent = {
  key: 'user/user1/photo.jpg',
  acl: 'public-read',
  success_action_redirect: redirect,
  'Content-Type': 'image/jpeg',
  'x-amz-meta-uuid': '14365123651274',
  'x-amz-server-side-encryption': 'AES256',
  'X-Amz-Credential': credential,
  'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
  'X-Amz-Date': '20151229T000000Z',
  'x-amz-meta-tag': '',
  Policy: Buffer.from(document).toString('base64'),
  'X-Amz-Signature': '8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e',
}

function fields(change: Readonly<Record<string, string>> = {}): FormFields {
  const all = Object.entries({ ...sent, ...change })
  return new Map(all.map(([name, value]) => [name.toLowerCase(), { name, value }]))
}

const settings = {
  accessKeys: accessKeys([rootKey('AKIAIOSFODNN7EXAMPLE', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY')], {
    file: () => new Map(),
    stored: async () => null,
  }),
  expected: { region: 'us-east-1', service: 's3' },
  signingKeys: signingKeys(4),
}
const mismatch = { code: 'SignatureDoesNotMatch' }
const noon = epochMs(Date.UTC(2015, 11, 29, 12))

describe('the example of AWS', () => {
  test('Form signature: the example of AWS is signed by its key and held to its policy', async () => {
    expect((await authenticateForm(fields(), settings, noon)).accessKeyId).toBe('AKIAIOSFODNN7EXAMPLE')
    const policy = parsePostPolicy(sent.Policy)
    const bucket = { bucket: 'sigv4examplebucket' }
    expect(checkPostPolicy(policy, fields(bucket), noon)).toMatchObject({ bytesMin: 0 })
    const other = caught(() => checkPostPolicy(policy, fields({ bucket: 'another' }), noon))
    expect(other.detail.message).toContain('["eq", "$bucket", "sigv4examplebucket"]')
    const late = epochMs(Date.UTC(2015, 11, 30, 12))
    expect(caught(() => checkPostPolicy(policy, fields(bucket), late)).detail.message).toContain('expired')
  })

  test('Form signature: any character of policy or signature changed, SignatureDoesNotMatch', async () => {
    const changed = (text: string, place: number) =>
      text.slice(0, place) + (text[place] === 'a' ? 'b' : 'a') + text.slice(place + 1)
    for (let place = 0; place < sent.Policy.length; place += 7) {
      const form = fields({ Policy: changed(sent.Policy, place) })
      await expect(authenticateForm(form, settings, noon)).rejects.toMatchObject(mismatch)
    }
    for (let place = 0; place < 64; place += 1) {
      const signature = { 'X-Amz-Signature': changed(sent['X-Amz-Signature'], place) }
      await expect(authenticateForm(fields(signature), settings, noon)).rejects.toMatchObject(mismatch)
    }
  })

  test('Form signature: characters beyond a byte are none of those that were signed', async () => {
    const policy = String.fromCharCode(sent.Policy.charCodeAt(0) + 0x100) + sent.Policy.slice(1)
    const form = fields({ Policy: policy })
    await expect(authenticateForm(form, settings, noon)).rejects.toMatchObject(mismatch)
  })
})
