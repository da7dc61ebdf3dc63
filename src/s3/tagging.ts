/** Tags of objects and buckets: the x-amz-tagging header and the Tagging document. */
import { limits } from '../lib/limits.ts'
import { invalidArgument, S3Error } from './s3-error.ts'
import { allowOnly, child, children, childText, element, parseXml, xmlDocument } from './xml.ts'

export type Tags = Readonly<Record<string, string>>
type Tag = { readonly key: string; readonly value: string }

/** `x-amz-tagging`: an URL-encoded query. Errors: InvalidArgument, InvalidTag. */
export function taggingHeader(headers: Readonly<Record<string, string>>): Tags {
  const value = headers['x-amz-tagging']
  if (value === undefined || value === '') return {}
  const tags = [...new URLSearchParams(value)].map(([key, tagValue]) => ({ key, value: tagValue }))
  if (tags.length > limits.objectTagsMax || hasRepeats(tags)) {
    throw invalidArgument(
      "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name " +
        'duplicates.',
      'x-amz-tagging',
      value,
    )
  }
  checkTags(tags)
  return toRecord(tags)
}

/** The Tagging document of an object. Errors: E8, BadRequest (more than 10), InvalidTag. */
export function parseTagging(document: string): Tags {
  return parseTags(document, {
    countMax: limits.objectTagsMax,
    tooMany: `Object tags cannot be greater than ${limits.objectTagsMax}`,
  })
}

/** The Tagging document of a bucket. Errors: E8, BadRequest (more than 50), InvalidTag. */
export function parseBucketTagging(document: string): Tags {
  return parseTags(document, {
    countMax: limits.bucketTagsMax,
    tooMany: `Bucket tag count cannot be greater than ${limits.bucketTagsMax}`,
  })
}

function parseTags(document: string, bound: { readonly countMax: number; readonly tooMany: string }): Tags {
  const root = parseXml(document, ['Tagging'])
  allowOnly(root, ['TagSet'])
  const set = child(root, 'TagSet')
  if (set === null) throw new S3Error('MalformedXML')
  allowOnly(set, ['Tag'])
  const tags = children(set, 'Tag').map((tag) => {
    allowOnly(tag, ['Key', 'Value'])
    const key = childText(tag, 'Key')
    const value = childText(tag, 'Value')
    if (key === null || value === null) throw new S3Error('MalformedXML')
    return { key, value }
  })
  if (tags.length > bound.countMax) throw new S3Error('BadRequest', { message: bound.tooMany })
  if (hasRepeats(tags))
    throw new S3Error('InvalidTag', { message: 'Cannot provide multiple Tags with the same key' })
  checkTags(tags)
  return toRecord(tags)
}

export function taggingXml(tags: Tags): string {
  const elements = Object.entries(tags).map(([key, value]) =>
    element('Tag', [element('Key', key), element('Value', value)]),
  )
  return xmlDocument('Tagging', [element('TagSet', elements)])
}

/** `fromEntries` makes `__proto__` a tag like any other. */
function toRecord(tags: readonly Tag[]): Tags {
  return Object.fromEntries(tags.map((tag) => [tag.key, tag.value]))
}

function hasRepeats(tags: readonly Tag[]): boolean {
  return new Set(tags.map((tag) => tag.key)).size !== tags.length
}

const tagText = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u

/** S3: letters, digits, spaces and a few signs; `aws:` is reserved. Lengths in characters. */
function checkTags(tags: readonly Tag[]): void {
  for (const { key, value } of tags) {
    const keyLength = [...key].length
    const isKey = keyLength >= 1 && keyLength <= limits.tagKeyLengthMax && tagText.test(key)
    if (!isKey)
      throw new S3Error('InvalidTag', {
        message: 'The TagKey you have provided is invalid',
        extra: { TagKey: key },
      })
    if (key.toLowerCase().startsWith('aws:')) {
      throw new S3Error('InvalidTag', { message: 'System tags cannot be added/updated by requester' })
    }
    if ([...value].length > limits.tagValueLengthMax || !tagText.test(value)) {
      throw new S3Error('InvalidTag', {
        message: 'The TagValue you have provided is invalid',
        extra: { TagKey: key, TagValue: value },
      })
    }
  }
}
