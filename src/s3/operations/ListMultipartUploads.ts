import { formatIso } from '../../lib/units.ts'
import type { UploadRecord } from '../../store/records.ts'
import { addressedBucket } from '../addressed.ts'
import { xmlAnswer } from '../answers.ts'
import { type ListingInput, parseListing } from '../listing-input.ts'
import {
  commonPrefixElements,
  type Encoding,
  encoded,
  initiatorElement,
  optional,
  ownerElement,
} from '../listing-xml.ts'
import { defineOperation } from '../operation.ts'
import { noSuchBucket } from '../store-results.ts'
import { element, type XmlElement, xmlDocument } from '../xml.ts'

type Input = ListingInput & { readonly keyMarker: string | null; readonly uploadIdMarker: string | null }

/** Uploads in progress: keys in byte order. upload-id-marker means something only with a key-marker. */
export const ListMultipartUploads = defineOperation<Input>({
  name: 'ListMultipartUploads',
  match: { method: 'GET', level: 'bucket', query: ['uploads'] },
  permission: 's3:ListBucketMultipartUploads',
  body: { kind: 'none' },
  parse: ({ request: { query } }) => {
    const keyMarker = nonEmpty(query.get('key-marker'))
    const uploadIdMarker = keyMarker === null ? null : nonEmpty(query.get('upload-id-marker'))
    return { ...parseListing(query, 'max-uploads'), keyMarker, uploadIdMarker }
  },
  handle: async (context, input) => {
    const { name } = addressedBucket(context)
    const { prefix, delimiter, maxKeys, encoding, keyMarker, uploadIdMarker } = input
    const request = { bucket: name, prefix, delimiter, maxKeys, keyMarker, uploadIdMarker }
    const page = await context.store.uploads.list(request)
    if (page.kind === 'noSuchBucket') throw noSuchBucket(name)
    const nextKey = page.nextKeyMarker === null ? null : encoded(page.nextKeyMarker, encoding)
    return xmlAnswer(
      xmlDocument('ListMultipartUploadsResult', [
        element('Bucket', name),
        element('KeyMarker', encoded(keyMarker ?? '', encoding)),
        element('UploadIdMarker', uploadIdMarker ?? ''),
        ...(page.isTruncated ? optional('NextKeyMarker', nextKey) : []),
        ...(page.isTruncated ? optional('NextUploadIdMarker', page.nextUploadIdMarker) : []),
        element('Prefix', encoded(prefix, encoding)),
        ...optional('Delimiter', encoded(delimiter, encoding)),
        ...optional('EncodingType', encoding === 'url' ? 'url' : null),
        element('MaxUploads', maxKeys),
        element('IsTruncated', page.isTruncated),
        ...page.uploads.map((upload) => uploadElement(upload, encoding)),
        ...commonPrefixElements(page.commonPrefixes, encoding),
      ]),
    )
  },
})

function nonEmpty(value: string | null): string | null {
  return value === '' ? null : value
}

function uploadElement(upload: UploadRecord, encoding: Encoding): XmlElement {
  const { checksumAlgorithm, checksumType } = upload
  const checksum =
    checksumAlgorithm === null || checksumType === null
      ? []
      : [element('ChecksumAlgorithm', checksumAlgorithm), element('ChecksumType', checksumType)]
  return element('Upload', [
    element('Key', encoded(upload.key, encoding)),
    element('UploadId', upload.uploadId),
    initiatorElement(upload.accountId),
    ownerElement(upload.accountId),
    element('StorageClass', 'STANDARD'),
    element('Initiated', formatIso(upload.initiatedMs)),
    ...checksum,
  ])
}
