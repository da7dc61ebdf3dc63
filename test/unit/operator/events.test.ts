import { expect, test } from 'vitest'
import { silentLog } from '../../../src/lib/log.ts'
import { EventRecorder } from '../../../src/operator/events.ts'
import { type KubeClient, type KubeRequest, KubeStatusError } from '../../../src/operator/kube.ts'
import type { EventRecord } from '../../../src/operator/sources/source.ts'
import { ManualTime } from './manual-timers.ts'

type Sent = { readonly method: string; readonly message: string; readonly count: number }
type Rig = {
  readonly time: ManualTime
  readonly sent: Sent[]
  /** Of the events that were made. */
  readonly names: string[]
  /** PATCH answers 404 from now on. */
  expire: () => void
  readonly record: (event: Partial<EventRecord> & { readonly name?: string }) => Promise<void>
}

function rigOf(): Rig {
  const time = new ManualTime()
  const sent: Sent[] = []
  const names: string[] = []
  let isExpired = false
  const client: KubeClient = {
    host: 'https://fake',
    send: async ({ method, body }: KubeRequest) => {
      if (method === 'PATCH' && isExpired) {
        throw new KubeStatusError(404, { reason: 'NotFound', message: 'gone', retryAfterMs: null })
      }
      const { message, count, metadata } = body as Sent & { metadata?: { name: string } }
      sent.push({ method, message, count })
      if (metadata !== undefined) names.push(metadata.name)
      return {}
    },
    watch: () => {
      throw new Error('nobody watches events')
    },
  }
  const options = { component: 'holdfast-operator', instance: 'test', apiVersion: 'holdfast.dev/v1' }
  const recorder = new EventRecorder({ client, clock: time, log: silentLog, ...options })
  const { signal } = new AbortController()
  return {
    time,
    sent,
    names,
    expire: () => {
      isExpired = true
    },
    record: ({ reason = 'DriftDetected', message = 'changed', name = 'a' }) => {
      const regarding = {
        kind: 'LockedBucket',
        namespace: 'team',
        name,
        uid: 'u',
        resourceVersion: '1',
      } as const
      return recorder.record({ reason, message, regarding }, signal)
    },
  }
}

test('EventRecorder: the same event again within ten minutes counts up, later it is another event', async () => {
  const rig = rigOf()
  for (let time = 0; time < 3; time += 1) await rig.record({})
  await rig.time.advance(599_999)
  await rig.record({})
  await rig.time.advance(1)
  await rig.record({})
  expect(rig.sent.map(({ method, count }) => `${method} ${count}`)).toEqual([
    'POST 1',
    'PATCH 2',
    'PATCH 3',
    'PATCH 4',
    'POST 1',
  ])
})

test('EventRecorder: more than ten messages of one object and reason, the further ones are one event that counts up', async () => {
  const rig = rigOf()
  for (let index = 1; index <= 13; index += 1) await rig.record({ message: `message ${index}` })
  expect(rig.sent.filter(({ method }) => method === 'POST')).toHaveLength(11)
  expect(rig.sent.slice(10)).toEqual([
    { method: 'POST', message: '(combined from similar events): message 11', count: 1 },
    { method: 'PATCH', message: '(combined from similar events): message 12', count: 2 },
    { method: 'PATCH', message: '(combined from similar events): message 13', count: 3 },
  ])
  await rig.record({ message: 'message 3' })
  expect(rig.sent.at(-1)).toEqual({ method: 'PATCH', message: 'message 3', count: 2 })
  await rig.record({ message: 'message 14', reason: 'DriftCorrected' })
  expect(rig.sent.at(-1)).toEqual({ method: 'POST', message: 'message 14', count: 1 })
  await rig.record({ message: 'message 14', name: 'b' })
  expect(rig.sent.at(-1)).toEqual({ method: 'POST', message: 'message 14', count: 1 })
  await rig.time.advance(600_000)
  await rig.record({ message: 'message 15' })
  expect(rig.sent.at(-1)).toEqual({ method: 'POST', message: 'message 15', count: 1 })
})

test('EventRecorder: twenty-five events of one object at once, then one in five minutes; another object has its own', async () => {
  const rig = rigOf()
  for (let index = 0; index < 30; index += 1) await rig.record({})
  expect(rig.sent).toHaveLength(25)
  await rig.record({ name: 'b' })
  expect(rig.sent).toHaveLength(26)
  await rig.time.advance(300_000)
  for (let index = 0; index < 3; index += 1) await rig.record({})
  expect(rig.sent).toHaveLength(27)
})

test('EventRecorder: the event has expired at the API server, it is made anew', async () => {
  const rig = rigOf()
  await rig.record({})
  rig.expire()
  await rig.record({})
  expect(rig.sent).toEqual([
    { method: 'POST', message: 'changed', count: 1 },
    { method: 'POST', message: 'changed', count: 1 },
  ])
})

test.each([
  ['a short one', 'a', /^a\.[0-9a-f]{16}$/],
  ['the longest', 'x'.repeat(253), /^x{200}\.[0-9a-f]{16}$/],
  ['one with a dot where it is cut', `${'x'.repeat(198)}-.${'x'.repeat(53)}`, /^x{198}\.[0-9a-f]{16}$/],
])(
  'EventRecorder: the name of the object is %s, that of the event is one that the API server takes',
  async (_title, name, expected) => {
    const rig = rigOf()
    await rig.record({ name })
    expect(rig.names).toEqual([expect.stringMatching(expected)])
  },
)
