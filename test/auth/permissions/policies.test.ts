/** I8 through the bucket's policy: allowed and denied, at home and from another account. Generated from the cases. */
import { test } from 'vitest'
import type { Action } from '../../../src/s3/operation.ts'
import { userPrincipal } from '../../support/bucket-policy.ts'
import type { TestKey } from '../../support/conformance.ts'
import { permissionCases } from './cases.ts'
import {
  but,
  foreign,
  foreignOwner,
  foreignWithout,
  none,
  of,
  owner,
  permissionRig,
  policyAble,
} from './permission-rig.ts'

const { stage, expectGranted, expectDenied } = permissionRig()

const allow = (key: TestKey, actions: readonly Action[]) => ({
  Principal: userPrincipal(key),
  Action: actions,
})
const kept: readonly Action[] = ['s3:GetBucketPolicy', 's3:PutBucketPolicy', 's3:DeleteBucketPolicy']
const bypass: Action = 's3:BypassGovernanceRetention'

for (const each of permissionCases.filter(({ level }) => level === 'bucket')) {
  test(`I8 Bucket policy: ${each.name}, allowed and denied by policy, at home and from another account`, async () => {
    const place = await stage()
    const home = { key: none, policy: [allow(none, each.needs)], why: 'a policy alone' }
    if (each.needs.includes(bypass)) await expectDenied(each, place, home)
    else await expectGranted(each, place, home)
    for (const key of [foreign, foreignOwner]) {
      const policy = [allow(key, each.needs)]
      await expectGranted(each, place, { key, policy, why: 'another account, let in by the policy' })
    }
    await expectDenied(each, place, { key: foreignOwner, why: 'another account without a policy' })
    for (const need of each.needs) {
      const rest = but(policyAble, need)
      await expectDenied(each, place, {
        key: none,
        policy: [allow(none, rest)],
        why: `a policy without ${need}`,
      })
      const foreignPolicy = [allow(foreign, rest)]
      await expectDenied(each, place, {
        key: foreign,
        policy: foreignPolicy,
        why: `let in without ${need}`,
      })
      const silent = of(foreignWithout, need)
      const letIn = [allow(silent, policyAble)]
      await expectDenied(each, place, { key: silent, policy: letIn, why: `let in, ${need} not its own` })
      const deny = [{ Effect: 'Deny', Principal: '*', Action: need }]
      if (kept.includes(need))
        await expectGranted(each, place, { key: owner, policy: deny, why: 'the owner keeps it' })
      else await expectDenied(each, place, { key: owner, policy: deny, why: `${need} denied by the policy` })
    }
  })
}
