/**
 * A form upload as the request that it stands for. The address is the target's alone (B-53), the key is expanded and read
 * once (B-62), and no field is used that the signed policy does not cover (B-60).
 */
import type { Principal } from '../../lib/identity.ts'
import type { EpochMs } from '../../lib/units.ts'
import { type FormField, type FormFields, isFormType, openForm } from '../form/open-form.ts'
import { headerValue } from '../header-value.ts'
import type { RequestBody } from '../operation.ts'
import { checkKey, type RequestHead } from '../route.ts'
import { invalidArgument, S3Error } from '../s3-error.ts'
import { parseTagging } from '../tagging.ts'
import type { AuthenticationSettings } from './authenticate.ts'
import { headersNotSigned } from './claim.ts'
import { authenticateForm, missingField, proofFields } from './form-signature.ts'
import { checkPostPolicy, parsePostPolicy, type SizeRange } from './post-policy.ts'

export type FormUpload = {
  readonly principal: Principal
  /** Byte for byte the key that is authorised and stored. */
  readonly key: string
  /** What a PutObject would say in headers, and the form's own success_action_* fields. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: RequestBody
}

/**
 * Whether a request proves itself by a form. Only a plain POST to a bucket can: with a sub-resource, any other query or an
 * Authorization header it is judged like all others (B-58).
 */
export function carriesForm({ method, bucket, key, query, headers }: RequestHead): boolean {
  if (method !== 'POST' || bucket === null || key !== null || query.length > 0) return false
  return headers['authorization'] === undefined && isFormType(headers['content-type'])
}

/**
 * Reads the fields, proves them and holds them to their policy; of the file nothing is read yet. Errors: those of `openForm`,
 * `authenticateForm`, `parsePostPolicy` and `checkPostPolicy`; AccessDenied for x-amz-* and x-obs-* headers, which nothing signs;
 * InvalidArgument, KeyTooLongError, MalformedXML. The body's: EntityTooSmall, EntityTooLarge, MalformedPOSTRequest.
 */
export async function openFormUpload(
  source: AsyncIterable<Uint8Array>,
  head: RequestHead,
  settings: AuthenticationSettings,
  wallMs: EpochMs,
): Promise<FormUpload> {
  const unsigned = Object.keys(head.headers).filter((name) => isOfAFamily(name) || isCondition(name))
  if (unsigned.length > 0) throw headersNotSigned(unsigned)
  const form = await openForm(source, head.headers)
  const principal = await authenticateForm(form.fields, settings, wallMs)
  const fields = expand(form.fields, form.fileName)
  const key = keyOf(fields)
  const policy = parsePostPolicy(form.fields.get('policy')?.value ?? '')
  const range = checkPostPolicy(policy, withBucket(fields, head.bucket ?? ''), wallMs)
  return {
    principal,
    key,
    headers: { ...keptHeaders(head), ...fieldHeaders(fields) },
    body: {
      sizeBytes: form.proposedBytes,
      trailerNames: [],
      trailers: () => ({}),
      stream: () => within(range, form.proposedBytes, form.file()),
    },
  }
}

/** S3's headers and OBS's twins of them. */
function isOfAFamily(name: string): boolean {
  return name.startsWith('x-amz-') || name.startsWith('x-obs-')
}

/** A condition that is not signed proves nothing, and one that is ignored would be worse. */
function isCondition(name: string): boolean {
  return name.startsWith('if-')
}

const fileNameVariable = ['$', '{filename}'].join('')

/** `${filename}` in every field but the proof, as the policy's conditions see it. */
function expand(fields: FormFields, fileName: string | null): FormFields {
  if (fileName === null) return fields
  const base = fileName.replace(/^.*[/\\]/s, '')
  return new Map(
    [...fields].map(([lower, field]) => {
      const value = proofFields.has(lower)
        ? field.value
        : field.value.replaceAll(fileNameVariable, () => base)
      return [lower, { name: field.name, value }]
    }),
  )
}

function keyOf(fields: FormFields): string {
  const key = fields.get('key')?.value
  if (key === undefined) throw missingField('key')
  if (key === '') throw invalidArgument('User key must have a length greater than 0.', 'key', '')
  if (key.includes('\0')) throw invalidArgument('A key may not contain U+0000.', 'key')
  checkKey(key)
  return key
}

/** The addressed bucket must be covered by a condition, whether there is a field of that name or not. */
function withBucket(fields: FormFields, bucket: string): FormFields {
  const field: FormField = fields.get('bucket') ?? { name: 'bucket', value: bucket }
  if (field.value !== bucket) {
    throw new S3Error('AccessDenied', {
      message: 'Invalid according to Policy: the field bucket is not the bucket of the request.',
    })
  }
  return new Map([...fields, ['bucket', field]])
}

/** What a request says of itself and not of the object. */
function keptHeaders({ headers }: RequestHead): Readonly<Record<string, string>> {
  const names = ['host', 'origin', 'referer', 'user-agent']
  return Object.fromEntries(Object.entries(headers).filter(([name]) => names.includes(name)))
}

const headerFields = new Set([
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-md5',
  'content-type',
  'expires',
  'if-match',
  'if-none-match',
  'redirect',
  'success_action_redirect',
  'success_action_status',
])

/** Other names of S3 for what is a header elsewhere. */
const renamed: Readonly<Record<string, string>> = {
  acl: 'x-amz-acl',
  tagging: 'x-amz-tagging',
  'x-amz-checksum-algorithm': 'x-amz-sdk-checksum-algorithm',
}

/** Headers about how a body or another object travels: a form has neither. */
const senseless = [
  'x-amz-copy-source',
  'x-amz-content-sha256',
  'x-amz-decoded-content-length',
  'x-amz-trailer',
]

function fieldHeaders(fields: FormFields): Readonly<Record<string, string>> {
  // No prototype: a field called `constructor` is a field.
  const headers: Record<string, string> = Object.create(null)
  for (const [lower, { name, value }] of fields) {
    if (proofFields.has(lower)) continue
    const header = Object.hasOwn(renamed, lower) ? (renamed[lower] ?? lower) : lower
    if (!headerFields.has(header) && !isOfAFamily(header)) continue
    if (senseless.some((each) => lower.replace(/^x-obs-/, 'x-amz-').startsWith(each)))
      throw invalidArgument(`The field ${name} has no meaning in a form.`, name)
    if (headers[header] !== undefined)
      throw invalidArgument(`The form says ${header} twice, under two names.`, name)
    headers[header] = headerValue(header, lower === 'tagging' ? taggingText(value) : value)
  }
  return headers
}

/** The form's Tagging document as the x-amz-tagging header has it. */
function taggingText(document: string): string {
  return new URLSearchParams(parseTagging(document)).toString()
}

async function* within(
  { bytesMin, bytesMax }: SizeRange,
  proposedBytes: number,
  file: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  let sizeBytes = 0
  for await (const piece of file) {
    sizeBytes += piece.length
    if (sizeBytes > bytesMax) {
      throw new S3Error('EntityTooLarge', {
        message: 'Your proposed upload exceeds the maximum allowed size',
        extra: { ProposedSize: String(proposedBytes), MaxSizeAllowed: String(bytesMax) },
      })
    }
    yield piece
  }
  if (sizeBytes >= bytesMin) return
  throw new S3Error('EntityTooSmall', {
    message: 'Your proposed upload is smaller than the minimum allowed size',
    extra: { ProposedSize: String(sizeBytes), MinSizeAllowed: String(bytesMin) },
  })
}
