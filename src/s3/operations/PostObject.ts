import { limits } from '../../lib/limits.ts'
import { uriEncode } from '../../sigv4/encode.ts'
import { addressedBucket, addressedKey } from '../addressed.ts'
import { xmlAnswer } from '../answers.ts'
import type { Operation, OperationContext, S3Response } from '../operation.ts'
import { element, xmlDocument } from '../xml.ts'
import { PutObject } from './PutObject.ts'

/**
 * The upload of an HTML form. Whoever signed its policy acts; its fields are the headers of a PutObject and are judged, stored
 * and locked by the same code (I7). Errors: PutObject's; those of the form and its policy come before, from
 * `openFormUpload`.
 */
export const PostObject: Operation = {
  ...PutObject,
  name: 'PostObject',
  match: { method: 'POST', level: 'bucket' },
  body: { kind: 'form', bytesMax: limits.singleUploadBytesMax },
  handle: async (context, input, file) => answer(context, await PutObject.handle(context, input, file)),
}

/** S3: success_action_redirect before success_action_status; what it cannot interpret is as if it were not there. */
function answer(context: OperationContext, { headers: stored }: S3Response): S3Response {
  const { headers } = context.request
  const location = locationOf(context)
  const etag = stored['etag'] ?? ''
  const redirect = redirectTarget(headers['success_action_redirect'] ?? headers['redirect'] ?? '')
  if (redirect !== null) {
    const target = withResult(redirect, {
      bucket: bucketName(context),
      key: addressedKey(context.request),
      etag,
    })
    return { status: 303, headers: { ...stored, location: target }, body: null }
  }
  switch (headers['success_action_status']) {
    case '200':
      return { status: 200, headers: { ...stored, location }, body: null }
    case '201':
      return { ...xmlAnswer(postResponse(context, location, etag), { ...stored, location }), status: 201 }
    default:
      return { status: 204, headers: { ...stored, location }, body: null }
  }
}

function bucketName(context: OperationContext): string {
  return addressedBucket(context).name
}

/** The slashes of the key are encoded, too, as in S3's own answers to forms. */
function locationOf(context: OperationContext): string {
  const { server, request } = context
  return `${server.publicEndpoint.replace(/\/$/, '')}/${bucketName(context)}/${uriEncode(addressedKey(request))}`
}

function postResponse(context: OperationContext, location: string, etag: string): string {
  const content = [
    element('Location', location),
    element('Bucket', bucketName(context)),
    element('Key', addressedKey(context.request)),
    element('ETag', etag),
  ]
  return xmlDocument('PostResponse', content, { namespace: null })
}

/** null: no absolute URL of the web. */
function redirectTarget(text: string): URL | null {
  const url = URL.parse(Buffer.from(text, 'latin1').toString('utf8'))
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') ? url : null
}

/** S3 keeps the query that is there and adds to it. */
function withResult(url: URL, result: Readonly<Record<string, string>>): string {
  const { hash } = url
  url.hash = ''
  const separator = url.search === '' ? '?' : '&'
  return `${url.href.replace(/\?$/, '')}${separator}${new URLSearchParams(result)}${hash}`
}
