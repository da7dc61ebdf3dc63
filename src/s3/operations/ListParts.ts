import { limits } from '../../lib/limits.ts'
import type { PartRecord, UploadRecord } from '../../store/records.ts'
import { addressedBucket, addressedKey } from '../addressed.ts'
import { xmlAnswer } from '../answers.ts'
import { checksumValueElements } from '../checksum-xml.ts'
import { formatLastModified } from '../dates.ts'
import { parsePageSize } from '../listing-input.ts'
import { initiatorElement, ownerElement } from '../listing-xml.ts'
import { uploadIdOf } from '../multipart.ts'
import { quotedEtag } from '../object-headers.ts'
import { defineOperation } from '../operation.ts'
import { noSuchBucket, noSuchUpload } from '../store-results.ts'
import { element, type XmlElement, xmlDocument } from '../xml.ts'

type Input = { readonly uploadId: string; readonly maxParts: number; readonly marker: number }

/** The parts of an upload in the order of their numbers. */
export const ListParts = defineOperation<Input>({
  name: 'ListParts',
  match: { method: 'GET', level: 'object', query: ['uploadId'] },
  permission: 's3:ListMultipartUploadParts',
  body: { kind: 'none' },
  parse: ({ request: { query } }) => ({
    uploadId: uploadIdOf(query),
    maxParts: parsePageSize(query, 'max-parts', limits.listKeysMax),
    marker: query.has('part-number-marker') ? parsePageSize(query, 'part-number-marker', 2 ** 31 - 1) : 0,
  }),
  handle: async (context, { uploadId, maxParts, marker }) => {
    const bucket = addressedBucket(context).name
    const key = addressedKey(context.request)
    const request = { bucket, key, uploadId, afterPartNumber: marker, limit: maxParts }
    const page = await context.store.uploads.listParts(request)
    if (page.kind === 'noSuchBucket') throw noSuchBucket(bucket)
    if (page.kind === 'noSuchUpload') throw noSuchUpload(uploadId)
    return xmlAnswer(
      xmlDocument('ListPartsResult', [
        element('Bucket', bucket),
        element('Key', key),
        element('UploadId', uploadId),
        element('PartNumberMarker', marker),
        element('NextPartNumberMarker', page.parts.at(-1)?.partNumber ?? marker),
        element('MaxParts', maxParts),
        element('IsTruncated', page.isTruncated),
        ...page.parts.map(partElement),
        initiatorElement(page.upload.accountId),
        ownerElement(page.upload.accountId),
        element('StorageClass', 'STANDARD'),
        ...planElements(page.upload),
      ]),
    )
  },
})

function partElement(part: PartRecord): XmlElement {
  return element('Part', [
    element('PartNumber', part.partNumber),
    element('LastModified', formatLastModified(part.lastModifiedMs)),
    element('ETag', quotedEtag(part.etag)),
    element('Size', part.sizeBytes),
    ...checksumValueElements(part.checksum),
  ])
}

function planElements(upload: UploadRecord): readonly XmlElement[] {
  const { checksumAlgorithm, checksumType } = upload
  if (checksumAlgorithm === null || checksumType === null) return []
  return [element('ChecksumAlgorithm', checksumAlgorithm), element('ChecksumType', checksumType)]
}
