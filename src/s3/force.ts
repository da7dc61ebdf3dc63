/** The vendors' ways to remove what is not empty, or everything below a prefix, at once (B-22, D24). */
import type { S3Request } from './operation.ts'

const forceHeaders = ['x-minio-force-delete', 'x-amz-force-delete']
const forceParameters = ['force_delete', 'force-delete', 'forcedelete', 'force', 'purge-data', 'purge']

/** Recognised so that they are refused where Object Lock is on; done nowhere. */
export function asksForce({ headers, query }: S3Request): boolean {
  if (forceHeaders.some((name) => isOn(headers[name]))) return true
  return [...query].some(([name, value]) => forceParameters.includes(name.toLowerCase()) && isOn(value))
}

/** Present and not off: a bare `?force_delete` asks too. */
function isOn(value: string | undefined): boolean {
  return value !== undefined && value.toLowerCase() !== 'false'
}
