/** What each role of a BucketAccess may do: tried with every operation and every form of it. Generated from the cases. */
import { expect, test } from 'vitest'
import { accessRoles, actionsOfRole } from '../../../src/api/access-roles.ts'
import { accessKey } from '../../support/conformance.ts'
import { permissionCases } from './cases.ts'
import { everyAction, permissionRig } from './permission-rig.ts'

const keys = accessRoles.map((role) => [role, accessKey(role.toLowerCase(), actionsOfRole(role))] as const)
const { stage, expectGranted, expectDenied } = permissionRig(keys.map(([, key]) => key))
const change = /^s3:(Put|Delete|Create|Bypass|Abort)/

test('roles: every action is one that an operation asks for, and none is of a bucket’s own settings', () => {
  const own = everyAction.filter((action) => change.test(action) && /Bucket|Configuration|Acl/.test(action))
  expect(own.length).toBeGreaterThan(10)
  for (const role of accessRoles) {
    const actions = actionsOfRole(role)
    expect(actions.filter((action) => !everyAction.some((each) => each === action))).toEqual([])
    expect(actions.filter((action) => own.some((each) => each === action))).toEqual([])
    expect(new Set(actions).size).toBe(actions.length)
  }
})

test('roles: RetentionOfficer alone bypasses GOVERNANCE and changes legal holds; who reads no objects has no way to', () => {
  const having = (action: string) => accessRoles.filter((role) => actionsOfRole(role).includes(action))
  expect(having('s3:BypassGovernanceRetention')).toEqual(['RetentionOfficer'])
  expect(having('s3:PutObjectLegalHold')).toEqual(['RetentionOfficer'])
  for (const action of ['s3:GetObject', 's3:GetObjectVersion', 's3:GetObjectAttributes'])
    expect(having(action)).toEqual(['ReadOnly', 'ReadWrite'])
  expect(having('s3:DeleteObjectVersion')).toEqual(['ReadWrite', 'RetentionOfficer'])
  expect(having('s3:PutObject')).toEqual(['WriteOnly', 'ReadWrite'])
  for (const role of ['ReadOnly', 'Auditor'] as const)
    expect(actionsOfRole(role).filter((action) => change.test(action))).toEqual([])
})

for (const [role, key] of keys) {
  const actions = actionsOfRole(role)
  test(`roles: ${role} is granted exactly the operations that its actions are enough for`, async () => {
    const place = await stage()
    for (const each of permissionCases) {
      const isAllowed = each.needs.every((need) => actions.includes(need))
      const asked = { key, why: `${role}: ${each.name}` }
      await (isAllowed ? expectGranted(each, place, asked) : expectDenied(each, place, asked))
    }
  })
}
