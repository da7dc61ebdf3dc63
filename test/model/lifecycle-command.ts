/**
 * A run of lifecycle rules. When exactly something is due is tested elsewhere; here nothing locked may go, nothing may go too
 * early, and what is long overdue must be gone.
 */
import { expect } from 'vitest'
import { sendAdmin } from '../support/admin.ts'
import { type ListedVersion, listedVersions } from '../support/conformance.ts'
import { until } from '../support/crash/processes.ts'
import type { Command } from './commands.ts'
import type { ModelBucket, ModelVersion } from './model-bucket.ts'
import { forget, learnMarker, pathOf, type World } from './world.ts'

const dayMs = 86_400_000
const minuteMs = 60_000

export async function runLifecycle(
  world: World,
  command: Extract<Command, { kind: 'lifecycle' }>,
): Promise<void> {
  const bucket = world.bucket(command.bucket)
  await world.clock.advance(command.afterDays * dayMs)
  // While the clock is suspect nothing expires.
  await world.clock.begin()
  const before = new Map(bucket.all().map((version) => [version, bucket.versionsOf(version.key)]))
  await carryOut(world, bucket, rules('Enabled', command.newerVersions))
  // A run that began under those rules has ended when one under these has.
  await carryOut(world, bucket, rules('Disabled', command.newerVersions))
  const request = { method: 'DELETE', path: pathOf(bucket), query: { lifecycle: '' } }
  expect((await world.send('owner', request)).status).toBe(204)
  await learn(world, bucket, before)
  expectOverdueGone(world, bucket, command.newerVersions)
  world.note('lifecycle run')
}

function rules(status: 'Enabled' | 'Disabled', newerVersions: number | null): string {
  const newer =
    newerVersions === null ? '' : `<NewerNoncurrentVersions>${newerVersions}</NewerNoncurrentVersions>`
  return (
    `<LifecycleConfiguration><Rule><ID>all</ID><Status>${status}</Status><Filter><Prefix></Prefix></Filter>` +
    '<Expiration><Days>1</Days></Expiration><NoncurrentVersionExpiration>' +
    `<NoncurrentDays>1</NoncurrentDays>${newer}</NoncurrentVersionExpiration></Rule></LifecycleConfiguration>`
  )
}

/** Resolves when a run that began with these rules has ended. */
async function carryOut(world: World, bucket: ModelBucket, body: string): Promise<void> {
  const request = { method: 'PUT', path: pathOf(bucket), query: { lifecycle: '' }, body }
  const answer = await world.document('owner', request)
  expect([answer.status, answer.code]).toEqual([200, null])
  const since = await trustedTime(world)
  await until('the lifecycle has run', async () => {
    const { document } = await sendAdmin(world.server, { method: 'GET', path: `/v1/buckets/${bucket.name}` })
    const run = document['lastLifecycleRun'] as { started: string } | null
    return run !== null && Date.parse(run.started) > since
  })
}

async function trustedTime(world: World): Promise<number> {
  const { document } = await sendAdmin(world.server, { method: 'GET', path: '/v1/server' })
  return Date.parse((document['clock'] as { trusted: string }).trusted)
}

type Before = ReadonlyMap<ModelVersion, readonly ModelVersion[]>

async function learn(world: World, bucket: ModelBucket, before: Before): Promise<void> {
  const listing = await world.send('root', { method: 'GET', path: pathOf(bucket), query: { versions: '' } })
  const listed = listedVersions(listing)
  for (const [version, versions] of before) {
    const isThere = listed.some((found) => isSame(found, version))
    if (isThere) continue
    expectDue(world, bucket, version, versions)
    forget(world, bucket, version, 'none')
    world.note('lifecycle removed')
  }
  const added = listed.filter((found) => !bucket.all().some((version) => isSame(found, version)))
  for (const { key, kind, versionId, isLatest } of added) {
    expect([kind, isLatest]).toEqual(['DeleteMarker', true])
    const current = [...before.keys()].find((version) => version.key === key)
    expectOld(world, current)
    learnMarker(world, bucket, key, versionId)
    world.note('lifecycle expired')
  }
}

function isSame(found: ListedVersion, version: ModelVersion): boolean {
  const kind = version.isMarker ? 'DeleteMarker' : 'Version'
  return found.kind === kind && found.key === version.key && found.versionId === version.versionId
}

/** Noncurrent for a day, or the marker that was left over, or the only version that the bucket keeps. */
function expectDue(
  world: World,
  bucket: ModelBucket,
  version: ModelVersion,
  versions: readonly ModelVersion[],
): void {
  const index = versions.indexOf(version)
  const isLeftOver = version.isMarker || bucket.versioning !== 'Enabled'
  expect(index > 0 || isLeftOver, `${version.key} ${version.versionId} was current`).toBe(true)
  expectOld(world, index > 0 ? versions[index - 1] : version)
}

function expectOld(world: World, version: ModelVersion | undefined): void {
  const { high } = world.clock.now()
  const ageMs = high.trustedMs - (version?.createdMs ?? Number.POSITIVE_INFINITY)
  expect(ageMs, 'a day has passed').toBeGreaterThanOrEqual(dayMs - minuteMs)
}

function expectOverdueGone(world: World, bucket: ModelBucket, newerVersions: number | null): void {
  if (newerVersions !== null) return
  const { low } = world.clock.now()
  for (const version of bucket.all()) {
    const versions = bucket.versionsOf(version.key)
    const successor = versions[versions.indexOf(version) - 1]
    const { retention, hold, isMarker } = version
    const isFree = hold !== 'ON' && (retention === null || retention.retainUntilMs < low.trustedMs - minuteMs)
    if (successor === undefined || isMarker || !isFree) continue
    const noncurrentMs = low.trustedMs - successor.createdMs
    expect(noncurrentMs, `${version.key} ${version.versionId} is overdue`).toBeLessThan(
      2 * dayMs + 2 * minuteMs,
    )
  }
}
