import { S3Error } from './s3-error.ts'

/** `endByte` exclusive. */
export type ByteRange = { readonly startByte: number; readonly endByte: number }

/**
 * The Range header for an object of this size; null: the whole object, also for what S3 does not serve as a
 * range (several ranges, other units, nonsense). Errors: InvalidRange when no byte of it exists.
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | null {
  const match = /^bytes\s*=\s*(\d*)\s*-\s*(\d*)$/i.exec(header?.trim() ?? '')
  if (header === undefined || match === null) return null
  const first = match[1] ?? ''
  const last = match[2] ?? ''
  if (first === '' && last === '') return null
  if (first === '') {
    const suffixBytes = Math.min(Number(last), sizeBytes)
    if (suffixBytes === 0) throw invalidRange(header, sizeBytes)
    return { startByte: sizeBytes - suffixBytes, endByte: sizeBytes }
  }
  const startByte = Number(first)
  if (last !== '' && Number(last) < startByte) return null
  if (startByte >= sizeBytes) throw invalidRange(header, sizeBytes)
  return { startByte, endByte: last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes) }
}

function invalidRange(header: string, sizeBytes: number): S3Error {
  return new S3Error('InvalidRange', {
    extra: { RangeRequested: header, ActualObjectSize: String(sizeBytes) },
    headers: { 'content-range': `bytes */${sizeBytes}` },
  })
}

export function contentRange(range: ByteRange, sizeBytes: number): string {
  return `bytes ${range.startByte}-${range.endByte - 1}/${sizeBytes}`
}
