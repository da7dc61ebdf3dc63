/** Checks that hold for every operation, put around each of them once, so that none can forget them. */
import type { Match, Operation, ParseInput, S3Request } from './operation.ts'
import { invalidArgument, S3Error } from './s3-error.ts'

type Matched = { readonly match: Match }

/** Query names of matches that are arguments and no sub-resources. */
const notSubresources = new Set(['annotationName', 'id'])
/** Sub-resources of other operations that are arguments of these. */
const argumentsOf: Readonly<Record<string, readonly string[]>> = {
  GetObject: ['partNumber'],
  HeadObject: ['partNumber'],
}

/** Those that can be about one version. A test holds them to the files that read a version id. */
export const operationsOfVersions: ReadonlySet<string> = new Set([
  'DeleteObject',
  'DeleteObjectTagging',
  'GetObject',
  'GetObjectAcl',
  'GetObjectAttributes',
  'GetObjectLegalHold',
  'GetObjectRetention',
  'GetObjectTagging',
  'HeadObject',
  'PutObjectAcl',
  'PutObjectLegalHold',
  'PutObjectRetention',
  'PutObjectTagging',
])

/**
 * `parse` refuses a version id where no version can be meant (a PUT does not replace one, and a DELETE that lost its key is not
 * one of the bucket), a foreign bucket owner (x-amz-expected-bucket-owner) and a sub-resource that is not this operation's: a
 * DELETE with `?retention` must not be a plain DELETE because no operation has that name. `all` names the sub-resources.
 */
export function guarded(operation: Operation, all: readonly Matched[]): Operation {
  const strays = straySubresources(operation, all)
  return {
    ...operation,
    parse: (input) => {
      refuseStrays(operation, strays, input.request)
      refuseVersionId(operation, input.request)
      refuseForeignOwner(input)
      return operation.parse(input)
    },
    handle: async (context, input, body) => {
      const response = await operation.handle(context, input, body)
      if (context.request.headers['x-amz-request-payer'] !== 'requester') return response
      return { ...response, headers: { ...response.headers, 'x-amz-request-charged': 'requester' } }
    },
  }
}

/** For reads of an object only its own level counts: their queries carry all sorts of things. */
function straySubresources(operation: Operation, all: readonly Matched[]): readonly string[] {
  const { method, level } = operation.match
  const lenient = level === 'object' && (method === 'GET' || method === 'HEAD')
  const names = all
    .filter(({ match }) => !lenient || match.level === 'object')
    .flatMap(({ match }) => match.query ?? [])
  const own = [...(operation.match.query ?? []), ...(argumentsOf[operation.name] ?? [])]
  return [...new Set(names)].filter((name) => !notSubresources.has(name) && !own.includes(name))
}

function refuseStrays(operation: Operation, strays: readonly string[], request: S3Request): void {
  const stray = strays.find((name) => request.query.has(name))
  if (stray === undefined) return
  const own = operation.match.query?.[0]
  if (own !== undefined) {
    throw invalidArgument(`Conflicting query string parameters: ${own}, ${stray}`, 'ResourceType', own)
  }
  throw new S3Error('MethodNotAllowed', {
    extra: { Method: request.method, ResourceType: stray.toUpperCase() },
  })
}

function refuseVersionId({ name }: Operation, { query }: S3Request): void {
  const versionId = query.get('versionId')
  if (versionId === null || operationsOfVersions.has(name)) return
  throw invalidArgument('This operation does not accept a version-id.', 'versionId', versionId)
}

function refuseForeignOwner({ request, bucket }: ParseInput): void {
  const expected = request.headers['x-amz-expected-bucket-owner']
  if (expected === undefined || bucket === null || expected === bucket.accountId) return
  throw new S3Error('AccessDenied')
}
