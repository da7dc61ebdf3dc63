import { expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { createAudit } from '../../../src/store/audit-log.ts'
import { createDenialRecorder } from '../../../src/store/denials.ts'
import { openMemory } from '../../../src/store/kv/memory/memory.ts'
import type { BucketId } from '../../../src/store/records.ts'
import { actor, denial, TestClock } from './support.ts'

const singleMax = limits.auditDenialsSingleMax
/** Refused in a bucket that is there. */
const inBucket = { ...actor, bucketId: 'id' as BucketId }

function open(beforeCommit: () => 'proceed' | 'failed' = () => 'proceed') {
  const clock = new TestClock()
  const kv = openMemory({ uptimeMs: () => 0, beforeCommit })
  const timers = new Map<object, () => void>()
  const delaysMs: number[] = []
  const denials = createDenialRecorder({
    kv,
    clock,
    sourcesMax: 3,
    schedule: (delayMs, callback) => {
      const timer = {}
      delaysMs.push(delayMs)
      timers.set(timer, callback)
      return () => timers.delete(timer)
    },
  })
  const audit = createAudit(kv, clock, denials)
  const records = async () =>
    (await audit.list({ afterSequence: 0, limit: 500 })).map((entry) => entry.record)
  const fire = () => {
    for (const callback of [...timers.values()]) callback()
  }
  return { clock, kv, denials, timers, delaysMs, records, fire }
}

type Settled = { done: boolean }
function watch(promise: Promise<void>): Settled {
  const settled = { done: false }
  promise.then(
    () => {
      settled.done = true
    },
    () => {},
  )
  return settled
}
const turns = async () => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

test('denials: up to the limit in one second, each is a record of its own', async () => {
  const { denials, records, timers } = open()
  for (let index = 0; index < singleMax; index += 1) await denials.record(denial({ key: `k${index}` }))
  expect((await records()).map((record) => record['key'])).toEqual(
    Array.from({ length: singleMax }, (_, index) => `k${index}`),
  )
  expect(timers.size).toBe(0)
})

test('denials: beyond the limit, are one counted record that is durable before any of them is answered', async () => {
  const { denials, records, fire, timers } = open()
  for (let index = 0; index < singleMax; index += 1) await denials.record(denial())
  const extra = Array.from({ length: 7 }, (_, index) =>
    denials.record(denial({ key: `x${index}`, actor: { ...actor, requestId: `R${index}` } })),
  )
  const settled = extra.map(watch)
  await turns()
  expect(settled.some(({ done }) => done)).toBe(false)
  expect(timers.size).toBe(1)
  fire()
  await Promise.all(extra)
  const counted = (await records()).at(-1)
  expect(counted).toMatchObject({
    key: null,
    versionId: null,
    rule: 'ComplianceRetention',
    actor: { accessKeyId: 'AKIDALICE', requestId: 'R0' },
    detail: { count: 7, lastRequestId: 'R6' },
  })
  expect(await records()).toHaveLength(singleMax + 1)
  expect(timers.size).toBe(0)
})

test('denials: counted in the middle of a second, wait for the next counted record and not for its end', async () => {
  const { clock, denials, records, fire, delaysMs } = open()
  for (let index = 0; index < singleMax; index += 1) await denials.record(denial())
  const outcomes: Promise<void>[] = []
  for (let batch = 1; batch <= 3; batch += 1) {
    outcomes.push(denials.record(denial()), denials.record(denial()))
    clock.pass(limits.auditDenialCountedMs)
    fire()
    await Promise.all(outcomes)
    expect(await records()).toHaveLength(singleMax + batch)
  }
  expect((await records()).slice(singleMax).map(({ detail }) => detail)).toMatchObject(
    [1, 2, 3].map(() => ({ count: 2 })),
  )
  expect(delaysMs).toEqual([1, 2, 3].map(() => limits.auditDenialBurstMs))
})

test('denials: a flood that goes on, waits longer for its counted records, and a pause makes up for it', async () => {
  const { clock, denials, fire, delaysMs } = open()
  for (let index = 0; index < singleMax; index += 1) await denials.record(denial())
  const countOne = async () => {
    const counted = denials.record(denial())
    fire()
    await counted
  }
  for (let count = 0; count < limits.auditDenialBurstMax + 2; count += 1) await countOne()
  const { auditDenialBurstMs: soon, auditDenialCountedMs: late } = limits
  expect(delaysMs.slice(-3)).toEqual([soon, late, late])
  clock.pass(limits.auditDenialCountedMs)
  for (let count = 0; count < 2; count += 1) await countOne()
  expect(delaysMs.slice(-2)).toEqual([soon, late])
})

test('denials: the next second, begins with single records again', async () => {
  const { clock, denials, records, fire } = open()
  for (let index = 0; index < singleMax; index += 1) await denials.record(denial())
  const counted = denials.record(denial())
  clock.pass(limits.auditDenialWindowMs)
  await denials.record(denial({ key: 'next' }))
  expect((await records()).at(-1)).toMatchObject({ key: 'next' })
  fire()
  await counted
  expect((await records()).at(-1)).toMatchObject({ detail: { count: 1 } })
})

test('denials: access key, bucket and rule, are limited apart', async () => {
  const others = [
    { actor: { ...inBucket, accessKeyId: 'AKIDBOB' } },
    { actor: inBucket, bucket: 'other' },
    { actor: inBucket, rule: 'LegalHold' },
  ]
  for (const other of others) {
    const { denials, records, timers } = open()
    for (let index = 0; index < singleMax; index += 1) {
      await denials.record(denial({ actor: inBucket }))
      await denials.record(denial(other))
    }
    expect(await records()).toHaveLength(singleMax * 2)
    expect(timers.size).toBe(0)
  }
})

test('denials: names of buckets that are not there are one source, counted without a name', async () => {
  const { denials, records, fire } = open()
  const names = Array.from({ length: 200 }, (_, index) => `made-up-${index}`)
  const recorded = names.map((bucket) => denials.record(denial({ bucket, rule: 'NoStatement' })))
  await turns()
  fire()
  await Promise.all(recorded)
  const all = await records()
  expect(all.map((record) => record['bucket'])).toEqual([...names.slice(0, singleMax), '*'])
  expect(all.at(-1)).toMatchObject({ rule: 'NoStatement', detail: { count: names.length - singleMax } })
})

test('denials: more sources than are tracked, share one count that names none of them', async () => {
  const { clock, denials, records, fire } = open()
  const refused = (bucket: string) => denials.record(denial({ actor: inBucket, bucket }))
  for (const bucket of ['b1', 'b2', 'b3']) await refused(bucket)
  const shared = ['b4', 'b5', 'b1', 'b6'].map(refused)
  fire()
  await Promise.all(shared)
  const all = await records()
  expect(all.map((record) => record['bucket'])).toEqual(['b1', 'b2', 'b3', 'b1', '*'])
  expect(all.at(-1)).toMatchObject({
    actor: { accessKeyId: '*', operation: '*' },
    rule: '*',
    detail: { count: 3 },
  })
  clock.pass(limits.auditDenialWindowMs)
  await denials.record(denial({ bucket: 'b4' }))
  expect((await records()).at(-1)).toMatchObject({ bucket: 'b4' })
})

test('denials: close, writes what is counted and leaves no timer', async () => {
  const { denials, records, timers } = open()
  for (let index = 0; index < singleMax; index += 1) await denials.record(denial())
  const counted = [denials.record(denial()), denials.record(denial())]
  await denials.close()
  await Promise.all(counted)
  expect((await records()).at(-1)).toMatchObject({ detail: { count: 2 } })
  expect(timers.size).toBe(0)
  await denials.record(denial({ key: 'late' }))
  expect((await records()).at(-1)).toMatchObject({ key: 'late' })
})

test('denials: a commit that fails, fails every refusal that it counts', async () => {
  let fate: 'proceed' | 'failed' = 'proceed'
  const { denials, fire } = open(() => fate)
  for (let index = 0; index < singleMax; index += 1) await denials.record(denial())
  fate = 'failed'
  const counted = [denials.record(denial()), denials.record(denial())]
  fire()
  const outcomes = await Promise.allSettled(counted)
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
})
