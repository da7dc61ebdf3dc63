import { addressedBucket } from '../addressed.ts'
import { xmlAnswer } from '../answers.ts'
import { type ListingInput, parseListing } from '../listing-input.ts'
import { commonPrefixElements, encoded, optional, versionElement } from '../listing-xml.ts'
import { defineOperation } from '../operation.ts'
import { invalidArgument } from '../s3-error.ts'
import { noSuchBucket } from '../store-results.ts'
import { versionIdError } from '../version-id.ts'
import { element, xmlDocument } from '../xml.ts'

type Input = ListingInput & { readonly keyMarker: string | null; readonly versionIdMarker: string | null }

/** All versions and delete markers: keys in byte order, newest first within a key. Shows no locks. */
export const ListObjectVersions = defineOperation<Input>({
  name: 'ListObjectVersions',
  match: { method: 'GET', level: 'bucket', query: ['versions'] },
  permission: 's3:ListBucketVersions',
  body: { kind: 'none' },
  parse: ({ request: { query } }) => ({
    ...parseListing(query, 'max-keys'),
    keyMarker: query.get('key-marker'),
    versionIdMarker: parseVersionIdMarker(query),
  }),
  handle: async (context, input) => {
    const { name } = addressedBucket(context)
    const { encoding, prefix, delimiter, maxKeys, keyMarker, versionIdMarker } = input
    const request = { bucket: name, prefix, delimiter, maxKeys, keyMarker, versionIdMarker }
    const page = await context.store.versions.listVersions(request)
    if (page.kind === 'noSuchBucket') throw noSuchBucket(name)
    const nextKey = page.nextKeyMarker === null ? null : encoded(page.nextKeyMarker, encoding)
    return xmlAnswer(
      xmlDocument('ListVersionsResult', [
        element('Name', name),
        element('Prefix', encoded(prefix, encoding)),
        element('KeyMarker', encoded(keyMarker ?? '', encoding)),
        element('VersionIdMarker', versionIdMarker ?? ''),
        ...(page.isTruncated ? optional('NextKeyMarker', nextKey) : []),
        ...(page.isTruncated ? optional('NextVersionIdMarker', page.nextVersionIdMarker) : []),
        element('MaxKeys', maxKeys),
        ...optional('Delimiter', encoded(delimiter, encoding)),
        ...optional('EncodingType', encoding === 'url' ? 'url' : null),
        element('IsTruncated', page.isTruncated),
        ...page.versions.map((listed) => versionElement(listed, encoding)),
        ...commonPrefixElements(page.commonPrefixes, encoding),
      ]),
    )
  },
})

function parseVersionIdMarker(query: URLSearchParams): string | null {
  const marker = query.get('version-id-marker')
  if (marker === null) return null
  const keyMarker = query.get('key-marker')
  if (marker === '') {
    if (keyMarker === null || keyMarker === '') return null
    throw invalidArgument('A version-id marker cannot be empty.', 'version-id-marker', marker)
  }
  if (keyMarker === null || keyMarker === '') {
    throw invalidArgument(
      'A version-id marker cannot be specified without a key marker.',
      'version-id-marker',
      marker,
    )
  }
  const error = versionIdError(marker, 'version-id-marker')
  if (error !== null) throw error
  return marker
}
