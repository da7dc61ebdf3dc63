/** Form uploads, signed as a browser page's server would, and spoilt as a test wants. */
import { epochMs } from '../../src/lib/units.ts'
import { algorithm, type Scope, scopeText } from '../../src/sigv4/canonical.ts'
import { signature, signingKey } from '../../src/sigv4/keys.ts'
import { amzDateOf, type SigningCredentials } from '../../src/sigv4/sign.ts'
import type { SendOptions } from './s3-client.ts'

export type FormPart = {
  readonly name: string
  readonly value: string | Uint8Array
  /** Left out: a plain field. */
  readonly fileName?: string
}

export type PostForm = {
  readonly bucket: string
  readonly key: SigningCredentials
  /** The server's wall clock. */
  readonly nowMs: number
  readonly fields: Readonly<Record<string, string>>
  readonly file: string | Uint8Array
  /** null: the file has no name. */
  readonly fileName?: string | null
  /** Instead of an exact one for each field. */
  readonly conditions?: readonly unknown[]
  /** Beside those for each field. */
  readonly moreConditions?: readonly unknown[]
  readonly expiresMs?: number
  readonly region?: string
  /** The whole policy document, as it is. */
  readonly policy?: string
  /** Fields that are sent and have no condition. */
  readonly uncovered?: Readonly<Record<string, string>>
  /** Changes the parts after they were signed. */
  readonly mutate?: (parts: readonly FormPart[]) => readonly FormPart[]
}

export const formBoundary = 'holdfast-boundary-7MA4YWxkTrZu0gW'

/** The parts of a signed form, its file last. */
export function formParts(form: PostForm): readonly FormPart[] {
  const amzDate = amzDateOf(epochMs(Math.floor(form.nowMs)))
  const scope: Scope = { date: amzDate.slice(0, 8), region: form.region ?? 'us-east-1', service: 's3' }
  const proof = {
    'x-amz-algorithm': algorithm,
    'x-amz-credential': `${form.key.accessKeyId}/${scopeText(scope)}`,
    'x-amz-date': amzDate,
  }
  const signed = { ...form.fields, ...proof }
  const exact = Object.entries(form.conditions === undefined ? signed : proof).map(([name, value]) => ({
    [name]: value,
  }))
  const document = {
    expiration: new Date(form.nowMs + (form.expiresMs ?? 600_000)).toISOString(),
    conditions: [
      { bucket: form.bucket },
      ...exact,
      ...(form.conditions ?? []),
      ...(form.moreConditions ?? []),
    ],
  }
  const policy = Buffer.from(form.policy ?? JSON.stringify(document)).toString('base64')
  const value = signature(signingKey(form.key.secretAccessKey, scope), policy)
  const fields = { ...signed, ...form.uncovered, policy, 'x-amz-signature': value }
  const { fileName = 'name.txt' } = form
  const file = { name: 'file', value: form.file, ...(fileName === null ? {} : { fileName }) }
  const parts = [...Object.entries(fields).map(([name, text]) => ({ name, value: text })), file]
  return form.mutate === undefined ? parts : form.mutate(parts)
}

export function encodeForm(parts: readonly FormPart[], boundary = formBoundary): Buffer {
  const pieces = parts.flatMap(({ name, value, fileName }) => [
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"`,
    fileName === undefined ? '' : `; filename="${fileName}"\r\nContent-Type: application/octet-stream`,
    '\r\n\r\n',
    value,
    '\r\n',
  ])
  return Buffer.concat([...pieces, `--${boundary}--\r\n`].map((piece) => Buffer.from(piece)))
}

/** The request without a signature of its own. */
export function formRequest(form: PostForm): SendOptions {
  return {
    method: 'POST',
    path: `/${form.bucket}`,
    sign: 'none',
    headers: { 'content-type': `multipart/form-data; boundary=${formBoundary}` },
    body: encodeForm(formParts(form)),
  }
}
