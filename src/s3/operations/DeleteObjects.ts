import { limits } from '../../lib/limits.ts'
import type { DeleteObject, DeleteObjectResult } from '../../store/store.ts'
import { addressedBucket } from '../addressed.ts'
import { xmlAnswer } from '../answers.ts'
import { asksBypassGovernance, demandDocumentChecksum } from '../lock-headers.ts'
import { defineOperation, type OperationContext } from '../operation.ts'
import { reworded } from '../profiles/answers.ts'
import { S3Error } from '../s3-error.ts'
import { denied, noSuchBucket } from '../store-results.ts'
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
type Entry = { readonly key: string; readonly versionId: string | null; readonly error: S3Error | null }
type Input = { readonly entries: readonly Entry[]; readonly quiet: boolean }

/**
 * Many deletes with one answer for each entry, equal to single deletes in the same order. Permissions and bypass are judged
 * for every key by itself. Errors of the whole request: E17, E8 (also for 0 or more than 1,000 entries).
 */
export const DeleteObjects = defineOperation<Input>({
  name: 'DeleteObjects',
  match: { method: 'POST', level: 'bucket', query: ['delete'] },
  permission: 's3:DeleteObject',
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
  // Conditions of a delete are not done here, and a delete never goes on without them.
  if (['ETag', 'LastModifiedTime', 'Size'].some((name) => children(node, name).length > 0)) {
    throw new S3Error('NotImplemented', {
      message:
        'Conditions in DeleteObjects (ETag, LastModifiedTime, Size) are not implemented by this server.',
    })
  }
  allowOnly(node, ['Key', 'VersionId'])
  const key = childText(node, 'Key')
  if (key === null || key === '') throw new S3Error('MalformedXML')
  const versionId = childText(node, 'VersionId')
  if (Buffer.byteLength(key, 'utf8') > limits.objectKeyBytesMax) {
    return { key, versionId, error: new S3Error('KeyTooLongError') }
  }
  return { key, versionId, error: versionId === null ? null : versionIdError(versionId, 'versionId') }
}

/** The entry with the caller's right to it; a denial is recorded by `demand`. */
async function judge(context: OperationContext, entry: Entry): Promise<Entry> {
  if (entry.error !== null) return { ...entry }
  try {
    await context.demand(entry.versionId === null ? 's3:DeleteObject' : 's3:DeleteObjectVersion', entry.key)
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
  }
}

type ResultElement = { readonly kind: 'deleted' | 'error'; readonly element: XmlElement }

function resultElement(
  context: OperationContext,
  entry: Entry,
  result: DeleteObjectResult | undefined,
): ResultElement {
  if (entry.error !== null) return errorElement(context, entry, entry.error)
  if (result === undefined) return errorElement(context, entry, new S3Error('InternalError'))
  const bucket = addressedBucket(context)
  if (result.kind === 'denied') return errorElement(context, entry, denied(result, bucket))
  if (result.kind === 'noSuchBucket') return errorElement(context, entry, noSuchBucket(bucket.name))
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
