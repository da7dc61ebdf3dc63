import type { Scope } from '../../sigv4/canonical.ts'
import type { S3Error, S3ErrorExtra } from '../s3-error.ts'

export type Credential = { readonly accessKeyId: string; readonly scope: Scope }

/** Makes the error of the place where the credential was found, from S3's words for the fault. */
export type Fault = (message: string, extra?: S3ErrorExtra) => S3Error

/** What this server's signatures are bound to. */
export type ExpectedScope = { readonly region: string; readonly service: string }

/**
 * Parses `AKID/20130524/us-east-1/s3/aws4_request` and holds it to the server's region and service. Errors:
 * what `fault` makes; a wrong region names the right one in the element Region, from which SDKs learn it.
 */
export function parseCredential(text: string, expected: ExpectedScope, fault: Fault): Credential {
  const parts = text.split('/')
  const [date, region, service, terminal] = parts.slice(-4)
  const accessKeyId = parts.slice(0, -4).join('/')
  if (accessKeyId === '' || date === undefined || region === undefined || service === undefined) {
    throw fault('the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".')
  }
  if (terminal !== 'aws4_request') {
    throw fault(`incorrect terminal "${terminal}". This endpoint uses "aws4_request".`)
  }
  if (!/^\d{8}$/.test(date)) {
    throw fault(
      `incorrect date format "${date}". This date in the credential must be in the format "yyyyMMdd".`,
    )
  }
  if (service !== expected.service) {
    throw fault(`incorrect service "${service}". This endpoint belongs to "${expected.service}".`)
  }
  if (region !== expected.region) {
    throw fault(`the region '${region}' is wrong; expecting '${expected.region}'`, {
      Region: expected.region,
    })
  }
  return { accessKeyId, scope: { date, region, service } }
}

/** The names of SignedHeaders: lower case, each once. Errors: what `fault` makes. */
export function parseSignedHeaders(text: string, fault: Fault): readonly string[] {
  const names = text.split(';')
  const isClean = names.every((name) => name !== '' && name === name.toLowerCase())
  if (!isClean || new Set(names).size !== names.length) throw fault('the SignedHeaders are mal-formed.')
  return names
}
