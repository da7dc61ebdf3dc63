/**
 * The keys that the permissions are tried with, one for each action and way of not having it, and the attempts: each with a
 * new preparation, so that one does not feed on another.
 */
import { expect } from 'vitest'
import type { Action } from '../../../src/s3/operation.ts'
import { operations } from '../../../src/s3/operations/index.ts'
import { policyDocument, policyWriterOf } from '../../support/bucket-policy.ts'
import { accessKey, type Bench, conformance, type TestKey } from '../../support/conformance.ts'
import type { Answer } from '../../support/s3-client.ts'
import { permissionCases } from './cases.ts'
import type { PermissionCase, Stage } from './permission-case.ts'

const foreignAccount = '222222222222'
const actionsOf = (cases: readonly PermissionCase[]) => cases.flatMap(({ needs }) => needs)
/** Every action that any operation asks for. */
export const everyAction = [
  ...new Set<Action>([
    ...operations.flatMap(({ permission, versionPermission }) => [
      permission,
      versionPermission ?? permission,
    ]),
    ...actionsOf(permissionCases),
  ]),
].toSorted()
export const policyAble = everyAction.filter((action) => action !== 's3:ListAllMyBuckets')
export const but = (actions: readonly Action[], left: Action) => actions.filter((action) => action !== left)

export const owner = accessKey('owner', null)
export const none: TestKey = { ...accessKey('none', null), statements: [] }
export const foreign = accessKey('foreign', ['s3:*'], foreignAccount)
export const foreignOwner = accessKey('foreignowner', null, foreignAccount)

function keysBy(
  name: string,
  make: (action: Action, keyName: string) => TestKey,
): ReadonlyMap<Action, TestKey> {
  return new Map(everyAction.map((action) => [action, make(action, `${name}${action.slice(3)}`)]))
}
export const only = keysBy('only', (action, name) => accessKey(name, [action]))
/** All but one, by silence. */
export const without = keysBy('without', (action, name) => accessKey(name, but(everyAction, action)))
/** All but one, by an explicit Deny. */
export const denied = keysBy('denied', (action, name) => ({
  ...accessKey(name, null),
  statements: [
    { effect: 'Allow', actions: ['s3:*'], buckets: ['*'] },
    { effect: 'Deny', actions: [action], buckets: ['*'] },
  ],
}))
export const foreignWithout = keysBy('foreignwithout', (action, name) =>
  accessKey(name, but(everyAction, action), foreignAccount),
)
export const exact = new Map(
  permissionCases.map((each, index) => [each, accessKey(`exact${index}`, each.needs)]),
)

export function of(keys: ReadonlyMap<Action, TestKey>, action: Action): TestKey {
  const key = keys.get(action)
  if (key === undefined) throw new Error(`there is no key for ${action}`)
  return key
}

export type Attempt = { readonly key: TestKey; readonly policy?: readonly object[]; readonly why: string }

export type PermissionRig = {
  readonly bench: Bench
  readonly stage: () => Promise<Stage>
  readonly expectGranted: (each: PermissionCase, stage: Stage, asked: Attempt) => Promise<void>
  readonly expectDenied: (each: PermissionCase, stage: Stage, asked: Attempt) => Promise<void>
}

/** Starts the file's server with all the keys, and more. */
export function permissionRig(more: readonly TestKey[] = []): PermissionRig {
  const perAction = [only, without, denied, foreignWithout].flatMap((keys) => [...keys.values()])
  const bench = conformance({
    accessKeys: [owner, none, foreign, foreignOwner, ...perAction, ...exact.values(), ...more],
  })
  return {
    bench,
    stage: () => stageOf(bench),
    expectGranted: async (each, stage, asked) => {
      const answer = await attempt(bench, { each, stage, asked })
      const outcome = each.isDenied(answer) ? 'denied' : 'granted'
      const found = [asked.why, outcome, each.granted.includes(answer.status)]
      expect(found, answer.text).toEqual([asked.why, 'granted', true])
    },
    expectDenied: async (each, stage, asked) => {
      const answer = await attempt(bench, { each, stage, asked })
      expect([asked.why, each.isDenied(answer)], `${answer.status} ${answer.text}`).toEqual([asked.why, true])
    },
  }
}

async function stageOf(bench: Bench): Promise<Stage> {
  const bucket = await bench.bucket('locked', { key: owner })
  return {
    bench,
    owner,
    bucket,
    put: (headers = {}) => bench.put(bucket, 'key', { key: owner, headers }),
    upload: async () => {
      const query = { uploads: '' }
      const answer = await bench.send({ method: 'POST', path: `/${bucket}/upload`, query, key: owner })
      return answer.element('UploadId') ?? ''
    },
  }
}

type Asked = { readonly each: PermissionCase; readonly stage: Stage; readonly asked: Attempt }

/** One request after a new preparation, under this policy. */
async function attempt(bench: Bench, { each, stage, asked }: Asked): Promise<Answer> {
  const { bucket, request } = await each.prepare(stage)
  if (asked.policy !== undefined) {
    const text = policyDocument(bucket, ...asked.policy.map((statement) => ({ ...statement })))
    const answer = await policyWriterOf(bench, owner).put(bucket, text)
    expect([answer.status, answer.text]).toEqual([204, ''])
  }
  const answer = await bench.send(request(asked.key))
  if (asked.policy !== undefined) {
    await bench.send({ method: 'DELETE', path: `/${bucket}`, query: { policy: '' }, key: owner })
  }
  return answer
}
