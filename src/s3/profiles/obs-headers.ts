/**
 * The x-obs-* family: OBS's twins of S3's x-amz-* headers. They are read in every profile, because a lock that was asked
 * for and silently not set is the worst answer of all.
 */
import { invalidArgument, S3Error } from '../s3-error.ts'

type Headers = Readonly<Record<string, string>>

const family = 'x-obs-'
/** Days until OBS deletes the object: judged as it is, and no twin of X-Amz-Expires. */
export const obsExpiresHeader = 'x-obs-expires'
/** Of OBS's own signature, or set by its clients on everything: no requests to this server. */
const notTwins = new Set([obsExpiresHeader, 'x-obs-date', 'x-obs-content-sha256'])

export function usesObsHeaders(headers: Headers): boolean {
  return Object.keys(headers).some((name) => name.startsWith(family))
}

/**
 * The headers with each x-obs-* as its x-amz-* twin. Errors: InvalidRequest where both are there and differ, InvalidToken for
 * a session token, InvalidArgument for an x-obs-* in the query, where nothing reads it.
 */
export function withObsTwins(headers: Headers, queryNames: Iterable<string>): Headers {
  for (const name of queryNames) {
    if (name.toLowerCase().startsWith(family))
      throw invalidArgument(`The query parameter ${name} is only accepted as a header.`, name)
  }
  if (!usesObsHeaders(headers)) return headers
  if (headers['x-obs-security-token'] !== undefined) throw new S3Error('InvalidToken')
  const twins = Object.entries(headers).filter(([name]) => name.startsWith(family) && !notTwins.has(name))
  const read: Record<string, string> = { ...headers }
  for (const [name, value] of twins) {
    const twin = `x-amz-${name.slice(family.length)}`
    if (read[twin] !== undefined && read[twin] !== value) {
      throw new S3Error('InvalidRequest', {
        message: `The headers ${twin} and ${name} contradict each other.`,
      })
    }
    read[twin] = value
  }
  return read
}
