import { addressedBucket } from '../addressed.ts'
import { xmlAnswer } from '../answers.ts'
import { continuationToken, parseContinuationToken } from '../continuation-token.ts'
import { type ListingInput, parseListing } from '../listing-input.ts'
import { commonPrefixElements, contentsElement, encoded, optional } from '../listing-xml.ts'
import { defineOperation } from '../operation.ts'
import { noSuchBucket } from '../store-results.ts'
import { element, xmlDocument } from '../xml.ts'

type Input = ListingInput & {
  readonly startAfter: string | null
  readonly token: string | null
  /** The exclusive start: the token wins over start-after. */
  readonly after: string | null
  readonly owner: 'shown' | 'left out'
}

/** Current objects in byte order of their keys. Errors: InvalidArgument for a token that this server did not print. */
export const ListObjectsV2 = defineOperation<Input>({
  name: 'ListObjectsV2',
  match: { method: 'GET', level: 'bucket', queryValues: { 'list-type': '2' } },
  permission: 's3:ListBucket',
  body: { kind: 'none' },
  parse: ({ request: { query } }) => {
    const startAfter = query.get('start-after')
    const token = query.get('continuation-token')
    return {
      ...parseListing(query, 'max-keys'),
      startAfter,
      token,
      after: token === null ? startAfter : parseContinuationToken(token),
      owner: query.get('fetch-owner')?.toLowerCase() === 'true' ? 'shown' : 'left out',
    }
  },
  handle: async (context, input) => {
    const { name } = addressedBucket(context)
    const { prefix, delimiter, maxKeys, after, encoding, owner } = input
    const page = await context.store.versions.listCurrent({ bucket: name, prefix, delimiter, maxKeys, after })
    if (page.kind === 'noSuchBucket') throw noSuchBucket(name)
    const next = page.isTruncated && page.last !== null ? continuationToken(page.last) : null
    return xmlAnswer(
      xmlDocument('ListBucketResult', [
        element('Name', name),
        element('Prefix', encoded(prefix, encoding)),
        ...optional('StartAfter', input.startAfter === null ? null : encoded(input.startAfter, encoding)),
        ...optional('ContinuationToken', input.token),
        ...optional('NextContinuationToken', next),
        element('KeyCount', page.objects.length + page.commonPrefixes.length),
        element('MaxKeys', maxKeys),
        ...optional('Delimiter', encoded(delimiter, encoding)),
        ...optional('EncodingType', encoding === 'url' ? 'url' : null),
        element('IsTruncated', page.isTruncated),
        ...page.objects.map((object) => contentsElement(object.key, object.current, { encoding, owner })),
        ...commonPrefixElements(page.commonPrefixes, encoding),
      ]),
    )
  },
})
