/** What is asked of buckets: configuration, policies, the operator's call, the end of a bucket. */
import { expect } from 'vitest'
import type { DefaultRetention } from '../../src/lock/types.ts'
import { applyDocument, days, owner, sendAdmin } from '../support/admin.ts'
import { policyDocument } from '../support/bucket-policy.ts'
import { lockConfiguration } from '../support/conformance.ts'
import type { ApplyCommand, Command } from './commands.ts'
import { type BucketRole, bucketRoles, ModelBucket } from './model-bucket.ts'
import { may, policyStatement, type Who } from './principals.ts'
import {
  refusals,
  refuseApply,
  refuseBucketRemoval,
  refuseConfiguration,
  refuseVersioning,
} from './verdicts.ts'
import { exchange, pathOf, type World } from './world.ts'
import { runPut } from './write-commands.ts'

type Of<Kind extends Command['kind']> = Extract<Command, { kind: Kind }>

/** New buckets under names that no history had. */
export async function beginBuckets(world: World): Promise<void> {
  for (const role of bucketRoles) await createBucket(world, role, role === 'managed' ? 'enabled' : 'none')
  await beginWithNullVersions(world, 'locked')
  await runVersioning(world, { kind: 'putVersioning', bucket: 'frozen', who: 'owner', status: 'Enabled' })
  // Adopted: its dialect is one that can freeze, and S3 has no way to choose it.
  const bucket = world.bucket('frozen')
  await apply(world, bucket, { mode: 'GOVERNANCE', days: 1, minimumDays: null, maximumDays: null })
}

/** Versions from before versioning and Object Lock, which can be locked like any. */
async function beginWithNullVersions(world: World, bucket: BucketRole): Promise<void> {
  const lock = { retention: null, hold: null }
  const put = { kind: 'put', bucket, who: 'owner', entrance: 'header', lock } as const
  await runPut(world, { ...put, key: 'a', size: 'large' })
  await runPut(world, { ...put, key: 'b', size: 'small' })
  await runVersioning(world, { kind: 'putVersioning', bucket, who: 'owner', status: 'Enabled' })
  await runPutLock(world, { kind: 'putLock', bucket, who: 'owner', rule: null })
}

async function createBucket(world: World, role: BucketRole, lock: 'enabled' | 'none'): Promise<void> {
  const name = `${world.name}-${role}`
  const headers: Record<string, string> =
    lock === 'none' ? {} : { 'x-amz-bucket-object-lock-enabled': 'true' }
  const answer = await world.send('owner', { method: 'PUT', path: `/${name}`, headers })
  expect([answer.status, answer.text]).toEqual([200, ''])
  world.buckets.set(role, new ModelBucket(role, name, lock))
}

export async function runPutLock(world: World, { bucket: role, who, rule }: Of<'putLock'>): Promise<void> {
  const bucket = world.bucket(role)
  const wanted: DefaultRetention | null =
    rule === null ? null : { mode: rule.mode, period: { unit: 'DAYS', count: rule.days } }
  const text = rule === null ? null : `<Mode>${rule.mode}</Mode><Days>${rule.days}</Days>`
  const isChanged = await configure(world, { bucket, who, wanted, body: lockConfiguration(text) })
  if (!isChanged) return
  const { prefixRules } = bucket.retention
  bucket.lock = { status: 'Enabled', retention: { defaultRetention: wanted, prefixRules } }
}

export async function runFreeze(world: World, { who }: Of<'freeze'>): Promise<void> {
  const bucket = world.bucket('frozen')
  const asked = { bucket, who, wanted: 'freeze', body: '<ObjectLockConfiguration/>' } as const
  if (await configure(world, asked)) bucket.lock = { status: 'Frozen', retention: bucket.retention }
}

type Configuration = {
  readonly bucket: ModelBucket
  readonly who: Who
  readonly wanted: DefaultRetention | null | 'freeze'
  readonly body: string
}

async function configure(world: World, { bucket, who, wanted, body }: Configuration): Promise<boolean> {
  const answer = await exchange(world, {
    name: wanted === 'freeze' ? 'freeze' : 'putLock',
    judge: () => refuseConfiguration(bucket, who, wanted),
    send: () =>
      world.document(who, { method: 'PUT', path: pathOf(bucket), query: { 'object-lock': '' }, body }),
    success: 200,
  })
  return answer !== null
}

export async function runVersioning(world: World, command: Of<'putVersioning'>): Promise<void> {
  const { who, status } = command
  const bucket = world.bucket(command.bucket)
  const body = `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`
  const answer = await exchange(world, {
    name: 'putVersioning',
    judge: () => refuseVersioning(bucket, who, status),
    send: () => world.document(who, { method: 'PUT', path: pathOf(bucket), query: { versioning: '' }, body }),
    success: 200,
  })
  if (answer !== null) bucket.versioning = status
}

export async function runPolicy(world: World, command: Of<'putPolicy' | 'deletePolicy'>): Promise<void> {
  const { who } = command
  const bucket = world.bucket(command.bucket)
  const policyName = command.kind === 'putPolicy' ? command.policy : null
  const action = policyName === null ? 's3:DeleteBucketPolicy' : 's3:PutBucketPolicy'
  const request = { path: pathOf(bucket), query: { policy: '' } }
  const answer = await exchange(world, {
    name: command.kind,
    judge: () => (may(who, action, bucket.policyName) ? null : refusals.denied),
    send: () =>
      policyName === null
        ? world.send(who, { method: 'DELETE', ...request })
        : world.send(who, {
            method: 'PUT',
            ...request,
            body: policyDocument(bucket.name, policyStatement(policyName)),
          }),
    success: 204,
  })
  if (answer !== null) bucket.policyName = policyName
}

/** An empty bucket goes, and another one comes under its name. */
export async function runDeleteBucket(world: World, command: Of<'deleteBucket'>): Promise<void> {
  const { who, bucket: role } = command
  const bucket = world.bucket(role)
  const isOpen = world.uploads.some((upload) => upload.role === role && upload.state.kind === 'open')
  const answer = await exchange(world, {
    name: 'deleteBucket',
    judge: () => refuseBucketRemoval(bucket, who, isOpen ? 'some' : 'none'),
    send: () => world.send(who, { method: 'DELETE', path: pathOf(bucket) }),
    success: 204,
  })
  if (answer !== null) await createBucket(world, role, role === 'plain' ? 'none' : 'enabled')
}

/** Creating it again changes nothing, whatever is asked for (I19). */
export async function runCreateBucket(world: World, command: Of<'createBucket'>): Promise<void> {
  const bucket = world.bucket(command.bucket)
  const headers = { 'x-amz-bucket-object-lock-enabled': String(command.lock) }
  await exchange(world, {
    name: 'createBucket',
    judge: () => refusals.ownedByYou,
    send: () => world.send('owner', { method: 'PUT', path: pathOf(bucket), headers }),
    success: 200,
  })
}

export async function runApply(world: World, command: ApplyCommand): Promise<void> {
  await apply(world, world.bucket('managed'), command)
}

async function apply(world: World, bucket: ModelBucket, command: Omit<ApplyCommand, 'kind'>): Promise<void> {
  const { mode, days: count, minimumDays, maximumDays } = command
  const defaultRetention: DefaultRetention = { mode, period: { unit: 'DAYS', count } }
  const bounds = {
    minimum: minimumDays === null ? null : ({ unit: 'DAYS', count: minimumDays } as const),
    maximum: maximumDays === null ? null : ({ unit: 'DAYS', count: maximumDays } as const),
  }
  const retention = { defaultRetention, prefixRules: [] }
  const refusal = refuseApply(bucket, { mode, retention, bounds })
  const { status, document } = await sendAdmin(world.server, {
    method: 'PUT',
    path: `/v1/buckets/${bucket.name}`,
    epoch: 0,
    document: applyDocument(
      {
        owner: { ...owner, name: bucket.name },
        adoptionPolicy: 'IfUnowned',
        profile: bucket.role === 'frozen' ? 'yandex' : 'aws',
      },
      { defaultRetention: { mode, period: days(count) }, bounds },
    ),
  })
  expect([status, document['kind']], JSON.stringify(document)).toEqual([
    refusal?.status ?? 200,
    refusal?.code ?? 'applied',
  ])
  world.note(`apply ${status}`)
  if (refusal !== null) return
  bucket.managed = { mode, bounds, floor: mode === 'COMPLIANCE' ? retention : null }
  bucket.versioning = 'Enabled'
  bucket.lock = { status: 'Enabled', retention }
}
