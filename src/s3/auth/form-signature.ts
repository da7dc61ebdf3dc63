import type { Principal } from '../../lib/identity.ts'
import { limits } from '../../lib/limits.ts'
import type { EpochMs } from '../../lib/units.ts'
import { algorithm } from '../../sigv4/canonical.ts'
import { sameSignature, signature } from '../../sigv4/keys.ts'
import { parseAmzDate } from '../dates.ts'
import type { FormFields } from '../form/open-form.ts'
import { invalidArgument, S3Error } from '../s3-error.ts'
import type { AuthenticationSettings } from './authenticate.ts'
import { unsupportedMechanism } from './claim.ts'
import { type Fault, parseCredential } from './credential.ts'
import { checkValidity } from './presigned.ts'

/** In S3's spelling. */
const required = ['X-Amz-Signature', 'X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Date'] as const
type Required = (typeof required)[number]

/** Fields that prove the form and say nothing about the object. */
export const proofFields: ReadonlySet<string> = new Set([
  'policy',
  ...required.map((name) => name.toLowerCase()),
])

/**
 * Who signed the form: x-amz-signature is the HMAC of its field `policy` as it was sent. Of the other fields nothing is proven
 * until the policy was held against them. Source: "Authenticating Requests in Browser-Based Uploads Using POST", Amazon S3
 * API reference. Errors: AccessDenied (anonymous, before or after its seven days), InvalidToken, InvalidRequest (signature
 * version 2), InvalidArgument, InvalidAccessKeyId, SignatureDoesNotMatch.
 */
export async function authenticateForm(
  fields: FormFields,
  settings: AuthenticationSettings,
  wallMs: EpochMs,
): Promise<Principal> {
  if (fields.has('x-amz-security-token')) throw new S3Error('InvalidToken')
  if (fields.has('awsaccesskeyid') || fields.has('signature')) throw unsupportedMechanism()
  const policy = fields.get('policy')?.value
  if (policy === undefined || required.every((name) => !fields.has(name.toLowerCase())))
    throw new S3Error('AccessDenied')
  const given = proofOf(fields, 'X-Amz-Signature')
  const named = proofOf(fields, 'X-Amz-Algorithm')
  const credentialText = proofOf(fields, 'X-Amz-Credential')
  const amzDate = proofOf(fields, 'X-Amz-Date')
  if (named !== algorithm) {
    throw invalidArgument(`X-Amz-Algorithm only supports "${algorithm}"`, 'X-Amz-Algorithm', named)
  }
  const fault: Fault = (message, extra = {}) =>
    new S3Error('InvalidArgument', {
      message,
      extra: { ArgumentName: 'X-Amz-Credential', ArgumentValue: credentialText, ...extra },
    })
  const { accessKeyId, scope } = parseCredential(credentialText, settings.expected, fault)
  const signedMs = parseAmzDate(amzDate)
  if (signedMs === null)
    throw invalidArgument('X-Amz-Date must be formated via ISO8601 Long format', 'X-Amz-Date', amzDate)
  if (!amzDate.startsWith(scope.date))
    throw fault(`Invalid credential date "${scope.date}". This date is not the same as X-Amz-Date.`)
  checkValidity(signedMs, limits.presignedSecondsMax, wallMs)
  const found = await settings.accessKeys.find(accessKeyId)
  if (found === null) throw new S3Error('InvalidAccessKeyId', { extra: { AWSAccessKeyId: accessKeyId } })
  const key = settings.signingKeys.of(found.secretAccessKey, scope)
  const policyBytes = Buffer.from(policy, 'utf8')
  if (sameSignature(signature(key, policyBytes.toString('latin1')), given)) return found.principal
  throw new S3Error('SignatureDoesNotMatch', {
    extra: {
      AWSAccessKeyId: accessKeyId,
      StringToSign: policy,
      SignatureProvided: given,
      StringToSignBytes: policyBytes.toString('hex').replace(/..(?=.)/g, '$& '),
    },
  })
}

function proofOf(fields: FormFields, name: Required): string {
  const value = fields.get(name.toLowerCase())?.value
  if (value === undefined || value === '') throw missingField(name)
  return value
}

/** S3's sentence, with its two spaces. A field behind the file is as good as none. */
export function missingField(name: string): S3Error {
  return invalidArgument(
    `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`,
    name,
    '',
  )
}
