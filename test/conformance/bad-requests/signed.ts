/** Requests that would succeed, and what a table changes after they were signed. */
import { md5 } from '../../support/conformance.ts'
import type { SendOptions, Wire } from '../../support/s3-client.ts'
import { rootCredentials } from '../../support/server.ts'
import { type Place, withHeader } from './runner.ts'

export type Mutate = (wire: Wire) => Wire

export const get = ({ bucket, key }: Place): SendOptions => ({ method: 'GET', path: `/${bucket}/${key}` })
export const put = ({ bucket }: Place): SendOptions => ({
  method: 'PUT',
  path: `/${bucket}/new`,
  body: 'bytes',
  headers: { 'content-md5': md5('bytes') },
})
export const remove = ({ bucket, key, versionId }: Place): SendOptions => ({
  method: 'DELETE',
  path: `/${bucket}/${key}`,
  query: { versionId },
})
export const putWith = (change: Partial<SendOptions>) => (place: Place) => ({ ...put(place), ...change })
export const altered = (mutate: Mutate) => putWith({ mutate })
export const authorization = (change: (value: string) => string): Mutate => {
  return (wire) => withHeader('authorization', change(wire.headers['authorization'] ?? ''))(wire)
}
export const target = (change: (value: string) => string): Mutate => {
  return (wire) => ({ ...wire, target: change(wire.target) })
}
export const wrongSecret = { ...rootCredentials, secretAccessKey: 'another-secret-for-tests' }
export const minute = 60_000
export const notSigned = 'There were headers present in the request which were not signed'
