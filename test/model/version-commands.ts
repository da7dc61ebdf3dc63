/** What is asked of versions that are there, or are not. */
import { expect } from 'vitest'
import type { Answer } from '../support/s3-client.ts'
import { unescapedXml } from '../support/xml-text.ts'
import type { Command, DeleteCommand, DeleteManyCommand, RetentionCommand } from './commands.ts'
import { lockIn } from './ledger.ts'
import type { Found, ModelBucket } from './model-bucket.ts'
import { may } from './principals.ts'
import {
  mayBypass,
  type Refusal,
  refuseDeleteMany,
  refuseHead,
  refuseHold,
  refuseRemoval,
  refuseRetention,
  refuseTags,
} from './verdicts.ts'
import {
  acknowledge,
  dateText,
  exchange,
  forget,
  learnMarker,
  pathOf,
  retentionAsked,
  type World,
} from './world.ts'

type OnVersion = Extract<Command, { kind: 'delete' | 'putRetention' | 'putHold' | 'putTags' | 'head' }>

function addressed(world: World, command: OnVersion) {
  const bucket = world.bucket(command.bucket)
  const { key, versionId } = bucket.address(command.pick)
  const query = versionId === null ? {} : { versionId }
  return { bucket, key, versionId, query, found: bucket.find(key, versionId), path: pathOf(bucket, key) }
}

const bypassHeader = { 'x-amz-bypass-governance-retention': 'true' }

export async function runDelete(world: World, command: DeleteCommand): Promise<void> {
  const { who, bypass } = command
  const { bucket, key, versionId, query, path } = addressed(world, command)
  const found = removed(bucket, key, versionId)
  const answer = await exchange(world, {
    name: found === null ? 'delete without version' : 'delete',
    judge: (now) => refuseRemoval(bucket, { who, versionId, found, bypass }, now),
    send: () => world.send(who, { method: 'DELETE', path, query, headers: bypass ? bypassHeader : {} }),
    success: 204,
  })
  if (answer === null) return
  if (found === null) {
    expect(answer.headers['x-amz-delete-marker']).toBe('true')
    learnMarker(world, bucket, key, String(answer.headers['x-amz-version-id']))
  } else if (typeof found !== 'string') {
    forget(world, bucket, found, bypass && mayBypass(bucket, who) ? 'granted' : 'none')
    world.note(found.isMarker ? 'marker removed' : 'version removed')
  }
}

/** null: a delete marker comes on top, and nothing goes. */
function removed(bucket: ModelBucket, key: string, versionId: string | null): Found | null {
  if (versionId !== null) return bucket.find(key, versionId)
  return bucket.versioning === 'Unversioned' ? bucket.find(key, 'null') : null
}

/** The same as one delete after the other, with one answer for each (I6). */
export async function runDeleteMany(world: World, command: DeleteManyCommand): Promise<void> {
  const { who, bypass } = command
  const bucket = world.bucket(command.bucket)
  const entries = command.picks.map((pick) => bucket.address(pick))
  const { low, high } = world.clock.now()
  const isAmbiguous = entries.some(({ key, versionId }) => {
    const removal = { who, versionId, found: removed(bucket, key, versionId), bypass }
    return refuseRemoval(bucket, removal, low)?.code !== refuseRemoval(bucket, removal, high)?.code
  })
  if (isAmbiguous) return world.note('deleteMany not sent')
  const objects = entries.map(({ key, versionId }) => {
    const version = versionId === null ? '' : `<VersionId>${versionId}</VersionId>`
    return `<Object><Key>${key}</Key>${version}</Object>`
  })
  const answer = await exchange(world, {
    name: 'deleteMany',
    judge: () => refuseDeleteMany(bucket, who),
    send: () =>
      world.document(who, {
        method: 'POST',
        path: pathOf(bucket),
        query: { delete: '' },
        body: `<Delete>${objects.join('')}</Delete>`,
        headers: bypass ? bypassHeader : {},
      }),
    success: 200,
  })
  if (answer === null) return
  const results = resultsOf(answer)
  expect(results.length).toBe(entries.length)
  for (const [index, { key, versionId }] of entries.entries()) {
    const found = removed(bucket, key, versionId)
    const refusal: Refusal | null = refuseRemoval(bucket, { who, versionId, found, bypass }, low)
    const result = results[index]
    expect([result?.key, result?.code]).toEqual([key, refusal?.code ?? null])
    world.note(`deleteMany entry ${refusal?.code ?? 'Deleted'}`)
    if (refusal !== null) continue
    if (found === null) learnMarker(world, bucket, key, result?.markerId ?? '')
    else if (typeof found !== 'string')
      forget(world, bucket, found, bypass && mayBypass(bucket, who) ? 'granted' : 'none')
  }
}

function resultsOf({ text }: Answer) {
  return [...text.matchAll(/<(Deleted|Error)>(.*?)<\/\1>/gs)].map(([, kind, inner = '']) => ({
    key: unescapedXml(/<Key>([^<]*)</.exec(inner)?.[1] ?? ''),
    code: kind === 'Error' ? (/<Code>([^<]*)</.exec(inner)?.[1] ?? '') : null,
    markerId: /<DeleteMarkerVersionId>([^<]*)</.exec(inner)?.[1] ?? '',
  }))
}

export async function runRetention(world: World, command: RetentionCommand): Promise<void> {
  const { who, bypass } = command
  const { bucket, query, found, path } = addressed(world, command)
  const current = typeof found === 'string' ? null : found.retention
  const { low } = world.clock.now()
  const next = retentionAsked(command.retention, low, current)
  const inner =
    next === null
      ? ''
      : `<Mode>${next.mode}</Mode><RetainUntilDate>${dateText(next.retainUntilMs)}</RetainUntilDate>`
  const answer = await exchange(world, {
    name: next === null ? 'putRetention empty' : 'putRetention',
    judge: (now) => refuseRetention(bucket, { who, found, next, bypass }, now),
    send: () =>
      world.document(who, {
        method: 'PUT',
        path,
        query: { retention: '', ...query },
        body: `<Retention>${inner}</Retention>`,
        headers: bypass ? bypassHeader : {},
      }),
    success: 200,
  })
  if (answer === null || typeof found === 'string') return
  // An empty document removes what is in force; what has expired stays readable.
  const isInForce = current !== null && low.trustedMs <= current.retainUntilMs
  if (next !== null || isInForce) found.retention = next
  acknowledge(world, bucket, found, bypass && mayBypass(bucket, who) ? 'granted' : 'none')
}

export async function runHold(world: World, command: Extract<Command, { kind: 'putHold' }>): Promise<void> {
  const { who, hold } = command
  const { bucket, query, found, path } = addressed(world, command)
  const answer = await exchange(world, {
    name: 'putHold',
    judge: (now) => refuseHold(bucket, { who, found, next: hold }, now),
    send: () =>
      world.document(who, {
        method: 'PUT',
        path,
        query: { 'legal-hold': '', ...query },
        body: `<LegalHold><Status>${hold}</Status></LegalHold>`,
      }),
    success: 200,
  })
  if (answer === null || typeof found === 'string') return
  found.hold = hold
  acknowledge(world, bucket, found)
}

export async function runTags(world: World, command: Extract<Command, { kind: 'putTags' }>): Promise<void> {
  const { who } = command
  const { bucket, versionId, query, found, path } = addressed(world, command)
  await exchange(world, {
    name: 'putTags',
    judge: () => refuseTags(bucket, who, versionId, found),
    send: () =>
      world.document(who, {
        method: 'PUT',
        path,
        query: { tagging: '', ...query },
        body: '<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>',
      }),
    success: 200,
  })
}

/** The lock is shown to who may read it, and left out for the others. */
export async function runHead(world: World, command: Extract<Command, { kind: 'head' }>): Promise<void> {
  const { who } = command
  const { bucket, versionId, query, found, path } = addressed(world, command)
  const answer = await exchange(world, {
    name: 'head',
    judge: () => refuseHead(bucket, who, versionId, found),
    send: () => world.send(who, { method: 'HEAD', path, query }),
    success: 200,
  })
  if (answer === null || typeof found === 'string') return
  expect([answer.headers['x-amz-meta-model'], lockIn(answer)]).toEqual([
    found.metadata,
    {
      retention: may(who, 's3:GetObjectRetention', bucket.policyName) ? found.retention : null,
      hold: may(who, 's3:GetObjectLegalHold', bucket.policyName) ? found.hold : null,
    },
  ])
}
