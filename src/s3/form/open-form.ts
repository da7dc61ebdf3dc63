/** The form of a PostObject up to its file: bounded fields in memory, the file as a stream. */
import { limits } from '../../lib/limits.ts'
import { invalidArgument, S3Error } from '../s3-error.ts'
import { FormReader, malformedForm } from './form-reader.ts'
import { parseParameterized } from './parameters.ts'

type Headers = Readonly<Record<string, string>>

export type FormField = {
  /** As it was sent; fields are found by their lower-case name. */
  readonly name: string
  readonly value: string
}

export type FormFields = ReadonlyMap<string, FormField>

export type OpenedForm = {
  /** By lower-case name: what came before the file. */
  readonly fields: FormFields
  /** As it was sent; null: the file has none. */
  readonly fileName: string | null
  /** What the Content-Length leaves for the file if it is the last part, as S3's ProposedSize. */
  readonly proposedBytes: number
  /**
   * The bytes of the file, once. Fails unless the whole form follows: whoever stages it discards the stage then. Fields
   * behind the file mean nothing, as on S3, but a second file is refused.
   */
  readonly file: () => AsyncIterable<Uint8Array>
}

export function isFormType(contentType: string | undefined): boolean {
  return parseParameterized(contentType ?? '')?.type === 'multipart/form-data'
}

/**
 * Reads the fields. `headers` are the request's: its Content-Type names the boundary, its Content-Length bounds the file.
 * Errors: MissingContentLength, EntityTooLarge, MalformedPOSTRequest, MaxPostPreDataLengthExceeded, InvalidArgument (no file,
 * a field twice).
 */
export async function openForm(source: AsyncIterable<Uint8Array>, headers: Headers): Promise<OpenedForm> {
  const sizeBytes = declaredBytes(headers['content-length'])
  const reader = new FormReader(source, boundaryOf(headers['content-type'] ?? ''))
  const fields = new Map<string, FormField>()
  await reader.begin()
  while ((await reader.next()) === 'part') {
    const part = await readPartHeader(reader)
    if (part.name.toLowerCase() === 'file') {
      const proposedBytes = Math.max(0, sizeBytes - reader.takenBytes - reader.endBytes)
      return { fields, fileName: part.fileName, proposedBytes, file: () => fileBytes(reader) }
    }
    addField(fields, { name: part.name, value: decodeUtf8(await reader.value()) })
  }
  throw wrongFileCount(0)
}

async function* fileBytes(reader: FormReader): AsyncGenerator<Uint8Array, void, void> {
  yield* reader.content()
  while ((await reader.next()) === 'part') {
    const { name } = await readPartHeader(reader)
    if (name.toLowerCase() === 'file') throw wrongFileCount(2)
    await reader.value()
  }
}

function declaredBytes(contentLength: string | undefined): number {
  if (contentLength === undefined) throw new S3Error('MissingContentLength')
  const sizeBytes = Number(contentLength)
  if (sizeBytes <= limits.singleUploadBytesMax + limits.formBytesMax) return sizeBytes
  throw new S3Error('EntityTooLarge', {
    extra: { ProposedSize: String(sizeBytes), MaxSizeAllowed: String(limits.singleUploadBytesMax) },
  })
}

/** RFC 2046 section 5.1.1. */
const boundaryShape = /^[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]$/

function boundaryOf(contentType: string): string {
  const boundary = parseParameterized(contentType)?.parameters.get('boundary') ?? ''
  if (!boundaryShape.test(boundary)) throw malformedForm()
  return boundary
}

type PartHeader = { readonly name: string; readonly fileName: string | null }

/** Encodings that leave the bytes as they are. */
const plainEncodings = new Set(['7bit', '8bit', 'binary'])

async function readPartHeader(reader: FormReader): Promise<PartHeader> {
  const headers = new Map<string, string>()
  for (;;) {
    const line = decodeUtf8(await reader.line())
    if (line === '') break
    const [, name, value] = /^([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*(.*)$/.exec(line) ?? []
    if (name === undefined || value === undefined || headers.has(name.toLowerCase())) throw malformedForm()
    headers.set(name.toLowerCase(), value)
  }
  const encoding = headers.get('content-transfer-encoding')?.trim().toLowerCase()
  // Storing base64 as it came would lock bytes that nobody meant.
  if (encoding !== undefined && !plainEncodings.has(encoding)) throw malformedForm()
  const disposition = parseParameterized(headers.get('content-disposition') ?? '')
  const name = disposition?.parameters.get('name') ?? ''
  if (disposition === null || disposition.type !== 'form-data' || name === '') throw malformedForm()
  return { name, fileName: disposition.parameters.get('filename') ?? null }
}

/** A repeated x-amz-meta-* is a list, as with headers; of two others one could be read here and one elsewhere. */
function addField(fields: Map<string, FormField>, { name, value }: FormField): void {
  const lower = name.toLowerCase()
  const before = fields.get(lower)
  if (before === undefined) {
    fields.set(lower, { name, value })
    return
  }
  if (!lower.startsWith('x-amz-meta-'))
    throw invalidArgument(`The form field ${name} may be given only once.`, name)
  fields.set(lower, { name: before.name, value: `${before.value},${value}` })
}

function wrongFileCount(count: 0 | 2): S3Error {
  return invalidArgument('POST requires exactly one file upload per request.', 'file', String(count))
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new S3Error('MalformedPOSTRequest', { cause })
  }
}
