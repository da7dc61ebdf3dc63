import { limits } from '../../lib/limits.ts'
import type { ObjectPart } from '../../store/records.ts'
import { addressedBucket } from '../addressed.ts'
import { xmlAnswer } from '../answers.ts'
import { checksumElements, checksumValueElements } from '../checksum-xml.ts'
import { formatHttpDate } from '../dates.ts'
import { parsePageSize } from '../listing-input.ts'
import { type ObjectVersion, partChecksum } from '../object-headers.ts'
import { defineOperation, type OperationContext } from '../operation.ts'
import { readObject } from '../read-version.ts'
import { invalidArgument } from '../s3-error.ts'
import { versionIdHeader, versionIdOf } from '../version-id.ts'
import { element, type XmlElement, xmlDocument } from '../xml.ts'

const attributeNames = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'] as const
type Attribute = (typeof attributeNames)[number]

type Input = {
  readonly versionId: string | null
  readonly attributes: ReadonlySet<Attribute>
  readonly maxParts: number
  readonly marker: number
}

/** The attributes that were asked for, without the bytes and without any lock. */
export const GetObjectAttributes = defineOperation<Input>({
  name: 'GetObjectAttributes',
  match: { method: 'GET', level: 'object', query: ['attributes'] },
  permission: 's3:GetObjectAttributes',
  versionPermission: 's3:GetObjectVersionAttributes',
  body: { kind: 'none' },
  parse: ({ request: { query, headers } }) => ({
    versionId: versionIdOf(query),
    attributes: parseAttributes(headers['x-amz-object-attributes']),
    maxParts: pageHeader(headers['x-amz-max-parts'], 'x-amz-max-parts', limits.listKeysMax),
    marker: pageHeader(headers['x-amz-part-number-marker'] ?? '0', 'x-amz-part-number-marker', 2 ** 31 - 1),
  }),
  morePermissions: ({ versionId }) => [versionId === null ? 's3:GetObject' : 's3:GetObjectVersion'],
  handle: async (context, input) => {
    const version = await readObject(context, input.versionId)
    const { object } = version
    const asked = (name: Attribute, elements: readonly XmlElement[]) =>
      input.attributes.has(name) ? elements : []
    const document = xmlDocument('GetObjectAttributesResponse', [
      ...asked('ETag', [element('ETag', object.etag)]),
      ...asked(
        'Checksum',
        object.checksum === null ? [] : [element('Checksum', checksumElements(object.checksum))],
      ),
      ...asked('ObjectParts', await partsElements(context, version, input)),
      ...asked('StorageClass', [element('StorageClass', 'STANDARD')]),
      ...asked('ObjectSize', [element('ObjectSize', object.sizeBytes)]),
    ])
    return xmlAnswer(document, {
      'last-modified': formatHttpDate(version.lastModifiedMs),
      ...versionIdHeader(addressedBucket(context), version),
    })
  },
})

function parseAttributes(value: string | undefined): ReadonlySet<Attribute> {
  const names = (value ?? '').split(',').map((name) => name.trim())
  const known = names.flatMap((name) => attributeNames.filter((attribute) => attribute === name))
  if (known.length !== names.length) {
    throw invalidArgument('Invalid attribute name specified.', 'x-amz-object-attributes', value ?? '')
  }
  return new Set(known)
}

function pageHeader(value: string | undefined, name: string, sizeMax: number): number {
  return parsePageSize(new URLSearchParams(value === undefined ? [] : [[name, value]]), name, sizeMax)
}

/** Only objects that were uploaded in parts have them; one by one only those with a checksum, as S3 does. */
async function partsElements(
  context: OperationContext,
  version: ObjectVersion,
  { attributes, maxParts, marker }: Input,
): Promise<readonly XmlElement[]> {
  const { partCount, checksum } = version.object
  if (partCount === null || !attributes.has('ObjectParts')) return []
  const count = element('PartsCount', partCount)
  if (checksum === null) return [element('ObjectParts', [count])]
  const page = { afterIndex: marker, limit: maxParts }
  const parts = marker >= partCount ? [] : await readParts(context, version, page)
  const last = marker + parts.length
  return [
    element('ObjectParts', [
      count,
      element('PartNumberMarker', marker),
      element('NextPartNumberMarker', last),
      element('MaxParts', maxParts),
      element('IsTruncated', last < partCount),
      ...parts.map((part, index) =>
        element('Part', [
          element('PartNumber', marker + index + 1),
          element('Size', part.sizeBytes),
          ...checksumValueElements(partChecksum(version.object, part)),
        ]),
      ),
    ]),
  ]
}

type Page = { readonly afterIndex: number; readonly limit: number }

async function readParts(
  context: OperationContext,
  version: ObjectVersion,
  page: Page,
): Promise<readonly ObjectPart[]> {
  const parts: ObjectPart[] = []
  while (parts.length < page.limit) {
    const limit = Math.min(limits.bodiesPerListChunkMax, page.limit - parts.length)
    const next = await context.store.versions.parts(version, page.afterIndex + parts.length, limit)
    if (next.length === 0) break
    parts.push(...next)
  }
  return parts
}
