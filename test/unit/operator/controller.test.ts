import { expect, test } from 'vitest'
import { annotations } from '../../../src/api/annotations.ts'
import type { RetentionPolicy, RetentionPolicyStatus } from '../../../src/api/RetentionPolicy.ts'
import { type Controller, makeReconciler } from '../../../src/operator/controller.ts'
import { LeadershipLostError } from '../../../src/operator/leadership.ts'
import type { Source, WriteResult } from '../../../src/operator/sources/source.ts'
import { compliance30, nowMs, unparsableObject } from './locked-bucket-fixtures.ts'

type Rig = { readonly done: string[]; readonly run: () => Promise<string> }

/** A controller that notes its steps; `isHeld` is asked before each write. */
function rigOf(options: {
  object?: RetentionPolicy
  isHeld?: (asked: number) => boolean
  result?: WriteResult
  isUnparsable?: boolean
}): Rig {
  const { object = compliance30, isHeld = () => true, result = { kind: 'written' } } = options
  const done: string[] = []
  const status: RetentionPolicyStatus = { observedGeneration: 1 }
  const controller: Controller<'RetentionPolicy', { object: RetentionPolicy }, 'step', null> = {
    name: 'test',
    kind: 'RetentionPolicy',
    watches: [],
    read: async () => {
      done.push('read')
      return { object }
    },
    decide: () => ['step'],
    act: async (_snapshot, steps) => {
      done.push(`act ${steps.length}`)
      return null
    },
    status: () => ({
      status,
      events: [
        {
          reason: 'RetentionApplied',
          message: '',
          regarding: {
            kind: 'RetentionPolicy',
            namespace: 'team',
            name: 'keep',
            uid: null,
            resourceVersion: null,
          },
        },
      ],
      next: { kind: 'done' },
    }),
  }
  const unparsable = options.isUnparsable === true ? [unparsableObject('team', 'keep')] : []
  const source = Object.assign(Object.create(null) as Source, {
    unparsable: () => new Map(unparsable.map((each) => ['team/keep', each])),
    writeStatus: async () => {
      done.push('status')
      return result
    },
  })
  let asked = 0
  const leadership = {
    epoch: 7,
    assertHeld: () => {
      asked += 1
      if (!isHeld(asked)) throw new LeadershipLostError('not ours any more')
    },
    lost: () => undefined,
  }
  const reconciler = makeReconciler(controller, {
    source,
    leadership,
    wallMs: () => nowMs,
    onStatus: () => undefined,
    recordEvent: async ({ reason }) => {
      done.push(`event ${reason}`)
    },
  })
  const { signal } = new AbortController()
  return {
    done,
    run: async () => (await reconciler.reconcile({ namespace: 'team', name: 'keep' }, signal)).kind,
  }
}

test('makeReconciler: acts, writes the status once and then tells its events', async () => {
  const rig = rigOf({})
  expect(await rig.run()).toBe('done')
  expect(rig.done).toEqual(['read', 'act 1', 'status', 'event RetentionApplied'])
})

test('makeReconciler: the right to lead has run out, nothing is done at the server and no status is written', async () => {
  const before = rigOf({ isHeld: () => false })
  await expect(before.run()).rejects.toThrow(LeadershipLostError)
  expect(before.done).toEqual(['read'])
  const meanwhile = rigOf({ isHeld: (asked) => asked === 1 })
  await expect(meanwhile.run()).rejects.toThrow(LeadershipLostError)
  expect(meanwhile.done).toEqual(['read', 'act 1'])
})

test('makeReconciler: the object is paused, no step is decided and the status is written all the same', async () => {
  const { metadata } = compliance30
  const object = { ...compliance30, metadata: { ...metadata, annotations: { [annotations.paused]: 'true' } } }
  const rig = rigOf({ object })
  expect(await rig.run()).toBe('done')
  expect(rig.done).toEqual(['read', 'act 0', 'status', 'event RetentionApplied'])
})

test('makeReconciler: the status conflicts or the object is gone, no event is told', async () => {
  const conflict = rigOf({ result: { kind: 'conflict' } })
  expect(await conflict.run()).toBe('retry')
  expect(conflict.done).toEqual(['read', 'act 1', 'status'])
  const gone = rigOf({ result: { kind: 'gone' } })
  expect(await gone.run()).toBe('done')
  expect(gone.done).toEqual(['read', 'act 1', 'status'])
})

test('makeReconciler: the object is there and cannot be understood, that is told and nothing else is done', async () => {
  const rig = rigOf({ isUnparsable: true })
  expect(await rig.run()).toBe('done')
  expect(rig.done).toEqual(['event ObjectUnparsable'])
})
