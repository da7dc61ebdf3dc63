/** The listings' documents: ListObjects, ListObjectsV2, ListObjectVersions. */

import type { CurrentRecord, ObjectChecksum, VersionRecord } from '../store/records.ts'
import { formatLastModified } from './dates.ts'
import { quotedEtag } from './object-headers.ts'
import { shownVersionId } from './version-id.ts'
import { element, type XmlElement } from './xml.ts'

export type Encoding = 'url' | 'none'

/** A key, prefix, marker or delimiter as the client asked to read it. */
export function encoded(value: string, encoding: Encoding): string {
  if (encoding === 'none') return value
  // S3 encodes as forms do: a space is `+`; `/` and `*` stay.
  return encodeURIComponent(value)
    .replace(/[!'()]/g, (found) => `%${found.charCodeAt(0).toString(16).toUpperCase()}`)
    .replace(/%2F/g, '/')
    .replace(/%20/g, '+')
    .replace(/~/g, '%7E')
}

/** Leaves the element out where there is nothing to say. */
export function optional(name: string, value: string | null): readonly XmlElement[] {
  return value === null || value === '' ? [] : [element(name, value)]
}

export function commonPrefixElements(prefixes: readonly string[], encoding: Encoding): readonly XmlElement[] {
  return prefixes.map((prefix) => element('CommonPrefixes', [element('Prefix', encoded(prefix, encoding))]))
}

export function ownerElement(accountId: string): XmlElement {
  return element('Owner', [element('ID', accountId), element('DisplayName', accountId)])
}

function checksumElements(checksum: ObjectChecksum | null): readonly XmlElement[] {
  if (checksum === null) return []
  return [element('ChecksumAlgorithm', checksum.algorithm), element('ChecksumType', checksum.type)]
}

export type ContentsOptions = { readonly encoding: Encoding; readonly owner: 'shown' | 'left out' }

export function contentsElement(key: string, current: CurrentRecord, options: ContentsOptions): XmlElement {
  return element('Contents', [
    element('Key', encoded(key, options.encoding)),
    element('LastModified', formatLastModified(current.lastModifiedMs)),
    element('ETag', quotedEtag(current.etag)),
    ...checksumElements(current.checksum),
    element('Size', current.sizeBytes),
    ...(options.owner === 'shown' ? [ownerElement(current.accountId)] : []),
    element('StorageClass', 'STANDARD'),
  ])
}

export type ListedVersion = { readonly version: VersionRecord; readonly isLatest: boolean }

/** A Version or a DeleteMarker element. No lock is ever in a listing (semantics 1.2). */
export function versionElement(listed: ListedVersion, encoding: Encoding): XmlElement {
  const { version, isLatest } = listed
  const head = [
    element('Key', encoded(version.key, encoding)),
    element('VersionId', shownVersionId(version)),
    element('IsLatest', isLatest),
    element('LastModified', formatLastModified(version.lastModifiedMs)),
  ]
  const owner = ownerElement(version.accountId)
  if (version.object === null) return element('DeleteMarker', [...head, owner])
  return element('Version', [
    ...head,
    element('ETag', quotedEtag(version.object.etag)),
    ...checksumElements(version.object.checksum),
    element('Size', version.object.sizeBytes),
    owner,
    element('StorageClass', 'STANDARD'),
  ])
}

export function initiatorElement(accountId: string): XmlElement {
  return element('Initiator', [element('ID', accountId), element('DisplayName', accountId)])
}
