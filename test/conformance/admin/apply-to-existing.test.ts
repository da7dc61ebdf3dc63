import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { applyDocument, rule, sendAdmin } from '../../support/admin.ts'
import { conformance, dayMs } from '../../support/conformance.ts'

const bench = conformance()

async function apply(bucket: string, change: object, policy: Readonly<Record<string, unknown>> = {}) {
  const lead = { method: 'POST', path: '/v1/leadership', document: { holder: 'test' } }
  const epoch = Number((await sendAdmin(bench.server(), lead)).document['epoch'])
  const document = applyDocument({ adoptionPolicy: 'IfUnowned', ...change }, policy)
  return sendAdmin(bench.server(), { method: 'PUT', path: `/v1/buckets/${bucket}`, document, epoch })
}

async function progress(bucket: string): Promise<Record<string, unknown> | null> {
  const { document } = await sendAdmin(bench.server(), { method: 'GET', path: `/v1/buckets/${bucket}` })
  return document['applyToExisting'] as Record<string, unknown> | null
}

/** Errors: not within ten seconds. */
async function ended(bucket: string): Promise<Record<string, unknown>> {
  for (let tries = 0; tries < 200; tries += 1) {
    const found = await progress(bucket)
    if (found !== null && found['ended'] !== null) return found
    await pause(50)
  }
  throw new Error('the walk has not ended')
}

async function lockOf(bucket: string, key: string, versionId: string) {
  const query = { versionId }
  const { headers } = await bench.send({ method: 'HEAD', path: `/${bucket}/${key}`, query })
  const until = Date.parse(String(headers['x-amz-object-lock-retain-until-date']))
  const createdMs = Date.parse(String(headers['last-modified']))
  return [headers['x-amz-object-lock-mode'], Math.round((until - createdMs) / dayMs)]
}

test('applyToExisting: versions of before get the rule from their creation, and cannot be deleted any more', async () => {
  const bucket = await bench.bucket('locked')
  const old = await bench.put(bucket, 'a', { body: 'old' })
  const newer = await bench.put(bucket, 'a', { body: 'newer' })
  const held = await bench.put(bucket, 'b', { headers: { 'x-amz-object-lock-legal-hold': 'ON' } })
  expect((await apply(bucket, { applyToExisting: 'No' })).document).toMatchObject({ change: 'adopted' })
  expect(await progress(bucket)).toBeNull()
  expect(await lockOf(bucket, 'a', old)).toEqual([undefined, Number.NaN])
  expect((await apply(bucket, { applyToExisting: 'ExtendOnly' })).document).toMatchObject({
    change: 'updated',
  })
  expect(await ended(bucket)).toMatchObject({
    scope: 'ExtendOnly',
    policyGeneration: 1,
    versionCount: 3,
    seenCount: 3,
    extendedCount: 3,
    otherModeCount: 0,
    deniedCount: 0,
    unreadableCount: 0,
    deferredCount: 0,
  })
  for (const [key, versionId] of [
    ['a', old],
    ['a', newer],
    ['b', held],
  ] as const) {
    expect(await lockOf(bucket, key, versionId)).toEqual(['COMPLIANCE', 1])
    const refused = await bench.unchanged(bucket, () =>
      bench.send({
        method: 'DELETE',
        path: `/${bucket}/${key}`,
        query: { versionId },
        headers: { 'x-amz-bypass-governance-retention': 'true' },
      }),
    )
    expect([refused.status, refused.text.includes('<Code>AccessDenied</Code>')]).toEqual([403, true])
  }
  expect((await apply(bucket, { applyToExisting: 'ExtendOnly' })).document).toMatchObject({
    change: 'unchanged',
  })
})

test('applyToExisting: GOVERNANCE stays under ExtendOnly and becomes COMPLIANCE by IncludingModeChange', async () => {
  const bucket = await bench.bucket('locked')
  const versionId = await bench.put(bucket, 'a', {
    headers: {
      'x-amz-object-lock-mode': 'GOVERNANCE',
      'x-amz-object-lock-retain-until-date': bench.inDays(3),
    },
  })
  await apply(bucket, { applyToExisting: 'ExtendOnly' })
  expect(await ended(bucket)).toMatchObject({ seenCount: 1, extendedCount: 0, otherModeCount: 1 })
  expect(await lockOf(bucket, 'a', versionId)).toEqual(['GOVERNANCE', 3])
  await apply(bucket, { applyToExisting: 'IncludingModeChange' })
  expect(await ended(bucket)).toMatchObject({ scope: 'IncludingModeChange', extendedCount: 1 })
  expect(await lockOf(bucket, 'a', versionId)).toEqual(['COMPLIANCE', 3])
  await apply(bucket, { applyToExisting: 'IncludingModeChange' }, { ...rule('COMPLIANCE', 9), generation: 2 })
  expect(await ended(bucket)).toMatchObject({ policyGeneration: 2, extendedCount: 1 })
  expect(await lockOf(bucket, 'a', versionId)).toEqual(['COMPLIANCE', 9])
})

test('applyToExisting: a word that is none of its own is a bad document', async () => {
  const answer = await apply('never-made', { applyToExisting: 'Always' })
  expect([answer.status, answer.document['code']]).toEqual([400, 'InvalidDocument'])
})
