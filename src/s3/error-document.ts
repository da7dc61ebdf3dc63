import type { S3Error } from './s3-error.ts'
import { element, type XmlElement, xmlDocument } from './xml.ts'

/** What identifies the answer: S3 prints it in every error document. */
export type ErrorPlace = { readonly resource: string; readonly requestId: string; readonly hostId: string }

/**
 * The error as S3's XML document: Code, Message, the extra elements, Resource, RequestId, HostId; no
 * namespace.
 */
export function renderError(error: S3Error, place: ErrorPlace): string {
  const children: XmlElement[] = [element('Code', error.code), element('Message', error.detail.message)]
  for (const [name, value] of Object.entries(error.detail.extra)) children.push(element(name, value))
  children.push(element('Resource', place.resource))
  children.push(element('RequestId', place.requestId), element('HostId', place.hostId))
  return xmlDocument('Error', children, { namespace: null })
}
