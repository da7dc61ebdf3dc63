/** Multipart uploads for the conformance tests. */
import { expect } from 'vitest'
import { type Bench, md5, type TestKey } from './conformance.ts'
import type { Answer } from './s3-client.ts'

export type Part = { readonly partNumber: number; readonly etag: string; readonly extra?: string }

export const mebibyte = 1024 * 1024

export type Upload = {
  readonly bucket: string
  readonly key: string
  readonly uploadId: string
  readonly signer: TestKey
}

export async function begin(
  bench: Bench,
  target: { readonly bucket: string; readonly key?: string; readonly signer: TestKey },
  headers: Readonly<Record<string, string>> = {},
): Promise<Upload> {
  const { bucket, key = 'key', signer } = target
  const answer = await bench.send({
    method: 'POST',
    path: `/${bucket}/${key}`,
    query: { uploads: '' },
    headers,
    key: signer,
  })
  expect([answer.status, answer.code]).toEqual([200, null])
  return { bucket, key, uploadId: answer.element('UploadId') ?? '', signer }
}

export function sendPart(
  bench: Bench,
  upload: Upload,
  part: { readonly partNumber: number; readonly body: string | Uint8Array; readonly headers?: object },
): Promise<Answer> {
  const { bucket, key, uploadId, signer } = upload
  return bench.send({
    method: 'PUT',
    path: `/${bucket}/${key}`,
    query: { partNumber: String(part.partNumber), uploadId },
    headers: { 'content-md5': md5(part.body), ...part.headers },
    body: part.body,
    key: signer,
  })
}

export async function addPart(
  bench: Bench,
  upload: Upload,
  part: { readonly partNumber: number; readonly body: string | Uint8Array; readonly headers?: object },
): Promise<Part> {
  const answer = await sendPart(bench, upload, part)
  expect([answer.status, answer.text]).toEqual([200, ''])
  return { partNumber: part.partNumber, etag: String(answer.headers.etag) }
}

export function completeXml(parts: readonly Part[]): string {
  const elements = parts.map(
    ({ partNumber, etag, extra = '' }) =>
      `<Part><PartNumber>${partNumber}</PartNumber><ETag>${etag.replaceAll('"', '&quot;')}</ETag>${extra}</Part>`,
  )
  return `<CompleteMultipartUpload>${elements.join('')}</CompleteMultipartUpload>`
}

export function complete(
  bench: Bench,
  upload: Upload,
  parts: readonly Part[],
  more: {
    readonly headers?: Readonly<Record<string, string>>
    readonly body?: string
    readonly key?: TestKey
  } = {},
): Promise<Answer> {
  const { bucket, key, uploadId, signer } = upload
  return bench.send({
    method: 'POST',
    path: `/${bucket}/${key}`,
    query: { uploadId },
    body: completeXml(parts),
    key: signer,
    ...more,
  })
}
