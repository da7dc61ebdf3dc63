import { addressedBucket } from '../addressed.ts'
import { xmlAnswer } from '../answers.ts'
import { type ListingInput, parseListing } from '../listing-input.ts'
import { commonPrefixElements, contentsElement, encoded, optional } from '../listing-xml.ts'
import { defineOperation } from '../operation.ts'
import { invalidArgument } from '../s3-error.ts'
import { noSuchBucket } from '../store-results.ts'
import { element, xmlDocument } from '../xml.ts'

type Input = ListingInput & { readonly marker: string | null }

/** The first version of the listing: a marker is a key or a common prefix; NextMarker only with a delimiter. */
export const ListObjects = defineOperation<Input>({
  name: 'ListObjects',
  match: { method: 'GET', level: 'bucket' },
  permission: 's3:ListBucket',
  body: { kind: 'none' },
  parse: ({ request: { query } }) => {
    const listType = query.get('list-type')
    // The second version is an operation of its own, and there is no third.
    if (listType !== null)
      throw invalidArgument('Invalid List Type specified in Request', 'list-type', listType)
    return { ...parseListing(query, 'max-keys'), marker: query.get('marker') }
  },
  handle: async (context, input) => {
    const { name } = addressedBucket(context)
    const { prefix, delimiter, maxKeys, marker, encoding } = input
    const request = { bucket: name, prefix, delimiter, maxKeys, after: marker === '' ? null : marker }
    const page = await context.store.versions.listCurrent(request)
    if (page.kind === 'noSuchBucket') throw noSuchBucket(name)
    const next =
      page.isTruncated && delimiter !== '' && page.last !== null ? encoded(page.last, encoding) : null
    return xmlAnswer(
      xmlDocument('ListBucketResult', [
        element('Name', name),
        element('Prefix', encoded(prefix, encoding)),
        element('Marker', encoded(marker ?? '', encoding)),
        ...optional('NextMarker', next),
        element('MaxKeys', maxKeys),
        ...optional('Delimiter', encoded(delimiter, encoding)),
        ...optional('EncodingType', encoding === 'url' ? 'url' : null),
        element('IsTruncated', page.isTruncated),
        ...page.objects.map((object) =>
          contentsElement(object.key, object.current, { encoding, owner: 'shown' }),
        ),
        ...commonPrefixElements(page.commonPrefixes, encoding),
      ]),
    )
  },
})
