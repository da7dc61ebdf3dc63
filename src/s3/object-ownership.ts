/** BucketOwnerEnforced, the only ownership there is: whoever writes, the object is the bucket owner's. */
import { S3Error } from './s3-error.ts'
import { allowOnly, child, childText, element, parseXml, xmlDocument } from './xml.ts'

const enforced = 'BucketOwnerEnforced'

export function ownershipControlsXml(): string {
  const rule = element('Rule', [element('ObjectOwnership', enforced)])
  return xmlDocument('OwnershipControls', [rule])
}

/** Lets pass what says what is true already. Errors: MalformedXML, NotImplemented. */
export function parseOwnershipControls(document: string): void {
  const root = parseXml(document, ['OwnershipControls'])
  allowOnly(root, ['Rule'])
  const rule = child(root, 'Rule')
  if (rule === null) throw new S3Error('MalformedXML')
  allowOnly(rule, ['ObjectOwnership'])
  const ownership = childText(rule, 'ObjectOwnership')
  if (ownership === enforced) return
  if (ownership !== 'BucketOwnerPreferred' && ownership !== 'ObjectWriter') throw new S3Error('MalformedXML')
  throw onlyEnforced()
}

export function onlyEnforced(): S3Error {
  return new S3Error('NotImplemented', {
    message: `The object ownership of every bucket of this server is ${enforced}, and no other is implemented.`,
  })
}
