/**
 * Access control lists, as far as there are any: objects and buckets belong to their account, fully and only
 * (BucketOwnerEnforced), so that one list exists and no other can be set.
 */

import { ownerElement } from './listing-xml.ts'
import { refuseAccessControl } from './object-description.ts'
import type { ParseInput } from './operation.ts'
import { S3Error } from './s3-error.ts'
import {
  allowOnly,
  child,
  children,
  childText,
  element,
  parseXml,
  typedElement,
  type XmlNode,
  xmlDocument,
} from './xml.ts'

/** The owner with FULL_CONTROL. */
export function accessControlXml(accountId: string): string {
  const grantee = typedElement('Grantee', 'CanonicalUser', [
    element('ID', accountId),
    element('DisplayName', accountId),
  ])
  const grant = element('Grant', [grantee, element('Permission', 'FULL_CONTROL')])
  return xmlDocument('AccessControlPolicy', [ownerElement(accountId), element('AccessControlList', [grant])])
}

/**
 * Lets pass what says what is true already: `private`, `bucket-owner-full-control`, or a list of the owner's FULL_CONTROL
 * alone. Errors: AccessControlListNotSupported, MalformedACLError, MissingSecurityHeader.
 */
export function parseAccessControl({ request, bucket, document }: ParseInput): void {
  refuseAccessControl(request.headers)
  const isCanned = request.headers['x-amz-acl'] !== undefined
  if (document.trim() === '') {
    if (isCanned) return
    throw new S3Error('MissingSecurityHeader', { extra: { MissingHeaderName: 'x-amz-acl' } })
  }
  if (!grantsOwnerAlone(policyNode(document), bucket?.accountId ?? '')) {
    throw new S3Error('AccessControlListNotSupported')
  }
}

function policyNode(document: string): XmlNode {
  try {
    const root = parseXml(document, ['AccessControlPolicy'])
    allowOnly(root, ['Owner', 'AccessControlList'])
    const list = child(root, 'AccessControlList')
    if (list === null) throw new S3Error('MalformedACLError')
    allowOnly(list, ['Grant'])
    for (const grant of children(list, 'Grant')) {
      allowOnly(grant, ['Grantee', 'Permission'])
      if (child(grant, 'Grantee') === null || childText(grant, 'Permission') === null) {
        throw new S3Error('MalformedACLError')
      }
    }
    return root
  } catch (cause) {
    throw new S3Error('MalformedACLError', { cause })
  }
}

function grantsOwnerAlone(root: XmlNode, accountId: string): boolean {
  const list = child(root, 'AccessControlList')
  const grants = list === null ? [] : children(list, 'Grant')
  const owner = child(root, 'Owner')
  const isOwners = owner === null || childText(owner, 'ID') === accountId
  return isOwners && grants.length === 1 && grants.every((grant) => grantsOwner(grant, accountId))
}

function grantsOwner(grant: XmlNode, accountId: string): boolean {
  const grantee = child(grant, 'Grantee')
  if (grantee === null || childText(grant, 'Permission') !== 'FULL_CONTROL') return false
  return childText(grantee, 'ID') === accountId && grantee.children.every(({ name }) => named.includes(name))
}

const named = ['ID', 'DisplayName']
