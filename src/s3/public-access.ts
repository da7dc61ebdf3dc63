/** Block Public Access, which is always on: nobody is anonymous here, and no policy is public. */
import { S3Error } from './s3-error.ts'
import { allowOnly, childText, element, parseXml, xmlDocument } from './xml.ts'

const settings = ['BlockPublicAcls', 'IgnorePublicAcls', 'BlockPublicPolicy', 'RestrictPublicBuckets']

export function publicAccessBlockXml(): string {
  return xmlDocument(
    'PublicAccessBlockConfiguration',
    settings.map((name) => element(name, true)),
  )
}

/** Lets pass what says what is true already; a setting that is left out means false. Errors: MalformedXML, AccessDenied. */
export function parsePublicAccessBlock(document: string): void {
  const root = parseXml(document, ['PublicAccessBlockConfiguration'])
  allowOnly(root, settings)
  const values = settings.map((name) => childText(root, name)?.trim().toLowerCase() ?? 'false')
  if (values.some((value) => value !== 'true' && value !== 'false')) throw new S3Error('MalformedXML')
  if (values.includes('false')) throw publicAccessStaysBlocked()
}

export function publicAccessStaysBlocked(): S3Error {
  return new S3Error('AccessDenied', {
    message:
      'Access Denied because this server always blocks public access: the settings cannot be turned off.',
  })
}
