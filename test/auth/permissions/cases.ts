/** What each operation of THE TABLE needs, with the headers and forms of it that need more: exactly that, no other. */
import { bucketCases, serviceCases } from './bucket-cases.ts'
import { newObjectCases } from './new-object-cases.ts'
import { multipartCases, objectCases } from './object-cases.ts'
import type { PermissionCase } from './permission-case.ts'

export const permissionCases: readonly PermissionCase[] = [
  ...serviceCases,
  ...bucketCases,
  ...objectCases,
  ...newObjectCases,
  ...multipartCases,
]
