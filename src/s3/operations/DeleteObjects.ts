import { limits } from '../../lib/limits.ts'
import type { DeleteManyResult, DeleteObject } from '../../store/store.ts'
import { addressedBucket } from '../addressed.ts'
import { xmlAnswer } from '../answers.ts'
import { unquotedEtag } from '../conditional.ts'
import { asksBypassGovernance, demandDocumentChecksum } from '../lock-headers.ts'
import { defineOperation, type OperationContext } from '../operation.ts'
import { reworded } from '../profiles/answers.ts'
import { S3Error } from '../s3-error.ts'
import { denied, noSuchBucket, noSuchKey, preconditionFailed, writesRefused } from '../store-results.ts'
import { versionIdError } from '../version-id.ts'
import {
  allowOnly,
  children,
  childText,
  element,
  parseXml,
  type XmlElement,
  type XmlNode,
  xmlDocument,
} from '../xml.ts'

/** One entry of the document; `error`: it is refused by itself, the others go on. */
type Entry = {
  readonly key: string
  readonly versionId: string | null
  /** The ETag element, as If-Match; null: none. */
  readonly ifMatch: string | null
  readonly error: S3Error | null
}
type Input = { readonly entries: readonly Entry[]; readonly quiet: boolean }

/**
 * Many deletes with one answer for each entry, equal to single deletes in the same order. Permissions and bypass are judged
 * for every key by itself; who may delete nothing at all is refused before the document is read. Errors of the whole
 * request: AccessDenied, E17, E8 (also for 0 or more than 1,000 entries), and those of a store that deleted nothing, or of which nobody
 * knows what it deleted.
 */
export const DeleteObjects = defineOperation<Input>({
  name: 'DeleteObjects',
  match: { method: 'POST', level: 'bucket', query: ['delete'] },
  permission: 's3:DeleteObject',
  versionPermission: 's3:DeleteObjectVersion',
  permissionScope: 'key',
  body: { kind: 'document', bytesMax: limits.deleteDocumentBytesMax },
  parse: (input) => {
    demandDocumentChecksum(input, 'other')
    return parseDocument(input.document)
  },
  handle: async (context, { entries, quiet }) => {
    // All at once: a counted denial is answered only after its second has passed, and they share one. The
    // number of entries is bounded by parse.
    const judged = await Promise.all(entries.map((entry) => judge(context, entry)))
    const allowed = judged.filter((entry) => entry.error === null)
    const inputs = allowed.map((entry) => deletion(context, entry))
    const results = inputs.length === 0 ? [] : await context.store.versions.deleteMany(context.actor, inputs)
    const answers = new Map(allowed.map((entry, index) => [entry, results[index]]))
    const elements = judged.map((entry) => resultElement(context, entry, answers.get(entry)))
    const shown = elements.filter((each) => !quiet || each.kind === 'error')
    return xmlAnswer(
      xmlDocument(
        'DeleteResult',
        shown.map((each) => each.element),
      ),
    )
  },
})

function parseDocument(document: string): Input {
  const root = parseXml(document, ['Delete'])
  allowOnly(root, ['Object', 'Quiet'])
  const objects = children(root, 'Object')
  if (objects.length < 1 || objects.length > limits.deleteObjectsKeysMax) throw new S3Error('MalformedXML')
  const quiet = childText(root, 'Quiet')?.trim().toLowerCase() ?? 'false'
  if (quiet !== 'true' && quiet !== 'false') throw new S3Error('MalformedXML')
  return { entries: objects.map(parseEntry), quiet: quiet === 'true' }
}

function parseEntry(node: XmlNode): Entry {
  // S3 has these for directory buckets only, and a delete never goes on without its conditions.
  if (['LastModifiedTime', 'Size'].some((name) => children(node, name).length > 0)) {
    throw new S3Error('NotImplemented', {
      message: 'The conditions LastModifiedTime and Size are not implemented by this server.',
    })
  }
  allowOnly(node, ['Key', 'VersionId', 'ETag'])
  const key = childText(node, 'Key')
  if (key === null || key === '') throw new S3Error('MalformedXML')
  const entry = { key, versionId: childText(node, 'VersionId'), ifMatch: conditionIn(node) }
  return { ...entry, error: entryError(entry) }
}

function conditionIn(node: XmlNode): string | null {
  const etag = childText(node, 'ETag')
  return etag === null ? null : unquotedEtag(etag)
}

/** null: it may be tried. */
function entryError({ key, versionId, ifMatch }: Omit<Entry, 'error'>): S3Error | null {
  if (Buffer.byteLength(key, 'utf8') > limits.objectKeyBytesMax) return new S3Error('KeyTooLongError')
  if (versionId === null) return null
  // The condition is about the current version, so S3 has none with a version id.
  return versionIdError(versionId, 'versionId') ?? (ifMatch === null ? null : new S3Error('NotImplemented'))
}

/** The entry with the caller's right to it; a denial is recorded by `demand`. */
async function judge(context: OperationContext, entry: Entry): Promise<Entry> {
  if (entry.error !== null) return { ...entry }
  try {
    await context.demand(entry.versionId === null ? 's3:DeleteObject' : 's3:DeleteObjectVersion', entry.key)
    // Who may compare an ETag learns it.
    if (entry.ifMatch !== null && entry.ifMatch !== '*') await context.demand('s3:GetObject', entry.key)
    return { ...entry }
  } catch (error) {
    if (error instanceof S3Error && error.code === 'AccessDenied') return { ...entry, error }
    throw error
  }
}

function deletion(context: OperationContext, entry: Entry): DeleteObject {
  const { headers } = context.request
  const bypassGovernance =
    asksBypassGovernance(headers) && context.may('s3:BypassGovernanceRetention', entry.key)
  return {
    bucket: addressedBucket(context).name,
    key: entry.key,
    versionId: entry.versionId,
    bypassGovernance,
    ...(entry.ifMatch === null ? {} : { ifMatch: entry.ifMatch }),
  }
}

type ResultElement = { readonly kind: 'deleted' | 'error'; readonly element: XmlElement }

function resultElement(
  context: OperationContext,
  entry: Entry,
  result: DeleteManyResult | undefined,
): ResultElement {
  if (entry.error !== null) return errorElement(context, entry, entry.error)
  if (result === undefined) return errorElement(context, entry, new S3Error('InternalError'))
  const bucket = addressedBucket(context)
  if (result.kind === 'conflict') return errorElement(context, entry, new S3Error('SlowDown'))
  if (result.kind === 'writesRefused') return errorElement(context, entry, writesRefused(result.error))
  if (result.kind === 'denied') return errorElement(context, entry, denied(result, bucket))
  if (result.kind === 'noSuchBucket') return errorElement(context, entry, noSuchBucket(bucket.name))
  if (result.kind === 'noSuchKey') return errorElement(context, entry, noSuchKey(entry.key))
  if (result.kind === 'preconditionFailed')
    return errorElement(context, entry, preconditionFailed('If-Match'))
  const markerId = entry.versionId ?? result.versionId
  return {
    kind: 'deleted',
    element: element('Deleted', [
      element('Key', entry.key),
      ...(entry.versionId === null ? [] : [element('VersionId', entry.versionId)]),
      ...(result.isDeleteMarker ? [element('DeleteMarker', true)] : []),
      ...(result.isDeleteMarker && markerId !== null ? [element('DeleteMarkerVersionId', markerId)] : []),
    ]),
  }
}

function errorElement(context: OperationContext, entry: Entry, error: S3Error): ResultElement {
  const { code, detail } = reworded({ profile: context.profile, operation: 'DeleteObjects' }, error)
  return {
    kind: 'error',
    element: element('Error', [
      element('Key', entry.key),
      ...(entry.versionId === null ? [] : [element('VersionId', entry.versionId)]),
      element('Code', code),
      element('Message', detail.message),
    ]),
  }
}
