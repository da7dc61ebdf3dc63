import { limits } from '../../lib/limits.ts'
import { isSystemBucket } from '../../lib/system-buckets.ts'
import { formatIso } from '../../lib/units.ts'
import type { BucketRecord } from '../../store/records.ts'
import { xmlAnswer } from '../answers.ts'
import { continuationToken, parseContinuationToken } from '../continuation-token.ts'
import { parsePageSize } from '../listing-input.ts'
import { optional, ownerElement } from '../listing-xml.ts'
import { defineOperation, type OperationContext } from '../operation.ts'
import { invalidArgument } from '../s3-error.ts'
import { element, type XmlElement, xmlDocument } from '../xml.ts'

type Input = {
  readonly maxBuckets: number
  readonly after: string | null
  readonly prefix: string
  readonly region: string | null
  readonly paged: boolean
}

/** The buckets of the caller's account, in byte order; root sees every account's. System buckets are hidden. */
export const ListBuckets = defineOperation<Input>({
  name: 'ListBuckets',
  match: { method: 'GET', level: 'service' },
  permission: 's3:ListAllMyBuckets',
  body: { kind: 'none' },
  parse: ({ request: { query } }) => {
    const maxBuckets = parsePageSize(query, 'max-buckets', limits.listBucketsMax)
    if (maxBuckets < 1) {
      throw invalidArgument(
        'max-buckets must be between 1 and 10000',
        'max-buckets',
        query.get('max-buckets') ?? '',
      )
    }
    const token = query.get('continuation-token')
    return {
      maxBuckets,
      after: token === null || token === '' ? null : bucketAfter(token),
      prefix: query.get('prefix') ?? '',
      region: query.get('bucket-region'),
      paged: ['max-buckets', 'continuation-token', 'prefix', 'bucket-region'].some((name) => query.has(name)),
    }
  },
  handle: async (context, input) => {
    const { buckets, isTruncated } = await readPage(context, input)
    const last = buckets.at(-1)
    const token = isTruncated && last !== undefined ? continuationToken(last.name) : null
    return xmlAnswer(
      xmlDocument('ListAllMyBucketsResult', [
        ownerElement(context.principal.accountId),
        element(
          'Buckets',
          buckets.map((bucket) => bucketElement(bucket, input.paged)),
        ),
        ...optional('ContinuationToken', token),
        ...optional('Prefix', input.prefix),
      ]),
    )
  },
})

/** A token is no secret: what somebody made up may be longer than any bucket's name. Errors: InvalidArgument. */
function bucketAfter(token: string): string {
  const name = parseContinuationToken(token)
  if (name.length <= limits.bucketNameLengthMax && /^[a-z0-9.-]+$/.test(name)) return name
  throw invalidArgument('The continuation token provided is incorrect', 'continuation-token', token)
}

type Page = { readonly buckets: readonly BucketRecord[]; readonly isTruncated: boolean }

async function readPage(context: OperationContext, input: Input): Promise<Page> {
  const accountId = context.principal.kind === 'root' ? null : context.principal.accountId
  const found: BucketRecord[] = []
  let after = input.after
  // Pages of the store, until one more than asked for is known or the names are past the prefix.
  for (;;) {
    const page = await context.store.buckets.list({ accountId, after, limit: limits.listKeysMax })
    for (const bucket of page) {
      if (!matches(bucket, input)) continue
      if (found.length === input.maxBuckets) return { buckets: found, isTruncated: true }
      found.push(bucket)
    }
    const last = page.at(-1)
    const passed = last !== undefined && last.name > input.prefix && !last.name.startsWith(input.prefix)
    if (last === undefined || page.length < limits.listKeysMax || passed)
      return { buckets: found, isTruncated: false }
    after = last.name
  }
}

function matches(bucket: BucketRecord, input: Input): boolean {
  if (isSystemBucket(bucket.name)) return false
  return bucket.name.startsWith(input.prefix) && (input.region === null || bucket.region === input.region)
}

function bucketElement(bucket: BucketRecord, paged: boolean): XmlElement {
  return element('Bucket', [
    element('Name', bucket.name),
    element('CreationDate', formatIso(bucket.createdMs)),
    ...(paged ? [element('BucketRegion', bucket.region)] : []),
  ])
}
