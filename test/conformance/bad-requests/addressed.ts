/** Requests by their target alone. */
import type { SendOptions } from '../../support/s3-client.ts'
import type { Place } from './runner.ts'

/** A GET whose target is not the one that was signed: what is refused before the signature is looked at. */
export const targeted =
  (target: (place: Place) => string, more: Partial<SendOptions> = {}) =>
  (place: Place): SendOptions => ({
    method: 'GET',
    path: `/${place.bucket}/${place.key}`,
    ...more,
    mutate: (wire) => ({ ...wire, target: target(place) }),
  })
export const get =
  (path: (place: Place) => string, query: Readonly<Record<string, string>> = {}) =>
  (place: Place): SendOptions => ({ method: 'GET', path: path(place), query })
export const ofBucket = ({ bucket }: Place) => `/${bucket}`
export const ofKey = ({ bucket, key }: Place) => `/${bucket}/${key}`
export const byMethod =
  (method: string, path: (place: Place) => string, query: Readonly<Record<string, string>> = {}) =>
  (place: Place): SendOptions => ({ method, path: path(place), query })
