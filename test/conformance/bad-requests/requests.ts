/** Requests that would succeed without the headers that a table adds to them. */
import { md5 } from '../../support/conformance.ts'
import type { SendOptions } from '../../support/s3-client.ts'
import type { Outgoing, Place } from './runner.ts'

export type Headers = Readonly<Record<string, string>>

export const checksum = { 'content-md5': md5('bytes') }
/** A PUT of a new key that would succeed without these headers. */
export const put =
  (headers: Headers, more: Partial<SendOptions> & { readonly lines?: readonly string[] } = {}) =>
  ({ bucket }: Place): Outgoing => ({
    method: 'PUT',
    path: `/${bucket}/new`,
    body: 'bytes',
    ...more,
    headers: { ...checksum, ...headers },
  })
export const plain =
  (headers: Headers) =>
  ({ bucket }: Place): Outgoing => ({ method: 'PUT', path: `/${bucket}/new`, body: 'bytes', headers })
export const get =
  (headers: Headers, query: Readonly<Record<string, string>> = {}) =>
  ({ bucket, key }: Place): Outgoing => ({ method: 'GET', path: `/${bucket}/${key}`, headers, query })
export const copy =
  (source: (place: Place) => string, more: Headers = {}) =>
  (place: Place): Outgoing => ({
    method: 'PUT',
    path: `/${place.bucket}/new`,
    key: place.owner,
    headers: { 'x-amz-copy-source': source(place), ...more },
  })
export const raw =
  (text: string, method = 'PUT') =>
  ({ bucket }: Place): Outgoing => ({ raw: text.replace('BUCKET', bucket), method })
